"""``traced_job``, ``traced_attempt``, ``traced_quote``, ``traced_confirm``, ``traced_inline``, ``traced_stage``.

Each is a decorator, bare or called, for every kind of callable, and a context manager for the body of a loop:

    @traced_quote
    def quote(booking_id): ...

    @traced_job(trigger="cron", max_attempts=5)
    async def assign(booking_id): ...

    with traced_attempt():
        ...

Booking and restaurant ids come from the arguments named ``booking_id``, ``restaurant_id``, ``booking``,
``restaurant`` (snake or camel case); no other argument is read but ``trigger`` and ``inline_attempt_id``.

What is decorated pickles as before. Functions do so by name: ``ask = traced_quote(quote)`` beside an undecorated
``quote`` does not pickle, as with any decorator; ``ask = traced_quote(functools.partial(quote))`` does.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, overload

from otel_auto_assign._calls import CallScope
from otel_auto_assign._children import begin_attempt, begin_confirm, begin_quote
from otel_auto_assign._inline_run import InlineRun
from otel_auto_assign._job_run import JobRun
from otel_auto_assign._scopes import Given, Scope, begin_inline, begin_job
from otel_auto_assign._stages import begin_stage
from otel_auto_assign._traced import F, Role, Traced
from otel_auto_assign.handles import Handle, InlineHandle, JobHandle
from otel_auto_assign.outcomes import Extractor
from otel_auto_assign.settings import MOST_SECONDS
from otel_auto_assign.values import safe_float

_MOST_ATTEMPTS: Final = 1_000_000

H = TypeVar("H", bound=Handle)


def _handle(_scope: CallScope | None) -> Handle:
    return Handle()


def _job_handle(scope: CallScope | None) -> JobHandle:
    run = scope.run if isinstance(scope, Scope) else None
    return JobHandle(run if isinstance(run, JobRun) else None)


def _inline_handle(scope: CallScope | None) -> InlineHandle:
    run = scope.run if isinstance(scope, Scope) else None
    return InlineHandle(run if isinstance(run, InlineRun) else None)


_JOB: Final[Role[JobHandle]] = Role("traced_job", begin_job, _job_handle)
_INLINE: Final[Role[InlineHandle]] = Role("traced_inline", begin_inline, _inline_handle, inline=True)
_ATTEMPT: Final[Role[Handle]] = Role("traced_attempt", begin_attempt, _handle)
_QUOTE: Final[Role[Handle]] = Role("traced_quote", begin_quote, _handle, answers=True)
_CONFIRM: Final[Role[Handle]] = Role("traced_confirm", begin_confirm, _handle, answers=True)
_STAGE: Final[Role[Handle]] = Role("traced_stage", begin_stage, _handle)


def _traced(role: Role[H], function: F | None, given: Given, name: str | None = None, **options: Any) -> F | Traced[H]:
    extractor = options.get("extractor")
    if extractor is not None and not callable(extractor):
        raise TypeError(f"{role.decorator}(extractor={extractor!r:.80}): must be a function that gives an Outcome")
    traced = Traced(role, given, name, options)
    return traced if function is None else traced(function)


@overload
def traced_job(function: F, /) -> F: ...
@overload
def traced_job(
    *,
    trigger: str | None = None,
    max_attempts: int | None = None,
    booking_id: object = None,
    restaurant_id: object = None,
    inline_attempt_id: object = None,
    status: object = None,
    carrier: object = None,
    extractor: Extractor | None = None,
) -> Traced[JobHandle]: ...
def traced_job(
    function: F | None = None,
    /,
    *,
    trigger: str | None = None,
    max_attempts: int | None = None,
    booking_id: object = None,
    restaurant_id: object = None,
    inline_attempt_id: object = None,
    status: object = None,
    carrier: object = None,
    extractor: Extractor | None = None,
) -> F | Traced[JobHandle]:
    """Trace a job: all attempts to assign tables to one booking. Each job has one summary, on every way out.

    Args:
        function: the function, when used bare.
        trigger: what started the job; default: its argument ``trigger``, else ``unknown``.
        max_attempts: how many attempts it may make, if that is always the same.
        booking_id: the booking's id, for blocks; functions have it as an argument.
        restaurant_id: the restaurant's id, likewise.
        inline_attempt_id: the id of the inline run before, likewise.
        status: the booking's status at the start, likewise.
        carrier: what the inline run before has written (`InlineHandle.inject`), likewise; see `continue_from`.
        extractor: reads the returned value, where the default does not understand it.

    Raises:
        TypeError: if ``function`` cannot be wrapped, or ``extractor`` cannot be called.
        ValueError: if ``max_attempts`` is negative.
    """
    if max_attempts is not None and not (type(max_attempts) is int and 0 <= max_attempts <= _MOST_ATTEMPTS):
        raise ValueError(f"traced_job(max_attempts={max_attempts!r}): must be a whole number, zero or more")
    given = Given(booking_id, restaurant_id, trigger, inline_attempt_id, status, carrier)
    return _traced(_JOB, function, given, extractor=extractor, max_attempts=max_attempts)


@overload
def traced_inline(function: F, /) -> F: ...
@overload
def traced_inline(
    *,
    timeout: float | None = None,
    trigger: str | None = None,
    booking_id: object = None,
    restaurant_id: object = None,
    attempt_id: object = None,
    extractor: Extractor | None = None,
) -> Traced[InlineHandle]: ...
def traced_inline(
    function: F | None = None,
    /,
    *,
    timeout: float | None = None,
    trigger: str | None = None,
    booking_id: object = None,
    restaurant_id: object = None,
    attempt_id: object = None,
    extractor: Extractor | None = None,
) -> F | Traced[InlineHandle]:
    """Trace an inline run: one quote and one confirm inside the booking request. Each run has exactly one terminal.

    Args:
        function: the function, when used bare.
        timeout: the time-out in seconds, which the application keeps itself; default: ``Settings.inline_timeout``.
        trigger: what started the run; default: its argument ``trigger``, else ``unknown``.
        booking_id: the booking's id, for blocks; functions have it as an argument.
        restaurant_id: the restaurant's id, likewise.
        attempt_id: the application's own id of the run, likewise; default: the span's id.
        extractor: reads the returned value, where the default does not understand it.

    Raises:
        TypeError: if ``function`` cannot be wrapped, or ``extractor`` cannot be called.
        ValueError: if ``timeout`` is not above zero.
    """
    seconds = safe_float(timeout)
    if timeout is not None and not (seconds is not None and 0 < seconds <= MOST_SECONDS):
        raise ValueError(f"traced_inline(timeout={timeout!r}): must be a number of seconds above zero")
    given = Given(booking_id, restaurant_id, trigger, attempt_id)
    return _traced(_INLINE, function, given, extractor=extractor, timeout_s=seconds)


@overload
def traced_attempt(function: F, /) -> F: ...
@overload
def traced_attempt() -> Traced[Handle]: ...
def traced_attempt(function: F | None = None, /) -> F | Traced[Handle]:
    """Trace one attempt of a job. Not needed where each attempt asks once: a quote in a job opens its own.

    Args:
        function: the function, when used bare.

    Raises:
        TypeError: if ``function`` cannot be wrapped.
    """
    return _traced(_ATTEMPT, function, Given())


@overload
def traced_quote(function: F, /) -> F: ...
@overload
def traced_quote(
    *, booking_id: object = None, restaurant_id: object = None, extractor: Extractor | None = None
) -> Traced[Handle]: ...
def traced_quote(
    function: F | None = None,
    /,
    *,
    booking_id: object = None,
    restaurant_id: object = None,
    extractor: Extractor | None = None,
) -> F | Traced[Handle]:
    """Trace a call of the planner: a hold on tables, or the reason why not.

    A generator's call lasts from its first step to its last, the caller's time between them included. Its value is
    what it returns, else what it yielded last; so is that of one that its caller takes no more from. An awaitable that
    a plain function returns ends the call when it was awaited.

    Args:
        function: the function, when used bare.
        booking_id: the booking's id, for blocks outside a run; functions have it as an argument.
        restaurant_id: the restaurant's id, likewise.
        extractor: reads the returned value, where the default does not understand it.

    Raises:
        TypeError: if ``function`` cannot be wrapped, or ``extractor`` cannot be called.
    """
    return _traced(_QUOTE, function, Given(booking_id, restaurant_id), extractor=extractor)


@overload
def traced_confirm(function: F, /) -> F: ...
@overload
def traced_confirm(
    *, booking_id: object = None, restaurant_id: object = None, extractor: Extractor | None = None
) -> Traced[Handle]: ...
def traced_confirm(
    function: F | None = None,
    /,
    *,
    booking_id: object = None,
    restaurant_id: object = None,
    extractor: Extractor | None = None,
) -> F | Traced[Handle]:
    """Trace the confirm of a hold. One that returns nothing has succeeded; False, or ``success: False``, has not.

    Args:
        function: the function, when used bare.
        booking_id: the booking's id, for blocks outside a run; functions have it as an argument.
        restaurant_id: the restaurant's id, likewise.
        extractor: reads the returned value, where the default does not understand it.

    Raises:
        TypeError: if ``function`` cannot be wrapped, or ``extractor`` cannot be called.
    """
    return _traced(_CONFIRM, function, Given(booking_id, restaurant_id), extractor=extractor)


@overload
def traced_stage(function: F, /) -> F: ...
@overload
def traced_stage(name: str | None = None, /, *, threshold: float | None = None) -> Traced[Handle]: ...
def traced_stage(function_or_name: F | str | None = None, /, *, threshold: float | None = None) -> F | Traced[Handle]:
    """Watch a stage of a flow. It costs two clock readings, and becomes a span only when slow, or while profiling.

    Args:
        function_or_name: the function, when used bare; else the stage's name, by default the function's.
        threshold: seconds beyond which the stage is slow; default: ``Settings.stage_threshold``.

    Raises:
        TypeError: if the function cannot be wrapped.
        ValueError: if ``threshold`` is negative.
    """
    seconds = safe_float(threshold)
    if threshold is not None and not (seconds is not None and 0 <= seconds <= MOST_SECONDS):
        raise ValueError(f"traced_stage(threshold={threshold!r}): must be a number of seconds, zero or more")
    if function_or_name is None or isinstance(function_or_name, str):
        return _traced(_STAGE, None, Given(), name=function_or_name, threshold_s=seconds)
    return _traced(_STAGE, function_or_name, Given(), threshold_s=seconds)
