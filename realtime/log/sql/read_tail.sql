-- What comes after a position of one stream, for everybody, in order: how the hub follows it.
-- A batch ends at a number of rows or of bytes, and has one event at least; rows_found is how many
-- there would have been without the limit of bytes.
--
-- `age` is how many seconds ago its row was inserted, by this server's clock.
--
-- The event at that position comes first, for its mark: if it is another one than the reader has
-- read, the log went back.
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
