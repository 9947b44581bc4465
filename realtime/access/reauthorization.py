"""Reauthorization: while a stream is open, its view is asked again for the client's topics."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import isawaitable
from io import BytesIO
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import Error
from django.http import Http404, HttpRequest

from ..log.topics import Topics

logger = logging.getLogger("realtime")


@dataclass
class Question:
    """Travels to a guarded view in the scope of a request, and returns with the topics if the
    decorators around the view let the request pass.
    """

    topics: Topics | None = None


QUESTION_KEY = "realtime.question"


def question_of(request: HttpRequest) -> Question | None:
    found: Question | None = getattr(request, "scope", {}).get(QUESTION_KEY)
    return found


def is_asked_again(request: HttpRequest) -> bool:
    """Whether this request only checks if the client of an open stream may go on.

    For code that counts requests, in a decorator of a stream's view or in its `topics()`: a client
    that opens one stream for a day is checked again every ACCESS_CHECK_SECONDS.

    request: the request that a decorator of the view, its `dispatch()` or its `topics()` gets.

    Returns True for such a check, False for a client's own request.
    """
    return getattr(request, "_realtime_asks_again", False)


def ask_again(
    view_class: Callable[..., Any],
    initkwargs: dict[str, Any],
    scope: dict[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    user: Any,
) -> Topics:
    request = _same_request(scope, user)
    view = view_class(**initkwargs)
    view.setup(request, *args, **kwargs)
    topics: Topics = view._topics_again(request, kwargs)
    return topics


def ask_guarded(
    guard: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    ask: Callable[[Any], Topics],
    scope: dict[str, Any],
    user: Any,
) -> Topics:
    """ask_again(), through decorators that also decide, such as permission_required().

    args, kwargs: the arguments of the URL. A decorator may pass others to the view.
    ask: asks the view without the decorators.

    Returns the topics. Raises PermissionDenied if the request doesn't reach the view.
    """
    question = Question()
    request = _same_request({**scope, QUESTION_KEY: question}, user)
    try:
        response = guard(request, *args, **kwargs)
        if isawaitable(response):
            async_to_sync(_awaited)(response)
    except (PermissionDenied, Http404, Error):
        raise
    except Exception:
        # A decorator needs something that middleware adds to a request, and no middleware ran here.
        # Or it uses the response, and then the view has already answered.
        if question.topics is None:
            _say_that_it_can_not_be_asked(guard)
            return ask(user)
    if question.topics is None:
        raise PermissionDenied
    return question.topics


async def _awaited(response: Awaitable[Any]) -> None:
    await response


@cache
def _say_that_it_can_not_be_asked(guard: Callable[..., Any]) -> None:
    """Log it once a process for each view. Call it in the except block of the error."""
    logger.warning(
        "A decorator or the dispatch() of a stream's view could not be asked again while streams "
        "are open, so only the view's topics() is. It needs something that only a request "
        "through the middleware has: %r",
        guard,
        exc_info=True,
    )


def _same_request(scope: dict[str, Any], user: Any) -> Any:
    request: Any = ASGIRequest(scope, BytesIO())
    request._realtime_asks_again = True  # for is_asked_again()
    request.user = AnonymousUser() if user is None else user

    async def auser() -> Any:
        return request.user

    request.auser = auser
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    return request
