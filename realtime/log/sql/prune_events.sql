-- Deletes the events of one stream after one position and up to another.
--
-- Because of the lower bound, a batch doesn't read again the rows that earlier batches have deleted
-- and that no vacuum has removed yet.
DELETE FROM realtime_event
WHERE stream = %(stream)s AND position > %(after)s AND position <= %(through)s
