-- Gives committed, unnumbered events of one stream their positions: takes at most `batch_rows` of
-- them from realtime_outbox, oldest first, and moves them into realtime_event.
--
-- Of events with the same topic and key only the newest gets a position. The event that an earlier
-- batch has put into the log for that key is emptied, and keeps its position: positions have no
-- gaps.
--
-- All events of a batch have one mark, a random number. After the log went back (a backup was
-- restored, or a standby that lacks the last commits was promoted) another event may take the same
-- position: it has another mark.
--
-- It takes out a lease if it took `busy_rows` or more, or an event was replaced at once, unless
-- more than half of an earlier lease is left. With a lease the caller polls again and again, and
-- once more when `lease` is over. Until then (realtime_pollinglease.until) a committed event needs
-- no notification. If `lease` is null, it never takes out one.
--
-- Returns:
-- - taken: how many events it took; moved: how many of them got a position; replaced: how many were
--   replaced before they got one, or within 20 ms after that, as with a key that changes more than
--   50 times a second;
-- - last_position, last_mark: those of the stream's last event;
-- - leased: whether it took out a lease;
-- - waited_seconds: how long ago the oldest of those that got a position was inserted.
-- All are null if another session is numbering this stream right now. That session gets the same
-- notifications, so it will run again for the events that it could not see yet. With `wait` this
-- function waits for that session instead.
--
-- The lock and the numbering are two statements on purpose: in READ COMMITTED each statement of
-- a PL/pgSQL function has a snapshot of its own, so the second one sees every event committed
-- before the lock was ours. In a single statement the snapshot would be older than the lock, and
-- an event could be numbered twice or slip below a position that readers have already passed.
-- https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
--
-- Positions are committed as durably as the cluster can, before any client sees them, even where
-- the project's synchronous_commit is weaker. Otherwise a crash or a failover could lose positions
-- that clients remember, and give them to other events. The same flush makes earlier commits
-- durable.
-- https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT
--
-- Where the stream's row contradicts its events (after a restore of one of the two tables, or a
-- DELETE by hand), the events are right. If there are events beyond its position, numbering goes on
-- after them. If the newest event is missing, the log counts as pruned up to that position, so
-- clients that missed an event get a `reset`.
--
-- FOR NO KEY UPDATE is the weakest lock that excludes another session that numbers.
CREATE FUNCTION realtime_number_events(
    stream_name text, batch_rows integer, busy_rows integer, lease interval,
    wait boolean DEFAULT false,
    OUT taken integer, OUT moved integer, OUT replaced integer,
    OUT last_position bigint, OUT last_mark integer,
    OUT leased boolean, OUT waited_seconds double precision
)
LANGUAGE plpgsql
AS $$
DECLARE
    ids bigint[];
    has_keys boolean;
    batch_mark integer := floor(random() * 2147483647);
    gone_through bigint := 0;
    newest_position bigint;
    newest_mark integer;
BEGIN
    -- If nothing waits, take no lock: a row lock is written to the WAL, which the commit flushes.
    IF NOT EXISTS (SELECT FROM realtime_outbox WHERE stream = stream_name) THEN
        taken := 0;
        moved := 0;
        replaced := 0;
        leased := false;
        SELECT position, mark INTO last_position, last_mark
        FROM realtime_stream WHERE name = stream_name;
        last_position := coalesce(last_position, 0);
        RETURN;
    END IF;

    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
        SET LOCAL synchronous_commit = on;
    END IF;

    IF wait THEN
        SELECT position, mark, pruned_through INTO last_position, last_mark, gone_through
        FROM realtime_stream WHERE name = stream_name
        FOR NO KEY UPDATE;
    ELSE
        SELECT position, mark, pruned_through INTO last_position, last_mark, gone_through
        FROM realtime_stream WHERE name = stream_name
        FOR NO KEY UPDATE SKIP LOCKED;
    END IF;

    IF NOT FOUND THEN
        -- Is the row there, but locked by another session? Asked before the INSERT, which would
        -- wait for that session even with ON CONFLICT DO NOTHING.
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
        gone_through := 0;
    END IF;

    SELECT position, mark INTO newest_position, newest_mark
    FROM realtime_event WHERE stream = stream_name
    ORDER BY position DESC LIMIT 1;
    IF newest_position > last_position THEN
        last_position := newest_position;
        last_mark := newest_mark;
        UPDATE realtime_stream
        SET pruned_through = oldest - 1, pruned_mark = NULL
        FROM (SELECT min(position) FROM realtime_event WHERE stream = stream_name) AS log (oldest)
        WHERE name = stream_name AND pruned_through < oldest - 1;
    ELSIF coalesce(newest_position, 0) < last_position AND gone_through < last_position THEN
        UPDATE realtime_stream SET pruned_through = last_position, pruned_mark = last_mark
        WHERE name = stream_name;
    END IF;

    SELECT array_agg(id), coalesce(bool_or(key <> ''), false) INTO ids, has_keys
    FROM (
        SELECT id, key FROM realtime_outbox WHERE stream = stream_name ORDER BY id LIMIT batch_rows
    ) AS waiting;
    taken := coalesce(cardinality(ids), 0);
    replaced := 0;

    IF has_keys THEN
        DELETE FROM realtime_outbox
        WHERE id IN (
            SELECT id
            FROM (
                SELECT id, lead(id) OVER (PARTITION BY topic, key ORDER BY id) AS newer
                FROM realtime_outbox
                WHERE id = ANY (ids) AND key <> ''
            ) AS keyed
            WHERE newer IS NOT NULL
        );
        WITH emptied AS (
            UPDATE realtime_event AS event
            SET data = NULL
            FROM realtime_outbox AS newer
            WHERE newer.id = ANY (ids) AND newer.key <> ''
                AND event.stream = stream_name AND event.topic = newer.topic
                AND event.key = newer.key AND event.key <> '' AND event.data IS NOT NULL
            RETURNING event.published_at
        )
        SELECT count(*) INTO replaced
        FROM emptied
        WHERE published_at > clock_timestamp() - interval '20 milliseconds';
    END IF;

    WITH numbered AS (
        DELETE FROM realtime_outbox
        WHERE id = ANY (ids)
        RETURNING id, topic, type, format, data, key, created_at, trace_parent
    ), logged AS (
        INSERT INTO realtime_event (
            stream, position, mark, topic, type, format, data, key, created_at, trace_parent,
            published_at
        )
        SELECT
            stream_name, last_position + row_number() OVER (ORDER BY id), batch_mark,
            topic, type, format, data, key, created_at, trace_parent, clock_timestamp()
        FROM numbered
        ORDER BY id
        RETURNING created_at, published_at
    )
    SELECT count(*), coalesce(extract(epoch FROM max(published_at) - min(created_at)), 0)
    INTO moved, waited_seconds
    FROM logged;

    leased := false;
    IF moved > 0 THEN
        last_position := last_position + moved;
        last_mark := batch_mark;
        UPDATE realtime_stream SET position = last_position, mark = batch_mark
        WHERE name = stream_name;
    END IF;
    replaced := replaced + taken - moved;
    IF taken >= busy_rows OR replaced > 0 THEN
        INSERT INTO realtime_pollinglease AS earlier (stream, until)
        SELECT stream_name, clock_timestamp() + lease
        WHERE lease IS NOT NULL
        ON CONFLICT (stream) DO UPDATE SET until = excluded.until
        -- If the earlier lease ends later than a new one, a clock has been set back.
        WHERE earlier.until < excluded.until - lease / 2 OR earlier.until > excluded.until;
        leased := FOUND;
    END IF;
END
$$;
