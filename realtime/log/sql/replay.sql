-- The events that a reader missed, a batch at most, in order, and how far the log has been pruned.
-- What reads the batch is put in: replay_everything.sql, replay_selection.sql or replay_topics.sql.
--
-- One statement has one snapshot: pruned_through counts events that were pruned during the read, so
-- a gap can't go unnoticed. If there are no events there is still one row, with nulls. A batch ends
-- at a number of rows or of bytes, and has one event at least; rows_found is how many there would
-- have been without the limit of bytes.
--
-- The rows also have the mark of the event at the reader's cursor: if the reader knows another
-- mark, the log went back. And the mark of the event at the end of the range: a standby that has
-- another mark there, or none, lags behind or has another history.
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
{batch}
    ) AS batch
) AS event ON event.bytes_before < %(batch_bytes)s
WHERE stream.name = %(stream)s
ORDER BY event.position
