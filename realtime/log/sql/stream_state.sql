-- The position and mark of a stream's last event, and of its last pruned event. There is no row for
-- a stream that has not had its first event yet.
SELECT position, mark, pruned_through, pruned_mark FROM realtime_stream WHERE name = %(stream)s
