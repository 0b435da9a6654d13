"""Every way out x sync and async x decorator and context manager x role: each span ends once, nothing else changes."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from opentelemetry.context import get_current

from otel_auto_assign import (
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from tests.instrumentation.recording import Recorder
from tests.instrumentation.test_inline_rules import TERMINALS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES: dict[str, Callable[..., Any]] = {
    "job": traced_job,
    "inline": traced_inline,
    "attempt": traced_attempt,
    "quote": traced_quote,
    "confirm": traced_confirm,
    "stage": traced_stage,
}


class EarlyError(Exception):
    """An exception of the application's, told apart by identity."""


EXITS: dict[str, BaseException | None] = {
    "return": None,
    "early return": None,
    "exception": EarlyError("boom"),
    "CancelledError": asyncio.CancelledError(),
    "TimeoutError": TimeoutError("inside"),
    "GeneratorExit": GeneratorExit(),
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
}
TIMERS = ("wait_for", "asyncio.timeout", "task.cancel", "coroutine.close", "garbage collection")


class Case(NamedTuple):
    """One way through the product."""

    role: str
    way_out: str
    is_async: bool
    as_block: bool


CASES = [Case(*case) for case in itertools.product(ROLES, EXITS, (False, True), (False, True))]
TIMED = list(itertools.product(ROLES, TIMERS, (False, True)))


def test_the_product_has_its_size() -> None:
    """6 roles x 8 ways out x sync, async x decorator, block; and 6 roles x 5 ways from outside x decorator, block."""
    assert len(CASES) == 6 * 8 * 2 * 2 == 192
    assert len(TIMED) == 6 * 5 * 2 == 60


@pytest.fixture
def profiled() -> Iterator[Recorder]:
    """A recorder under profiling, where each stage is a span."""
    with Recorder(profiling=True) as recording:
        yield recording


def leave(way_out: str) -> str:
    """Leave the calling function in the way asked for."""
    if way_out == "early return":
        return "early"
    error = EXITS[way_out]
    if error is not None:
        raise error
    return "whole"


def made(case: Case) -> Callable[[], Any]:
    """Make the function of a case, which gives what it returned, or raises."""
    traced, way_out = ROLES[case.role], case.way_out
    if case.as_block:

        def block() -> str:
            with traced():
                return leave(way_out)

        async def async_block() -> str:
            async with traced():
                await asyncio.sleep(0)
                return leave(way_out)

        return (lambda: drive(async_block())) if case.is_async else block

    @traced
    def function() -> str:
        return leave(way_out)

    @traced
    async def coroutine_function() -> str:
        await asyncio.sleep(0)
        return leave(way_out)

    return (lambda: drive(coroutine_function())) if case.is_async else function


def drive(coroutine: Any) -> Any:
    """Run a coroutine without an event loop, which would treat SystemExit and KeyboardInterrupt its own way."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as stop:
        return stop.value


def check_ended_once(recorder: Recorder, role: str) -> None:
    """Exactly one span of the role, one summary or terminal where the role has one, and the context as before."""
    recorder.one(role)
    events = recorder.events(late=False)
    assert events.count("auto_assign.summary") == events.count("auto_assign.started") == (role == "job")
    assert sum(events.count(event) for event in TERMINALS) == (role == "inline")
    assert "auto_assign" not in "".join(get_current())


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_every_way_out_ends_the_span_once(profiled: Recorder, case: Case) -> None:
    """The caller sees the identical value or exception object."""
    error = EXITS[case.way_out]
    call = made(case)
    if error is None:
        assert call() == ("early" if case.way_out == "early return" else "whole")
    else:
        with pytest.raises(type(error)) as raised:
            call()
        assert raised.value is error
    check_ended_once(profiled, case.role)


@pytest.mark.parametrize(("role", "timer", "as_block"), TIMED)
def test_every_way_from_outside_ends_the_span_once(
    profiled: Recorder, caplog: pytest.LogCaptureFixture, role: str, timer: str, as_block: bool
) -> None:
    """Timers, cancellations and closed coroutines: one span, and no complaint about the context in the log."""
    traced = ROLES[role]

    @traced
    async def decorated() -> None:
        await asyncio.sleep(30)

    async def block() -> None:
        with traced():
            await asyncio.sleep(30)

    function: Callable[[], Any] = block if as_block else decorated
    with caplog.at_level(logging.WARNING):
        asyncio.run(from_outside(function, timer))
    assert caplog.records == []
    check_ended_once(profiled, role)


async def from_outside(function: Callable[[], Any], timer: str) -> None:
    """End a call of ``function`` by ``timer``."""
    if timer == "wait_for":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(function(), 0.01)
    elif timer == "asyncio.timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await function()
    elif timer == "task.cancel":
        task = asyncio.create_task(function())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        coroutine = function()
        coroutine.send(None)
        if timer == "coroutine.close":  # in another context than the one it ran in
            await asyncio.get_running_loop().run_in_executor(None, coroutine.close)
            forget_what_the_coroutine_left_current()
        else:
            forget_what_the_coroutine_left_current()
            del coroutine


def forget_what_the_coroutine_left_current() -> None:
    """Step out of the context that a coroutine driven by hand has made current in ours."""
    from opentelemetry.context import Context, attach

    attach(Context())
