-- No row can be inserted that can't be sent, not even without publish(). A line break in a name or
-- in JSON would break the framing of every client's stream, or forge the fields of another event.
--
-- The limit of the data's length is the highest possible one: REALTIME["MAX_EVENT_BYTES"] is lower.
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
        -- The cast raises an error of its own, which says where the text is no JSON.
        AND CASE WHEN format = 'json' THEN data::json IS NOT NULL ELSE true END
    );

-- The same again, for rows that got into the outbox while its constraints were dropped: here they
-- are refused before any client reads them, and set aside one by one, see set_aside.sql.
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
        -- An event that was replaced or pruned has no data.
        AND CASE WHEN format = 'json' THEN (data IS NULL OR data::json IS NOT NULL) ELSE true END
    );
