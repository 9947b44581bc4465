-- The events that a reader of some topics missed, a batch at most, in order, and how far the log
-- has been pruned.
--
-- One statement has one snapshot: pruned_through counts events that were pruned during the read, so
-- a gap can't go unnoticed. If there are no events there is still one row, with nulls. A batch ends
-- at a number of rows or of bytes, and has one event at least; rows_found is how many there would
-- have been without the limit of bytes.
--
-- The rows also have the mark of the event at the reader's cursor: if the reader knows another
-- mark, the log went back. And the mark of the event at the end of the range: a standby that has
-- another mark there, or none, lags behind or has another history.
--
-- It makes one short index scan for each topic. The condition compares pairs of topic and position,
-- and so does the order: then only the index on topics fits. With an equality on the topic and an
-- order by position alone, the planner may scan the whole stream and filter it, when it believes a
-- rare topic to be a frequent one.
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
        sum(octet_length(data)) OVER (ORDER BY position) - octet_length(data) AS bytes_before
    FROM (
        SELECT found.position, found.mark, found.type, found.data
        FROM unnest(%(topics)s::text[]) AS followed (topic)
        CROSS JOIN LATERAL (
            SELECT position, mark, type, data
            FROM realtime_event
            WHERE realtime_event.stream = %(stream)s
                AND data IS NOT NULL
                AND (realtime_event.topic, position) > (followed.topic, %(after)s)
                AND (realtime_event.topic, position) <= (followed.topic, %(through)s)
            ORDER BY realtime_event.topic, position
            LIMIT %(batch_rows)s
        ) AS found
        ORDER BY found.position
        LIMIT %(batch_rows)s
    ) AS batch
) AS event ON event.bytes_before < %(batch_bytes)s
WHERE stream.name = %(stream)s
ORDER BY event.position
