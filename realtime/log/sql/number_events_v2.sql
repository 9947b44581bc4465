-- Gives committed, unnumbered events of one stream their positions: moves at most `batch_rows` of
-- them from realtime_outbox into realtime_event, oldest first.
--
-- If it moved `busy_rows` or more, and less than half of an earlier promise is left, it promises:
-- from now on the caller looks again and again, and once more when `watch_for` is over. Until then
-- (realtime_watch.until) who commits an event need not hint at it.
--
-- Returns how many it moved, the stream's last position, and whether it promised; nulls if another
-- session is numbering this stream right now (that session hears the same hints, so it will run
-- once more for whatever it could not see yet).
--
-- The lock and the numbering are two statements on purpose: in READ COMMITTED each statement of
-- a PL/pgSQL function has a snapshot of its own, so the second one sees every event committed
-- before the lock was ours. In a single statement the snapshot would be older than the lock, and
-- an event could be numbered twice or slip below a position that readers have already passed.
-- https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
--
-- Durable before anyone sees them, though the project may have turned synchronous_commit off for
-- itself: numbers that a crash forgot and that were given anew would point at other events than
-- those that clients remember. Its flush makes durable what was committed before it, too.
-- https://www.postgresql.org/docs/current/wal-async-commit.html
--
-- FOR NO KEY UPDATE: the weakest lock that excludes another publisher.
CREATE FUNCTION realtime_number_events_v2(
    stream_name text, batch_rows integer, busy_rows integer, watch_for interval,
    OUT moved integer, OUT last_position bigint, OUT promised boolean
)
LANGUAGE plpgsql
AS $$
BEGIN
    -- Nothing to do costs no lock: a lock is written to the log, and its commit flushed to disk.
    IF NOT EXISTS (SELECT FROM realtime_outbox WHERE stream = stream_name) THEN
        moved := 0;
        SELECT position INTO last_position FROM realtime_stream WHERE name = stream_name;
        last_position := coalesce(last_position, 0);
        promised := false;
        RETURN;
    END IF;

    IF current_setting('synchronous_commit') = 'off' THEN
        SET LOCAL synchronous_commit = on;
    END IF;

    SELECT position INTO last_position
    FROM realtime_stream
    WHERE name = stream_name
    FOR NO KEY UPDATE SKIP LOCKED;

    IF NOT FOUND THEN
        -- Locked by another session? Asked first, because INSERT would wait for that session even
        -- with ON CONFLICT DO NOTHING.
        IF EXISTS (SELECT FROM realtime_stream WHERE name = stream_name) THEN
            RETURN;
        END IF;
        -- The stream's first event ever.
        INSERT INTO realtime_stream (name, position, pruned_through)
        VALUES (stream_name, 0, 0)
        ON CONFLICT (name) DO NOTHING;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        last_position := 0;
    END IF;

    WITH waiting AS (
        SELECT id
        FROM realtime_outbox
        WHERE stream = stream_name
        ORDER BY id
        LIMIT batch_rows
    ), taken AS (
        DELETE FROM realtime_outbox
        WHERE id IN (SELECT id FROM waiting)
        RETURNING id, recipient, type, data, created_at
    )
    INSERT INTO realtime_event
        (stream, position, recipient, type, data, created_at, published_at)
    SELECT
        stream_name, last_position + row_number() OVER (ORDER BY id),
        recipient, type, data, created_at, clock_timestamp()
    FROM taken
    ORDER BY id;

    GET DIAGNOSTICS moved = ROW_COUNT;
    promised := false;
    IF moved > 0 THEN
        last_position := last_position + moved;
        UPDATE realtime_stream SET position = last_position WHERE name = stream_name;
    END IF;
    IF moved >= busy_rows THEN
        INSERT INTO realtime_watch AS watch (stream, until)
        VALUES (stream_name, clock_timestamp() + watch_for)
        ON CONFLICT (stream) DO UPDATE SET until = excluded.until
        WHERE watch.until < excluded.until - watch_for / 2;
        promised := FOUND;
    END IF;
END
$$;
