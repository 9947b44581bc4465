-- A server process reports that it lives and who is connected to it, and deletes the rows of
-- processes that haven't reported for ten minutes.
WITH gone AS (
    DELETE FROM realtime_process
    WHERE beat_at < statement_timestamp() - interval '10 minutes' AND id <> %(id)s
)
INSERT INTO realtime_process (id, host, pid, started_at, beat_at, streams, users)
VALUES (
    %(id)s, %(host)s, %(pid)s, statement_timestamp(), statement_timestamp(),
    %(streams)s, %(users)s::jsonb
)
ON CONFLICT (id) DO UPDATE
SET beat_at = excluded.beat_at, streams = excluded.streams, users = excluded.users
