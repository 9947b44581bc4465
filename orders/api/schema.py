"""Adds the event stream to the API's schema, because it is no view of the REST framework."""

from typing import Any

from django.urls import reverse

from orders.status import Status

CURSOR = "The `id` of the last event received: the events after it are sent first."


def _string(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


EVENT_STREAM = {
    "operationId": "orders_realtime",
    "summary": "Follow your orders live",
    "description": (
        "A stream of server-sent events, one for each order placed and each change of status: "
        "`event: orders`, `id:` the position, `data:` an OrderEvent. Events that begin with "
        "`bell.` are for the user's bell. An `event: reset` means that the position asked for "
        "can't be honoured: load the list again. An `event: heartbeat` without data shows that the "
        "stream is alive. The stream doesn't end, except with `follow=no`, so this page can't show "
        "it: use EventSource or `curl -N`."
    ),
    "tags": ["orders"],
    "security": [{"jwtAuth": []}, {"cookieAuth": []}],
    "parameters": [
        {
            "name": "scope",
            "in": "query",
            "description": "`all` for everybody's orders needs the permission `orders.view_order`.",
            "schema": _string(enum=["own", "all"], default="own"),
        },
        {
            "name": "topics",
            "in": "query",
            "description": "The topics that the page was made for: all have to be allowed.",
            "schema": {"type": "array", "items": _string()},
        },
        {
            "name": "follow",
            "in": "query",
            "description": "Whether the stream goes on after it has said what there is.",
            "schema": _string(enum=["yes", "no"], default="yes"),
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": f"{CURSOR} EventSource sends it when it reconnects.",
            "schema": _string(),
        },
        {
            "name": "last_event_id",
            "in": "query",
            "description": f"{CURSOR} For a first connection; the header goes before it.",
            "schema": _string(),
        },
    ],
    "responses": {
        "200": {
            "description": "The stream.",
            "content": {
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/OrderEvent"}}
            },
        },
        "401": {"description": "Nobody is signed in, or the token is not valid."},
        "403": {
            "description": "`scope=all` without the permission, or somebody else is signed in "
            "than may follow `topics`."
        },
    },
}

# As `Order.event_data()` makes it; a test compares the two.
ORDER_EVENT = {
    "type": "object",
    "description": "The order as it was after the change.",
    "properties": {
        "order": {"type": "integer"},
        "status": _string(enum=Status.values),
        "product": _string(),
        "quantity": {"type": "integer"},
        "unit_price": _string(format="decimal"),
        "total": _string(format="decimal"),
        "customer": _string(description="The customer's username."),
        "placed_at": _string(format="date-time"),
        "changed_at": _string(
            format="date-time", description="When the order came to the status it has."
        ),
    },
}
ORDER_EVENT["required"] = sorted(ORDER_EVENT["properties"])


def add_event_stream(result: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular: adds the stream to the generated schema."""
    result["paths"][reverse("orders_realtime")] = {"get": EVENT_STREAM}
    result["components"]["schemas"]["OrderEvent"] = ORDER_EVENT
    return result
