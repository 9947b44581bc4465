"""Every page renders, whatever somebody has written into the log by SQL."""

import pytest
from django.db import connection
from django.urls import reverse

from realtime.bell.changes import CHANGE
from realtime.bell.notifying import FORGOTTEN, NOTIFICATION

from .samples import number_waiting, place

pytestmark = pytest.mark.django_db

DROP = """
    DO $$ DECLARE name text; owner regclass;
    BEGIN
        FOR name, owner IN
            SELECT conname, conrelid FROM pg_constraint
            WHERE conrelid IN ('realtime_outbox'::regclass, 'realtime_event'::regclass)
                AND contype = 'c'
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', owner, name);
        END LOOP;
    END $$
"""
INSERT = """
    INSERT INTO realtime_outbox (stream, topic, type, format, data)
    VALUES (%s, %s, %s, 'json', %s)
"""
TEXTS = {"kind": "a.b", "subject": "a:1", "title": "", "url": "", "context": {}}
NO_NOTIFICATIONS = {
    "no JSON": "{",
    "no object": "1",
    "nothing in it": "{}",
    "null": "null",
    "a number for a text": '{"kind":1,"subject":"a:1","title":"","url":"","context":{}}',
    "a title without an end": '{"kind":"a.b","subject":"a:1","title":"%s","url":"","context":{}}'
    % ("x" * 300),
    "a character that no column takes": (
        '{"kind":"a.b","subject":"a:1","title":"\\u0000","url":"","context":{}}'
    ),
}
NO_CHANGES = {
    "a list": "[]",
    "an action that there isn't": '{"action":"buy"}',
    "a position that there isn't": '{"action":"see","through":1e99}',
    "a position beyond all": '{"action":"see","through":99999999999999999999}',
    "without its subject": '{"action":"read","through":1}',
}


NO_ORDERS = {
    "no JSON": '{"order":%d',
    "a number": "%d",
    "no status": '{"order":%d}',
    "no time": '{"order":%d,"status":"shipped","changed_at":"soon"}',
    "an unknown status": '{"order":%d,"status":["lost"]}',
}


@pytest.fixture
def pages(client, alice, shop):
    """All that a customer and the shop can look at."""
    order = place(alice)

    def look():
        client.force_login(alice)
        for name in ("home", "bell:inbox", "bell:state", "bell:api"):
            yield client.get(reverse(name))
        yield client.get(reverse("order", args=[order.pk]))
        client.force_login(shop)
        yield client.get(reverse("orders_board"))
        yield client.get(reverse("order", args=[order.pk]))
        yield client.get(reverse("admin:realtime_stream_log", args=["default"]))

    look.order = order
    return look


@pytest.mark.parametrize(
    ("stream", "type", "data"),
    [
        *(("default", NOTIFICATION, data) for data in NO_NOTIFICATIONS.values()),
        *(("default", FORGOTTEN, data) for data in NO_NOTIFICATIONS.values()),
        *(("default", CHANGE, data) for data in NO_CHANGES.values()),
        *(("default", "orders", data) for data in NO_ORDERS.values()),
    ],
)
def test_every_page_renders_beside_it(pages, alice, stream, type, data):
    data = data.replace("%d", str(pages.order.pk))
    with connection.cursor() as cursor:
        cursor.execute(DROP)
        cursor.execute(INSERT, [stream, f"auth.user:{alice.pk}", type, data])
    number_waiting()
    for response in pages():
        assert response.status_code == 200, response.request["PATH_INFO"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM realtime_event WHERE data = %s", [data])
        assert cursor.fetchone() == (1,), "it isn't in the log, so it was no test"
