"""Takes the run along where contextvars do not go: into a thread that already exists, or is made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from opentelemetry.context import attach, detach, get_current

from otel_auto_assign._runtime import runtime

P = ParamSpec("P")
R = TypeVar("R")


def carry(function: Callable[P, R], /) -> Callable[P, R]:
    """Make ``function`` run, in whatever thread, inside the run and the span that are current here and now.

    ``Executor.submit``, ``Executor.map``, ``loop.run_in_executor`` and ``threading.Thread`` start in an empty context,
    where a quote is in no job's count. ``asyncio.to_thread`` and tasks take the context along by themselves. Only
    OpenTelemetry's context is carried, no other context variable, and not into another process.

    Args:
        function: a plain function; of a coroutine function the call is carried, not what is awaited.

    Returns:
        A function that may be called any number of times, in several threads at once. While the instrumentation is
        turned off it is ``function`` itself.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> @traced_quote
    ... def quote(tables):
    ...     return tables
    >>> with traced_job(), ThreadPoolExecutor() as pool:
    ...     list(pool.map(carry(quote), [2, 4]))
    [2, 4]
    """
    if not runtime.enabled:
        return function
    context = get_current()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        token = attach(context)
        try:
            return function(*args, **kwargs)
        finally:
            detach(token)

    return carried
