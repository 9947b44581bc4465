-- For each table of the log: its name, its approximate number of rows, and its size in bytes,
-- indexes included. These are PostgreSQL's own statistics: no table is read.
SELECT relname, greatest(reltuples, 0)::bigint, pg_total_relation_size(oid)
FROM pg_class
WHERE oid IN (to_regclass('realtime_outbox'), to_regclass('realtime_event'))
ORDER BY relname
