"""Lean spans are the SDK's spans: whoever looks at one sees what the SDK's own ``start_span`` would have made."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceState,
)

from observability_events import AutoAssignSampler
from otel_auto_assign._lean import LeanSpan
from otel_auto_assign._span_source import SpanSource
from otel_auto_assign._spans import end_span
from tests.instrumentation.sdk_spans import AT_END, ATTRIBUTES, END, START, a_life, local, provider, remote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry import trace


class Adding(Sampler):
    """Samples, and adds an attribute that has to be cleaned."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        added = {**(attributes or {}), "sampled.by": ["a", "list"]}
        return SamplingResult(Decision.RECORD_AND_SAMPLE, added, TraceState([("k", "v")]))

    def get_description(self) -> str:
        return "Adding"


class Changing(Adding):
    """Adds to the very attributes that it is shown."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        shown: dict[str, Any] = args[4] if len(args) > 4 else kwargs["attributes"]
        shown["sampled.by"] = ["a", "list"]
        return SamplingResult(Decision.RECORD_AND_SAMPLE, shown)


class Watching(sdk.SpanProcessor):
    """Notes what it is told, and lets the host set an attribute at the start."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def on_start(self, span: sdk.Span, parent_context: Context | None = None) -> None:
        self.seen.append(("start", span.name, dict(span.attributes or {}), parent_context, type(span).__name__))
        assert isinstance(span, sdk.Span)
        span.set_attribute("host", "watching")

    def on_end(self, span: sdk.ReadableSpan) -> None:
        assert isinstance(span, sdk.ReadableSpan)
        self.seen.append(("end", span.end_time, span.status.status_code))


def public(tracer: trace.Tracer) -> SpanSource:
    """A source that has found nothing but the public API."""
    source = SpanSource(tracer)
    source.start = source._start
    return source


def both(make: Callable[[], sdk.TracerProvider]) -> list[tuple[SpanSource, InMemorySpanExporter, Watching]]:
    """The public way and the lean way, each with an exporter and a processor of its own."""
    ways = []
    for way in (public, SpanSource):
        exporter, watching = InMemorySpanExporter(), Watching()
        used = make()
        used.add_span_processor(watching)
        used.add_span_processor(SimpleSpanProcessor(exporter))
        ways.append((way(used.get_tracer("scope", "1", schema_url="https://x.invalid/1")), exporter, watching))
    return ways


def shown(span: sdk.ReadableSpan) -> dict[str, Any]:
    """All that an exporter can read, but for what is random."""
    read = json.loads(span.to_json())
    read["context"].pop("span_id")
    if not span.parent:
        read["context"].pop("trace_id")
    dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)
    assert span.context is not None
    flags = (span.context.trace_flags, span.context.trace_state, span.context.is_remote, span.context.is_valid)
    return {
        **read,
        "attributes": dict(span.attributes or {}),  # a list is no tuple here
        "dropped": dropped,
        "flags": flags,
        "scope": span.instrumentation_scope,
    }


@pytest.mark.parametrize("error", [None, ("ValueError", "no"), ("_OTHER", "")])
@pytest.mark.parametrize(
    "context", [Context(), remote(0), remote(1, "a=b"), remote(3)], ids=["root", "off", "on", "random"]
)
@pytest.mark.parametrize(
    "sampler",
    [
        ALWAYS_ON,
        ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON),
        Adding(),
        Changing(),
        ParentBased(Adding(), Adding(), Adding()),
        AutoAssignSampler(ALWAYS_OFF),
    ],
    ids=["on", "parent", "adding", "changing", "parent adding", "record"],
)
def test_exporters_and_processors_see_no_difference(
    sampler: Sampler, context: Context, error: tuple[str, str] | None
) -> None:
    """Name, ids, flags, state, parent, attributes, status, times, resource, scope, limits: all are the SDK's."""
    (hand, hand_exported, hand_seen), (ours, ours_exported, ours_seen) = both(lambda: provider(sampler))

    by_hand, lean_span = a_life(hand, context, error), a_life(ours, context, error)

    assert isinstance(lean_span, LeanSpan)
    assert not isinstance(by_hand, LeanSpan)
    assert isinstance(lean_span, sdk.Span)
    assert shown(lean_span) == shown(by_hand)
    expected, exported = hand_exported.get_finished_spans(), ours_exported.get_finished_spans()
    assert [shown(span) for span in exported] == [shown(span) for span in expected]
    assert all(isinstance(span, sdk.ReadableSpan) for span in exported)
    assert ours_seen.seen == hand_seen.seen


@pytest.mark.parametrize("context", [Context(), remote(0), remote(1, "a=b"), remote(3)])
def test_a_span_that_is_dropped_is_dropped_alike(context: Context) -> None:
    """Nothing is recorded, and the span's context says so to its children."""
    (hand, _, hand_seen), (ours, _, ours_seen) = both(lambda: provider(ALWAYS_OFF))
    spans = [a_life(source, context, None) for source in (hand, ours)]
    ids = [span.get_span_context() for span in spans]

    assert [type(span) for span in spans] == [NonRecordingSpan, NonRecordingSpan]
    assert ids[0][2:] == ids[1][2:]
    assert hand_seen.seen == ours_seen.seen == []


PARENTS = [
    "root",
    "remote_parent_sampled",
    "remote_parent_not_sampled",
    "local_parent_sampled",
    "local_parent_not_sampled",
]


@pytest.mark.parametrize("context", [Context(), remote(0), remote(1), local(0), local(1)])
@pytest.mark.parametrize("on", PARENTS)
def test_a_parent_based_sampler_is_answered_for_as_it_would_answer(on: str, context: Context) -> None:
    """Of its five samplers the one is taken that the parent calls for."""
    sampler = ParentBased(**{parent: ALWAYS_ON if parent == on else ALWAYS_OFF for parent in PARENTS})
    (hand, _, _), (ours, _, _) = both(lambda: provider(sampler))

    by_hand, lean_span = a_life(hand, context, None), a_life(ours, context, None)

    assert lean_span.get_span_context().trace_flags == by_hand.get_span_context().trace_flags
    assert isinstance(lean_span, LeanSpan) is isinstance(by_hand, sdk.Span)


def test_the_host_can_do_with_it_what_it_does_with_any_span() -> None:
    """Events, links, attributes, names and status that the host gives are exported."""
    for source, exporter, _ in both(provider):
        span = source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START)
        span.add_event("seen", {"a": 1})
        span.add_link(SpanContext(1, 2, is_remote=False))
        span.set_attribute("host.list", [1, 2])
        span.update_name("renamed")
        span.set_status(StatusCode.OK)
        end_span(span, dict(AT_END), ("X", "the host's OK stays"), END)
        (done,) = exporter.get_finished_spans()

        assert [event.name for event in done.events] == ["seen"]
        assert [link.context.span_id for link in done.links] == [2]
        assert (done.name, done.status.status_code) == ("renamed", StatusCode.OK)
        assert done.attributes is not None
        assert done.attributes["host.list"] == (1, 2)
        assert done.attributes["auto_assign.success"] is False


def test_an_ended_span_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """What comes after the end changes nothing, and is said as the SDK says it."""
    said = []
    for source, exporter, _ in both(provider):
        span: Any = a_life(source, Context(), None)
        before = shown(span)
        caplog.clear()
        end_span(span, {"auto_assign.late": True}, None, END + 1)
        span.set_attribute("late", True)
        span.end()
        said.append([record.message for record in caplog.records])

        assert shown(span) == before
        assert len(exporter.get_finished_spans()) == 1

    assert said[0] == said[1]
    assert "Setting attribute on ended span." in said[1]


def test_the_limit_of_attributes_is_kept_when_the_host_sets_many() -> None:
    """A hundred attributes of the host's and ours at the end are still no more than the SDK allows."""
    counts = []
    for source, exporter, _ in both(provider):
        span = source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START)
        span.set_attributes({f"host.{number}": number for number in range(140)})
        end_span(span, dict(AT_END), None, END)
        (done,) = exporter.get_finished_spans()
        counts.append(
            (len(done.attributes or {}), done.dropped_attributes, (done.attributes or {})["auto_assign.reason"])
        )

    assert counts[0] == counts[1]
    assert counts[0][0] == 128


def test_the_sdk_counts_them_among_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's self-metrics of started and live spans are the same."""
    if not hasattr(provider().get_tracer("x"), "_tracer_metrics"):
        pytest.skip("this SDK has no metrics of its own spans")
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    counted = []
    for number in (0, 1):
        reader = InMemoryMetricReader()
        meters = MeterProvider([reader], shutdown_on_exit=False)
        source = both(lambda meters=meters: provider(meter_provider=meters))[number][0]  # type: ignore[misc]
        left_open = source.start("auto_assign.job", Context(), dict(ATTRIBUTES), START)
        a_life(source, remote(1), None)
        data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
        (scope,) = data["resource_metrics"][0]["scope_metrics"]
        counted.append(
            sorted(
                (metric["name"], sorted(point["attributes"].items()), point["value"])
                for metric in scope["metrics"]
                if metric["name"].startswith("otel.sdk.span")
                for point in metric["data"]["data_points"]
            )
        )
        left_open.end()
        meters.shutdown()

    assert counted[0] == counted[1]
    assert counted[0]


def test_what_exporters_get_can_be_copied_deeply() -> None:
    """A redacting exporter works on a copy, as it does with the SDK's spans."""
    for source, exporter, _ in both(provider):
        a_life(source, remote(1), ("X", "y"))
        (span,) = exporter.get_finished_spans()
        copied = copy.deepcopy(span) if hasattr(span._attributes, "__deepcopy__") else copy.copy(span)

        assert type(span) is sdk.ReadableSpan
        assert shown(copied) == shown(span)


def test_processors_that_the_host_puts_in_the_place_of_others_are_told() -> None:
    """A tracer's processors are looked up at each span."""
    for source, exporter, _ in both(provider):
        a_life(source, Context(), None)
        exporter.clear()
        tracer: Any = source._tracer
        tracer.span_processor = watching = Watching()

        a_life(source, Context(), None)

        assert [told[0] for told in watching.seen] == ["start", "end"]
        assert exporter.get_finished_spans() == ()


def test_spans_of_one_tracer_share_no_lock() -> None:
    """A host's thread that sets attributes on one span does not wait for another."""
    source = SpanSource(provider().get_tracer("x"))
    spans: list[Any] = [source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START) for _ in range(2)]

    assert spans[0]._lock is not spans[1]._lock
    assert spans[0]._attributes._lock is not spans[1]._attributes._lock
