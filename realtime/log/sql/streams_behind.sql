-- The query of the poll. For each stream that this process follows: its last position, the mark of
-- the event up to which the process has read, and whether events wait for a number. Then some of
-- the other streams in which events wait. A stream without a row has not had its first event yet.
SELECT
    followed.name, coalesce(stream.position, 0) AS position, own.mark,
    EXISTS (SELECT FROM realtime_outbox WHERE realtime_outbox.stream = followed.name) AS waiting
FROM unnest(%(followed)s::text[], %(positions)s::bigint[]) AS followed (name, position)
LEFT JOIN realtime_stream AS stream ON stream.name = followed.name
LEFT JOIN realtime_event AS own
    ON own.stream = followed.name AND own.position = followed.position
UNION ALL
SELECT outbox.stream, NULL, NULL, true
FROM (
    SELECT DISTINCT stream
    FROM realtime_outbox
    WHERE stream <> ALL (%(followed)s::text[])
    LIMIT %(most_others)s
) AS outbox
