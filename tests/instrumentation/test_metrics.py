"""Metrics: every call that counts is measured once, off the caller's thread, and nothing is left behind at the end."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics as metrics_api
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from otel_auto_assign import (
    Flags,
    _guard,
    configure,
    current_inline,
    current_job,
    metrics,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
)
from otel_auto_assign._runtime import runtime

FLAGS = {"auto_assign.flags.retry_policy_v2": True, "auto_assign.flags.planner_cache": False}
OUTSIDE = {"auto_assign.reason_code": "success", "auto_assign.cache_hit": False, **FLAGS}
BOOKING, RESTAURANT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


class Measured:
    """Instrumentation with metrics in memory."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False, exemplar_filter=TraceBasedExemplarFilter())
        self.exporter = InMemorySpanExporter()
        self.traces = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        configure(
            tracer_provider=self.traces,
            meter_provider=self.meters,
            flag_provider=lambda: Flags(retry_policy_v2=True, planner_cache=False),
        )

    def data(self) -> dict[str, Any]:
        """All that one collection gives, as JSON."""
        collected = self.reader.get_metrics_data()
        assert collected is not None
        shown: dict[str, Any] = json.loads(collected.to_json())
        return shown

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self.reader.get_metrics_data()
        if data is None:
            return []
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def counts(self, name: str) -> list[tuple[dict[str, Any], int]]:
        """Attributes and counts of a histogram, sorted."""
        found = [(dict(point.attributes), point.count) for point in self.points(name)]
        return sorted(found, key=lambda pair: json.dumps(pair, sort_keys=True))


@pytest.fixture
def measured() -> Iterator[Measured]:
    """Metrics of all that the test calls, in memory."""
    made = Measured()
    yield made
    made.meters.shutdown()


@traced_quote
def quote(answer: Any, booking_id: str = BOOKING, restaurant_id: str = RESTAURANT) -> Any:
    """A planner that answers what it is told."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


@traced_confirm
def confirm(taken: bool = True) -> bool:
    """A confirm."""
    return taken


@traced_job(trigger="cron")
def job(*answers: Any) -> None:
    """Ask once for each answer."""
    for answer in answers:
        with traced_attempt():
            quote(answer)


@traced_inline
def inline(answer: Any) -> None:
    """Ask once, and confirm."""
    if quote(answer):
        confirm()


def test_a_quote_is_measured_with_its_outcome_flow_and_flags(measured: Measured) -> None:
    """One count a planner call, under bounded attributes."""
    quote({"hold": "h"})
    quote({"hold": None, "reason": "No suitable tables for 4"})
    with pytest.raises(ValueError, match="boom"):
        quote(ValueError("boom"))
    job({"hold": "h", "cache_hit": True})
    inline({"hold": "h"})

    assert measured.counts("auto_assign.quote.duration") == sorted(
        [
            ({"auto_assign.flow": "direct", "auto_assign.success": True, **OUTSIDE}, 1),
            ({"auto_assign.flow": "inline", "auto_assign.success": True, **OUTSIDE}, 1),
            ({"auto_assign.flow": "job", "auto_assign.success": True, **OUTSIDE, "auto_assign.cache_hit": True}, 1),
            (
                {
                    "auto_assign.flow": "direct",
                    "auto_assign.success": False,
                    **OUTSIDE,
                    "auto_assign.reason_code": "hard.no_suitable_tables",
                },
                1,
            ),
            (
                {
                    "auto_assign.flow": "direct",
                    "auto_assign.success": False,
                    **OUTSIDE,
                    "auto_assign.reason_code": "unknown",
                    "error.type": "ValueError",
                },
                1,
            ),
        ],
        key=lambda pair: json.dumps(pair, sort_keys=True),
    )


def test_a_job_is_measured_once_with_its_result_and_its_attempts(measured: Measured) -> None:
    """Every way out counts; the attempts are a histogram of their own, of whole attempts."""
    job({"hold": None}, {"hold": None}, {"hold": "h"})
    job({"hold": "h"})
    job()
    with pytest.raises(ValueError, match="boom"):
        job(ValueError("boom"))

    @traced_job
    def hard() -> None:
        quote({"hold": None, "reason": "No capacity"})
        current_job().hard_stop("No capacity")

    hard()
    results = {
        attributes["auto_assign.job.result"]: (count, attributes.get("error.type"))
        for attributes, count in measured.counts("auto_assign.job.duration")
    }
    attempts = {
        point.attributes["auto_assign.job.result"]: point.sum for point in measured.points("auto_assign.job.attempts")
    }

    assert results == {
        "succeeded": (2, None),
        "skipped": (1, None),
        "error": (1, "ValueError"),
        "exhausted": (1, None),
    }
    assert attempts == {"succeeded": 4, "skipped": 0, "error": 1, "exhausted": 1}
    (stopped,) = [a for a, _ in measured.counts("auto_assign.job.duration") if "exhausted" in a.values()]
    assert stopped["auto_assign.job.hard_stop_reason_code"] == "hard.no_capacity"


def test_an_inline_run_is_measured_once_when_it_closes(measured: Measured) -> None:
    """What comes after the time-out changes nothing."""

    @traced_inline(timeout=5)
    def late() -> None:
        current_inline().timed_out()
        current_inline().timed_out()
        quote({"hold": "h"})
        confirm()

    late()
    inline({"hold": "h"})
    inline(None)

    counts = {a["auto_assign.inline.outcome"]: count for a, count in measured.counts("auto_assign.inline.duration")}
    assert counts == {"timeout": 1, "succeeded": 1, "no_hold": 1}
    assert sum(count for _, count in measured.counts("auto_assign.quote.duration")) == 3


def test_a_quote_inside_a_quote_is_not_measured(measured: Measured) -> None:
    """As it has no rows, it is in no count."""

    @traced_quote
    def outer() -> Any:
        return quote({"hold": "h"})

    outer()

    assert sum(count for _, count in measured.counts("auto_assign.quote.duration")) == 1


def test_durations_are_those_of_the_spans_in_seconds(measured: Measured) -> None:
    """Metric and span are measured by one clock reading each."""
    job({"hold": "h"})
    spans = {span.name: (span.end_time - span.start_time) / 1e9 for span in measured.exporter.get_finished_spans()}  # type: ignore[operator]

    for name in ("quote", "job"):
        (point,) = measured.points(f"auto_assign.{name}.duration")
        assert point.sum == pytest.approx(spans[f"auto_assign.{name}"], abs=1e-12)


def test_units_and_boundaries_are_said_to_the_sdk(measured: Measured) -> None:
    """Seconds from 5 ms to an hour, and attempts one by one up to eleven: nobody has to write a view."""
    job({"hold": "h"})
    inline({"hold": "h"})
    data = measured.data()
    (scope,) = data["resource_metrics"][0]["scope_metrics"]
    shown = {
        metric["name"]: (metric["unit"], metric["data"]["data_points"][0]["explicit_bounds"])
        for metric in scope["metrics"]
    }

    assert set(shown) == {
        "auto_assign.quote.duration",
        "auto_assign.job.duration",
        "auto_assign.inline.duration",
        "auto_assign.job.attempts",
    }
    assert {unit for name, (unit, _) in shown.items() if name.endswith("duration")} == {"s"}
    assert {(bounds[0], bounds[-1]) for name, (_, bounds) in shown.items() if name.endswith("duration")} == {
        (0.005, 3600)
    }
    assert shown["auto_assign.job.attempts"] == ("{attempt}", list(range(1, 12)))


def test_exemplars_link_to_the_spans(measured: Measured) -> None:
    """A measurement is recorded in the context of its span, though on another thread."""
    job({"hold": "h"})
    inline({"hold": "h"})
    spans = {span.context.span_id: span for span in measured.exporter.get_finished_spans()}

    data = measured.data()  # exemplars are given once
    linked = {
        (metric["name"], spans[exemplar["span_id"]].name)
        for metric in data["resource_metrics"][0]["scope_metrics"][0]["metrics"]
        for point in metric["data"]["data_points"]
        for exemplar in point["exemplars"]
    }
    assert linked == {
        ("auto_assign.quote.duration", "auto_assign.quote"),
        ("auto_assign.job.duration", "auto_assign.job"),
        ("auto_assign.job.attempts", "auto_assign.job"),
        ("auto_assign.inline.duration", "auto_assign.inline"),
    }


@pytest.mark.parametrize("role", ["quote", "job", "inline"])
def test_metrics_do_not_depend_on_sampling(role: str) -> None:
    """With every trace thrown away the counts and their attributes are the same."""
    found = []
    for sampler in (ALWAYS_ON, ALWAYS_OFF):
        made = Measured(sampler)
        quote({"hold": None, "reason": "No capacity"})
        job({"hold": None, "reason": "No capacity"}, {"hold": "h"})
        inline({"hold": "h"})
        with pytest.raises(KeyError):
            inline(KeyError("x"))
        found.append(made.counts(f"auto_assign.{role}.duration"))
        made.meters.shutdown()

    assert found[0] == found[1]
    assert found[0]


def test_attributes_hold_no_id_and_no_text_of_the_application(measured: Measured) -> None:
    """Neither bookings nor restaurants nor reasons may make time series."""
    with traced_job(trigger="a trigger", booking_id=BOOKING, restaurant_id=RESTAURANT):
        quote({"hold": "hold-77", "reason": "Table 5 for Ann"})
    shown = str([measured.points(f"auto_assign.{name}") for name in ("quote.duration", "job.duration", "job.attempts")])

    assert "auto_assign.success" in shown
    for secret in (BOOKING, RESTAURANT, "hold-77", "Ann", "a trigger"):
        assert secret not in shown


def test_exception_classes_without_end_do_not_make_time_series_without_end(measured: Measured) -> None:
    """From the hundredth class on they are `_OTHER`, OpenTelemetry's own word."""
    for number in range(130):
        error = type(f"Error{number}", (Exception,), {})
        with pytest.raises(error):
            quote(error())

    types = [attributes["error.type"] for attributes, _ in measured.counts("auto_assign.quote.duration")]
    assert len(types) == 101
    assert "_OTHER" in types


def test_without_a_meter_provider_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes metrics, so nothing is kept; a provider that is set later is served from then on."""
    monkeypatch.setattr(metrics_api._internal, "_METER_PROVIDER", None)
    monkeypatch.setattr(
        metrics_api._internal, "_METER_PROVIDER_SET_ONCE", type(metrics_api._internal._METER_PROVIDER_SET_ONCE)()
    )
    monkeypatch.setattr(metrics_api._internal, "_PROXY_METER_PROVIDER", metrics_api._internal._ProxyMeterProvider())
    configure(tracer_provider=TracerProvider(shutdown_on_exit=False))
    job({"hold": "h"})
    before = (runtime.metrics.on, len(runtime.metrics._waiting))

    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    metrics_api.set_meter_provider(meters)
    job({"hold": "h"})

    assert before == (False, 0)
    assert runtime.metrics.on
    shown = reader.get_metrics_data()
    assert shown is not None
    assert "auto_assign.job.duration" in shown.to_json()
    meters.shutdown()


def test_the_caller_does_not_record(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording happens on another thread, and there even where no reader ever collects."""
    threads = []
    recorded = threading.Event()
    original = runtime.metrics._quotes.record

    def record(*args: Any, **kwargs: Any) -> None:
        threads.append(threading.current_thread().name)
        original(*args, **kwargs)
        recorded.set()

    monkeypatch.setattr(runtime.metrics._quotes, "record", record)
    quote({"hold": "h"})

    assert threads == []
    assert recorded.wait(30)
    assert set(threads) == {"otel-auto-assign-metrics"}


def test_a_histogram_that_raises_hurts_nobody(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted as a fault of ours, and what comes next is recorded."""
    failing = iter([True])
    original = runtime.metrics._quotes.record

    def record(*args: Any, **kwargs: Any) -> None:
        if next(failing, False):
            raise RuntimeError("a view of the host's")
        original(*args, **kwargs)

    monkeypatch.setattr(runtime.metrics._quotes, "record", record)
    with _guard.strict(on=False):
        quote({"hold": "h"})
        quote({"hold": "h"})
        assert [count for _, count in measured.counts("auto_assign.quote.duration")] == [1]

    assert _guard.failures["recording a metric"] == 1


def test_memory_is_bounded_while_nobody_records(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is dropped and counted; the caller never waits."""
    monkeypatch.setattr(metrics, "MOST_WAITING", 3)
    with _guard.strict(on=False):
        for _ in range(5):
            quote({"hold": "h"})
        assert [count for _, count in measured.counts("auto_assign.quote.duration")] == [3]

    assert _guard.failures["measuring: more calls than can be recorded"] == 2


def test_coroutines_and_cancellation_are_measured(measured: Measured) -> None:
    """A cancelled job counts as one, with the class that cancelled it."""

    @traced_quote
    async def slow() -> None:
        await asyncio.sleep(60)

    @traced_job
    async def waiting() -> None:
        await slow()

    async def run() -> None:
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())

    ((attributes, count),) = measured.counts("auto_assign.job.duration")
    assert (attributes["auto_assign.job.result"], count) == ("cancelled", 1)
    assert attributes["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_child_does_not_record_what_its_parent_waits_to_record(measured: Measured) -> None:
    """After a fork the child begins with an empty queue and a thread of its own."""
    quote({"hold": "h"})
    reading, writing = os.pipe()
    if os.fork() == 0:  # pragma: no cover - another process
        waiting = len(runtime.metrics._waiting)
        quote({"hold": "h"})
        os.write(writing, f"{waiting} {len(runtime.metrics._waiting)} {runtime.metrics._thread is not None}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == "0 1 True"
    os.wait()

    assert [count for _, count in measured.counts("auto_assign.quote.duration")] == [1]
