"""Logs as JSON, a line each: `{"()": "realtime.logs.JSONFormatter"}` in `LOGGING["formatters"]`.

The logger `realtime.streams` logs at the level INFO when a stream opens and ends, with its
`stream`, the key of its `user`, and `request_id`: the `X-Request-ID` that the proxy sent, for
example nginx by `proxy_set_header X-Request-ID $request_id`. Records about a request, such as those
of `django.request`, get the user and the request's id.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

REQUEST_ID = "X-Request-ID"
# The attributes of a record that its JSON has in addition to time, level, logger and message.
FIELDS = ("stream", "user", "request_id", "reason", "seconds", "status_code")
# A client may send anything as its id.
LONGEST_ID = 200


class JSONFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the fields of its stream or request."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_of_request(getattr(record, "request", None)),
        }
        said |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str, ensure_ascii=False)


def request_id(scope: dict[str, Any]) -> str:
    """The id that the proxy gave to this request; empty if it gave none."""
    name = REQUEST_ID.lower().encode()
    for header, value in scope.get("headers", ()):
        if header == name:
            return str(value[:LONGEST_ID].decode("latin1"))
    return ""


def _of_request(request: Any) -> dict[str, Any]:
    # A WSGI server's log has a socket there.
    if not hasattr(request, "headers"):
        return {}
    said = {"request_id": request.headers.get(REQUEST_ID, "")[:LONGEST_ID], "path": request.path}
    # Without a query: the user is known if a middleware has loaded them.
    user = request.__dict__.get("_cached_user") or request.__dict__.get("_acached_user")
    if user is not None and user.pk is not None:
        said["user"] = str(user.pk)
    return said
