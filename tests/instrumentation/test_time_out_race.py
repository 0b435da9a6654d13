"""The time-out in each of its forms: one terminal, the late result marked, the caller's exception its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import current_inline, traced_inline, traced_quote
from tests.instrumentation.planner import HOLD, NO_TABLES
from tests.instrumentation.test_inline_rules import SHORT, terminal

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


@traced_quote
async def slow_quote() -> Any:
    """A planner that takes far too long."""
    await asyncio.sleep(5)


def test_a_time_out_inside_the_function(recorder: Recorder) -> None:
    """``asyncio.timeout`` inside: the quote is cancelled, TimeoutError leaves the run."""

    @traced_inline(timeout=SHORT)
    async def inline() -> None:
        async with asyncio.timeout(SHORT):
            await slow_quote()

    with pytest.raises(TimeoutError):
        asyncio.run(inline())
    assert terminal(recorder) == "timeout"
    assert recorder.one("quote")["cancelled"] is True
    assert recorder.one("quote")["late"] is None


def test_a_time_out_inside_the_function_that_it_handles(recorder: Recorder) -> None:
    """``wait_for`` inside and handled: the last child was cancelled at the time-out's time."""

    @traced_inline(timeout=SHORT)
    async def inline() -> str:
        try:
            await asyncio.wait_for(slow_quote(), SHORT)
        except TimeoutError:
            return "later"
        return "now"

    assert asyncio.run(inline()) == "later"
    assert terminal(recorder) == "timeout"


def test_a_time_out_outside_the_function_by_wait_for(recorder: Recorder) -> None:
    """The timer outside starts earlier; the run sees a cancellation."""

    @traced_inline(timeout=SHORT)
    async def inline() -> None:
        await slow_quote()

    async def caller() -> None:
        await asyncio.wait_for(inline(), SHORT)

    with pytest.raises(TimeoutError):
        asyncio.run(caller())
    assert terminal(recorder) == "timeout"


def test_a_time_out_outside_the_function_by_asyncio_timeout(recorder: Recorder) -> None:
    """Likewise."""

    @traced_inline(timeout=SHORT)
    async def inline() -> None:
        await slow_quote()

    async def caller() -> None:
        async with asyncio.timeout(SHORT):
            await inline()

    with pytest.raises(TimeoutError):
        asyncio.run(caller())
    assert terminal(recorder) == "timeout"


def test_a_worker_thread_whose_caller_has_gone(recorder: Recorder) -> None:
    """The caller gives up, the thread goes on: the known defect of today's telemetry, now marked late."""
    go = threading.Event()

    @traced_quote
    def blocking_quote() -> Any:
        go.wait(5)
        return HOLD

    @traced_inline(timeout=SHORT)
    def inline(pool: ThreadPoolExecutor) -> str:
        future = pool.submit(copy_context().run, blocking_quote)
        try:
            future.result(SHORT)
        except TimeoutError:
            current_inline().timed_out()
            return "INLINE_TIMEOUT"
        return "held"

    with ThreadPoolExecutor(1) as pool:
        assert inline(pool) == "INLINE_TIMEOUT"
        assert terminal(recorder) == "timeout"
        go.set()
    assert terminal(recorder) == "timeout"
    row = recorder.row("inline_auto_assign.quote_result")
    assert (row.context["hasHold"], row.context["late"]) == (True, True)


def test_a_shielded_operation_that_goes_on(recorder: Recorder) -> None:
    """``shield`` inside ``wait_for``: TimeoutError leaves the run, the planner's answer comes late."""

    @traced_quote
    async def answer() -> Any:
        await asyncio.sleep(SHORT * 2)
        return NO_TABLES

    @traced_inline(timeout=SHORT)
    async def inline(tasks: list[asyncio.Task[Any]]) -> None:
        tasks.append(asyncio.create_task(answer()))
        await asyncio.wait_for(asyncio.shield(tasks[0]), SHORT)

    async def caller() -> None:
        tasks: list[asyncio.Task[Any]] = []
        with pytest.raises(TimeoutError):
            await inline(tasks)
        assert terminal(recorder) == "timeout"
        await tasks[0]

    asyncio.run(caller())
    assert terminal(recorder) == "timeout"
    assert recorder.row("inline_auto_assign.quote_result").context["late"] is True


@pytest.mark.parametrize("quote_first", [True, False])
def test_the_race_has_one_winner(recorder: Recorder, quote_first: bool) -> None:
    """Whatever comes first under the run's lock decides, and lateness agrees with the times."""
    barrier = threading.Barrier(2)

    @traced_quote
    def racing() -> Any:
        barrier.wait(5)
        return HOLD

    @traced_inline(timeout=30)
    def inline() -> None:
        thread = threading.Thread(target=copy_context().run, args=(racing,))
        thread.start()
        barrier.wait(5)
        if quote_first:
            thread.join()
        current_inline().timed_out()
        thread.join()

    for _ in range(20):
        inline()
    for run in recorder.all("inline"):
        (quote,) = [q for q in recorder.all("quote") if q["inline.attempt_id"] == run["inline.attempt_id"]]
        assert (quote["late"] is True) == (quote.end > run.end)
        assert quote["late"] is not True or not quote_first
