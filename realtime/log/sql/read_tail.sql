-- The events of all topics after a position of one stream, in order: the hub follows it by this.
-- A batch ends at a number of rows or of bytes, and has one event at least; rows_found is how many
-- there would have been without the limit of bytes.
--
-- `age` is how many seconds ago the event's row was inserted, by this server's clock.
--
-- The event at that position comes first, because of its mark: if the mark differs from the one
-- that the reader knows, the log went back.
SELECT
    rows_found, position, mark, topic, type, data, key,
    extract(epoch FROM clock_timestamp() - created_at)::float8 AS age, trace_parent
FROM (
    SELECT
        position, mark, topic, type, data, key, created_at, trace_parent,
        count(*) OVER () AS rows_found,
        coalesce(sum(octet_length(data)) OVER (ORDER BY position), 0)
            - coalesce(octet_length(data), 0) AS bytes_before
    FROM (
        SELECT
            position, mark, topic, type, key, created_at, trace_parent,
            CASE WHEN position > %(after)s THEN data END AS data
        FROM realtime_event
        WHERE stream = %(stream)s AND position >= %(after)s
        ORDER BY position
        LIMIT %(batch_rows)s + 1
    ) AS batch
) AS event
WHERE bytes_before < %(batch_bytes)s
ORDER BY position
