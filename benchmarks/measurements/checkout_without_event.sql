\set customer random(:first, :last)
BEGIN;
INSERT INTO orders_order (customer_id, product, quantity, unit_price, status, placed_at)
VALUES (:customer, 'Espresso cups', 2, 4.50, 'placed', statement_timestamp());
COMMIT;
