-- The age in seconds of the oldest event that waits for a number; 0 if there is none.
--
-- The lowest id stands for the oldest event, because id is indexed: that is exact enough here.
SELECT coalesce((
    SELECT extract(epoch FROM clock_timestamp() - created_at)::float
    FROM realtime_outbox
    ORDER BY id
    LIMIT 1
), 0)
