-- The cursor of a stream's last event, and whether waiting events should be numbered for a page.
--
-- They should not in a REPEATABLE READ transaction: its page can't see what is committed after its
-- snapshot, but its stream would begin after the events numbered now, so they would be missing.
SELECT
    coalesce(stream.position, 0), stream.mark,
    current_setting('transaction_isolation') = 'read committed'
        AND EXISTS (SELECT FROM realtime_outbox WHERE realtime_outbox.stream = %(stream)s)
FROM (SELECT) AS always
LEFT JOIN realtime_stream AS stream ON stream.name = %(stream)s
