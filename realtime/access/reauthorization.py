"""Asking a stream's view again whether its client may go on, while the stream is open."""

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
    """What a guarded view is asked again by: it goes in the scope of a request, and comes back with
    the topics, if what stands around the view has let it pass.
    """

    topics: Topics | None = None


QUESTION_KEY = "realtime.question"


def question_of(request: HttpRequest) -> Question | None:
    found: Question | None = getattr(request, "scope", {}).get(QUESTION_KEY)
    return found


def is_asked_again(request: HttpRequest) -> bool:
    """Whether this request only asks again if the client of an open stream may go on.

    For what counts requests, around a stream's view or in its `topics()`: whoever follows for a day
    has opened one stream, and is looked at every ACCESS_CHECK_SECONDS.

    request: as a decorator of the view, its `dispatch()` or `topics()` gets it.
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
    """As ask_again(), through whatever decides beside `topics()`, such as permission_required().

    args, kwargs: the URL's; what stands in between may make others of them for the view.
    ask: the same without. Raises PermissionDenied if the view isn't reached.
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
        # It goes by what middleware adds to a request, and here there was none; or it does
        # something with the response, and the answer has been given by then.
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
    """Once a process, for each view. In the except block of its error."""
    logger.warning(
        "What stands around a stream's view (a decorator, or dispatch()) could not be asked again "
        "while streams are open, so only its topics() are. It goes by something that only a "
        "request through the middleware has: %r",
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
