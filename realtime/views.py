"""The view of a stream."""

from collections.abc import Callable
from functools import partial, wraps
from inspect import isawaitable
from typing import Any, ClassVar

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError, connections
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse
from django.views import View

from . import conf
from .access.authentication import (
    InvalidCredentials,
    authenticate,
    challenge,
    token_header,
)
from .access.grants import Grant
from .hub.hub import Hub
from .log.topics import EVERYTHING, Topics, topic_of
from .serving.admission import Admission
from .serving.handover import handover_of
from .serving.rejections import (
    NeedsASGI,
    Rejected,
    TryAgainLater,
    check_hub,
    is_of_test_client,
    reserve_place,
)
from .serving.responses import EventStreamResponse
from .serving.thread_loop import call_synchronously


def _dispatching_off_the_loop(view: Callable[..., Any]) -> Callable[..., Any]:
    """For a subclass whose `dispatch` may query the database, as a decorator of it may."""

    @wraps(view)
    async def dispatching(*args: Any, **kwargs: Any) -> HttpResponse:
        response = await call_synchronously(
            partial(view, *args, **kwargs), conf.get("QUERY_SECONDS")
        )
        return await response if isawaitable(response) else response

    return dispatching


class EventStreamView(View):
    """A stream of server-sent events: `EventStreamView.as_view(stream="orders")`.

    Everybody who is signed in gets the events published to them. With `?scope=all` those who hold
    `view_all_permission` get the events of all topics.

    `?recipient=<topic>` is for a page, which knows for whom it was rendered: when somebody else has
    signed in since in the same browser, it is refused instead of being told what is theirs.

    `?follow=no` ends the stream once it has said what there is, and lets EventSource ask again
    every few seconds: for a client behind a proxy that holds a stream back until its end.

    GET /…  [Last-Event-ID: <position>]  or  ?last_event_id=<position>
        200 text/event-stream: what came after that position, then what comes; without either,
            from now. A position that can't be honoured: one `event: reset`, see README.md.
        400 a scope there isn't, or `follow` is neither yes nor no; 401 nobody, or a wrong token;
            403 without the permission for `scope=all`, or not the recipient who is signed in.
        429 too many streams of this user, 503 too many of all, or the database is away: with
            Retry-After. To a client that accepts text/event-stream only, as EventSource, which
            would give up, the same is said by a stream that ends at once, with `retry:`.
    """

    http_method_names: ClassVar[list[str]] = ["get", "head"]
    stream: str = ""
    view_all_permission: str | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        view = super().as_view(**initkwargs)
        if cls.dispatch is not View.dispatch:
            view = _dispatching_off_the_loop(view)
        # It changes nothing; and a POST is to be told 405, not that it lacks a CSRF token.
        view.csrf_exempt = True
        # Without credentials it says so itself, to scripts that can't follow to a login page.
        view = login_not_required(view)
        # A stream is open for days, and no transaction may be. It writes nothing.
        for alias in connections:
            view = non_atomic_requests(using=alias)(view)
        view.is_event_stream = True  # for realtime.asgi
        return view

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not hasattr(request, "scope") and not is_of_test_client(request):
            return NeedsASGI().response
        handover = handover_of(request)
        hub = None
        if handover is not None:
            hub = handover.hub
        elif hasattr(request, "scope"):
            hub = Hub.current()
        answer = partial(self._answer, request, hub)
        return await call_synchronously(answer, conf.get("QUERY_SECONDS"))

    def _answer(self, request: HttpRequest, hub: Hub | None) -> HttpResponse:
        """All that may query the database. hub: None for a test client without an event loop."""
        try:
            if hub is not None:
                check_hub(request, hub)
            grant, topics = self.admit(request)
            follow = self.follows(request)
            if request.method == "HEAD":
                return EventStreamResponse(request, None)
            if hub is not None:
                reserve_place(request, hub, grant)
        except Rejected as rejected:
            return rejected.response
        except (InterfaceError, OperationalError):
            return TryAgainLater(request, 503, "The database is away.", soon=True).response
        admission = Admission.of_request(request, self.stream, grant, topics, follow=follow)
        return EventStreamResponse(request, admission)

    def admit(self, request: HttpRequest) -> tuple[Grant, Topics]:
        """What they who ask may follow, and what that rests on. Raises Rejected."""
        try:
            signed_in = authenticate(request)
        except InvalidCredentials as error:
            raise Rejected(401, str(error), WWW_Authenticate=challenge(error)) from error
        if signed_in is None:
            raise Rejected(
                401,
                f"Sign in, or send an access token: {token_header()}",
                WWW_Authenticate=challenge(),
            )
        own = topic_of(signed_in.user)
        if request.GET.get("recipient", own) != own:
            raise Rejected(403, "Somebody else is signed in than the recipient asked for.")
        scope = request.GET.get("scope", "own")
        if scope == "own":
            return signed_in.access(), (own,)
        if scope != "all":
            raise Rejected(400, "scope has to be “own” (or left out) or “all”.")
        permission = self.view_all_permission
        if permission is None or not signed_in.user.has_perm(permission):
            raise Rejected(403, "You may not see everybody's events.")
        return signed_in.access(permission=permission), EVERYTHING

    def follows(self, request: HttpRequest) -> bool:
        """Whether the client stays when all has been said. Raises Rejected."""
        follow = request.GET.get("follow", "yes")
        if follow not in ("yes", "no"):
            raise Rejected(400, "follow has to be “yes” (or left out) or “no”.")
        return follow == "yes"
