-- Deletes the events of one stream after one position and up to another.
--
-- The lower bound keeps it from reading once more, in each batch, what the batches before have
-- deleted and no vacuum has removed yet.
DELETE FROM realtime_event
WHERE stream = %(stream)s AND position > %(after)s AND position <= %(through)s
