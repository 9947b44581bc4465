-- The events that a reader of the whole stream missed, a batch at most, in order, and how far the
-- log has been pruned. replay_topics.sql does the same for a reader of some topics.
--
-- Events that newer ones have replaced are included, without data: if they were left out, one batch
-- might have to skip a million of them.
SELECT
    event.rows_found, stream.pruned_through, stream.pruned_mark, own.mark AS own_mark,
    reached.mark AS reached_mark, event.position, event.mark, event.type, event.data
FROM realtime_stream AS stream
LEFT JOIN realtime_event AS own ON own.stream = %(stream)s AND own.position = %(after)s
LEFT JOIN realtime_event AS reached
    ON reached.stream = %(stream)s AND reached.position = %(through)s
LEFT JOIN LATERAL (
    SELECT
        position, mark, type, data,
        count(*) OVER () AS rows_found,
        coalesce(sum(octet_length(data)) OVER (ORDER BY position), 0)
            - coalesce(octet_length(data), 0) AS bytes_before
    FROM (
        SELECT position, mark, type, data
        FROM realtime_event
        WHERE realtime_event.stream = %(stream)s
            AND position > %(after)s
            AND position <= %(through)s
        ORDER BY position
        LIMIT %(batch_rows)s
    ) AS batch
) AS event ON event.bytes_before < %(batch_bytes)s
WHERE stream.name = %(stream)s
ORDER BY event.position
