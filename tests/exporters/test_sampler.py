"""Thinning the traces leaves the rows whole."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from observability_events.sampler import AlwaysSampleAutoAssign, AutoAssignSampler, sampler_from_argument
from otel_auto_assign import semconv

STATE = TraceState([("vendor", "1")])


class Recorded(SpanProcessor):
    """Every span that a processor sees, sampled or not."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Fixed(Sampler):
    """Decides one way, and adds an attribute and a trace state to it."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        return SamplingResult(self.decision, {"by": "root"}, STATE)

    def get_description(self) -> str:
        return "Fixed"


def parent(*, sampled: bool, remote: bool) -> Context:
    """Give a context in which a span of somebody else's is current."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    context = SpanContext(1, 2, is_remote=remote, trace_flags=flags, trace_state=STATE)
    return trace.set_span_in_context(NonRecordingSpan(context))


def run(sampler: Sampler, jobs: int = 1) -> tuple[list[str], list[str]]:
    """Run jobs with a foreign span between ours; give the names that a processor saw and those that were exported."""
    recorded, exporter = Recorded(), InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(recorded)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(__name__)
    for _ in range(jobs):
        with (
            tracer.start_as_current_span(semconv.SPAN_JOB, attributes={semconv.TRIGGER: "cron"}),
            tracer.start_as_current_span("SELECT"),
            tracer.start_as_current_span(semconv.SPAN_QUOTE, attributes={semconv.TRIGGER: "cron"}),
        ):
            pass
    assert all(
        (span.attributes or {}).get(semconv.TRIGGER) == "cron" for span in recorded.spans if span.name != "SELECT"
    )
    return [span.name for span in recorded.spans], [span.name for span in exporter.get_finished_spans()]


def test_every_trace_by_default() -> None:
    """Without a root it samples like the SDK: everything."""
    names = [semconv.SPAN_QUOTE, "SELECT", semconv.SPAN_JOB]
    assert run(AutoAssignSampler()) == (names, names)


@pytest.mark.parametrize(
    "root", [ALWAYS_OFF, DEFAULT_OFF, ParentBasedTraceIdRatio(0.0)], ids=["off", "parent", "ratio"]
)
def test_what_is_dropped_is_still_recorded(root: Sampler) -> None:
    """Our spans, also below a foreign one, reach the processors with their attributes, and no exporter."""
    assert run(AutoAssignSampler(root)) == ([semconv.SPAN_QUOTE, semconv.SPAN_JOB], [])


def test_a_share_of_the_traces_is_all_of_the_spans() -> None:
    """At a ratio of a third some traces are exported whole, the others not at all, and every span of ours is seen."""
    recorded, exported = run(AutoAssignSampler(ParentBasedTraceIdRatio(1 / 3)), jobs=200)
    assert [name for name in recorded if name != "SELECT"] == [semconv.SPAN_QUOTE, semconv.SPAN_JOB] * 200
    assert 0 < len(exported) < 600
    assert exported == [semconv.SPAN_QUOTE, "SELECT", semconv.SPAN_JOB] * (len(exported) // 3)


def test_everything_of_ours_is_sampled_for_a_collector() -> None:
    """Only what is exported reaches a collector; foreign spans are thinned as before."""
    assert run(AlwaysSampleAutoAssign(ALWAYS_OFF)) == ([semconv.SPAN_QUOTE, semconv.SPAN_JOB],) * 2


@pytest.mark.parametrize("remote", [True, False])
def test_below_a_foreign_parent_that_is_not_sampled(remote: bool) -> None:
    """The parent's decision is kept for the trace, and overruled for ours where a collector makes the rows."""
    context = parent(sampled=False, remote=remote)
    ours = AutoAssignSampler().should_sample(context, 1, semconv.SPAN_JOB, attributes={"a": 1})
    collected = AlwaysSampleAutoAssign().should_sample(context, 1, semconv.SPAN_JOB, attributes={"a": 1})
    theirs = AlwaysSampleAutoAssign().should_sample(context, 1, "SELECT", attributes={"a": 1})

    assert [result.decision for result in (ours, collected, theirs)] == [
        Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE, Decision.DROP,
    ]  # fmt: skip
    assert ours.attributes == collected.attributes == {"a": 1}
    assert ours.trace_state == collected.trace_state == STATE


@pytest.mark.parametrize(
    ("root", "ours", "collected"),
    [
        (Decision.DROP, Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE),
        (Decision.RECORD_ONLY, Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE),
        (Decision.RECORD_AND_SAMPLE, Decision.RECORD_AND_SAMPLE, Decision.RECORD_AND_SAMPLE),
    ],
    ids=lambda decision: decision.name,
)
def test_decisions(root: Decision, ours: Decision, collected: Decision) -> None:
    """What the root decides is raised where it is too little, for our names only, and what it added is kept."""
    for sampler, expected in ((AutoAssignSampler(Fixed(root)), ours), (AlwaysSampleAutoAssign(Fixed(root)), collected)):
        result = sampler.should_sample(None, 1, semconv.SPAN_STAGE, attributes={"a": 1, "by": "caller"})
        assert result.decision is expected
        kept = dict(result.attributes)
        assert kept == ({"by": "root"} if expected is root else {"a": 1, "by": "root"})
        assert result.trace_state == STATE
        foreign = sampler.should_sample(None, 1, "SELECT", attributes={"a": 1})
        assert (foreign.decision, dict(foreign.attributes)) == (root, {"by": "root"})


def test_descriptions() -> None:
    """They say what they stand around, as the SDK's samplers do."""
    assert AutoAssignSampler(ALWAYS_ON).get_description() == "AutoAssignSampler{AlwaysOnSampler}"
    assert AlwaysSampleAutoAssign(ALWAYS_OFF).get_description() == "AlwaysSampleAutoAssign{AlwaysOffSampler}"


@pytest.mark.parametrize(
    ("argument", "root"),
    [
        (None, DEFAULT_ON),
        ("", DEFAULT_ON),
        ("  ", DEFAULT_ON),
        ("0.25", ParentBasedTraceIdRatio(0.25)),
        ("0", ParentBasedTraceIdRatio(0.0)),
        ("1", ParentBasedTraceIdRatio(1.0)),
    ],
)
def test_the_argument_is_a_ratio(argument: str | None, root: Sampler, caplog: pytest.LogCaptureFixture) -> None:
    """A share of the traces, decided at their root, or nothing."""
    assert sampler_from_argument(argument).get_description() == AutoAssignSampler(root).get_description()
    assert caplog.records == []


@pytest.mark.parametrize("argument", ["many", "1.5", "-0.1", "nan", "inf", "0,5"])
def test_a_bad_ratio_is_reported(argument: str, caplog: pytest.LogCaptureFixture) -> None:
    """One warning that names variable and value, and every trace."""
    expected = AutoAssignSampler(ParentBasedTraceIdRatio(1.0)).get_description()
    assert sampler_from_argument(argument).get_description() == expected
    (record,) = caplog.records
    assert "OTEL_TRACES_SAMPLER_ARG" in record.getMessage()
    assert repr(argument) in record.getMessage()


def test_entry_points() -> None:
    """Both groups name a sampler, each in the way that its reader calls it."""
    (by_variable,) = entry_points(group="opentelemetry_traces_sampler", name="auto_assign")
    (by_file,) = entry_points(group="opentelemetry_sampler", name="auto_assign")
    assert isinstance(by_variable.load()(None), AutoAssignSampler)
    assert isinstance(by_file.load()(), AutoAssignSampler)


def test_the_sdk_finds_it_by_its_variable() -> None:
    """``OTEL_TRACES_SAMPLER=auto_assign`` is all that a deployment sets."""
    program = (
        "from opentelemetry.sdk._configuration import _initialize_components; _initialize_components();"
        "from opentelemetry import trace; print(trace.get_tracer_provider().sampler.get_description())"
    )
    variables = {"OTEL_TRACES_SAMPLER": "auto_assign", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    quiet = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables, **quiet},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("AutoAssignSampler{ParentBased{root:TraceIdRatioBased{0.5}")
