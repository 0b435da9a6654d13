"""Threads, tasks, nested jobs, two jobs of one booking: every run keeps its own count."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from otel_auto_assign import current_inline, current_job, traced_attempt, traced_inline, traced_job, traced_quote
from tests.instrumentation.planner import HOLD, NO_TABLES, confirm, quote, run_job

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


def check_jobs(recorder: Recorder, attempts: int) -> None:
    """Every job has its attempts, numbered from 0, and its one summary."""
    summaries = [r for r in recorder.rows if r.event_type == "auto_assign.summary"]
    assert len({r.context["job_id"] for r in summaries}) == len(summaries) == len(recorder.all("job"))
    for summary in summaries:
        job_id = summary.context["job_id"]
        indexes = sorted(
            r.context["attempt_index"]
            for r in recorder.rows
            if r.event_type == "auto_assign.attempt" and r.context["job_id"] == job_id
        )
        assert indexes == list(range(attempts))
        assert summary.context["attemptsUsed"] == attempts
    assert len({row.id for row in recorder.rows}) == len(recorder.rows)


def one_job(_number: int = 0) -> None:
    """Three attempts, the last confirmed."""
    run_job(lambda: (quote(NO_TABLES), quote(NO_TABLES), quote(HOLD), confirm()), booking_id="same")


def test_jobs_in_threads(recorder: Recorder) -> None:
    """Fifty jobs of one booking in eight threads."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one_job, range(50)))
    assert len(recorder.all("job")) == 50
    check_jobs(recorder, 3)


def test_jobs_in_tasks(recorder: Recorder) -> None:
    """Fifty interleaved jobs in one loop."""

    @traced_quote
    async def planner(value: Any) -> Any:
        await asyncio.sleep(random.random() / 1000)  # noqa: S311 - any order will do
        return value

    @traced_job
    async def job(booking_id: str) -> None:
        for value in (NO_TABLES, NO_TABLES, HOLD):
            await planner(value)
        confirm()

    async def all_jobs() -> None:
        await asyncio.gather(*(job(f"b{number}") for number in range(50)))

    asyncio.run(all_jobs())
    check_jobs(recorder, 3)
    assert {j["job.result"] for j in recorder.all("job")} == {"succeeded"}


def test_a_job_inside_a_job_counts_for_itself(recorder: Recorder) -> None:
    """The inner job's quotes are not the outer one's."""

    def outer() -> None:
        quote(NO_TABLES)
        run_job(lambda: quote(NO_TABLES))
        assert current_job()._run is not None
        quote(NO_TABLES)

    run_job(outer)
    inner, outermost = recorder.all("job")
    assert (inner["job.attempts_used"], outermost["job.attempts_used"]) == (1, 2)
    assert inner.parent == outermost.id


def test_a_job_inside_an_inline_run_and_back(recorder: Recorder) -> None:
    """The innermost run is the current one."""

    @traced_inline
    def inline() -> None:
        run_job(lambda: quote(NO_TABLES))
        current_inline().hold("h")
        quote(HOLD)

    inline()
    assert [q["flow"] for q in recorder.all("quote")] == ["job", "inline"]
    assert recorder.inline["inline.outcome"] == "succeeded"


def test_parallel_attempts_of_one_job_have_indexes_of_their_own(recorder: Recorder) -> None:
    """Blocks side by side in threads that the context was carried into."""

    @traced_attempt
    def attempt() -> None:
        quote(NO_TABLES)

    def body() -> None:
        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(copy_context().run, attempt) for _ in range(12)]:
                future.result()

    run_job(body)
    assert sorted(index for index, _, _ in recorder.attempts if index is not None) == list(range(12))
    assert recorder.job["job.attempts_used"] == 12


def test_a_direct_quote_is_in_no_job_s_count(recorder: Recorder) -> None:
    """Outside any flow: ``flow: direct``, no job_id, no attempt."""
    quote(HOLD)
    context = recorder.row("auto_assign.quote").context
    assert context["flow"] == "direct"
    assert "job_id" not in context
    assert recorder.events() == ["auto_assign.quote"]


def test_one_block_shared_by_many_threads_hurts_none_of_them(recorder: Recorder) -> None:
    """Every thread leaves what it entered itself, whatever the others do at that moment."""
    block = traced_job()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(300):
                with block:
                    pass
        except BaseException as error:
            raised.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert raised == []
    assert len(recorder.all("job")) == 1800
    assert recorder.events().count("auto_assign.summary") == 1800


def test_a_block_closed_elsewhere_leaves_its_own_entry(recorder: Recorder) -> None:
    """An async generator that entered a shared block is closed by another task, while a third is in the block."""
    block = traced_job()

    async def feed() -> AsyncIterator[int]:
        with block:
            yield 1

    async def main() -> None:
        steps: Any = feed()
        await asyncio.create_task(anext(steps))

        async def healthy() -> None:
            with block as job:
                job.record({"result": "cutoff"})
                await asyncio.create_task(steps.aclose())

        await asyncio.create_task(healthy())

    asyncio.run(main())

    assert sorted(job["job.result"] for job in recorder.all("job")) == ["cancelled", "cutoff"]
