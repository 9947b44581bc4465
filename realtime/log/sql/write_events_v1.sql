-- Processes of an earlier version call this while a new one is rolled out; publishing.py does not.
--
-- Writes events of one stream into the outbox, in the order of the arrays; a function, so that each
-- session plans its statements once and not for every event.
--
-- Returns for how many more seconds somebody watches the outbox for events of this stream, see
-- number_events_v2.sql; null or less than 0: nobody does.
CREATE FUNCTION realtime_write_events_v1(
    stream_name text, event_type text, recipients text[], datas text[],
    OUT watched_seconds double precision
)
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO realtime_outbox (stream, recipient, type, data)
    SELECT stream_name, recipient, event_type, data
    FROM unnest(recipients, datas) WITH ORDINALITY AS event (recipient, data, number)
    ORDER BY number;

    SELECT extract(epoch FROM until - clock_timestamp()) INTO watched_seconds
    FROM realtime_watch
    WHERE stream = stream_name;
END
$$;
