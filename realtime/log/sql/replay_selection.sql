-- The batch that replay.sql reads for a reader who follows some types in all topics and all types
-- in some topics.
--
-- Events that the reader doesn't follow are included, without data: if they were left out, one
-- batch might have to skip a million of them.
SELECT
    position, mark, type,
    CASE WHEN type = ANY (%(types)s::text[]) OR topic = ANY (%(topics)s::text[])
        THEN data
    END AS data
FROM realtime_event
WHERE realtime_event.stream = %(stream)s
    AND position > %(after)s
    AND position <= %(through)s
ORDER BY position
LIMIT %(batch_rows)s
