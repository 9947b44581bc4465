-- The position up to which the events of one stream are older than a number of seconds.
--
-- It is a binary search, because published_at ascends with the position: it reads some 25 rows of a
-- table of any size. If the server's clock was set back, the result is off by no more than that.
--
-- The event at `low` is old enough (or already pruned), the one at `high` isn't. `high` begins at
-- the newest event, which always stays. A missing row between them counts as old.
WITH RECURSIVE search (low, high) AS (
    SELECT pruned_through, position
    FROM realtime_stream
    WHERE name = %(stream)s
    UNION ALL
    SELECT
        CASE WHEN is_young THEN low ELSE middle END,
        CASE WHEN is_young THEN middle ELSE high END
    FROM (
        -- A scalar subquery, because for EXISTS the planner may choose to read the whole table
        -- once.
        SELECT low, high, middle, coalesce((
            SELECT published_at >= statement_timestamp() - make_interval(secs => %(seconds)s)
            FROM realtime_event
            WHERE stream = %(stream)s AND position = middle
        ), false) AS is_young
        FROM search, LATERAL (SELECT (low + high) / 2) AS halved (middle)
        WHERE high - low > 1
    ) AS probed
)
SELECT max(low) FROM search
