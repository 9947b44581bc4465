\set customer random(:first, :last)
BEGIN;
INSERT INTO orders_order (customer_id, product, quantity, unit_price, status, placed_at)
VALUES (:customer, 'Espresso cups', 2, 4.50, 'placed', statement_timestamp());
-- As realtime/log/publishing.py writes them, in pgbench's own notation: an event for the pages that
-- show orders, and one for the bell.
-- pgbench has no clock to tell how long the commit takes: here a quarter of a lease has to be left.
WITH written AS (
    INSERT INTO realtime_outbox (stream, topic, type, data)
    VALUES ('default', 'auth.user:' || :customer, 'orders', '{"order":1234567,"status":"placed","product":"Espresso cups","quantity":2,"unit_price":"4.50","total":"9.00","customer":"customer-1","placed_at":"2026-11-22T13:59:42.492031Z","changed_at":"2026-11-22T13:59:42.492031Z"}'),
        ('default', 'auth.user:' || :customer, 'bell.notification', '{"kind":"orders.placed","subject":"orders.order:1234567","title":"2 × Espresso cups","url":"/orders/1234567/","context":{"order":1234567,"total":"9.00"}}')
)
SELECT coalesce((
    SELECT extract(epoch FROM until - clock_timestamp()) FROM realtime_pollinglease WHERE stream = 'default'
), 0) < 0.05 AS is_hint_due \gset
COMMIT;
\if :is_hint_due
SELECT pg_notify('realtime_pending', 'default');
\endif
