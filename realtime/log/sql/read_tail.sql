-- What comes after a position of one stream, for everybody, in order: how the hub follows it.
-- A batch ends at a number of rows or of bytes, and has one event at least; rows_found is how many
-- there would have been without the limit of bytes.
SELECT rows_found, position, recipient, type, data
FROM (
    SELECT
        position, recipient, type, data,
        count(*) OVER () AS rows_found,
        sum(octet_length(data)) OVER (ORDER BY position) - octet_length(data) AS bytes_before
    FROM (
        SELECT position, recipient, type, data
        FROM realtime_event
        WHERE stream = %(stream)s AND position > %(after)s
        ORDER BY position
        LIMIT %(batch_rows)s
    ) AS batch
) AS event
WHERE bytes_before < %(batch_bytes)s
ORDER BY position
