-- What a reader of some topics missed, at most a batch of it, in order, and how far the log has
-- been pruned.
--
-- One statement, hence one snapshot: events that were pruned while we read show in
-- pruned_through, so a hole can't go unnoticed. Without any event there is still one row, with
-- nulls. A batch ends at a number of rows or of bytes, and has one event at least; rows_found is
-- how many there would have been without the limit of bytes.
--
-- With the mark of the event after which the reader stands: if it is another one than they have
-- seen, the log went back. And with that of the event up to which they read: a standby that has
-- another one there, or none, has not come so far or is of another history.
--
-- One short scan of an index for each topic. Its conditions are pairs of topic and position, and
-- its order is that of both: then the index on topics is the only one that will do. With an equal
-- topic and an order of positions the planner may choose to go through the whole stream and leave
-- out what is of other topics, where it takes a rare topic for a frequent one.
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
