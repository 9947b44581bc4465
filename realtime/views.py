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
from .access.authentication import SignedIn, authenticate
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
    """Cached: streams with the same selection share one object, which each event looks at."""
    return Selection(_types(types), topics)


@lru_cache
def _types(types: tuple[str, ...]) -> frozenset[str]:
    return frozenset(types)


def _dispatching_off_the_loop(view: Callable[..., Any]) -> Callable[..., Any]:
    """Dispatch in a thread, where a subclass's `setup` or `dispatch`, or a decorator of them, may
    query the database.
    """

    @wraps(view)
    async def dispatching(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return await _called_off_the_loop(view, *args, **kwargs)

    return dispatching


def _dispatching(view: Callable[..., Any]) -> Callable[..., Any]:
    """Marked as a coroutine function: Django marks only its own view, and not a partial() of it."""

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

    Each signed-in user gets the events published to them. A subclass can add topics:

        class DocumentStream(EventStreamView):
            def topics(self, request, **kwargs):
                document = get_object_or_404(Document.objects.visible_to(request.user), **kwargs)
                return [document, request.user]

    With `?scope=all`, users with `view_all_permission` get the events of all topics. If the view
    has `view_all_types`, they get only these types of all topics, and all events of their own
    topics.

    `?topics=<topic>`, which may be repeated, names the topics that a page was rendered for. If the
    user may not follow all of them, the stream is refused: somebody else may have signed in to the
    same browser since.

    `?follow=no` ends the stream once it has sent all events there are, and makes EventSource ask
    again every few seconds: for a client behind a proxy that holds a stream back until its end.

    GET /…  [Last-Event-ID: <id>]  or  ?last_event_id=<id>
        200 text/event-stream: the events after that id, then new ones; without an id, only new
            ones. If an id can't be honoured: one `event: reset`, see README.md.
        400 unknown scope, or `follow` is neither yes nor no; 401 nobody is signed in, or the token
            is wrong; 403 the user may follow none of these topics, or not those that the page was
            rendered for; 404 the object of the stream is gone; 501 from a WSGI server.
        429 too many streams of this user or address; 503 too many streams in the process, or the
            database is away; both with Retry-After. EventSource would give up on them, so a client
            that accepts only text/event-stream gets a stream that ends at once, with `retry:`.

    stream: the name of the stream in the event log.
    view_all_permission: the permission that `?scope=all` needs; None: nobody may use it.
    view_all_types: the types of events that `?scope=all` adds; None: all. Name them if other events
        share the stream, such as the bell's, which only their own user may see.
    max_streams_per_address: how many streams of this view a visitor who isn't signed in may have
        open in a process; None: REALTIME["MAX_STREAMS_PER_ADDRESS"].
    """

    # A subclass that takes other methods, such as POST, isn't exempt from CSRF checks, nor from
    # LoginRequiredMiddleware, which then redirects clients that only have a token.
    http_method_names = ["get", "head"]
    # A subclass may still have a synchronous `get`, see as_view().
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
            # The view changes nothing, and a POST has to get a 405 instead of a CSRF error.
            view.csrf_exempt = True
            # Without credentials it answers 401 itself: scripts can't follow to a login page.
            view = login_not_required(view)
        # No transaction may stay open as long as a stream (ATOMIC_REQUESTS). It writes nothing.
        for alias in connections:
            view = non_atomic_requests(using=alias)(view)
        view.is_event_stream = True  # for realtime.asgi
        # If a decorator copies the view's attributes, this one no longer is the decorated view,
        # which shows that there is a decorator.
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
        # Without this method Django would set `self.head = self.get`, a reference cycle that keeps
        # the view and its request until the garbage collector runs.
        if not iscoroutinefunction(self.get):
            return await _called_off_the_loop(self.get, request, *args, **kwargs)
        return await self.get(request, *args, **kwargs)

    def topics(self, request: HttpRequest, **kwargs: Any) -> Any:
        """The topics that this request may follow. Override it in a subclass; it may query.

        It is called again while the stream is open, every ACCESS_CHECK_SECONDS and after
        `realtime.recheck`. Then the request has the same address, headers and user, but of what
        middleware adds only `user` and `session`. Decorators of the view and a subclass's own
        `setup`, `dispatch` or `get` run again as well. Code that counts requests can recognise such
        a call by `realtime.is_asked_again(request)`.

        kwargs: the arguments of the URL.

        Returns a topic or several, or realtime.EVERYTHING.

        May raise PermissionDenied, which is answered by 401 for an anonymous user and by 403 for
        others; or Http404, which is answered by 404. An anonymous `request.user` as a topic, and an
        empty list or queryset, count as PermissionDenied.
        """
        if not request.user.is_authenticated:
            raise PermissionDenied
        return request.user

    def _answer(
        self, request: HttpRequest, hub: Hub | None, kwargs: dict[str, Any]
    ) -> HttpResponseBase:
        """The response. This may query, so it runs in a thread.

        hub: None for a test client without an event loop.
        """
        # Imported here, because an asgi.py imports this before Django has loaded its models.
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
        """The grant and the topics of a request. Raises Rejected."""
        signed_in = _sign_in(request)
        permission = self._permission_for_scope(request, signed_in)
        rendered_for = set(request.GET.getlist("topics"))
        if permission is not None and self.view_all_types is None:
            if rendered_for:
                self._check_page(rendered_for, self._topics_of(request, kwargs))
            topics = followed(EVERYTHING)
            is_own = False
        else:
            topics = self._topics_of(request, kwargs)
            self._check_page(rendered_for, topics)
            is_own = self._overrides("topics")
        grant = self._grant(request, signed_in, permission)
        if (is_own and hasattr(request, "scope")) or self._guard(request) is not None:
            grant.review = Review(self._question(request, kwargs, grant), topics)
        return grant, topics

    def _permission_for_scope(self, request: HttpRequest, signed_in: SignedIn | None) -> str | None:
        """The permission by which everybody's events are sent; None: only the user's own are.

        Raises Rejected.
        """
        scope = request.GET.get("scope", "own")
        if scope not in ("own", "all"):
            raise Rejected(400, "scope has to be “own” (or left out) or “all”.")
        if scope == "own":
            return None
        if signed_in is None or not request.user.is_authenticated:
            raise Unauthorized
        needed = self.view_all_permission
        if needed is None or not _holds(request, request.user, needed):
            raise Rejected(403, "You may not see everybody's events.")
        return needed

    def _grant(
        self, request: HttpRequest, signed_in: SignedIn | None, permission: str | None
    ) -> Grant:
        if signed_in is not None:
            return signed_in.access(permission=permission)
        view = f"{type(self).__module__}.{type(self).__qualname__}"
        visitor = anonymous_user(view, request.META.get("REMOTE_ADDR", ""))
        return Grant(visitor, tenant=tenant_of_now())

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
        """The topics of `topics()`, and those that the scope adds.

        Raises PermissionDenied or Http404.
        """
        topics = _allowed(self.topics(request, **kwargs))
        if request.GET.get("scope") != "all" or self.view_all_types is None:
            return topics
        # This raises InvalidTopic with tenants, because these types are those of all tenants.
        everything = followed(EVERYTHING)
        if topics is EVERYTHING:
            return everything
        return _selection(tuple(self.view_all_types), named(topics))

    @staticmethod
    def _check_page(rendered_for: set[str], topics: Topics) -> None:
        if topics is not EVERYTHING and not rendered_for <= set(named(topics)):
            raise Rejected(
                403,
                "The page was rendered for another user, or for topics that this user may not "
                "follow any more.",
                reason="page",
            )

    def _question(
        self, request: HttpRequest, kwargs: dict[str, Any], grant: Grant
    ) -> Callable[[Any], Topics]:
        """A function that asks `topics()` again. It keeps only little of this request."""
        scope = lasting_scope(request)
        ask = partial(ask_again, type(self), self._initkwargs, scope, self.args, kwargs)
        if (guard := self._guard(request)) is not None:
            ask = partial(ask_guarded, guard.func, guard.args, guard.kwargs, ask, scope)
        if grant.is_in_table or not request.user.is_authenticated:
            return ask
        # A user made from a token alone isn't in the database, so this one is kept.
        user = request.user
        return lambda nobody: ask(user)

    def _topics_again(self, request: HttpRequest, kwargs: dict[str, Any]) -> Topics:
        if request.GET.get("scope") == "all" and self.view_all_types is None:
            return followed(EVERYTHING)
        return self._followed(request, kwargs)

    def _guard(self, request: HttpRequest) -> ResolverMatch | None:
        """The view with the project's decorators, and its URL arguments; None: there are none, or
        they can't be known.
        """
        match: ResolverMatch | None = getattr(request, "resolver_match", None)
        if match is None or not hasattr(request, "scope"):
            return None
        is_plain = getattr(match.func, "undecorated", None) is match.func
        if is_plain and not self._overrides("setup", "dispatch", "get"):
            return None
        return match

    def _overrides(self, *methods: str) -> bool:
        """Whether a subclass or `as_view()` overrides any of these methods."""
        return any(name in vars(self) or _is_overridden(type(self), name) for name in methods)

    def _follows(self, request: HttpRequest) -> bool:
        """Whether the stream waits for more events when it has sent all. Raises Rejected."""
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


def _sign_in(request: HttpRequest) -> SignedIn | None:
    """Who asks, who becomes `request.user`; None: a visitor. Raises Rejected."""
    try:
        signed_in = authenticate(request)
    except InvalidCredentials as error:
        raise Rejected(
            401, str(error), reason="credentials", WWW_Authenticate=challenge(error)
        ) from error
    request.user = AnonymousUser() if signed_in is None else signed_in.user
    return signed_in


def _holds(request: HttpRequest, user: Any, permission: str) -> bool:
    known = prefetched(request)
    return bool(user.has_perm(permission)) if known is None else known.holds(user, permission)


def _allowed(subjects: Any) -> Topics:
    """The topics that `topics()` returned.

    Raises PermissionDenied if there are none, or one is an anonymous user.
    """
    is_several = isinstance(subjects, (list, tuple, set, frozenset, QuerySet))
    several = subjects if is_several else [subjects]
    if not several or any(isinstance(subject, AnonymousUser) for subject in several):
        raise PermissionDenied
    return followed(subjects)
