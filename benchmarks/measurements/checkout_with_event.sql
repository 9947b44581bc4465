\set customer random(:first, :last)
BEGIN;
INSERT INTO orders_order (customer_id, product, quantity, unit_price, status, placed_at)
VALUES (:customer, 'Espresso cups', 2, 4.50, 'placed', statement_timestamp());
INSERT INTO realtime_outbox (stream, recipient, type, data, created_at)
VALUES ('orders', :customer, 'orders', '{"order":1234567,"status":"placed","product":"Espresso cups","quantity":2,"unit_price":"4.50","total":"9.00","customer":"customer-1","placed_at":"2026-11-22T13:59:42.492031Z","changed_at":"2026-11-22T13:59:42.492031Z"}', statement_timestamp());
COMMIT;
SELECT pg_notify('realtime_pending', 'orders');
