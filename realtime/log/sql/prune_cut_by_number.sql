-- The position up to which the events of one stream are older than its `keep` newest ones.
SELECT greatest(position - %(keep)s, pruned_through)
FROM realtime_stream
WHERE name = %(stream)s
