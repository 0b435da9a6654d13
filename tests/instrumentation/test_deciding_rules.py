"""The contract's §2 on what decides: the last child, the block, the job; and where children belong."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from otel_auto_assign import (
    Outcome,
    current_job,
    traced_attempt,
    traced_confirm,
    traced_quote,
    traced_stage,
)
from tests.instrumentation.planner import HOLD, NO_TABLES, confirm, quote, run_failing, run_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.instrumentation.recording import Recorder


def running_elsewhere(function: Callable[..., Any], *arguments: Any) -> tuple[threading.Thread, threading.Event]:
    """Run ``function`` in a thread that carries the context; it is past its start when this returns."""
    go = threading.Event()
    inside = threading.Event()

    def wait() -> Any:
        inside.set()
        go.wait(5)
        return arguments[0] if arguments else None

    thread = threading.Thread(target=copy_context().run, args=(function(wait),))
    thread.start()
    assert inside.wait(5)
    return thread, go


def test_a_block_left_by_an_exception_ends_its_attempt_though_a_quote_still_runs(recorder: Recorder) -> None:
    """The exception decides, at once."""

    def body() -> None:
        with contextlib.suppress(TimeoutError), traced_attempt():
            waiting.extend(running_elsewhere(traced_quote, HOLD))
            raise TimeoutError
        assert recorder.attempts == [(0, False, "transient.timeout")]

    waiting: list[Any] = []
    run_job(body)
    waiting[1].set()
    waiting[0].join(5)


def test_the_block_s_own_exception_decides_over_a_child_s(recorder: Recorder) -> None:
    """What left the block is what the attempt failed by."""

    def body() -> None:
        with traced_attempt():
            quote(HOLD)
            with contextlib.suppress(OSError):
                confirm(OSError("first"))
            raise ValueError("last")

    run_failing(body, ValueError)
    assert recorder.one("attempt")["error.type"] == "ValueError"
    assert recorder.one("attempt")["reason"] == "last"


def test_the_last_confirm_decides_over_a_later_quote(recorder: Recorder) -> None:
    """Within one block."""

    def body() -> None:
        with traced_attempt():
            quote(HOLD)
            confirm()
            quote(NO_TABLES)

    run_job(body)
    assert recorder.attempts == [(0, True, "success")]


def test_an_attempt_that_only_waits_ended_when_its_last_child_did(recorder: Recorder) -> None:
    """However long the job goes on."""

    def body() -> bool:
        quote(HOLD)
        time.sleep(0.01)
        return False

    run_job(body)
    assert recorder.one("attempt").end == recorder.one("quote").end < recorder.job.end


def test_a_busy_attempt_is_aborted_even_by_a_job_that_raises(recorder: Recorder) -> None:
    """Its quote still runs: nobody knows what it would have come to."""
    waiting: list[Any] = []

    def body() -> None:
        waiting.extend(running_elsewhere(traced_quote, HOLD))
        raise ValueError("boom")

    run_failing(body, ValueError)
    assert recorder.attempts == [(0, False, "transient.abort")]
    assert recorder.one("attempt")["error.type"] == "_OTHER"
    waiting[1].set()
    waiting[0].join(5)
    assert recorder.one("quote")["late"] is True


def test_an_attempt_whose_confirm_runs_is_not_superseded(recorder: Recorder) -> None:
    """The next quote opens another beside it; the confirm counts for the one that holds."""

    def body() -> None:
        quote(HOLD)
        thread, go = running_elsewhere(traced_confirm, True)
        quote(NO_TABLES)
        go.set()
        thread.join(5)

    run_job(body)
    assert sorted(recorder.attempts, key=str) == [(0, True, "success"), (1, False, "hard.no_suitable_tables")]


def test_a_confirm_belongs_to_the_last_that_holds(recorder: Recorder) -> None:
    """Where two attempts hold side by side."""

    def body() -> None:
        with traced_attempt():
            quote(HOLD)
            with traced_attempt():
                quote(HOLD)
        with traced_confirm():
            pass

    run_job(body)
    by_index = {a["attempt.index"]: a.id for a in recorder.all("attempt")}
    assert recorder.one("confirm").parent == by_index[1]


def test_a_confirm_in_a_block_that_never_asked_is_the_holder_s(recorder: Recorder) -> None:
    """A helper that is an attempt itself holds; the outer block confirms, and fails."""

    @traced_attempt
    def inner() -> None:
        quote(HOLD)

    def body() -> None:
        with traced_attempt():
            inner()
            confirm(False)

    run_job(body)
    assert (0, False, "unknown") in recorder.attempts
    assert recorder.job["job.result"] == "exhausted"


def test_a_confirm_that_raised_takes_an_index(recorder: Recorder) -> None:
    """Even in a block that never asked: the index is taken when it first asks or raises."""

    def body() -> None:
        with traced_attempt(), contextlib.suppress(OSError):
            confirm(OSError("gone"))

    run_job(body)
    assert recorder.row("auto_assign.attempt_error").context["error"] == "gone"
    assert recorder.job["job.result"] == "exhausted"


def test_skipping_the_initial_attempt_later_changes_no_index(recorder: Recorder) -> None:
    """Index 0 is used up once."""
    run_job(lambda: (quote(NO_TABLES), quote(NO_TABLES), current_job().skip_initial("x"), quote(NO_TABLES)))
    assert [a[0] for a in recorder.attempts] == [0, 1, 2]


def test_a_hard_stop_without_attempts_is_exhausted(recorder: Recorder) -> None:
    """The application said so."""
    run_job(lambda: current_job().hard_stop("No capacity"))
    assert recorder.job["job.result"] == "exhausted"


def test_a_returned_error_has_its_reason_for_a_message(recorder: Recorder) -> None:
    """Nothing raised, so the type is _OTHER."""
    run_job(lambda: {"result": "error", "reason": "db of a@b.example down"})
    assert (recorder.job["error.type"], recorder.job.message) == ("_OTHER", "db of [e-mail] down")


def test_an_exception_without_words_has_no_message(recorder: Recorder) -> None:
    """Its type says what there is to say, on the row too."""
    run_failing(lambda: quote(OSError()), OSError)
    assert recorder.one("quote").message is None
    assert recorder.row("auto_assign.quote").context["planner_error"] == "OSError"


def test_a_group_of_cancellations_is_one(recorder: Recorder) -> None:
    """And concurrent.futures' own cancellation, too."""
    for error in (
        BaseExceptionGroup("both", [asyncio.CancelledError(), KeyboardInterrupt()]),
        concurrent.futures.CancelledError(),
    ):
        run_failing(lambda error=error: quote(error), type(error))  # type: ignore[misc]
    assert {j["job.result"] for j in recorder.all("job")} == {"cancelled"}


def test_a_quote_inside_a_confirm_inside_a_quote_is_nested(recorder: Recorder) -> None:
    """However deep."""

    @traced_quote
    def outer() -> Any:
        with traced_confirm():
            quote(HOLD)
        return HOLD

    run_job(outer)
    assert [q["nested"] for q in recorder.all("quote")] == [True, None]


def test_a_quote_in_a_task_that_a_quote_left_behind_is_not_nested(recorder: Recorder) -> None:
    """The quote it was started in is over."""
    left: list[Any] = []

    @traced_quote
    def outer() -> Any:
        left.append(copy_context())
        return NO_TABLES

    run_job(lambda: (outer(), left[0].run(quote, HOLD)))
    assert [q["nested"] for q in recorder.all("quote")] == [None, None]
    assert recorder.job["job.attempts_used"] == 2


def test_an_extractor_may_fail_a_confirm_that_returned_nothing(recorder: Recorder) -> None:
    """What it says counts before what None means."""

    @traced_confirm(extractor=lambda _value: Outcome(success=False))
    def refused() -> None: ...

    run_job(lambda: (quote(HOLD), refused()))
    assert recorder.attempts == [(0, False, "unknown")]


def test_a_confirm_knows_attempt_and_hold(recorder: Recorder) -> None:
    """Of the attempt it is about, or the last one's index."""
    run_job(lambda: (quote(HOLD), confirm()))
    run_job(lambda: (quote(NO_TABLES), confirm()))
    first, second = recorder.all("confirm")
    assert (first["attempt.index"], first["hold.id"]) == (0, "h1")
    assert (second["attempt.index"], second["hold.id"]) == (0, None)


def test_attempts_end_before_their_job(recorder: Recorder) -> None:
    """Whoever collects spans has the children first."""
    run_job(lambda: quote(HOLD))
    assert [seen.name for seen in recorder.ended] == ["quote", "attempt", "job"]


def test_a_late_attempt_says_so(recorder: Recorder) -> None:
    """And a late stage."""
    left: list[Any] = []
    run_job(lambda: left.append(copy_context()))

    def afterwards() -> None:
        with traced_attempt(), traced_stage("s", threshold=0):
            pass

    left[0].run(afterwards)
    assert recorder.one("attempt")["late"] is True
    assert recorder.one("stage")["late"] is True


def test_what_a_job_was_given_stays(recorder: Recorder) -> None:
    """What it learns later has a name of its own."""

    def body() -> None:
        current_job().booking(restaurant_id="r2")
        quote(HOLD)

    run_job(body)
    assert recorder.one("quote")["restaurant.id"] == "r1"
    assert recorder.job["job.restaurant.id"] == "r2"


def test_an_adjustment_of_an_outer_job_is_not_the_inner_one_s(recorder: Recorder) -> None:
    """A handle speaks of its own job."""
    handles: list[Any] = []

    def inner() -> None:
        with traced_attempt():
            handles[0].adjust(max_tables=1)
            quote(NO_TABLES)

    def outer() -> None:
        handles.append(current_job())
        run_job(inner)
        quote(NO_TABLES)

    run_job(outer)
    job_id = recorder.row("auto_assign.inline_timeout_adjustment").context["job_id"]
    assert job_id == f"{recorder.all('job')[1].id:016x}"
