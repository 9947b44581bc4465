-- What can't be sent can't be written, by whomever: the rules of the wire, for those who insert rows
-- without publish(). A line break in a name or in JSON would break the framing of everybody's
-- stream, or forge the fields of another event.
--
-- As long as an event may ever be: REALTIME["MAX_EVENT_BYTES"] allows less.
ALTER TABLE realtime_outbox
    ADD CONSTRAINT realtime_outbox_stream CHECK (stream <> '' AND stream !~ E'[\r\n]'),
    ADD CONSTRAINT realtime_outbox_topic CHECK (topic <> '' AND topic !~ E'[\r\n]'),
    ADD CONSTRAINT realtime_outbox_key CHECK (key !~ E'[\r\n]'),
    ADD CONSTRAINT realtime_outbox_type CHECK (
        type !~ E'[\r\n]' AND type NOT IN ('error', 'heartbeat', 'message', 'open', 'reset')
    ),
    ADD CONSTRAINT realtime_outbox_format CHECK (format IN ('json', 'text')),
    ADD CONSTRAINT realtime_outbox_size CHECK (octet_length(data) <= 16777216),
    ADD CONSTRAINT realtime_outbox_data CHECK (
        strpos(data, E'\r') = 0
        AND (format <> 'json' OR strpos(data, E'\n') = 0)
        -- Raises an error of its own, which says where it is no JSON.
        AND CASE WHEN format = 'json' THEN data::json IS NOT NULL ELSE true END
    );

-- The same once more, for what was in the outbox while its constraints were not: here it is set aside
-- by itself, see set_aside.sql, before it is anybody's.
ALTER TABLE realtime_event
    ADD CONSTRAINT realtime_event_stream CHECK (stream <> '' AND stream !~ E'[\r\n]'),
    ADD CONSTRAINT realtime_event_topic CHECK (topic <> '' AND topic !~ E'[\r\n]'),
    ADD CONSTRAINT realtime_event_type CHECK (
        type !~ E'[\r\n]' AND type NOT IN ('error', 'heartbeat', 'message', 'open', 'reset')
    ),
    ADD CONSTRAINT realtime_event_position CHECK (position > 0),
    ADD CONSTRAINT realtime_event_mark CHECK (mark >= 0),
    ADD CONSTRAINT realtime_event_format CHECK (format IN ('json', 'text')),
    ADD CONSTRAINT realtime_event_size CHECK (octet_length(data) <= 16777216),
    ADD CONSTRAINT realtime_event_data CHECK (
        strpos(data, E'\r') = 0
        AND (format <> 'json' OR strpos(data, E'\n') = 0)
        -- What was replaced or pruned has no data.
        AND CASE WHEN format = 'json' THEN (data IS NULL OR data::json IS NOT NULL) ELSE true END
    );
