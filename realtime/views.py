"""The view of a stream."""

from collections.abc import Callable, Collection
from functools import lru_cache, partial, wraps
from inspect import isawaitable, iscoroutinefunction
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connections
from django.db.models import QuerySet
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.views import View

from . import conf
from .access.authentication import authenticate
from .access.grants import Grant, Review, anonymous_user
from .access.prefetch import prefetched
from .access.reauthorization import ask_again, ask_guarded, question_of
from .access.tokens import InvalidCredentials, challenge, token_header
from .hub.hub import Hub
from .log.topics import EVERYTHING, Selection, Topics, followed, named, tenant_of_now
from .serving.admission import Admission
from .serving.handover import handover_of, lasting_scope
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

# The methods that change nothing.
READING = frozenset({"get", "head", "options", "trace"})


@lru_cache(maxsize=1024)
def _selection(types: tuple[str, ...], topics: tuple[str, ...]) -> Selection:
    """The same object for all streams that follow the same: an event looks at it for each."""
    return Selection(_types(types), topics)


@lru_cache
def _types(types: tuple[str, ...]) -> frozenset[str]:
    return frozenset(types)


def _dispatching_off_the_loop(view: Callable[..., Any]) -> Callable[..., Any]:
    """For a subclass with a `setup` or `dispatch` of its own, or a decorated one: it may query the
    database.
    """

    @wraps(view)
    async def dispatching(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return await _called_off_the_loop(view, *args, **kwargs)

    return dispatching


def _dispatching(view: Callable[..., Any]) -> Callable[..., Any]:
    """Django only marks its own as a coroutine function, and a partial() of it has no such mark."""

    @wraps(view)
    async def dispatching(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return cast(HttpResponseBase, await view(*args, **kwargs))

    return dispatching


async def _called_off_the_loop(
    view: Callable[..., Any], *args: Any, **kwargs: Any
) -> HttpResponseBase:
    response: Any = await call_synchronously(
        partial(view, *args, **kwargs), conf.get("QUERY_SECONDS")
    )
    if isawaitable(response):
        response = await response
    return cast(HttpResponseBase, response)


class EventStreamView(View):
    """A stream of server-sent events: `EventStreamView.as_view(stream="orders")`.

    Everybody who is signed in gets the events published to them. A subclass says what else:

        class DocumentStream(EventStreamView):
            def topics(self, request, **kwargs):
                document = get_object_or_404(Document.objects.visible_to(request.user), **kwargs)
                return [document, request.user]

    With `?scope=all` those who hold `view_all_permission` get the events of all topics; with
    `view_all_types` only those of these types, and beside them all that they get without it.

    `?topics=<topic>`, as often as needed, is for a page, which knows for which topics it was
    rendered: when they may no longer all be followed, for somebody else has signed in since in the
    same browser, it is refused instead of being told something else.

    `?follow=no` ends the stream once it has said what there is, and lets EventSource ask again
    every few seconds: for a client behind a proxy that holds a stream back until its end.

    GET /…  [Last-Event-ID: <id>]  or  ?last_event_id=<id>
        200 text/event-stream: what came after the event with that id, then what comes; without
            either, from now. An id that can't be honoured: one `event: reset`, see README.md.
        400 a scope there isn't, or `follow` is neither yes nor no; 401 nobody, or a wrong token;
            403 none of these topics, or not those the page was rendered for; 404 what it is about
            is gone; 501 from a WSGI server.
        429 too many streams of this user or address, 503 too many of all, or the database is away:
            with Retry-After. To a client that accepts text/event-stream only, as EventSource, which
            would give up, the same is said by a stream that ends at once, with `retry:`.

    stream: the name of the stream in the event log.
    view_all_permission: what `?scope=all` takes; None: nobody gets that.
    view_all_types: the types of events that it is about; None: all of the stream. Name them where
        other events share the stream, such as the bell's, which are nobody's but their user's.
    max_streams_per_address: how many streams of this view a visitor who isn't signed in may have
        open in a process; None: REALTIME["MAX_STREAMS_PER_ADDRESS"].
    """

    # A subclass that takes others, such as POST, is not exempt from what guards these: CSRF tokens,
    # and LoginRequiredMiddleware, which then sends to its page whoever has a token only.
    http_method_names = ["get", "head"]
    # A subclass may have a plain `get` all the same, see as_view().
    view_is_async = True
    stream: str = "default"
    view_all_permission: str | None = None
    view_all_types: Collection[str] | None = None
    max_streams_per_address: int | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._initkwargs = kwargs

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        if iscoroutinefunction(initkwargs.get("topics", cls.topics)):
            raise TypeError(
                f"{cls.__qualname__}.topics() has to be synchronous: it is called in a thread, "
                "where it may query the database."
            )
        methods = {
            name.lower() for name in initkwargs.get("http_method_names", cls.http_method_names)
        }
        view: Any = super().as_view(**initkwargs)
        is_plain = _is_overridden(cls, "setup") or _is_overridden(cls, "dispatch")
        view = _dispatching_off_the_loop(view) if is_plain else _dispatching(view)
        if methods <= READING:
            # It changes nothing; and a POST is to be told 405, not that it lacks a CSRF token.
            view.csrf_exempt = True
            # Without credentials it says so itself, to scripts that can't follow to a login page.
            view = login_not_required(view)
        # A stream is open for days, and no transaction may be. It writes nothing.
        for alias in connections:
            view = non_atomic_requests(using=alias)(view)
        view.is_event_stream = True  # for realtime.asgi
        # By this name a decorator that copies what a view has gives itself away: it is another one.
        view.undecorated = view
        return cast(Callable[..., Any], view)

    # Asynchronous, for decorators to see that: method_decorator(never_cache, name="dispatch").
    async def dispatch(  # type: ignore[override]  # what Django's returns is awaitable here, too
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        handler = getattr(self, (request.method or "").lower(), self.http_method_not_allowed)
        dispatch: Any = super().dispatch
        if iscoroutinefunction(handler) and not _is_overridden(type(self), "dispatch"):
            return cast(HttpResponseBase, await dispatch(request, *args, **kwargs))
        # A plain function of a subclass, or a mixin that stands after this class.
        return await _called_off_the_loop(dispatch, request, *args, **kwargs)

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if (question := question_of(request)) is not None:
            question.topics = await sync_to_async(self._topics_again)(request, kwargs)
            # As the answer was, for what stands around: an empty page would be kept by a cache.
            return EventStreamResponse(request, None)
        if not hasattr(request, "scope") and not is_of_test_client(request):
            return NeedsASGI().response
        handover = handover_of(request)
        hub = None
        if handover is not None:
            hub = handover.hub
        elif hasattr(request, "scope"):
            hub = Hub.current()
        answer = partial(self._answer, request, hub, kwargs)
        return await call_synchronously(answer, conf.get("QUERY_SECONDS"))

    async def head(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Django would give each view its own `get` by this name: it would know itself, and be left
        # to the garbage collector with its request.
        if not iscoroutinefunction(self.get):
            return await _called_off_the_loop(self.get, request, *args, **kwargs)
        return await self.get(request, *args, **kwargs)

    def topics(self, request: HttpRequest, **kwargs: Any) -> Any:
        """What this request may follow: a topic or several, or realtime.EVERYTHING.

        It is asked again for as long as the stream is open, every ACCESS_CHECK_SECONDS and when
        `realtime.recheck` says so: then with a request of the same address, headers and user, but
        without what middleware has added beside `user` and `session`. It may query the database.
        So is what the project has put around the view: its decorators, or a `setup`, `dispatch` or
        `get` of its own. What counts requests tells them apart by
        `realtime.is_asked_again(request)`.

        kwargs: of the URL.

        Raises PermissionDenied: 401 for an anonymous user, 403 for others; Http404: 404. To name
        `request.user` of a request that nobody has signed in to is the same as PermissionDenied,
        and so is an empty list or queryset.
        """
        if not request.user.is_authenticated:
            raise PermissionDenied
        return request.user

    def _answer(
        self, request: HttpRequest, hub: Hub | None, kwargs: dict[str, Any]
    ) -> HttpResponseBase:
        """All that may query the database. hub: None for a test client without an event loop."""
        # Here, for an asgi.py imports this before Django has loaded its models.
        from .log.publishing import check_stream

        check_stream(self.stream)
        try:
            if hub is not None:
                check_hub(request, hub, self.stream)
            grant, topics = self._admit(request, kwargs)
            follow = self._follows(request)
            if request.method == "HEAD":
                return EventStreamResponse(request, None)
            if hub is not None:
                reserve_place(request, hub, grant, most_of_address=self.max_streams_per_address)
        except Rejected as rejected:
            return rejected.response
        except (InterfaceError, OperationalError):
            return TryAgainLater(
                request, 503, "The database is away.", reason="away", soon=True
            ).response
        admission = Admission.of_request(request, self.stream, grant, topics, follow=follow)
        return EventStreamResponse(request, admission)

    def _admit(self, request: HttpRequest, kwargs: dict[str, Any]) -> tuple[Grant, Topics]:
        """What may be followed, and what that rests on. Raises Rejected."""
        try:
            signed_in = authenticate(request)
        except InvalidCredentials as error:
            raise Rejected(
                401, str(error), reason="credentials", WWW_Authenticate=challenge(error)
            ) from error
        user = AnonymousUser() if signed_in is None else signed_in.user
        request.user = user
        scope = request.GET.get("scope", "own")
        if scope not in ("own", "all"):
            raise Rejected(400, "scope has to be “own” (or left out) or “all”.")
        rendered_for = set(request.GET.getlist("topics"))
        if scope == "all":
            if signed_in is None or not user.is_authenticated:
                raise Unauthorized
            needed = self.view_all_permission
            if needed is None or not _holds(request, user, needed):
                raise Rejected(403, "You may not see everybody's events.")
            if self.view_all_types is None:
                if rendered_for:
                    self._check_page(rendered_for, self._topics_of(request, kwargs))
                grant = signed_in.access(permission=self.view_all_permission)
                topics = followed(EVERYTHING)
                if self._guard(request) is not None:
                    grant.review = Review(self._question(request, kwargs, grant), topics)
                return grant, topics
        topics = self._topics_of(request, kwargs)
        self._check_page(rendered_for, topics)
        if signed_in is not None:
            permission = self.view_all_permission if scope == "all" else None
            grant = signed_in.access(permission=permission)
        else:
            view = f"{type(self).__module__}.{type(self).__qualname__}"
            visitor = anonymous_user(view, request.META.get("REMOTE_ADDR", ""))
            grant = Grant(visitor, tenant=tenant_of_now())
        decides = self._overrides("topics") or self._guard(request) is not None
        if decides and hasattr(request, "scope"):
            grant.review = Review(self._question(request, kwargs, grant), topics)
        return grant, topics

    def _topics_of(self, request: HttpRequest, kwargs: dict[str, Any]) -> Topics:
        try:
            return self._followed(request, kwargs)
        except PermissionDenied as error:
            if request.user.is_authenticated:
                raise Rejected(403, str(error) or "You may not follow this.") from error
            raise Unauthorized from error
        except Http404 as error:
            raise Rejected(404, "There is nothing here to follow.") from error

    def _followed(self, request: HttpRequest, kwargs: dict[str, Any]) -> Topics:
        """What `topics()` says, and the scope adds. Raises PermissionDenied or Http404."""
        topics = _allowed(self.topics(request, **kwargs))
        if request.GET.get("scope") != "all" or self.view_all_types is None:
            return topics
        # Refused where there are tenants: these types are those of all.
        everything = followed(EVERYTHING)
        if topics is EVERYTHING:
            return everything
        return _selection(tuple(self.view_all_types), named(topics))

    @staticmethod
    def _check_page(rendered_for: set[str], topics: Topics) -> None:
        if topics is not EVERYTHING and not rendered_for <= set(named(topics)):
            raise Rejected(
                403,
                "Somebody else is signed in than the page was rendered for, or what it is about "
                "may no longer be followed.",
                reason="page",
            )

    def _question(
        self, request: HttpRequest, kwargs: dict[str, Any], grant: Grant
    ) -> Callable[[Any], Topics]:
        """Asks `topics()` again, with nothing kept of this request that is large or lives."""
        scope = lasting_scope(request)
        ask = partial(ask_again, type(self), self._initkwargs, scope, self.args, kwargs)
        if (guard := self._guard(request)) is not None:
            ask = partial(ask_guarded, guard.func, guard.args, guard.kwargs, ask, scope)
        if grant.is_in_table or not request.user.is_authenticated:
            return ask
        # A user made from a token alone can't be looked up again.
        user = request.user
        return lambda nobody: ask(user)

    def _topics_again(self, request: HttpRequest, kwargs: dict[str, Any]) -> Topics:
        if request.GET.get("scope") == "all" and self.view_all_types is None:
            return followed(EVERYTHING)
        return self._followed(request, kwargs)

    def _guard(self, request: HttpRequest) -> ResolverMatch | None:
        """The view with what the project has put around it, and what the URL gives it; None:
        nothing stands there, or nobody knows.
        """
        match: ResolverMatch | None = getattr(request, "resolver_match", None)
        if match is None or not hasattr(request, "scope"):
            return None
        is_plain = getattr(match.func, "undecorated", None) is match.func
        if is_plain and not self._overrides("setup", "dispatch", "get"):
            return None
        return match

    def _overrides(self, *methods: str) -> bool:
        """Whether any of these methods is the project's: of a subclass, or given to `as_view()`."""
        return any(name in vars(self) or _is_overridden(type(self), name) for name in methods)

    def _follows(self, request: HttpRequest) -> bool:
        """Whether the client stays when all has been said. Raises Rejected."""
        follow = request.GET.get("follow", "yes")
        if follow not in ("yes", "no"):
            raise Rejected(400, "follow has to be “yes” (or left out) or “no”.")
        return follow == "yes"


def _is_overridden(view_class: type[View], method: str) -> bool:
    """Whether a class of the project's has a method of this name, wherever it is mixed in."""
    bases = set(view_class.__mro__) - {EventStreamView, View}
    return any(method in vars(base) for base in bases)


class Unauthorized(Rejected):
    """Nobody is signed in."""

    def __init__(self) -> None:
        super().__init__(
            401,
            f"Sign in, or send an access token: {token_header()}",
            WWW_Authenticate=challenge(),
        )


def _holds(request: HttpRequest, user: Any, permission: str) -> bool:
    known = prefetched(request)
    return bool(user.has_perm(permission)) if known is None else known.holds(user, permission)


def _allowed(subjects: Any) -> Topics:
    """What `topics()` has returned.

    Raises PermissionDenied if that is nothing, or names who isn't signed in.
    """
    is_several = isinstance(subjects, (list, tuple, set, frozenset, QuerySet))
    several = subjects if is_several else [subjects]
    if not several or any(isinstance(subject, AnonymousUser) for subject in several):
        raise PermissionDenied
    return followed(subjects)
