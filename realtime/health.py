"""Health checks of a process, for load balancers, orchestrators and people.

    # urls.py
    path("healthz", health.live, name="health_live"),
    path("readyz", health.ready, name="health_ready"),

Under `realtime.asgi.outlive_request` they are answered without Django's middleware: they need no
thread, even when all threads wait for a database that hangs; and they accept any `Host` and plain
HTTP, because such probes use an IP address.
"""

import asyncio
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from .exceptions import DatabaseUnavailable
from .hub.hub import Hub
from .hub.log_follower import LogFollower, State
from .postgres.writability import NO_NEW_CONNECTIONS

# Kubernetes waits for one second unless told otherwise.
ANSWER_SECONDS = 0.9

NOT_REACHED = "The event log can't be read now; the log of this process says why."
NO_ANSWER = f"The database did not answer in {ANSWER_SECONDS} seconds."
DRAINING = "This process is about to end."


@require_safe
async def live(request: HttpRequest) -> JsonResponse:
    """Whether the process answers at all: if it doesn't, restart it.

    It doesn't query the database: if that is away, a restart doesn't help.
    """
    return _answer(200, status="alive")


@require_safe
async def ready(request: HttpRequest) -> JsonResponse:
    """Whether to send clients here: 200, or 503 with the reason.

    It makes a query over the hub's connection, which simultaneous probes share. By a new connection
    it also tests whether a request could write now: if not, every order would be an error. Without
    a listener the process is ready all the same: it finds events by polling, and if notifications
    don't reach one process, they reach none.

    If there are streams in other databases, `databases` describes each of these, with a `reason` if
    it is away. The process goes on serving the streams of the other databases.
    """
    hub = Hub.current()
    looks = await asyncio.gather(*map(_look, hub.followers.values()))
    of_each = dict(zip(hub.followers, looks, strict=True))
    reason, figures = of_each.pop(hub.home.database)
    if hub.is_draining:
        reason = DRAINING
    if of_each:
        figures["databases"] = {
            alias: {"reason": why_not, **own} for alias, (why_not, own) in of_each.items()
        }
    if reason is not None:
        return _answer(503, status="not ready", reason=reason, **figures)
    return _answer(200, status="ready", **figures)


async def _look(follower: LogFollower) -> tuple[str | None, dict[str, Any]]:
    """Why nothing can be written to a database, or None; and the other fields of the answer."""
    lag, not_writable = await asyncio.gather(
        _measure_lag(follower), follower.writability.why_not(ANSWER_SECONDS)
    )
    state = follower.state
    return _why_not(lag, state, not_writable), _figures(lag, state)


async def _measure_lag(follower: LogFollower) -> float | None:
    try:
        return await follower.measure_lag(seconds=ANSWER_SECONDS)
    except DatabaseUnavailable:
        return None


def _why_not(lag: float | None, state: State, not_writable: str | None) -> str | None:
    if not_writable is not None and not_writable != NO_NEW_CONNECTIONS:
        return not_writable
    # Not the error itself, which names hosts and accounts: anyone may send this request.
    if state.away is not None:
        return state.explanation or NOT_REACHED
    # A hub that is busy with a long import has no time to measure, but is healthy.
    answers = state.seconds_since_answer
    if lag is None and (answers is None or answers > ANSWER_SECONDS):
        return NO_ANSWER
    return not_writable


def _figures(lag: float | None, state: State) -> dict[str, Any]:
    """The other fields of the answer.

    listener: “listening”; “deaf”: notifications don't arrive, see the log; or “connecting”.
    lag_seconds: the age of the oldest event that waits for its number; null: not measured.
    """
    if state.listening_since is not None:
        listener = "listening"
    else:
        listener = "deaf" if state.is_deaf else "connecting"
    return {
        "listener": listener,
        "listening_since": state.listening_since,
        "lag_seconds": lag,
        "seconds_since_answer": state.seconds_since_answer,
    }


def _answer(status_code: int, **fields: Any) -> JsonResponse:
    return JsonResponse(fields, status=status_code, headers={"Cache-Control": "no-store"})


for view in (live, ready):
    view.skips_middleware = True  # type: ignore[attr-defined]  # a function's own, for realtime.asgi
