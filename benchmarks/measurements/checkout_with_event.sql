\set customer random(:first, :last)
BEGIN;
INSERT INTO orders_order (customer_id, product, quantity, unit_price, status, placed_at)
VALUES (:customer, 'Espresso cups', 2, 4.50, 'placed', statement_timestamp());
-- As WRITE_EVENT in realtime/log/publishing.py, in pgbench's own notation.
-- pgbench has no clock to tell how long the commit takes: here a quarter of a lease has to be left.
WITH written AS (
    INSERT INTO realtime_outbox (stream, topic, type, data)
    VALUES ('default', 'auth.user:' || :customer, 'orders', '{"order":1234567,"status":"placed","product":"Espresso cups","quantity":2,"unit_price":"4.50","total":"9.00","customer":"customer-1","placed_at":"2026-11-22T13:59:42.492031Z","changed_at":"2026-11-22T13:59:42.492031Z"}')
)
SELECT coalesce((
    SELECT extract(epoch FROM until - clock_timestamp()) FROM realtime_pollinglease WHERE stream = 'default'
), 0) < 0.05 AS is_hint_due \gset
COMMIT;
\if :is_hint_due
SELECT pg_notify('realtime_pending', 'default');
\endif
