-- Places orders and writes their events, as Order.objects.bulk_create() does; not the notifications
-- of the bell, which it writes beside them and these streams don't carry.
WITH wanted AS (
    SELECT customer, product
    FROM unnest(%(customers)s::bigint[], %(products)s::text[]) AS wanted (customer, product)
), placed AS (
    INSERT INTO orders_order (customer_id, product, quantity, unit_price, status, placed_at)
    SELECT customer, product, 2, 4.50, 'placed', statement_timestamp()
    FROM wanted
    RETURNING id, customer_id, product, quantity, unit_price, status, placed_at
)
INSERT INTO realtime_outbox (stream, topic, type, data, created_at)
SELECT
    %(stream)s, 'auth.user:' || placed.customer_id, %(type)s,
    format(
        '{"order":%%s,"status":%%s,"product":%%s,"quantity":%%s,"unit_price":"%%s","total":"%%s",'
        '"customer":%%s,"placed_at":"%%s","changed_at":"%%s"}',
        placed.id, to_json(placed.status), to_json(placed.product), placed.quantity,
        placed.unit_price, placed.quantity * placed.unit_price, to_json(auth_user.username),
        to_char(placed.placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        to_char(placed.placed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    ),
    statement_timestamp()
FROM placed
JOIN auth_user ON auth_user.id = placed.customer_id
ORDER BY placed.id
