"""Every way out x every kind of callable and block x role: each span ends once, nothing else changes."""

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
from tests.instrumentation.kinds import KINDS, WAITING
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
    kind: str


CASES = [Case(*case) for case in itertools.product(ROLES, EXITS, KINDS)]
TIMED = list(itertools.product(ROLES, TIMERS, WAITING))


def test_the_product_has_its_size() -> None:
    """6 roles x 8 ways out x 26 kinds; and 6 roles x 5 ways from outside x 8 kinds that wait."""
    assert (len(ROLES), len(EXITS), len(KINDS), len(TIMERS), len(WAITING)) == (6, 8, 26, 5, 8)
    assert len(CASES) == 6 * 8 * 26 == 1248
    assert len(TIMED) == 6 * 5 * 8 == 240


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


def check_ended_once(recorder: Recorder, role: str) -> None:
    """Exactly one span of the role, one summary or terminal where it has one, no span event, the context as before."""
    recorder.one(role)
    assert [event for seen in recorder.ended for event in seen.span.events] == []
    events = recorder.events(late=False)
    assert events.count("auto_assign.summary") == events.count("auto_assign.started") == (role == "job")
    assert sum(events.count(event) for event in TERMINALS) == (role == "inline")
    assert "auto_assign" not in "".join(get_current())


def call(case: Case) -> Any:
    """Call the case's kind of callable, which leaves in the case's way."""
    return KINDS[case.kind](ROLES[case.role], lambda: leave(case.way_out))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_every_way_out_ends_the_span_once(profiled: Recorder, case: Case) -> None:
    """The caller sees the identical value or exception object."""
    error = EXITS[case.way_out]
    if error is None:
        assert call(case) == ("early" if case.way_out == "early return" else "whole")
    else:
        with pytest.raises(type(error)) as raised:
            call(case)
        assert raised.value is error
    check_ended_once(profiled, case.role)


@pytest.mark.parametrize(("role", "timer", "kind"), TIMED)
def test_every_way_from_outside_ends_the_span_once(
    profiled: Recorder, caplog: pytest.LogCaptureFixture, role: str, timer: str, kind: str
) -> None:
    """Timers, cancellations and closed coroutines: one span, and no complaint about the context in the log."""
    function = WAITING[kind](ROLES[role])
    with caplog.at_level(logging.WARNING):
        asyncio.run(from_outside(function, timer))
    # Before 3.13 Python itself complains of an async generator whose step was closed while it waited.
    complaints = [record for record in caplog.records if "async_generator_athrow" not in record.getMessage()]
    assert complaints == []
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
