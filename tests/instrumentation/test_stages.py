"""Stages: no span while nobody profiles, unless slow; a nested span while profiling."""

from __future__ import annotations

import time

import pytest

from otel_auto_assign import traced_inline, traced_job, traced_stage
from tests.instrumentation.planner import HOLD, quote, run_job
from tests.instrumentation.recording import Recorder


@traced_stage("load", threshold=0.005)
def load(seconds: float = 0.0, error: BaseException | None = None) -> None:
    """A stage that takes as long as it is told to."""
    time.sleep(seconds)
    if error is not None:
        raise error


def test_a_fast_stage_leaves_nothing(recorder: Recorder) -> None:
    """Two clock readings and no span."""
    run_job(traced_stage("fast", threshold=60)(lambda: None))
    assert recorder.all("stage") == []


def test_a_slow_stage_becomes_a_span_afterwards(recorder: Recorder) -> None:
    """With the time it started, and a row."""
    run_job(lambda: load(0.01))
    stage = recorder.one("stage")
    assert stage.parent == recorder.job.id
    assert recorder.job.start <= stage.start < stage.end <= recorder.job.end
    context = recorder.row("auto_assign.stage_slow").context
    assert (context["stage"], context["thresholdMs"]) == ("load", 5)
    assert context["durationMs"] >= 10


def test_a_slow_stage_that_raised_says_so(recorder: Recorder) -> None:
    """The exception passes; the span has it."""
    with pytest.raises(OSError, match="disk"):
        run_job(lambda: load(0.01, OSError("disk")))
    assert recorder.one("stage")["error.type"] == "OSError"


def test_a_slow_stage_of_an_inline_run_has_the_inline_row(recorder: Recorder) -> None:
    """The flow decides."""
    traced_inline(lambda: load(0.01))()
    assert "inline_auto_assign.stage_slow" in recorder.events()


def test_a_slow_stage_outside_a_run_has_no_row(recorder: Recorder) -> None:
    """A span, for whoever looks at traces."""
    load(0.01)
    assert recorder.one("stage")["flow"] == "direct"
    assert recorder.rows == []


def test_while_profiling_a_stage_is_a_span_around_what_happens_in_it() -> None:
    """Fast or slow; only the slow one has a row."""
    with Recorder(profiling=True) as recording:

        @traced_job
        def job() -> None:
            with traced_stage("outer"):
                quote(HOLD)

        job()
    stage = recording.one("stage")
    assert recording.one("attempt").parent == stage.id
    assert stage["stage.threshold_ms"] == 1000
    assert "auto_assign.stage_slow" not in recording.events()


def test_a_bare_stage_is_named_after_its_function() -> None:
    """And has the default threshold."""
    with Recorder(stage_threshold=0.0) as recording:

        @traced_stage
        def loading() -> None: ...

        run_job(loading)
    assert str(recording.one("stage")["stage.name"]).endswith("loading")
