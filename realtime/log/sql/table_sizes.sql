-- Of each table of the log: its name, about how many rows it has, and how large it is with its
-- indexes, in bytes. By what PostgreSQL knows already: no table is read.
SELECT relname, greatest(reltuples, 0)::bigint, pg_total_relation_size(oid)
FROM pg_class
WHERE oid IN (to_regclass('realtime_outbox'), to_regclass('realtime_event'))
ORDER BY relname
