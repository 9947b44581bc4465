-- What comes after a position of one stream, for everybody, in order: how the hub follows it.
SELECT position, recipient, type, data
FROM realtime_event
WHERE stream = %(stream)s AND position > %(after)s
ORDER BY position
LIMIT %(batch_rows)s
