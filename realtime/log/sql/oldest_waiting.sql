-- The age in seconds of the oldest event that waits for a number; 0 if there is none.
--
-- By id, because that is indexed: as far as it matters here, the lowest is the oldest.
SELECT coalesce((
    SELECT extract(epoch FROM clock_timestamp() - created_at)::float
    FROM realtime_outbox
    ORDER BY id
    LIMIT 1
), 0)
