"""What a generator gives, takes and leaves behind is what it would without us; its call's value is told by one rule."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from opentelemetry.context import get_current

from otel_auto_assign import disable, enable, traced_job, traced_quote
from otel_auto_assign._spans import NOWHERE, place_in
from tests.instrumentation.kinds import drive, exhaust, exhaust_async
from tests.instrumentation.planner import HOLD, NO_TABLES, quote

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


def gives(yields: Any, returns: Any) -> Callable[[], Generator[Any, Any, Any]]:
    """Make a generator function."""

    def generator() -> Generator[Any, Any, Any]:
        yield yields
        return returns

    return generator


@pytest.mark.parametrize(
    ("yields", "returns", "success"),
    [(NO_TABLES, HOLD, True), (HOLD, NO_TABLES, False), (HOLD, None, True), (NO_TABLES, None, False)],
)
def test_a_quote_s_value_is_what_its_generator_returns_else_what_it_yielded_last(
    recorder: Recorder, yields: Any, returns: Any, success: bool
) -> None:
    """A planner that streams ends with its answer, in either way."""
    assert exhaust(traced_quote(gives(yields, returns))()) is returns
    assert recorder.one("quote")["success"] is success


@pytest.mark.parametrize(("returns", "result"), [(None, "skipped"), ({"result": "cutoff"}, "cutoff")])
def test_what_a_job_yields_says_nothing_of_it(recorder: Recorder, returns: Any, result: str) -> None:
    """A job may report its progress; what it came to is what it returns."""
    exhaust(traced_job(gives({"result": "already_confirmed"}, returns))())
    assert recorder.job["job.result"] == result


def test_an_async_generator_of_a_job_says_nothing_of_it_either(recorder: Recorder) -> None:
    """It cannot return anything."""

    @traced_job
    async def job() -> AsyncIterator[Any]:
        yield {"result": "already_confirmed"}

    exhaust_async(job())
    assert recorder.job["job.result"] == "skipped"


def test_an_exception_that_is_thrown_in_and_comes_out_is_a_failure(recorder: Recorder) -> None:
    """Only who closes a generator wants no more of it."""
    steps: Any = traced_quote(gives(HOLD, None))()
    next(steps)
    with pytest.raises(ValueError, match="thrown"):
        steps.throw(ValueError("thrown"))
    assert recorder.one("quote").failed
    assert recorder.one("quote")["success"] is False


@traced_quote
async def echo() -> AsyncGenerator[Any, Any]:
    """Yield what is sent, ask while being closed."""
    said = None
    try:
        while True:
            said = yield said
    finally:
        quote(HOLD)


def test_an_async_generator_forwards_what_is_sent_and_is_inside_whenever_it_steps(recorder: Recorder) -> None:
    """Sent in, yielded out; what it asks while it is thrown out of is nested, what is asked beside it is not."""
    steps = echo()
    assert drive(steps.asend(None)) is None
    assert drive(steps.asend(HOLD)) is HOLD
    assert place_in(get_current()) is NOWHERE
    quote(HOLD)
    with pytest.raises(ValueError, match="thrown"):
        drive(steps.athrow(ValueError("thrown")))
    assert place_in(get_current()) is NOWHERE
    assert [q["nested"] for q in recorder.all("quote")] == [None, True, None]


def test_an_async_generator_that_ends_ends_its_span_once(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is told of it a second time when its frame goes."""

    @traced_quote
    async def ends() -> AsyncIterator[Any]:
        yield HOLD

    @traced_quote
    async def fails() -> AsyncIterator[Any]:
        yield HOLD
        raise ValueError("own")

    with caplog.at_level(logging.WARNING), traced_job():
        exhaust_async(ends())
        with pytest.raises(ValueError, match="own"):
            exhaust_async(fails())
        gc.collect()
    assert [(q["success"], q.failed) for q in recorder.all("quote")] == [(True, False), (False, True)]
    assert recorder.job["job.attempts_used"] == 2
    assert caplog.records == []


class Watched(Exception):  # noqa: N818 - not an error of anybody's
    """An exception that can be watched."""


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_an_exception_that_came_out_is_not_kept_in_a_cycle(recorder: Recorder, kind: str) -> None:
    """Nothing is left to the garbage collector: it goes when its last user does."""
    watched: list[weakref.ref[Watched]] = []

    def leave() -> None:
        steps = traced_quote(gives(HOLD, None))()
        next(steps)
        try:
            steps.throw(Watched())
        except Watched as error:
            watched.append(weakref.ref(error))

    async def leave_async() -> None:
        steps = echo()
        await steps.asend(None)
        try:
            await steps.athrow(Watched())
        except Watched as error:
            watched.append(weakref.ref(error))

    gc.disable()
    try:
        if kind == "generator":
            leave()
        else:
            drive(leave_async())
        assert watched[0]() is None
    finally:
        gc.enable()


def test_the_event_loop_knows_the_outer_generator_only(recorder: Recorder) -> None:
    """It closes what it knows; generators that begin later are known to it as ever."""

    async def other() -> AsyncIterator[int]:
        yield 1

    async def main() -> None:
        hooks, known = sys.get_asyncgen_hooks(), asyncio.get_running_loop()._asyncgens  # type: ignore[attr-defined]
        steps, more = echo(), other()
        await steps.asend(None)
        assert list(known) == [steps]
        assert sys.get_asyncgen_hooks() == hooks
        await anext(more)
        assert len(known) == 2
        await steps.aclose()

    asyncio.run(main())


def test_what_is_turned_off_before_the_first_step_has_no_span(recorder: Recorder) -> None:
    """The call begins with its first step, not when the generator is made."""
    steps, async_steps = traced_quote(gives(HOLD, None))(), echo()
    disable()
    assert next(steps) is HOLD
    assert drive(async_steps.asend(None)) is None
    enable()
    steps.close()
    drive(async_steps.aclose())
    assert [q["flow"] for q in recorder.all("quote")] == ["direct"]  # the one that `echo` asks itself


def test_a_generator_has_its_function_s_name() -> None:
    """As tracebacks and debuggers show it."""
    steps: Any = traced_quote(gives(1, 2))()
    assert (steps.__name__, steps.__qualname__) == ("generator", "gives.<locals>.generator")
    async_steps: Any = echo()
    assert (async_steps.__name__, async_steps.__qualname__) == ("echo", "echo")


@wrapt.decorator
def listed(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """A decorator of the host's that looks like what it wraps, and gives something else."""
    made = wrapped(*args, **kwargs)
    return list(made) if isinstance(made, Generator) else "no generator"


def test_what_only_says_that_it_is_a_generator_function_is_left_alone(recorder: Recorder) -> None:
    """What it gives is what the caller gets."""

    async def generator() -> AsyncIterator[int]:
        yield 1

    ask: Any = traced_quote(listed(gives(HOLD, None)))
    ask_async: Any = traced_quote(listed(generator))
    assert ask() == [HOLD]
    assert ask_async() == "no generator"
