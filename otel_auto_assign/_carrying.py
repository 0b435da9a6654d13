"""Takes the run along where contextvars do not go: to an executor's thread, and by a carrier to another process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from opentelemetry.context import attach, detach, get_current

from otel_auto_assign._guard import swallowed
from otel_auto_assign._origins import followed
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


@contextmanager
def continue_from(carrier: object) -> Iterator[None]:
    """Have the job that starts in the block follow the inline run that wrote ``carrier`` (`InlineHandle.inject`).

    It is a child of the current span if there is one, else of the carrier's; it is linked to the inline run in any
    case, and knows its ``inline_attempt_id``, ``inline_reason`` and ``inline_trigger``. With
    ``Settings.job_starts_trace`` it begins a trace of its own, with the links.

    Args:
        carrier: the mapping that was written; None, or whatever is no carrier, changes nothing.

    >>> with continue_from(None), traced_job(booking_id="b-17"):
    ...     pass
    """
    token = None
    try:
        context = get_current()
        inside = followed(context, carrier)
        token = None if inside is context else attach(inside)
    except Exception as failure:  # a propagator of the host's
        swallowed("continue_from()", failure)
    try:
        yield
    finally:
        if token is not None:
            detach(token)
