-- What comes after a position of one stream, for everybody, in order: how the hub follows it.
-- A batch ends at a number of rows or of bytes, and has one event at least; rows_found is how many
-- there would have been without the limit of bytes.
SELECT rows_found, position, topic, type, data, key
FROM (
    SELECT
        position, topic, type, data, key,
        count(*) OVER () AS rows_found,
        coalesce(sum(octet_length(data)) OVER (ORDER BY position), 0)
            - coalesce(octet_length(data), 0) AS bytes_before
    FROM (
        SELECT position, topic, type, data, key
        FROM realtime_event
        WHERE stream = %(stream)s AND position > %(after)s
        ORDER BY position
        LIMIT %(batch_rows)s
    ) AS batch
) AS event
WHERE bytes_before < %(batch_bytes)s
ORDER BY position
