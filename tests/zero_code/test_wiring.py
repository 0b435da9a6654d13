"""Tests of otel_auto_assign._wiring: our processor comes first, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from observability_events import ObservabilityEventsProcessor
from otel_auto_assign import Settings
from otel_auto_assign._wiring import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Settings(console=True)


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """A provider with two processors of the host's."""
    made = TracerProvider(shutdown_on_exit=False)
    for _ in range(2):
        made.add_span_processor(SpanProcessor())
    yield made
    made.shutdown()


def kinds(provider: TracerProvider) -> list[str]:
    """The classes of the provider's processors, in their order."""
    return [type(processor).__name__ for processor in provider._active_span_processor._span_processors]


def test_ours_comes_first_and_once(provider: TracerProvider) -> None:
    """Before the host's, whose order stays; a second time changes nothing."""
    assert wire(provider, SETTINGS)
    assert wire(provider, SETTINGS)
    assert kinds(provider) == ["ObservabilityEventsProcessor", "SpanProcessor", "SpanProcessor"]


def test_the_applications_own_is_enough(provider: TracerProvider) -> None:
    """Where the application has added one, wherever it stands, there is no second."""
    provider.add_span_processor(ObservabilityEventsProcessor(SETTINGS))
    wire(provider, SETTINGS)
    assert kinds(provider) == ["SpanProcessor", "SpanProcessor", "ObservabilityEventsProcessor"]


@pytest.mark.parametrize("stand_in", [trace.ProxyTracerProvider(), trace.NoOpTracerProvider()])
def test_a_stand_in_is_waited_for(stand_in: trace.TracerProvider) -> None:
    """The API's own providers start no span: there is something left to do."""
    assert not wire(stand_in, SETTINGS)


def test_a_provider_of_another_kind_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One that takes no processors gives a line in the log, and the host goes on."""

    class Theirs(trace.TracerProvider):
        def get_tracer(self, *args: object, **kwargs: object) -> trace.Tracer:
            return trace.NoOpTracer()

    assert wire(Theirs(), SETTINGS)
    assert "takes no span processor" in caplog.text
