-- Notifies if events of one stream wait for a number.
--
-- A process that wanted to number them while pruning held the stream's lock has given up.
SELECT pg_notify(%(channel)s, %(stream)s)
WHERE EXISTS (SELECT FROM realtime_outbox WHERE stream = %(stream)s)
