"""Whatever asyncio does to a flow, its context is left clean, its spans end once, and no run adopts after its end."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import sys
import weakref
from collections import Counter
from collections.abc import Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import get_current

from otel_auto_assign import (
    Settings,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from otel_auto_assign._spans import NOWHERE, place_in
from tests.instrumentation.kinds import Waits, drive
from tests.instrumentation.planner import HOLD, NO_TABLES

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder

STEPS = 8
"""Await points of ``job``."""


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No context of ours outlives the test, and nothing complains of one."""
    with caplog.at_level(logging.WARNING):
        yield
    assert place_in(get_current()) is NOWHERE
    assert [record.getMessage() for record in caplog.records] == []


@traced_quote
async def quote(answer: Any) -> Any:
    """A planner that waits twice."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return answer


@traced_confirm
async def confirm() -> None:
    """A confirm that waits."""
    await asyncio.sleep(0)


@traced_job
async def job() -> None:
    """Two attempts, a stage and waiting between them."""
    async with traced_attempt():
        await quote(NO_TABLES)
    await asyncio.sleep(0)
    async with traced_stage("pause"):
        await asyncio.sleep(0)
    await quote(HOLD)
    await confirm()
    await asyncio.sleep(0)


def take_steps(coroutine: Any, steps: int) -> int:
    """Drive ``coroutine`` by hand for at most ``steps`` steps; give how many it took to its end, or ``steps``."""
    for taken in range(steps):
        try:
            coroutine.send(None)
        except StopIteration:
            return taken
    return steps


def test_the_job_has_as_many_await_points_as_are_tried() -> None:
    """Otherwise the tests below would leave some out."""
    assert take_steps(job(), 100) == STEPS


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
@pytest.mark.parametrize("profiling", [False, True])
def test_cancellation_at_each_await_point(recorder: Recorder, steps: int, profiling: bool) -> None:
    """One summary that says so, every span that started has ended, and the task's context is as it was."""
    if profiling:
        recorder.configure(settings=Settings(profiling=True), real_time=True)

    async def main() -> None:
        before = get_current()
        task = asyncio.create_task(job())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert get_current() is before

    asyncio.run(main())

    assert recorder.job["job.result"] == "cancelled"
    assert recorder.events().count("auto_assign.summary") == 1
    assert len({seen.id for seen in recorder.ended}) == len(recorder.ended)
    attempts = [seen for seen in recorder.all("attempt") if seen["attempt.index"] is not None]
    assert len(attempts) == recorder.job["job.attempts_used"]


def test_a_task_group_belongs_to_its_job(recorder: Recorder) -> None:
    """Its tasks' quotes are the job's; when one fails, those that it takes along are cancelled, each once."""

    @traced_quote
    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    @traced_quote
    async def endless() -> None:
        await asyncio.sleep(30)

    @traced_job
    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(endless())
            group.create_task(failing())
            group.create_task(endless())

    with pytest.raises(BaseExceptionGroup):
        asyncio.run(together())

    assert [q["flow"] for q in recorder.all("quote")] == ["job"] * 3
    assert sorted(str(q["cancelled"]) for q in recorder.all("quote")) == ["None", "True", "True"]
    assert recorder.job["job.result"] == "error"


def test_what_a_shield_keeps_alive_is_late(recorder: Recorder) -> None:
    """The job is cancelled; its shielded quote ends afterwards, and is not the job's any more."""

    async def main() -> None:
        kept: list[asyncio.Task[Any]] = []

        @traced_job
        async def shielding() -> None:
            kept.append(asyncio.create_task(quote(HOLD)))
            await asyncio.shield(kept[0])

        task = asyncio.create_task(shielding())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await kept[0] is HOLD

    asyncio.run(main())

    assert recorder.one("quote")["late"] is True
    assert recorder.job["job.result"] == "cancelled"
    assert recorder.one("quote").end >= recorder.job.end


def test_a_run_that_has_ended_adopts_nobody(recorder: Recorder) -> None:
    """A task that the job leaves behind and that asks only later has no attempt in it; its row says late."""

    async def main() -> None:
        kept: list[asyncio.Task[Any]] = []

        async def afterwards() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await quote(HOLD)

        @traced_job
        async def leaving() -> None:
            kept.append(asyncio.create_task(afterwards()))

        await leaving()
        await kept[0]

    asyncio.run(main())

    assert recorder.one("quote")["late"] is True
    assert recorder.all("attempt") == []
    assert recorder.job["job.attempts_used"] == 0
    assert "auto_assign.attempt" not in recorder.events()


@pytest.mark.parametrize("timer", ["wait_for", "timeout"])
def test_a_time_out_leaves_the_task_as_it_was(recorder: Recorder, timer: str) -> None:
    """Inside the inline run or around it: one terminal, and what is asked next is in no run."""

    @traced_inline(timeout=0.02)
    async def inline() -> None:
        await asyncio.sleep(30)

    async def timed() -> None:
        if timer == "wait_for":
            await asyncio.wait_for(inline(), 0.03)
        else:
            async with asyncio.timeout(0.03):
                await inline()

    async def main() -> None:
        before = get_current()
        with pytest.raises(TimeoutError):
            await timed()
        assert get_current() is before
        await quote(HOLD)

    asyncio.run(main())

    assert recorder.inline["inline.outcome"] == "timeout"
    assert recorder.one("quote")["flow"] == "direct"


def test_two_coroutines_in_one_shared_context_keep_their_children(recorder: Recorder) -> None:
    """Tasks that were given the same contextvars context take turns; each job has its own quotes, attempts, trace."""

    async def main() -> None:
        shared = copy_context()
        tasks = [asyncio.create_task(job(), context=shared) for _ in range(2)]
        tasks.append(asyncio.create_task(quote(HOLD), context=shared))
        await asyncio.sleep(0)
        assert shared.run(lambda: place_in(get_current())) is NOWHERE
        await asyncio.gather(*tasks)
        assert shared.run(lambda: place_in(get_current())) is NOWHERE

    asyncio.run(main())

    assert [seen.parent for seen in recorder.all("job")] == [None, None]
    assert [seen["job.attempts_used"] for seen in recorder.all("job")] == [2, 2]
    jobs = [f"{seen.id:016x}" for seen in recorder.all("job")]
    assert Counter(seen["job.id"] for seen in recorder.all("quote")) == {jobs[0]: 2, jobs[1]: 2, None: 1}
    assert {seen["nested"] for seen in recorder.all("quote")} == {None}


def test_blocks_in_one_shared_context_take_each_other_s_children_but_end_as_ever(recorder: Recorder) -> None:
    """A block cannot step aside while its coroutine waits: every run ends once, and nothing outlives the last."""

    async def block(pauses: int) -> None:
        async with traced_job():
            for _ in range(pauses):
                await asyncio.sleep(0)
                await quote(HOLD)

    async def main() -> None:
        shared = copy_context()
        await asyncio.gather(*(asyncio.create_task(block(pauses), context=shared) for pauses in (1, 3)))
        assert shared.run(lambda: place_in(get_current())) is NOWHERE
        await quote(HOLD)

    asyncio.run(main())

    assert recorder.events().count("auto_assign.summary") == len(recorder.all("job")) == 2
    assert len(recorder.all("quote")) == 5
    assert recorder.all("quote")[-1]["flow"] == "direct"


def test_a_coroutine_driven_by_hand_leaves_the_context_between_steps(recorder: Recorder) -> None:
    """Who drives it is not inside it; what is thrown in and what comes out are the very objects."""
    thrown, kept = ValueError("thrown"), object()

    @traced_job
    async def driven() -> object:
        await asyncio.sleep(0)
        assert place_in(get_current()).run is not None
        with pytest.raises(ValueError, match="thrown") as caught:
            await asyncio.sleep(0)
        assert caught.value is thrown
        return kept

    before = get_current()
    coroutine = driven()
    for _ in range(2):
        coroutine.send(None)
        assert get_current() is before
    with pytest.raises(StopIteration) as stop:
        coroutine.throw(thrown)
    assert stop.value.value is kept
    assert get_current() is before
    assert recorder.job["job.result"] == "skipped"


def test_a_cancelled_coroutine_does_not_keep_its_exception_in_a_cycle() -> None:
    """Nothing is left to the garbage collector: the exception goes when its last user does."""

    class Watched(Exception):  # noqa: N818 - not an error of anybody's
        pass

    coroutine: Any = job()
    coroutine.send(None)
    gc.disable()
    try:
        watched: list[Any] = []
        try:
            coroutine.throw(Watched())
        except Watched as error:
            watched.append(weakref.ref(error))
        del coroutine
        assert watched[0]() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="before 3.12 nothing can be marked as a coroutine function")
def test_what_only_says_that_it_is_a_coroutine_function_is_awaited_as_it_is(recorder: Recorder) -> None:
    """A marked function may return any awaitable, without the methods that coroutines have."""
    of_3_12: Any = inspect
    marked = of_3_12.markcoroutinefunction(lambda: Waits(lambda: "h"))
    assert drive(traced_quote(marked)()) == "h"
    assert recorder.one("quote")["hold.id"] == "h"


def test_a_job_that_starts_its_successor_is_not_kept_alive_by_it(recorder: Recorder) -> None:
    """A job that re-arms itself, for ever, stands in the context of the one before and holds no memory of it."""
    depths: list[int] = []

    async def main() -> None:
        tasks: list[asyncio.Task[None]] = []
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        @traced_job
        async def periodic() -> None:
            await quote(HOLD)
            place, depth = place_in(get_current()), 0
            while place.outer is not None:
                place, depth = place.outer, depth + 1
            depths.append(depth)
            if len(depths) < 20:
                loop.call_soon(lambda: tasks.append(asyncio.create_task(periodic())))
            else:
                done.set()

        await periodic()
        await done.wait()
        await asyncio.gather(*tasks)

    asyncio.run(main())

    assert len(recorder.all("job")) == 20
    assert set(depths) == {1}
