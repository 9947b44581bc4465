"""An event loop inside a request thread, for coroutines that synchronous code has to call.

asgiref's `async_to_sync` starts a thread and an event loop for each call, which takes 300 µs of the
1,200 µs that opening a stream takes. Here each thread keeps its loop, and a call takes 7 µs.
"""

import asyncio
import selectors
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import connections

from ..postgres.deadlines import DjangoDeadline

Result = TypeVar("Result")

_of_thread = threading.local()


class SelectorOfFew(selectors.DefaultSelector):
    """Asks the kernel for events only if there can be any.

    The system call releases the interpreter's lock, and it takes until another thread gives it
    back: in a crowd a millisecond, three times for each request.
    """

    def select(self, timeout: float | None = None) -> Any:
        # The only file is the loop's own, by which other threads wake it; it is awake already.
        if timeout is not None and timeout <= 0 and len(self.get_map()) == 1:
            return []
        return super().select(timeout)


class ThreadLoop:
    """The event loop of the thread that enters it."""

    def __init__(self) -> None:
        self._loop = asyncio.SelectorEventLoop(SelectorOfFew())
        self._calls: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()

    def __enter__(self) -> None:
        _of_thread.loop = self

    def __exit__(self, *error: Any) -> None:
        _of_thread.loop = None
        self._loop.close()

    @property
    def is_running(self) -> bool:
        return self._loop.is_running()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end. Its changes to context variables stay in the thread."""
        context = copy_context()
        task: asyncio.Task[Result] = self._loop.create_task(
            _in_its_context(coroutine), context=context
        )
        task.add_done_callback(lambda task: self._loop.stop())
        while not task.done():
            self._loop.run_forever()
            while self._calls:
                _make(*self._calls.popleft())
        _take_over(context)
        return task.result()

    async def call(self, function: Callable[[], Result]) -> Result:
        """Call a function in this thread while the loop rests: it may block, and use the ORM."""
        answer: asyncio.Future[Result] = self._loop.create_future()
        # With what the caller has set, such as a language, as sync_to_async() calls it.
        context = copy_context()
        self._calls.append((partial(context.run, function), answer))
        self._loop.stop()
        try:
            return await answer
        finally:
            _take_over(context)


def _take_over(context: Context) -> None:
    """Set context variables as they are in another context, which has ended."""
    for variable, value in context.items():
        if variable.get(None) is not value:
            variable.set(value)


def _make(function: Callable[[], Any], answer: "asyncio.Future[Any]") -> None:
    try:
        result = function()
    except BaseException as error:
        answer.set_exception(as_error(error))
    else:
        answer.set_result(result)


def as_error(error: BaseException) -> Exception:
    """What somebody else's code has raised in a thread, as what a future can carry.

    A StopIteration, as of `next()`, is refused by futures; SystemExit and CancelledError mean
    neither this thread nor the task that waits for it, which would wait for ever.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    converted = RuntimeError(f"A view or middleware has raised {error!r}.")
    converted.__cause__ = error
    return converted


def _call(function: Callable[[], Result]) -> Result:
    try:
        return function()
    except BaseException as error:
        if (converted := as_error(error)) is not error:
            raise converted from error
        raise


async def _in_its_context(awaitable: Awaitable[Result]) -> Result:
    """Whatever it does by `sync_to_async` is done in a thread that no other request uses."""
    async with ThreadSensitiveContext() as context:
        try:
            return await awaitable
        finally:
            if context in SyncToAsync.context_to_thread_executor:
                # That thread ends here. Its database connections would be left to the garbage
                # collector.
                await sync_to_async(connections.close_all)()


def run_in_this_thread(function: Callable[..., Coroutine[Any, Any, Result]]) -> Callable[..., Any]:
    """The synchronous form of a coroutine function, for request threads."""

    def run(*args: Any, **kwargs: Any) -> Result:
        thread = _current()
        if thread is None or thread.is_running:
            # Some asynchronous middleware has taken the request into another thread.
            return async_to_sync(function)(*args, **kwargs)
        return thread.run(function(*args, **kwargs))

    # What decorators and middleware go by: but not the mark of a coroutine function.
    marks = {name: mark for name, mark in vars(function).items() if "is_coroutine" not in name}
    vars(run).update(marks)
    return run


async def call_synchronously(function: Callable[[], Result], seconds: float) -> Result:
    """Call a function that may use the ORM.

    In a request thread: there and then, for this is what the thread is for. Otherwise on the thread
    that the ORM has in this context; if the database takes longer than these seconds, its
    connection is cut.
    """
    thread = _current()
    if thread is not None and thread.is_running:
        return await thread.call(function)
    with DjangoDeadline(seconds) as timed:
        result: Result = await sync_to_async(timed(partial(_call, function)))()
        return result


def is_request_thread() -> bool:
    """Whether the calling thread is one of ours, which keeps its database connection."""
    return _current() is not None


def _current() -> ThreadLoop | None:
    return getattr(_of_thread, "loop", None)
