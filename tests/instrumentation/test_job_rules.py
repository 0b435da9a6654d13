"""The contract's §2 on jobs, rule by rule."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import current_job, traced_attempt, traced_quote
from tests.instrumentation.planner import HOLD, NO_TABLES, confirm, quote, run_failing, run_job

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_a_job_left_by_a_cancellation_is_cancelled(recorder: Recorder, error: type[BaseException]) -> None:
    """Whatever ends a job from outside is no error of its own."""

    def body() -> None:
        quote(NO_TABLES)
        raise error

    run_failing(body, error)
    assert recorder.job["job.result"] == "cancelled"
    assert recorder.job.failed


def test_a_job_left_by_an_exception_is_an_error(recorder: Recorder) -> None:
    """Even where the application had said something else."""

    def body() -> None:
        current_job().hard_stop("No capacity")
        raise ValueError("boom")

    run_failing(body, ValueError)
    assert recorder.job["job.result"] == "error"
    assert recorder.row("auto_assign.hard_stop").context["reasonCode"] == "hard.no_capacity"
    assert recorder.row("auto_assign.summary").context["hardStopReason"] == "hard.no_capacity"


def test_what_the_application_said_is_the_result(recorder: Recorder) -> None:
    """hard_stop() is exhausted, with its code as the reason."""

    def body() -> bool:
        quote(NO_TABLES)
        current_job().hard_stop("No suitable tables for 9")
        return True

    run_job(body)
    assert recorder.job["job.result"] == "exhausted"
    assert recorder.row("auto_assign.failed").context["hardStopReason"] == "hard.no_suitable_tables"


def test_cutoff_and_already_confirmed_are_results(recorder: Recorder) -> None:
    """Each has its row."""
    run_job(lambda: current_job().cutoff(45))
    run_job(lambda: current_job().already_confirmed())
    assert [j["job.result"] for j in recorder.all("job")] == ["cutoff", "already_confirmed"]
    assert recorder.row("auto_assign.cutoff_skipped").context["cutoffMinutes"] == 45
    assert "auto_assign.exited_already_confirmed" in recorder.events()


def test_the_last_word_counts_and_takes_only_its_own_facts_along(recorder: Recorder) -> None:
    """A hard stop that was taken back leaves no row."""

    def body() -> None:
        current_job().hard_stop("No capacity")
        current_job().already_confirmed()

    run_job(body)
    assert recorder.job["job.result"] == "already_confirmed"
    assert "auto_assign.hard_stop" not in recorder.events()


def test_a_hint_that_leaves_no_attempt_makes_the_job_skipped(recorder: Recorder) -> None:
    """``next=0``: the result is skipped and the hint's code its reason."""
    run_job(lambda: current_job().skip_initial("Insufficient capacity", previous=3, next=0))
    assert recorder.job["job.result"] == "skipped"
    assert recorder.row("auto_assign.summary").context["inlineSkipReason"] == "hard.insufficient_capacity"


@pytest.mark.parametrize("word", ["succeeded", "exhausted", "cutoff", "already_confirmed", "error", "cancelled"])
def test_a_returned_result_is_the_result(recorder: Recorder, word: str) -> None:
    """A returned mapping whose ``result`` is one of the words."""

    def body() -> Any:
        quote(NO_TABLES)
        return {"result": word}

    run_job(body)
    assert recorder.job["job.result"] == word
    assert recorder.job.failed is (word in {"error", "cancelled"})


def test_exhausted_without_an_attempt_is_skipped(recorder: Recorder) -> None:
    """Nothing was tried, so nothing is exhausted."""
    run_job(lambda: {"result": "exhausted"})
    assert recorder.job["job.result"] == "skipped"


def test_a_returned_word_that_is_none_of_ours_says_nothing(recorder: Recorder) -> None:
    """Unknown words, other types and ``abandoned`` (said by others only) are passed over."""
    for word in ("nonsense", 7, ["succeeded"], "abandoned"):
        run_job(lambda word=word: {"result": word})  # type: ignore[misc]
    assert {j["job.result"] for j in recorder.all("job")} == {"skipped"}


def test_a_returned_false_never_succeeds(recorder: Recorder) -> None:
    """Even after an attempt that did."""

    def body() -> bool:
        quote(HOLD)
        confirm()
        return False

    run_job(body)
    assert recorder.job["job.result"] == "exhausted"


def test_without_any_attempt_a_job_is_skipped(recorder: Recorder) -> None:
    """An early return: not found, cancelled, feature off."""
    run_job(lambda: None)
    assert recorder.job["job.result"] == "skipped"
    assert recorder.events() == ["auto_assign.started", "auto_assign.summary"]


def test_a_job_without_success_is_exhausted(recorder: Recorder) -> None:
    """At least one attempt, the last one failed."""
    run_job(lambda: quote(NO_TABLES))
    assert recorder.job["job.result"] == "exhausted"
    assert recorder.row("auto_assign.failed").context["attempts"] == 1


def test_what_still_runs_when_the_job_ends_is_closed_with_it(recorder: Recorder) -> None:
    """Its attempt is an abort; its late quote writes its quote row only, and is in no count."""
    go, asking, done = threading.Event(), threading.Event(), threading.Event()

    @traced_quote
    def slow() -> Any:
        asking.set()
        go.wait(5)
        return {"hold": "h", "cache_hit": True}

    def worker() -> None:
        slow()
        done.set()

    def body() -> bool:
        threading.Thread(target=copy_context().run, args=(worker,)).start()
        return asking.wait(5)

    run_job(body)
    assert recorder.attempts == [(0, False, "transient.abort")]
    assert recorder.job["job.result"] == "exhausted"
    go.set()
    done.wait(5)
    (late,) = recorder.all("quote")
    assert late["late"] is True
    assert late["attempt.index"] == 0
    assert late.end >= recorder.job.end
    assert recorder.events(late=True) == ["auto_assign.quote"]
    assert recorder.row("auto_assign.summary").context["attemptsUsed"] == 1


def test_what_starts_after_the_job_is_late_and_opens_nothing(recorder: Recorder) -> None:
    """A task that the job left behind asks when the job is over."""
    left_behind: list[Any] = []
    run_job(lambda: left_behind.append(copy_context()))

    def afterwards() -> None:
        with traced_attempt():
            quote(HOLD)
        confirm()

    left_behind[0].run(afterwards)
    assert recorder.one("quote")["late"] is True
    assert recorder.events() == ["auto_assign.quote", "auto_assign.started", "auto_assign.summary"]
    assert recorder.job["job.attempts_used"] == 0


def test_the_sum_of_a_job_s_rows_agrees_with_its_summary(recorder: Recorder) -> None:
    """AttemptsUsed = attempt + attempt_error rows, whatever happened."""

    def body() -> bool:
        quote(HOLD)
        confirm(False)
        with pytest.raises(ValueError, match="x"):
            quote(ValueError("x"))
        with traced_attempt():
            quote(NO_TABLES)
            quote(HOLD)
        confirm()
        return True

    run_job(body)
    events = recorder.events()
    used = recorder.row("auto_assign.summary").context["attemptsUsed"]
    assert used == events.count("auto_assign.attempt") + events.count("auto_assign.attempt_error") == 3
    assert recorder.attempts == [(0, False, "unknown"), (1, False, "unknown"), (2, True, "success")]
