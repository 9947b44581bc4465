-- The batch that replay.sql reads for a reader of some topics.
--
-- It makes one short index scan for each topic. The condition compares pairs of topic and position,
-- and so does the order: then only the index on topics fits. With an equality on the topic and an
-- order by position alone, the planner may scan the whole stream and filter it, when it believes a
-- rare topic to be a frequent one.
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
