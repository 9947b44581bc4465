-- Empties the events of one kind of topic in one stream, after one position and up to another.
-- Their rows stay until the stream itself is pruned that far, because positions have no gaps.
--
-- A topic's text is “kind:key”, “kind”, or the same after a tenant and “/”, see topics.py.
--
-- Returns how many it emptied, and the position of the last of them.
WITH emptied AS (
    UPDATE realtime_event
    SET data = NULL
    WHERE stream = %(stream)s
        AND position > %(after)s AND position <= %(through)s
        AND data IS NOT NULL
        AND substring(topic FROM '^(?:[^/:]+/)?([^:]+)') = %(kind)s
    RETURNING position
)
SELECT count(*), max(position) FROM emptied
