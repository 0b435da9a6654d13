"""Where spans come from: the lean way where all is as known, else the public API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

from observability_events import AutoAssignSampler
from otel_auto_assign import Flags, _span_source, configure, semconv, traced_job, traced_quote
from otel_auto_assign._lean import LeanSpan, lean
from otel_auto_assign._span_source import SpanSource
from tests.instrumentation.sdk_spans import AT_END, ATTRIBUTES, START, a_life, local, provider, remote

if TYPE_CHECKING:
    from collections.abc import Callable


class AnotherTracer(sdk.Tracer):
    """A vendor's."""


def of_another_class() -> trace.Tracer:
    """A tracer of a class of its own."""
    tracer = provider().get_tracer("x")
    tracer.__class__ = AnotherTracer
    return tracer


def patched(owner: type, name: str) -> Callable[[pytest.MonkeyPatch], trace.Tracer]:
    """A tracer with a method that an agent has replaced, by a function of its own."""

    def make(monkeypatch: pytest.MonkeyPatch) -> trace.Tracer:
        original = getattr(owner, name)

        def replaced(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, replaced)
        return provider().get_tracer("x")

    return make


def wrapped(owner: type, name: str) -> Callable[[pytest.MonkeyPatch], trace.Tracer]:
    """A tracer with a method in a proxy of wrapt's, which looks like the method itself."""

    def make(monkeypatch: pytest.MonkeyPatch) -> trace.Tracer:
        def around(call: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
            return call(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(getattr(owner, name), around))
        return provider().get_tracer("x")

    return make


def with_another_class_of_spans(monkeypatch: pytest.MonkeyPatch) -> trace.Tracer:
    """A tracer of an SDK whose class of spans an agent has replaced, for one with a method of its own."""

    class Redacting(sdk._Span):
        def set_attributes(self, attributes: Any) -> None:
            super().set_attributes(attributes)

    monkeypatch.setattr(sdk, "_Span", Redacting)
    return provider().get_tracer("x")


def with_its_own_sampler(_: pytest.MonkeyPatch) -> trace.Tracer:
    """A tracer whose parent-based sampler has been given another method, it alone."""
    sampler = ParentBased(ALWAYS_OFF)
    sampler.should_sample = ALWAYS_ON.should_sample  # type: ignore[method-assign]
    return provider(sampler).get_tracer("x")


def with_a_field_more(monkeypatch: pytest.MonkeyPatch) -> trace.Tracer:
    """A tracer of an SDK whose spans have a field that we do not know."""
    original = sdk.Span.__init__

    def patched(self: sdk.Span, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self._of_a_later_version = []  # type: ignore[attr-defined]

    monkeypatch.setattr(sdk.Span, "__init__", patched)
    return provider().get_tracer("x")


@pytest.mark.parametrize(
    "make",
    [
        lambda _: of_another_class(),
        patched(sdk.Tracer, "start_span"),
        wrapped(sdk.Tracer, "start_span"),
        patched(sdk._Span, "start"),
        wrapped(sdk._Span, "start"),
        patched(sdk.Span, "set_attributes"),
        patched(sdk.Span, "_readable_span"),
        patched(sdk.ReadableSpan, "__init__"),
        patched(BoundedAttributes, "__setitem__"),
        patched(ParentBased, "should_sample"),
        wrapped(ParentBased, "should_sample"),
        patched(type(ALWAYS_ON), "should_sample"),
        with_another_class_of_spans,
        with_its_own_sampler,
        with_a_field_more,
        lambda _: provider(span_limits=sdk.SpanLimits(max_span_attributes=20)).get_tracer("x"),
        lambda _: provider(span_limits=sdk.SpanLimits(max_span_attribute_length=100)).get_tracer("x"),
    ],
    ids=[
        "class",
        "start_span",
        "start_span by wrapt",
        "start",
        "start by wrapt",
        "set_attributes",
        "what exporters read",
        "how that is made",
        "attributes",
        "parent based",
        "parent based by wrapt",
        "always on",
        "another class of spans",
        "one sampler's own",
        "field",
        "count",
        "length",
    ],
)
def test_what_is_not_as_known_goes_through_the_public_api(
    make: Callable[[pytest.MonkeyPatch], trace.Tracer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span is there all the same, made by the tracer itself."""
    tracer = make(monkeypatch)
    assert lean(tracer) is None

    span = a_life(SpanSource(tracer), Context(), None)

    assert isinstance(span, sdk.Span)
    assert not isinstance(span, LeanSpan)
    assert span.attributes == {**ATTRIBUTES, **AT_END}


def test_a_tracer_that_is_turned_off_gives_no_spans() -> None:
    """The SDK's own switch for tracers is honoured, at once."""
    tracer: Any = provider().get_tracer("x")
    if not hasattr(tracer, "_tracer_config"):
        pytest.skip("tracers of this SDK cannot be turned off")
    source = SpanSource(tracer)
    assert source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START).is_recording()
    tracer._tracer_config = sdk._TracerConfig(is_enabled=False)

    assert not source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START).is_recording()


def test_a_tracer_that_wraps_another_is_asked_itself() -> None:
    """Only the API's own proxy is looked behind: what a host's wrapper adds stays."""

    class Wrapper(trace.NoOpTracer):
        def __init__(self, inner: trace.Tracer) -> None:
            self._tracer = inner

        def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
            span = self._tracer.start_span(*args, **kwargs)
            span.set_attribute("tenant", "t-1")
            return span

    span = a_life(SpanSource(Wrapper(provider().get_tracer("x"))), Context(), None)

    assert span.attributes["tenant"] == "t-1"


def test_a_provider_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call may come before the host has set its tracer provider up."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    configure()
    source = SpanSource(trace.get_tracer("x"))
    assert not source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START).is_recording()

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider())

    assert isinstance(source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START), LeanSpan)


def test_it_looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking costs as much as many spans: jobs that are linked, which lean spans cannot be, do not look again."""
    looked: list[trace.Tracer] = []
    monkeypatch.setattr(_span_source, "lean", looked.append)
    source = SpanSource(provider().get_tracer("x"))
    link = trace.Link(trace.SpanContext(1, 2, is_remote=True))
    for _ in range(3):
        linked: Any = source.start_linked("auto_assign.job", Context(), dict(ATTRIBUTES), START, [link])
        assert [each.context.span_id for each in linked.links] == [2]
        source.start("auto_assign.quote", Context(), dict(ATTRIBUTES), START)

    assert len(looked) == 1


def test_decorated_calls_have_lean_spans(caplog: pytest.LogCaptureFixture) -> None:
    """What decorators start is lean under the SDK as it is installed; if not, its cost has doubled unnoticed."""
    exporter = InMemorySpanExporter()
    seen = []
    configure(tracer_provider=provider(ALWAYS_ON, SimpleSpanProcessor(exporter)))

    @traced_quote
    def quote() -> dict[str, Any]:
        seen.append(trace.get_current_span())
        return {"hold": "h"}

    with caplog.at_level(logging.INFO), traced_job():
        seen.append(trace.get_current_span())
        quote()

    assert [type(span).__mro__[1] for span in seen] == [LeanSpan, LeanSpan]
    assert {span.name for span in exporter.get_finished_spans()} == {
        semconv.SPAN_JOB,
        semconv.SPAN_ATTEMPT,
        semconv.SPAN_QUOTE,
    }
    assert caplog.records == []


class Counting(TraceIdRatioBased):
    """Counts how often it is asked."""

    asked = 0

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        self.asked += 1
        return super().should_sample(*args, **kwargs)


@pytest.mark.parametrize(
    ("sampler", "context", "flags_are_read"),
    [
        (ALWAYS_OFF, Context(), 0),
        (ParentBased(ALWAYS_ON), remote(0), 0),
        (ParentBased(ALWAYS_ON), remote(1), 1),
        (ParentBased(ALWAYS_ON), Context(), 1),
        (ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON), remote(0), 1),
        (ParentBased(ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON), local(0), 0),
        (ParentBased(ALWAYS_ON, local_parent_not_sampled=ALWAYS_ON), local(0), 1),
        (ParentBased(ALWAYS_ON, local_parent_not_sampled=ALWAYS_ON), remote(0), 0),
        (AutoAssignSampler(ParentBased(ALWAYS_ON)), remote(0), 1),
        (Counting(0.0), Context(), 1),
    ],
    ids=[
        "off",
        "parent off",
        "parent on",
        "root",
        "a remote parent off is on",
        "but not a local one",
        "a local parent off is on",
        "but not a remote one",
        "rows",
        "ratio",
    ],
)
def test_nothing_is_read_for_a_direct_quote_that_is_dropped_whatever_it_says(
    sampler: Sampler, context: Context, flags_are_read: int
) -> None:
    """Flags and arguments are read only where the sampler may want to see them, and it is asked once."""
    read = []
    seen = []

    def flags() -> Flags:
        read.append(1)
        return Flags(retry_policy_v2=True, planner_cache=False)

    @traced_quote
    def quote(booking_id: str) -> dict[str, Any]:
        seen.append(trace.get_current_span())
        return {"hold": "h"}

    configure(tracer_provider=provider(sampler), flag_provider=flags)
    token = attach(context)
    try:
        quote("b-1")
    finally:
        detach(token)

    above = trace.get_current_span(context).get_span_context()
    (span,) = seen
    assert len(read) == flags_are_read
    assert span.get_span_context().is_valid
    assert span.get_span_context().trace_id == above.trace_id or not above.is_valid
    if isinstance(sampler, Counting):
        assert sampler.asked == 1
