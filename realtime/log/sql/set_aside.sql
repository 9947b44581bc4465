-- Sets aside the events that keep a stream from being numbered. Of the `batch_rows` oldest waiting
-- events, it moves those that realtime_event refuses from realtime_outbox to realtime_deadletter.
--
-- Called after realtime_number_events has failed. Each event is inserted alone, at the next
-- position, and the insert is rolled back. A unique violation doesn't count: it isn't the event's
-- own fault.
--
-- Returns the events that it moved, and the reasons; none if another session is numbering this
-- stream.
CREATE FUNCTION realtime_set_aside(stream_name text, batch_rows integer)
RETURNS TABLE (event_id bigint, event_topic text, event_type text, event_reason text)
LANGUAGE plpgsql
AS $$
DECLARE
    waiting realtime_outbox;
    next_position bigint;
BEGIN
    SELECT position + 1 INTO next_position
    FROM realtime_stream WHERE name = stream_name
    FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM realtime_stream WHERE name = stream_name) THEN
            RETURN;
        END IF;
        next_position := 1;
    END IF;

    FOR waiting IN
        SELECT * FROM realtime_outbox WHERE stream = stream_name ORDER BY id LIMIT batch_rows
    LOOP
        BEGIN
            INSERT INTO realtime_event
                (
                    stream, position, mark, topic, type, format, data, key, created_at,
                    trace_parent, published_at
                )
            VALUES (
                waiting.stream, next_position, 0, waiting.topic, waiting.type, waiting.format,
                waiting.data, waiting.key, waiting.created_at,
                waiting.trace_parent, clock_timestamp()
            );
            RAISE SQLSTATE 'RT000';
        EXCEPTION
            WHEN SQLSTATE 'RT000' OR unique_violation THEN
                NULL;
            WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
                event_id := waiting.id;
                event_topic := waiting.topic;
                event_type := waiting.type;
                event_reason := SQLERRM;
                INSERT INTO realtime_deadletter
                    (
                        outbox_id, stream, topic, type, format, data, key, created_at,
                        trace_parent, reason
                    )
                SELECT
                    id, stream, coalesce(topic, ''), coalesce(type, ''), coalesce(format, ''),
                    coalesce(data, ''), coalesce(key, ''), coalesce(created_at, now()),
                    coalesce(trace_parent, ''), event_reason
                FROM realtime_outbox WHERE id = waiting.id;
                DELETE FROM realtime_outbox WHERE id = waiting.id;
                RETURN NEXT;
        END;
    END LOOP;
END
$$;
