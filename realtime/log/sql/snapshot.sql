-- Where a stream stands, and whether events wait for a number that a page should have first.
--
-- Not in a transaction that reads what was committed before it began (REPEATABLE READ): its page
-- would not see what is numbered now, and its stream would begin behind it.
SELECT
    coalesce(stream.position, 0), stream.mark,
    current_setting('transaction_isolation') = 'read committed'
        AND EXISTS (SELECT FROM realtime_outbox WHERE realtime_outbox.stream = %(stream)s)
FROM (SELECT) AS always
LEFT JOIN realtime_stream AS stream ON stream.name = %(stream)s
