"""The contract's §2 on inline runs: exactly one terminal, first match."""

from __future__ import annotations

import asyncio
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import Outcome, current_inline, traced_confirm, traced_inline, traced_quote, traced_stage
from tests.instrumentation.planner import HOLD, NO_TABLES, confirm, quote
from tests.instrumentation.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

TERMINALS = {
    f"inline_auto_assign.{name}"
    for name in ("succeeded", "no_hold", "quote_error", "confirm_failed", "timeout", "operation_aborted")
}
SHORT = 0.06


@traced_inline(timeout=30)
def run_inline(body: Callable[[], Any], booking_id: str = "b1") -> Any:
    """An inline run that does what it is told to."""
    return body()


@traced_inline(timeout=SHORT)
def run_short(body: Callable[[], Any], booking_id: str = "b1") -> Any:
    """An inline run whose time-out is soon over."""
    return body()


def terminal(recorder: Recorder) -> str:
    """The only terminal that is not late; the span agrees with it."""
    (found,) = [r.event_type for r in recorder.rows if r.event_type in TERMINALS and not r.context.get("late")]
    assert found == f"inline_auto_assign.{recorder.inline['inline.outcome']}"
    return found.removeprefix("inline_auto_assign.")


def raising(error: BaseException, *, after: float = 0.0) -> Callable[[], Any]:
    """Give a body that raises ``error`` after some seconds."""

    def body() -> None:
        time.sleep(after)
        raise error

    return body


def test_a_confirmed_hold_has_succeeded(recorder: Recorder) -> None:
    """Returned with a hold, reporting no failure."""
    run_inline(lambda: (quote(HOLD), current_inline().hold("h9", idempotency_key="k1"), confirm()))
    assert terminal(recorder) == "succeeded"
    context = recorder.row("inline_auto_assign.succeeded").context
    assert (context["holdId"], context["idempotencyKey"]) == ("h9", "k1")
    assert context["quoteDurationMs"] <= context["durationMs"]
    assert not recorder.inline.failed


def test_the_hold_of_the_quote_is_the_run_s_hold(recorder: Recorder) -> None:
    """The application need not repeat it."""
    run_inline(lambda: quote({"hold": {"id": "h1"}}))
    assert recorder.row("inline_auto_assign.succeeded").context["holdId"] == "h1"


def test_a_hold_with_a_reported_failure_is_aborted(recorder: Recorder) -> None:
    """A returned False never succeeds."""
    run_inline(lambda: quote(HOLD) and False)
    assert terminal(recorder) == "operation_aborted"


def test_no_hold(recorder: Recorder) -> None:
    """The last quote had none; that is no error."""
    run_inline(lambda: quote(NO_TABLES))
    assert terminal(recorder) == "no_hold"
    assert recorder.row("inline_auto_assign.no_hold").context["reasonCode"] == "hard.no_suitable_tables"
    assert not recorder.inline.failed


def test_returned_without_asking_is_no_hold(recorder: Recorder) -> None:
    """Nothing was asked, nothing is held."""
    run_inline(lambda: None)
    assert terminal(recorder) == "no_hold"


def test_a_quote_that_raised_is_a_quote_error(recorder: Recorder) -> None:
    """Whether its exception leaves the run or not; such a quote has no quote_result."""
    with pytest.raises(ValueError, match="broken"):
        run_inline(lambda: quote(ValueError("broken")))
    assert terminal(recorder) == "quote_error"
    assert recorder.row("inline_auto_assign.quote_error").context["error"] == "broken"
    assert "inline_auto_assign.quote_result" not in recorder.events()


def test_a_planner_s_own_time_out_is_a_quote_error(recorder: Recorder) -> None:
    """A TimeoutError long before the run's own time-out is the planner's."""
    with pytest.raises(TimeoutError):
        run_inline(lambda: quote(TimeoutError("planner")))
    assert terminal(recorder) == "quote_error"


def test_a_confirm_that_said_no_is_confirm_failed(recorder: Recorder) -> None:
    """``error.type`` is _OTHER: nothing raised."""
    run_inline(lambda: (quote(HOLD), confirm({"success": False, "reason": "Hold conflicts prevented all"})))
    assert terminal(recorder) == "confirm_failed"
    assert recorder.inline["error.type"] == "_OTHER"
    assert recorder.row("inline_auto_assign.confirm_failed").context["error"] == "Hold conflicts prevented all"
    assert not recorder.one("confirm").failed


def test_a_confirm_that_raised_is_confirm_failed(recorder: Recorder) -> None:
    """With the exception's own type."""
    with pytest.raises(KeyError):
        run_inline(lambda: (quote(HOLD), confirm(KeyError("gone"))))
    assert terminal(recorder) == "confirm_failed"
    assert recorder.inline["error.type"] == "KeyError"


def test_an_exception_of_the_application_is_aborted(recorder: Recorder) -> None:
    """Any other way out, with a hold in hand or before asking."""
    with pytest.raises(ValueError, match="late"):
        run_inline(lambda: (quote(HOLD), raising(ValueError("late"))()))
    assert terminal(recorder) == "operation_aborted"
    assert recorder.inline["error.type"] == "ValueError"


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_cancelled_run_is_aborted(recorder: Recorder, error: type[BaseException]) -> None:
    """Before its time-out."""
    with pytest.raises(error):
        run_inline(raising(error()))
    assert terminal(recorder) == "operation_aborted"


def test_a_cancelled_child_makes_the_run_aborted(recorder: Recorder) -> None:
    """Its last child was cancelled, whatever the run returned."""

    def body() -> None:
        with pytest.raises(asyncio.CancelledError):
            quote(asyncio.CancelledError())

    run_inline(body)
    assert terminal(recorder) == "operation_aborted"
    assert recorder.one("quote")["cancelled"] is True


def test_a_time_out_that_leaves_the_run_is_a_time_out(recorder: Recorder) -> None:
    """TimeoutError after the time-out's time."""
    with pytest.raises(TimeoutError):
        run_short(raising(TimeoutError(), after=SHORT + 0.01))
    assert terminal(recorder) == "timeout"
    context = recorder.row("inline_auto_assign.timeout").context
    assert context["timeoutMs"] == SHORT * 1000
    assert context["elapsedMs"] == context["durationMs"] >= SHORT * 1000
    assert recorder.inline["error.type"] == "timeout"


def test_a_time_out_50_ms_early_counts(recorder: Recorder) -> None:
    """The timer outside started before the run."""
    with pytest.raises(TimeoutError):
        run_short(raising(TimeoutError(), after=SHORT - 0.045))
    assert terminal(recorder) == "timeout"


def test_time_alone_never_makes_a_time_out(recorder: Recorder) -> None:
    """A slow run that comes to something has come to that."""

    def body() -> None:
        time.sleep(SHORT + 0.01)
        quote(HOLD)

    run_short(body)
    assert terminal(recorder) == "succeeded"


def test_cancelled_after_its_time_is_a_time_out(recorder: Recorder) -> None:
    """What wait_for does from outside."""
    with pytest.raises(asyncio.CancelledError):
        run_short(raising(asyncio.CancelledError(), after=SHORT + 0.01))
    assert terminal(recorder) == "timeout"


def test_timed_out_closes_the_run_at_once(recorder: Recorder) -> None:
    """What ends after it is late, and the function may return what it likes."""

    def body() -> Any:
        with traced_quote() as q:
            current_inline().timed_out()
            assert recorder.inline["inline.outcome"] == "timeout"
            q.record(HOLD)
        confirm()
        return True

    run_inline(body)
    assert terminal(recorder) == "timeout"
    assert recorder.events(late=True) == [
        "auto_assign.quote",
        "inline_auto_assign.confirm_succeeded",
        "inline_auto_assign.quote_result",
    ]
    assert recorder.one("quote").end >= recorder.inline.end


def test_late_failures_have_rows_of_their_own(recorder: Recorder) -> None:
    """quote_error, confirm_failed and operation_aborted, all late, beside the one terminal."""

    def body() -> None:
        current_inline().timed_out()
        for error in (ValueError("x"), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                quote(error)
        confirm(False)

    run_inline(body)
    assert terminal(recorder) == "timeout"
    assert recorder.events(late=True) == [
        "auto_assign.quote",
        "auto_assign.quote",
        "inline_auto_assign.confirm_failed",
        "inline_auto_assign.operation_aborted",
        "inline_auto_assign.quote_error",
    ]


def test_a_quote_still_running_at_the_end_is_late(recorder: Recorder) -> None:
    """The worker whose caller has gone: asked, nothing came, so the run was aborted."""
    left_behind: list[Any] = []
    scope = traced_quote()

    def body() -> None:
        left_behind.append(copy_context())
        left_behind[0].run(scope.__enter__)

    run_inline(body)
    assert terminal(recorder) == "operation_aborted"
    left_behind[0].run(scope.__exit__, None, None, None)
    assert recorder.one("quote")["late"] is True


def test_a_nested_quote_decides_nothing(recorder: Recorder) -> None:
    """Only the outer quote is the planner's answer."""

    @traced_quote
    def outer() -> Any:
        quote(HOLD)
        return NO_TABLES

    run_inline(outer)
    assert terminal(recorder) == "no_hold"


def test_the_attempt_id_is_the_application_s_else_the_span_s(recorder: Recorder) -> None:
    """All rows of the run carry the same."""

    @traced_inline
    def with_id(attempt_id: str) -> None:
        quote(HOLD)

    with_id("a-1")
    assert {row.context.get("attemptId") for row in recorder.rows if row.event_type != "auto_assign.quote"} == {"a-1"}
    recorder.rows.clear()
    run_inline(lambda: quote(HOLD))
    span_id = f"{recorder.all('inline')[1].id:016x}"
    assert recorder.row("inline_auto_assign.succeeded").context["attemptId"] == span_id
    assert recorder.row("inline_auto_assign.quote_result").context["attemptId"] == span_id


def test_the_default_time_out_comes_from_the_settings(recorder: Recorder) -> None:
    """12 s, where nothing is said."""

    @traced_inline
    def plain() -> None: ...

    plain()
    assert recorder.inline["inline.timeout_ms"] == 12_000


def test_a_confirm_block_that_records_nothing_has_succeeded(recorder: Recorder) -> None:
    """None is success for a confirm, and no hold for a quote."""

    def body() -> None:
        quote(HOLD)
        with traced_confirm():
            pass

    run_inline(body)
    assert recorder.one("confirm")["success"] is True


def cancelled_quote() -> None:
    """Ask, and be cancelled meanwhile; the cancellation goes no further."""
    with pytest.raises(asyncio.CancelledError):
        quote(asyncio.CancelledError())


def test_a_cancelled_child_decides_over_another_exception(recorder: Recorder) -> None:
    """Aborted before its time, a time-out after it; the deciding exception is the cancellation."""
    for run, after in ((run_inline, 0.0), (run_short, SHORT + 0.01)):

        def body(after: float = after) -> None:
            cancelled_quote()
            raising(ValueError("x"), after=after)()

        with pytest.raises(ValueError, match="x"):
            run(body)
    first, second = recorder.all("inline")
    assert (first["inline.outcome"], first["error.type"]) == ("operation_aborted", "asyncio.exceptions.CancelledError")
    assert (second["inline.outcome"], second["reason_code"]) == ("timeout", "transient.timeout")


def test_a_time_out_long_before_its_time_is_none(recorder: Recorder) -> None:
    """50 ms early counts, not more."""

    @traced_inline(timeout=2)
    def early() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        early()
    assert terminal(recorder) == "operation_aborted"


def test_a_failed_confirm_decides_over_a_later_quote(recorder: Recorder) -> None:
    """The last confirm failed."""
    run_inline(lambda: (quote(HOLD), confirm(False), quote(HOLD)))
    assert terminal(recorder) == "confirm_failed"


def test_an_exception_before_asking_is_aborted(recorder: Recorder) -> None:
    """It has not returned, so it is not no_hold."""
    with pytest.raises(ValueError, match="early"):
        run_inline(raising(ValueError("early")))
    assert terminal(recorder) == "operation_aborted"


def test_a_returned_result_that_is_no_success_reports_failure(recorder: Recorder) -> None:
    """As for jobs."""
    run_inline(lambda: (quote(HOLD), {"result": "exhausted"})[1])
    assert terminal(recorder) == "operation_aborted"


def test_the_durations_are_those_of_quote_and_confirm(recorder: Recorder) -> None:
    """Not of what lies between."""

    def body() -> None:
        quote(HOLD)
        time.sleep(0.01)
        confirm()

    run_inline(body)
    for role in ("quote", "confirm"):
        seen = recorder.one(role)
        assert recorder.inline[f"inline.{role}_duration_ms"] == (seen.end - seen.start) / 1e6


def test_a_run_closed_while_a_quote_is_read_makes_it_late(recorder: Recorder) -> None:
    """Lateness and the end are decided together: what is late ends after its run."""

    def slow_reader(_value: Any, /) -> Outcome:
        current.append(None)
        handle[0].timed_out()
        return Outcome(success=True)

    current: list[None] = []
    handle: list[Any] = []

    @traced_quote(extractor=slow_reader)
    def asked() -> str:
        return "h"

    def body() -> None:
        handle.append(current_inline())
        asked()

    run_inline(body)
    assert current == [None]
    assert recorder.one("quote")["late"] is True
    assert recorder.one("quote").end >= recorder.inline.end


def test_a_confirm_knows_the_run_s_hold(recorder: Recorder) -> None:
    """Told by the application, else from the quote; None takes nothing back."""
    run_inline(lambda: (quote(HOLD), confirm()))
    assert recorder.row("inline_auto_assign.confirm_succeeded").context["holdId"] == "h1"
    recorder.rows.clear()

    def told() -> None:
        quote(HOLD)
        current_inline().hold("h9")
        current_inline().hold(None, idempotency_key="k")
        confirm()

    run_inline(told)
    assert recorder.row("inline_auto_assign.confirm_succeeded").context["holdId"] == "h9"
    assert recorder.row("inline_auto_assign.succeeded").context["idempotencyKey"] == "k"


def test_the_setting_is_the_time_out_of_runs_that_name_none() -> None:
    """``OTEL_AUTO_ASSIGN_INLINE_TIMEOUT``."""
    with Recorder(inline_timeout=3.0) as recording:
        traced_inline(lambda: None)()
    assert recording.inline["inline.timeout_ms"] == 3000


def test_a_slow_stage_after_the_time_out_is_late(recorder: Recorder) -> None:
    """It has its row, which says so, and starts where it started."""

    def body() -> None:
        time.sleep(0.01)
        with traced_stage("s", threshold=0):
            current_inline().timed_out()

    run_inline(body)
    assert recorder.row("inline_auto_assign.stage_slow").context["late"] is True
    assert recorder.one("stage").start >= recorder.inline.start + 10_000_000
