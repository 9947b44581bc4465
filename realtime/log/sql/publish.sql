-- Publishes an event, from triggers and from languages other than Python:
--
--     SELECT realtime_publish('documents.document:7', '{"title":"New"}', type => 'changed');
--
-- `topic` is the text that realtime.topic_of() returns, `format` is json or text; the others are
-- the arguments of realtime.publish(). An event that can't be sent is refused, see constraints.sql.
--
-- The notification is sent with the commit, because SQL offers no later moment, and commits that
-- notify queue for one another in the whole cluster. So none is sent while a process polls the
-- stream, and none at all with `hint => false`: then the event is found within
-- REALTIME["POLL_SECONDS"]. A lease that ends much later than any new one was written before a
-- clock was set back, and is ignored.
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
