-- The batch that replay.sql reads for a reader of the whole stream.
--
-- Events that newer ones have replaced are included, without data: if they were left out, one batch
-- might have to skip a million of them.
SELECT position, mark, type, data
FROM realtime_event
WHERE realtime_event.stream = %(stream)s
    AND position > %(after)s
    AND position <= %(through)s
ORDER BY position
LIMIT %(batch_rows)s
