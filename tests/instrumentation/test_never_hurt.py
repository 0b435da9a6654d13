"""Whatever goes wrong on our side or in the host's hooks, the application's call is its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_auto_assign import (
    _guard,
    _runs,
    current_job,
    traced_attempt,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from tests.instrumentation.planner import HOLD, NO_TABLES, confirm, quote, run_job, whole_job
from tests.instrumentation.recording import Recorder


class Broken(SpanProcessor):
    """A span processor of the host's that raises."""

    def __init__(self, at: str) -> None:
        self._at = at

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if self._at == "start":
            raise RuntimeError("processor")

    def on_end(self, span: ReadableSpan) -> None:
        if self._at == "end":
            raise RuntimeError("processor")


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_span_processor_that_raises_does_not_reach_the_application(recorder: Recorder, at: str) -> None:
    """The SDK has no guard of its own; ours is around it."""
    recorder.provider.add_span_processor(Broken(at))
    with _guard.strict(False):
        assert whole_job() == (HOLD, None)
        with pytest.raises(ValueError, match="mine"):
            quote(ValueError("mine"))


def test_a_fault_in_starting_a_span_leaves_the_call_alone(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call happens once, without a span."""
    somebody = "ann"

    def fails(*_arguments: object) -> None:
        raise RuntimeError(f"{somebody}@example.org")

    for module in ("_scopes", "_children", "_stages"):
        monkeypatch.setattr(f"otel_auto_assign.{module}.start_span", fails)
    with _guard.strict(False), caplog.at_level(logging.WARNING):
        assert whole_job() == (HOLD, None)
        with traced_attempt() as handle:
            handle.record(1)
    assert recorder.ended == []
    assert "the application is not affected" in caplog.text
    assert "Traceback" not in caplog.text
    assert "ann@" not in caplog.text, "a message may be the host's, and name a person"
    assert "in fails" in caplog.text, "but where it failed is there"


def test_a_clock_that_steps_back_makes_no_negative_span(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall clock and monotonic clock are read once a run."""
    steps = iter(range(2_000_000_000_000_000_000, 0, -1_000_000_000))
    monkeypatch.setattr(_runs, "wall_ns", lambda: next(steps))
    whole_job()
    assert all(seen.end >= seen.start for seen in recorder.ended)
    assert all(recorder.job.start <= seen.start <= seen.end <= recorder.job.end for seen in recorder.ended)


class Detached:
    """An object whose attribute cannot be loaded any more."""

    id = 5

    @property
    def restaurant_id(self) -> str:
        raise RuntimeError("DetachedInstanceError")

    alternates = restaurant_id


def test_an_argument_whose_attribute_raises_costs_that_attribute_only(recorder: Recorder) -> None:
    """The job has its rows, the attempt its quote and confirm."""

    @traced_quote
    def quoted(booking: Detached) -> Any:
        return HOLD

    @traced_job
    def job(booking: Detached) -> None:
        quoted(booking)
        confirm()

    job(Detached())
    assert (recorder.job["booking.id"], recorder.job["restaurant.id"]) == ("5", None)
    assert recorder.job["job.result"] == "succeeded"


def test_an_attribute_of_a_result_that_raises_costs_that_fact_only(recorder: Recorder) -> None:
    """A hold stays one; methods say nothing."""
    value: Any = Detached()
    value.hold = value
    value.reason = value.__init__
    quote(value)
    seen = recorder.one("quote")
    assert (seen["success"], seen["alternates"], seen["reason"]) == (True, None, None)
    assert seen["hold.id"] == "5"


class FailsOnce(SpanProcessor):
    """A span processor that raises at the n-th start of a span of some name."""

    def __init__(self, name: str, number: int) -> None:
        self._name, self._left = name, number

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if span.name == self._name:
            self._left -= 1
            if self._left == 0:
                raise RuntimeError("processor")


@pytest.mark.parametrize("name", ["auto_assign.quote", "auto_assign.confirm", "auto_assign.attempt"])
def test_a_span_that_cannot_be_started_is_taken_back(recorder: Recorder, name: str) -> None:
    """The calls before and after it count as ever, and no attempt waits for it."""
    recorder.provider.add_span_processor(FailsOnce(name, 2))

    def body() -> None:
        quote(HOLD)
        confirm(False)
        quote(HOLD)
        confirm(False)
        quote(HOLD)
        confirm()

    with _guard.strict(False):
        run_job(body)
    assert recorder.job["job.result"] == "succeeded"
    summary = recorder.row("auto_assign.summary").context
    assert summary["attemptsUsed"] == recorder.events().count("auto_assign.attempt")
    assert [a[0] for a in recorder.attempts if a[0] is not None] == list(range(summary["attemptsUsed"]))
    assert all(code != "transient.abort" for _, _, code in recorder.attempts)


class Locked(SpanProcessor):
    """A span processor of the host's with a lock of its own, which also says something of the current job."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = threading.Event()

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.inside.set()
        with self.lock:
            current_job().max_attempts(3)


def test_a_processor_s_lock_and_ours_do_not_wait_for_each_other(recorder: Recorder) -> None:
    """Spans are started outside the run's lock."""
    processor = Locked()
    run: list[Any] = []

    def body() -> None:
        run.append(current_job()._run)
        recorder.provider.add_span_processor(processor)
        with processor.lock:
            thread = threading.Thread(target=copy_context().run, args=(quote, HOLD), daemon=True)
            thread.start()
            assert processor.inside.wait(5)
            assert run[0].lock.acquire(timeout=5)
            run[0].lock.release()
        thread.join(5)
        assert not thread.is_alive()

    run_job(body)
    assert recorder.job["job.attempts_used"] == 1


class UnreadableError(Exception):
    """An exception that cannot even be looked at."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("class")

    @__class__.setter
    def __class__(self, value: Any) -> None: ...

    def __str__(self) -> str:
        raise RuntimeError("str")


def test_an_exception_that_cannot_be_read_still_has_its_summary(recorder: Recorder) -> None:
    """A job ends whatever ended it."""

    def body() -> None:
        quote(NO_TABLES)
        raise UnreadableError

    with _guard.strict(False), contextlib.suppress(BaseException):  # what pytest.raises could not look at either
        run_job(body)
    assert recorder.row("auto_assign.summary").context["result"] == "error"


def test_a_fault_in_finishing_still_ends_the_span(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job has its summary and an inline run its terminal, even then."""

    def fails(*_arguments: object) -> None:
        raise RuntimeError("fault of ours")

    monkeypatch.setattr("otel_auto_assign._job_run.JobRun.end", fails)
    monkeypatch.setattr("otel_auto_assign._inline_run.InlineRun.end", fails)
    with _guard.strict(False):
        run_job(lambda: None)
        traced_inline(lambda: None)()
    assert recorder.events() == [
        "auto_assign.started",
        "auto_assign.summary",
        "inline_auto_assign.operation_aborted",
    ]


def test_a_stage_s_name_is_made_safe(recorder: Recorder) -> None:
    """It may come from anywhere."""
    with traced_stage("x" * 300 + "\ud800", threshold=0):
        pass
    assert len(recorder.one("stage")["stage.name"]) == 200
