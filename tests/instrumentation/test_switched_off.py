"""Switched off, suppressed or not sampled: the application's call is its own."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import attach, detach, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import NoOpTracerProvider

from otel_auto_assign import configure, disable, enable, traced_attempt, traced_inline, traced_job
from tests.instrumentation.planner import HOLD, quote, whole_job
from tests.instrumentation.recording import Recorder


def test_the_kill_switch_works_at_run_time(recorder: Recorder) -> None:
    """What has started is finished, nothing new is started, and back again."""

    @traced_job
    def job() -> None:
        disable()
        quote(HOLD)
        with traced_attempt() as handle:
            handle.record(HOLD)
        enable()
        quote(HOLD)

    job()
    assert recorder.job["job.attempts_used"] == 1
    assert len(recorder.all("quote")) == 1
    assert len(recorder.all("attempt")) == 1


def test_the_kill_switch_works_at_start() -> None:
    """``OTEL_AUTO_ASSIGN_ENABLED=false``: the setting."""
    with Recorder(enabled=False) as recording:
        assert whole_job() == (HOLD, None)
    assert recording.ended == []


def test_suppress_instrumentation_is_honoured(recorder: Recorder) -> None:
    """The host's own way to ask for silence."""
    with suppress_instrumentation():
        assert whole_job() == (HOLD, None)
        with traced_inline() as handle:
            handle.timed_out()
    token = attach(set_value("suppress_instrumentation", True))  # its name before it had a key
    whole_job()
    detach(token)
    assert recorder.ended == []


def test_without_a_provider_nothing_is_recorded_and_nothing_breaks() -> None:
    """The API alone: spans that record nothing."""
    configure(tracer_provider=NoOpTracerProvider())
    assert whole_job() == (HOLD, None)


def test_unsampled_runs_keep_their_context(recorder: Recorder) -> None:
    """A dropped job's children are dropped with it."""
    with Recorder(sampler=ALWAYS_OFF) as dropped:
        assert whole_job() == (HOLD, None)
    assert dropped.ended == []


class QuotesOnly(Sampler):
    """Samples quotes and nothing else."""

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, *_more: Any, **_named: Any
    ) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE if name == "auto_assign.quote" else Decision.DROP)

    def get_description(self) -> str:
        return "QuotesOnly"


def test_a_sampled_child_of_a_dropped_run_is_whole() -> None:
    """A sampler may decide by name."""
    with Recorder(sampler=QuotesOnly()) as recording:
        whole_job()
    assert recording.one("quote")["success"] is True
