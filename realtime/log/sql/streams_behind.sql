-- What the poll asks: how far each stream that this process follows has come, and which streams
-- have events that wait for a number. A stream without a row has not had its first event yet.
SELECT followed.name, coalesce(stream.position, 0) AS position, EXISTS (
    SELECT FROM realtime_outbox WHERE realtime_outbox.stream = followed.name
) AS waiting
FROM unnest(%(followed)s::text[]) AS followed (name)
LEFT JOIN realtime_stream AS stream ON stream.name = followed.name
UNION ALL
SELECT outbox.stream, NULL, true
FROM (SELECT DISTINCT stream FROM realtime_outbox) AS outbox
WHERE outbox.stream <> ALL (%(followed)s::text[])
