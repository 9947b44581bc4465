-- What a reader of some topics missed, at most a batch of it, in order, and how far the log has
-- been pruned.
--
-- One statement, hence one snapshot: events that were pruned while we read show in
-- pruned_through, so a hole can't go unnoticed. Without any event there is still one row, with
-- nulls. A batch ends at a number of rows or of bytes, and has one event at least; rows_found is
-- how many there would have been without the limit of bytes.
--
-- One short scan of an index for each topic, so that what isn't the reader's own is never read.
SELECT event.rows_found, stream.pruned_through, event.position, event.type, event.data
FROM realtime_stream AS stream
LEFT JOIN LATERAL (
    SELECT
        position, type, data,
        count(*) OVER () AS rows_found,
        sum(octet_length(data)) OVER (ORDER BY position) - octet_length(data) AS bytes_before
    FROM (
        SELECT own.position, own.type, own.data
        FROM unnest(%(topics)s::text[]) AS followed (topic)
        CROSS JOIN LATERAL (
            SELECT position, type, data
            FROM realtime_event
            WHERE realtime_event.stream = %(stream)s
                AND realtime_event.topic = followed.topic
                AND data IS NOT NULL
                AND position > %(after)s
                AND position <= %(through)s
            ORDER BY position
            LIMIT %(batch_rows)s
        ) AS own
        ORDER BY own.position
        LIMIT %(batch_rows)s
    ) AS batch
) AS event ON event.bytes_before < %(batch_bytes)s
WHERE stream.name = %(stream)s
ORDER BY event.position
