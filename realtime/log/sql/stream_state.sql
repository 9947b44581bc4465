-- How far a stream has come and has been pruned, with the marks of the events there; nothing for a
-- stream that has not had its first event yet.
SELECT position, mark, pruned_through, pruned_mark FROM realtime_stream WHERE name = %(stream)s
