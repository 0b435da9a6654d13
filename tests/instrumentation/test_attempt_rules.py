"""The contract's §2 on attempts, rule by rule."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import current_job, traced_attempt, traced_quote
from tests.instrumentation.planner import HOLD, NO_TABLES, confirm, quote, run_failing, run_job

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


def test_quotes_alone_open_an_attempt_each(recorder: Recorder) -> None:
    """A quote that starts in a job outside an open attempt opens one, and ends it when it has no hold."""
    run_job(lambda: (quote(NO_TABLES), quote(NO_TABLES)))
    assert recorder.attempts == [(0, False, "hard.no_suitable_tables"), (1, False, "hard.no_suitable_tables")]
    assert [a["attempt.implicit"] for a in recorder.all("attempt")] == [True, True]
    assert [q["attempt.index"] for q in recorder.all("quote")] == [0, 1]
    assert [q.parent for q in recorder.all("quote")] == [a.id for a in recorder.all("attempt")]
    assert {a.parent for a in recorder.all("attempt")} == {recorder.job.id}


def test_a_quote_that_starts_while_another_runs_joins_its_attempt(recorder: Recorder) -> None:
    """Two planner calls side by side are one attempt with two planner calls."""

    async def both() -> None:
        started = asyncio.Event()

        @traced_quote
        async def first() -> Any:
            started.set()
            await asyncio.sleep(0.01)
            return NO_TABLES

        @traced_quote
        async def second() -> Any:
            await started.wait()
            return HOLD

        task = asyncio.create_task(first())
        await started.wait()
        await second()
        await task

    run_job(lambda: asyncio.run(both()))
    (attempt,) = recorder.all("attempt")
    assert attempt["attempt.planner_calls"] == 2
    assert recorder.job["job.attempts_used"] == 1


def test_a_confirm_after_an_implicit_attempt_is_its_child(recorder: Recorder) -> None:
    """With a hold the attempt stays open; the confirm that succeeds ends it, and its end is the attempt's end."""
    run_job(lambda: (quote(HOLD), confirm()))
    (attempt,) = recorder.all("attempt")
    assert recorder.one("confirm").parent == attempt.id
    assert attempt.end == recorder.one("confirm").end
    assert recorder.attempts == [(0, True, "success")]
    assert recorder.job["job.result"] == "succeeded"


def test_a_failed_confirm_decides_over_the_quote(recorder: Recorder) -> None:
    """The last confirm decides; a failure's code is its reason's."""
    run_job(lambda: (quote(HOLD), confirm({"success": False, "reason": "duplicate key: idempotency"})))
    assert recorder.attempts == [(0, False, "transient.idempotency_conflict")]
    assert recorder.job["job.result"] == "exhausted"


def test_a_confirm_tried_again_in_the_same_attempt_counts(recorder: Recorder) -> None:
    """An attempt whose confirm failed stays open for the next confirm."""
    run_job(lambda: (quote(HOLD), confirm(False), confirm(True)))
    assert recorder.attempts == [(0, True, "success")]


def test_a_hold_that_nothing_confirmed_before_the_next_quote_is_a_failure(recorder: Recorder) -> None:
    """The next quote outside the block ends the attempt; its unconfirmed hold is a failure, unknown."""
    run_job(lambda: (quote(HOLD), quote(HOLD), confirm()))
    assert recorder.attempts == [(0, False, "unknown"), (1, True, "success")]


def test_a_hold_that_nothing_confirmed_before_the_next_attempt_is_a_failure(recorder: Recorder) -> None:
    """An attempt that starts outside the block ends the one before likewise."""

    def body() -> None:
        quote(HOLD)
        with traced_attempt():
            quote(NO_TABLES)

    run_job(body)
    assert recorder.attempts == [(0, False, "unknown"), (1, False, "hard.no_suitable_tables")]


@pytest.mark.parametrize("returned", [False, {"success": False}, {"result": "exhausted"}, {"result": "cutoff"}])
def test_a_hold_before_a_job_that_reports_failure_is_a_failure(recorder: Recorder, returned: Any) -> None:
    """A job that reports failure makes its unconfirmed hold one."""

    def body() -> Any:
        quote(HOLD)
        return returned

    run_job(body)
    assert recorder.attempts == [(0, False, "unknown")]


@pytest.mark.parametrize("returned", [None, True, {"result": "succeeded"}, {"id": 5}, ""])
def test_an_unconfirmed_hold_of_a_job_that_reports_no_failure_is_a_success(recorder: Recorder, returned: Any) -> None:
    """A job may confirm where nobody watches."""

    def body() -> Any:
        quote(HOLD)
        return returned

    run_job(body)
    assert recorder.attempts == [(0, True, "success")]
    assert recorder.job["job.result"] == "succeeded"


def test_an_attempt_with_a_confirmed_hold_ends_when_its_block_is_over(recorder: Recorder) -> None:
    """Inside its block a confirmed attempt goes on; its end is the block's."""

    def body() -> None:
        with traced_attempt():
            quote(HOLD)
            confirm()
            assert recorder.all("attempt") == []

    run_job(body)
    assert recorder.one("attempt").end >= recorder.one("confirm").end
    assert recorder.one("attempt")["attempt.implicit"] is False


def test_a_confirm_outside_the_block_still_belongs_to_its_attempt(recorder: Recorder) -> None:
    """An attempt whose block is over keeps its hold for a later confirm."""

    def body() -> None:
        with traced_attempt():
            quote(HOLD)
        confirm()

    run_job(body)
    assert recorder.one("confirm").parent == recorder.one("attempt").id
    assert recorder.one("attempt").end == recorder.one("confirm").end
    assert recorder.attempts == [(0, True, "success")]


def test_a_quote_that_raised_is_an_attempt_error(recorder: Recorder) -> None:
    """An implicit attempt ends with the exception of its quote, caught by the job or not."""

    def body() -> None:
        with pytest.raises(ValueError, match="broken"):
            quote(ValueError("broken"))

    run_job(body)
    (attempt,) = recorder.all("attempt")
    assert attempt.failed
    assert (attempt["error.type"], attempt.message) == ("ValueError", "broken")
    assert "auto_assign.attempt_error" in recorder.events()
    assert recorder.job["job.result"] == "exhausted"


def test_a_confirm_that_raised_is_an_attempt_error(recorder: Recorder) -> None:
    """The last child raised, so the attempt did."""

    def body() -> None:
        quote(HOLD)
        with pytest.raises(OSError, match="gone"):
            confirm(OSError("gone"))

    run_job(body)
    assert recorder.one("attempt")["error.type"] == "OSError"


def test_an_exception_in_the_block_before_any_quote_takes_an_index(recorder: Recorder) -> None:
    """The index is taken when the attempt first asks or raises."""

    def body() -> None:
        with pytest.raises(ValueError, match="early"), traced_attempt():
            raise ValueError("early")
        quote(NO_TABLES)

    run_job(body)
    assert [a[0] for a in recorder.attempts] == [0, 1]
    assert recorder.row("auto_assign.attempt_error").context["planner_calls"] == 0


def test_an_attempt_that_neither_asks_nor_raises_has_a_span_and_no_row(recorder: Recorder) -> None:
    """It takes no index either."""

    def body() -> None:
        with traced_attempt():
            pass
        quote(NO_TABLES)

    run_job(body)
    assert [a[0] for a in recorder.attempts] == [None, 0]
    assert recorder.job["job.attempts_used"] == 1
    assert recorder.events().count("auto_assign.attempt") == 1


def test_an_attempt_cancelled_is_an_abort(recorder: Recorder) -> None:
    """Cancellation is its own code."""

    def body() -> None:
        with traced_attempt():
            raise asyncio.CancelledError

    run_failing(body, asyncio.CancelledError)
    assert recorder.attempts == [(0, False, "transient.abort")]
    assert recorder.job["job.result"] == "cancelled"


def test_an_exception_that_leaves_the_job_ends_the_open_attempt_by_it(recorder: Recorder) -> None:
    """An open hold is lost with the job's exception."""

    def body() -> None:
        quote(HOLD)
        raise TimeoutError("too slow")

    run_failing(body, TimeoutError)
    assert recorder.attempts == [(0, False, "transient.timeout")]
    assert recorder.one("attempt")["error.type"] == "TimeoutError"


def test_a_retry_by_recursion_is_a_further_attempt(recorder: Recorder) -> None:
    """An attempt inside an attempt's block has its own index; the exception that passes both counts once."""

    @traced_attempt
    def attempt(left: int) -> None:
        quote(NO_TABLES)
        if left:
            attempt(left - 1)

    run_job(lambda: attempt(2))
    assert sorted(a[0] or 0 for a in recorder.attempts) == [0, 1, 2]


def test_an_exception_through_two_attempt_decorators_counts_once(recorder: Recorder) -> None:
    """A helper that is decorated, too, does not double the attempt."""

    @traced_attempt
    def inner() -> None:
        quote(ValueError("broken"))

    @traced_attempt
    def outer() -> None:
        inner()

    run_failing(outer, ValueError)
    assert recorder.job["job.attempts_used"] == 1
    assert recorder.events().count("auto_assign.attempt_error") == 1


def test_a_quote_inside_a_quote_is_a_span_without_rows(recorder: Recorder) -> None:
    """Nested planner calls are seen and not counted."""

    @traced_quote
    def outer() -> Any:
        quote(HOLD)
        return NO_TABLES

    run_job(outer)
    inner, outermost = recorder.all("quote")
    assert (inner["nested"], outermost["nested"]) == (True, None)
    assert inner.parent == outermost.id
    assert recorder.events().count("auto_assign.quote") == 1
    assert recorder.attempts == [(0, False, "hard.no_suitable_tables")]


def test_skipping_the_initial_attempt_uses_up_index_0(recorder: Recorder) -> None:
    """The first attempt made has index 1."""

    def body() -> None:
        current_job().skip_initial("No capacity", previous=5, next=4)
        quote(NO_TABLES)

    run_job(body)
    assert [a[0] for a in recorder.attempts] == [1]
    summary = recorder.row("auto_assign.summary").context
    assert (summary["skippedInitialAttempt"], summary["inlineSkipReason"]) == (True, "hard.no_capacity")
    assert (summary["attemptsUsed"], summary["maxAttempts"]) == (1, 4)
