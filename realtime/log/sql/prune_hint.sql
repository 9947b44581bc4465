-- Hints at events of one stream that wait for a number, if there are any.
--
-- Who wanted to number them while the stream was locked by somebody else has left it to them.
SELECT pg_notify(%(channel)s, %(stream)s)
WHERE EXISTS (SELECT FROM realtime_outbox WHERE stream = %(stream)s)
