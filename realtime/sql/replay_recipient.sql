-- What one recipient missed, at most a batch of it, in order, and how far the log has been pruned.
--
-- One statement, hence one snapshot: events that were pruned while we read show in
-- pruned_through, so a hole can't go unnoticed. Without any event there is still one row, with
-- nulls.
SELECT stream.pruned_through, event.position, event.type, event.data
FROM realtime_stream AS stream
LEFT JOIN LATERAL (
    SELECT position, type, data
    FROM realtime_event
    WHERE realtime_event.stream = stream.name
        AND recipient = %(recipient)s
        AND position > %(after)s
        AND position <= %(through)s
    ORDER BY position
    LIMIT %(batch_rows)s
) AS event ON true
WHERE stream.name = %(stream)s
ORDER BY event.position
