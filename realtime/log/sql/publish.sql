-- Publishes an event, for triggers and for other languages than Python:
--
--     SELECT realtime_publish('documents.document:7', '{"title":"New"}', type => 'changed');
--
-- `topic` is the text that realtime.topic_of() returns, `format` is json or text; the others are
-- as the arguments of realtime.publish(). What can't be sent is refused, see constraints.sql.
--
-- The hint is sent as the transaction commits, for SQL knows no later moment: commits that notify
-- queue for one another, in the whole cluster. So none is sent while somebody polls the stream,
-- and with `hint => false` never: then the event is told within REALTIME["POLL_SECONDS"]. A lease
-- that ends much later than any does is of a clock that was set back since, and isn't relied on.
-- https://www.postgresql.org/docs/current/sql-notify.html
CREATE FUNCTION realtime_publish(
    topic text, data text, type text DEFAULT '', format text DEFAULT 'json',
    stream text DEFAULT 'default', latest text DEFAULT '', hint boolean DEFAULT true
)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO realtime_outbox (stream, topic, type, format, data, key)
    VALUES (
        realtime_publish.stream, realtime_publish.topic, coalesce(realtime_publish.type, ''),
        realtime_publish.format, realtime_publish.data, coalesce(latest, '')
    );
    IF hint AND NOT EXISTS (
        SELECT FROM realtime_pollinglease AS lease
        WHERE lease.stream = realtime_publish.stream
            AND lease.until > clock_timestamp()
            AND lease.until < clock_timestamp() + interval '2 minutes'
    ) THEN
        PERFORM pg_notify('realtime_pending', realtime_publish.stream);
    END IF;
END
$$;
