"""The process is told to end while we are at work: that goes on to the host, and nothing is left running for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_auto_assign import (
    _guard,
    current_inline,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from tests.instrumentation.kinds import KINDS, Leave, drive, waits
from tests.instrumentation.planner import HOLD, confirm, quote, run_job
from tests.instrumentation.recording import Recorder

SIGNALS = (KeyboardInterrupt, SystemExit, asyncio.CancelledError)


def block(traced: Any, leave: Leave) -> None:
    """A block that says what it came to."""
    with traced() as handle:
        handle.record(leave())


def async_block(traced: Any, leave: Leave) -> None:
    """A block in a coroutine that does."""

    async def called() -> None:
        async with traced() as handle:
            handle.record(await waits(leave))

    drive(called())


ANSWERING: dict[str, Callable[[Any, Any], Any]] = {**KINDS, "block": block, "async block": async_block}


class Interrupted(dict[str, Any]):
    """A value that is being read when the process is told to end."""

    def __init__(self, signal: type[BaseException]) -> None:
        self.signal = signal

    def get(self, key: str, default: Any = None) -> Any:
        """Be interrupted."""
        raise self.signal


class UnreadError(Exception):
    """An exception that is being read when the process is told to end."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_job_whose_value_is_being_read_has_its_summary(recorder: Recorder, signal: type[BaseException]) -> None:
    """Ctrl-C may come at any moment; it goes on to the host, the job is cancelled, and its attempts are with it."""

    @traced_job
    def job() -> Interrupted:
        quote({"hold": "h"})
        return Interrupted(signal)

    with pytest.raises(signal):
        job()

    assert recorder.events() == [
        "auto_assign.attempt_error",
        "auto_assign.quote",
        "auto_assign.started",
        "auto_assign.summary",
    ]
    assert recorder.job["job.result"] == "cancelled"
    assert recorder.job["job.attempts_used"] == 1


def test_an_inline_run_whose_value_is_being_read_is_closed(recorder: Recorder) -> None:
    """What ends afterwards is late, and the run is not closed a second time."""
    kept: list[Context] = []

    @traced_inline
    def inline() -> Interrupted:
        kept.append(get_current())
        return Interrupted(KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        inline()
    token = attach(kept[0])
    try:
        quote({"hold": "h"})
        current_inline().timed_out()
    finally:
        detach(token)

    assert recorder.inline["inline.outcome"] == "operation_aborted"
    assert recorder.inline["error.type"] == "KeyboardInterrupt"
    assert recorder.one("quote")["late"] is True


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", ANSWERING)
def test_a_quote_whose_value_is_being_read_is_over(recorder: Recorder, kind: str, signal: type[BaseException]) -> None:
    """Its attempt has failed by it, and the next quote is a further attempt, whose hold counts."""

    def interrupted() -> Any:
        return Interrupted(signal)

    def body() -> None:
        with contextlib.suppress(signal):
            ANSWERING[kind](traced_quote, interrupted)
        quote(HOLD)
        confirm()

    run_job(body)
    assert recorder.attempts == [(0, False, "transient.abort"), (1, True, "success")]
    assert recorder.job["job.result"] == "succeeded"
    first = recorder.all("quote")[0]
    assert (first["success"], first["cancelled"], first["attempt.index"]) == (False, True, 0)
    assert first["error.type"].endswith(signal.__name__)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", ANSWERING)
def test_a_confirm_whose_value_is_being_read_is_over(
    recorder: Recorder, kind: str, signal: type[BaseException]
) -> None:
    """Its attempt has failed by it, and the next quote is a further attempt."""

    def body() -> None:
        quote(HOLD)
        with contextlib.suppress(signal):
            ANSWERING[kind](traced_confirm, lambda: Interrupted(signal))
        quote(HOLD)
        confirm()

    run_job(body)
    assert recorder.attempts == [(0, False, "transient.abort"), (1, True, "success")]
    assert recorder.job["job.result"] == "succeeded"
    first = recorder.all("confirm")[0]
    assert (first["success"], first["cancelled"], first["hold.id"]) == (False, True, "h1")


def test_an_extractor_that_is_interrupted_is_no_fault_of_its_own(recorder: Recorder) -> None:
    """What ends the process goes through the user's extractor, too, and the default one is not asked instead."""

    def extractor(value: Any) -> Any:
        raise KeyboardInterrupt

    @traced_quote(extractor=extractor)
    def planner() -> Any:
        return HOLD

    def body() -> None:
        with pytest.raises(KeyboardInterrupt):
            planner()
        quote(HOLD)

    run_job(body)
    assert recorder.attempts == [(0, False, "transient.abort"), (1, True, "success")]
    assert not _guard.failures


@pytest.mark.parametrize("traced", [traced_quote, traced_confirm])
def test_an_inline_run_whose_quote_or_confirm_is_being_read_is_aborted(recorder: Recorder, traced: Any) -> None:
    """Its last child was cancelled, whatever the function makes of that."""

    @traced_inline
    def inline() -> None:
        quote(HOLD)
        with pytest.raises(KeyboardInterrupt):
            traced(lambda: Interrupted(KeyboardInterrupt))()

    inline()
    assert recorder.inline["inline.outcome"] == "operation_aborted"


def test_a_nested_quote_that_is_interrupted_is_no_part_of_the_attempt(recorder: Recorder) -> None:
    """The quote around it decides."""

    @traced_quote
    def outer() -> Any:
        with pytest.raises(KeyboardInterrupt):
            quote(Interrupted(KeyboardInterrupt))
        return HOLD

    run_job(outer)
    assert recorder.attempts == [(0, True, "success")]
    assert recorder.one("attempt")["attempt.planner_calls"] == 1


def test_a_late_quote_that_is_interrupted_is_late(recorder: Recorder) -> None:
    """Its job has ended with the attempt; its own row says so."""
    kept: list[Any] = []

    def body() -> None:
        kept.append(traced_quote())
        kept[0].__enter__().record(Interrupted(KeyboardInterrupt))

    run_job(body)
    with pytest.raises(KeyboardInterrupt):
        kept[0].__exit__(None, None, None)
    assert (recorder.one("quote")["late"], recorder.one("quote")["cancelled"]) == (True, True)
    assert recorder.job["job.attempts_used"] == 1


def test_an_exception_that_is_being_read_ends_its_call(recorder: Recorder) -> None:
    """Of a quote, a confirm and an attempt's own block: each is an attempt that failed, and the next one counts."""

    def attempt() -> None:
        with traced_attempt():
            raise UnreadError

    def body() -> None:
        for call in (lambda: quote(UnreadError()), lambda: (quote(HOLD), confirm(UnreadError())), attempt):
            with pytest.raises(KeyboardInterrupt):
                call()
        quote(HOLD)

    run_job(body)
    assert recorder.attempts == [*((n, False, "transient.abort") for n in range(3)), (3, True, "success")]
    assert recorder.job["job.attempts_used"] == 4


def test_statistics_that_are_being_read_leave_no_attempt_open() -> None:
    """While profiling they are read last, when the quote has counted."""
    with Recorder(profiling=True) as recording:
        with pytest.raises(KeyboardInterrupt):
            run_job(lambda: quote({"hold": None, "planner_stats": {"slow": UnreadError()}}))
        assert recording.attempts == [(0, False, "unknown")]
        assert recording.one("quote").failed
        assert recording.job["job.result"] == "cancelled"


def test_a_stage_that_is_being_left_is_a_whole_span() -> None:
    """While profiling: with its name and threshold, so that it has its row if it was slow."""
    with Recorder(profiling=True) as recording:
        with pytest.raises(KeyboardInterrupt), traced_stage("load", threshold=0):
            raise UnreadError
        stage = recording.one("stage")
    assert (stage["stage.name"], stage["stage.threshold_ms"], stage.failed) == ("load", 0, True)


class Told(SpanProcessor):
    """A span processor of the host's, which is at work when the process is told to end, once for each name."""

    def __init__(self, at: str, *names: str) -> None:
        self._at, self._names = at, set(names)

    def _told(self, at: str, name: str) -> None:
        if at == self._at and name in self._names:
            self._names.remove(name)
            raise KeyboardInterrupt

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self._told("start", span.name)

    def on_end(self, span: ReadableSpan) -> None:
        self._told("end", span.name)


@pytest.mark.parametrize("name", ["auto_assign.quote", "auto_assign.confirm"])
@pytest.mark.parametrize("at", ["start", "end"])
def test_a_processor_that_is_interrupted_leaves_no_attempt_running(recorder: Recorder, at: str, name: str) -> None:
    """The attempt of what was starting or ending then is over when the next one begins."""
    recorder.provider.add_span_processor(Told(at, name))

    def body() -> None:
        with pytest.raises(KeyboardInterrupt):
            (quote({"hold": None}), quote(HOLD), confirm(False))
        quote(HOLD)
        confirm()

    run_job(body)
    used = recorder.job["job.attempts_used"]
    assert [index for index, _, _ in recorder.attempts if index is not None] == list(range(used))
    assert recorder.attempts[-1] == (used - 1, True, "success")
    assert all(code != "transient.abort" for _, _, code in recorder.attempts)
    assert recorder.job["job.result"] == "succeeded"


def test_a_processor_that_is_interrupted_at_every_end_costs_no_end(recorder: Recorder) -> None:
    """Each span that was to end has ended, with all it came to, and is measured."""
    recorder.provider.add_span_processor(Told("end", "auto_assign.quote", "auto_assign.attempt", "auto_assign.job"))
    with pytest.raises(KeyboardInterrupt):
        run_job(lambda: traced_attempt(quote)(HOLD))
    counted = {point.metric: point.count for point in recorder.metrics}
    assert counted["auto_assign.quote.duration"] == counted["auto_assign.job.duration"] == 1
    assert recorder.attempts == [(0, False, "transient.abort")]
    assert recorder.job["job.result"] == "cancelled"
    assert recorder.job["job.attempts_used"] == 1


@pytest.mark.parametrize("fails", ["outcome_of", "end_span"])
def test_a_fault_of_ours_in_finishing_a_quote_leaves_no_attempt_running(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Before the quote was counted or after it: it counts once, and the next quote is a further attempt."""

    def fault(*_arguments: object) -> Any:
        raise RuntimeError("fault of ours")

    def body() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(f"otel_auto_assign._children.{fails}", fault)
            assert quote({"hold": None}) == {"hold": None}
        quote(HOLD)

    with _guard.strict(False):
        run_job(body)
    assert [index for index, _, _ in recorder.attempts] == [0, 1]
    assert recorder.attempts[1] == (1, True, "success")
    assert recorder.job["job.attempts_used"] == 2
