-- Empties the events of some kind of topic in one stream, after one position and up to another:
-- they keep their positions, of which there has to be one after the other, until the stream itself
-- is pruned as far.
--
-- A topic's text is “kind:key”, “kind”, or the same after a tenant and “/”, see topics.py.
--
-- Returns how many, and the position of the last of them.
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
