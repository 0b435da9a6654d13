"""What the gateway makes of real spans: rows of all of them, Jaeger's of a few and without addresses, and figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

from collector.gateway import Series, gateway
from collector.running import Jaeger, jaeger
from otel_auto_assign import semconv, traced_confirm, traced_job, traced_quote
from tests.exporters.support import count, read, until
from tests.servers.sending import SERVICE, assign, sending
from tests.sink.program import Sink

if TYPE_CHECKING:
    from tests.postgres import Connection

NS_PER_S = 1_000_000_000


@traced_quote
def quote(booking_id: str, reason: str = "") -> dict[str, object]:
    """Find a table, unless there is a reason not to."""
    if reason == "broken":
        raise ValueError(reason)
    return {"hold": None if reason else "h-1", "reason": reason, "cache_hit": False}


@traced_confirm
def confirm(booking_id: str) -> bool:
    """Confirm it."""
    return True


@traced_job(trigger="cron", max_attempts=1)
def job(booking_id: str, reason: str = "") -> bool:
    """One attempt."""
    return bool(quote(booking_id, reason)["hold"]) and confirm(booking_id)


def in_a_trace(provider: TracerProvider, reason: str = "", *, seconds: float = 0.0) -> str:
    """Run a job below a request that takes so long; give the trace's id."""
    start = 1_795_375_800 * NS_PER_S
    tracer = provider.get_tracer("web")
    request = tracer.start_span("POST /bookings", start_time=start)
    with trace.use_span(request, record_exception=False, set_status_on_exception=False), suppress(ValueError):
        job("b-1", reason)
    request.end(start + int(seconds * NS_PER_S))
    return f"{request.get_span_context().trace_id:032x}"


def calls(series: Iterable[Series]) -> dict[tuple[str, str], float]:
    """Give the spans that the gateway has counted, by service and name."""
    return {
        (one.labels["service_name"], one.labels["span_name"]): one.value
        for one in series
        if one.name == "traces_span_metrics_calls_total"
    }


def kept(by: Jaeger) -> dict[str, set[str]]:
    """Give the names of the spans in Jaeger, by trace."""
    return {
        one["traceID"]: {span["operationName"] for span in one["spans"]}
        for one in by.traces(service=SERVICE, limit="1000", start="0", end="4000000000000000")
    }


@pytest.mark.usefixtures("events_table")
def test_rows_are_made_of_all_and_jaeger_has_what_is_worth_a_look(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Errors, time-outs and slow traces, whole, and nothing else where no share of the rest is asked for."""
    with jaeger(tmp_path) as found, Sink(dsn) as sink:
        address = f"127.0.0.1:{sink.ports['grpc']}"
        with gateway(tmp_path, sink=address, jaeger=found.otlp, KEPT_PERCENT="0") as made, sending(made.takes) as sent:
            quick = [in_a_trace(sent) for _ in range(10)]
            refused = in_a_trace(sent, "No suitable tables for 4 guests")
            wanted = {in_a_trace(sent, "broken"), in_a_trace(sent, "timeout"), in_a_trace(sent, seconds=9)}
            until(made.has_handed_on)
        until(lambda: {trace_id for (trace_id,) in read(conn, "context->>'trace_id'")} == {*quick, refused, *wanted})
        until(lambda: count(conn) == 13 * 5 + 4)  # a job that raises has no row of its own for that
        assert kept(found).keys() == wanted
        assert all({"POST /bookings", semconv.SPAN_JOB, semconv.SPAN_QUOTE} <= names for names in kept(found).values())


def test_a_share_of_the_rest_is_kept(tmp_path: Path) -> None:
    """Of eighty traces of no interest, at half of them, neither few nor most; each is there whole, or not at all."""
    with jaeger(tmp_path) as found:
        with gateway(tmp_path, jaeger=found.otlp, KEPT_PERCENT="50") as made, sending(made.takes) as sent:
            for _ in range(80):
                in_a_trace(sent)
            until(made.has_handed_on)
        assert 15 < len(kept(found)) < 65
        assert {len(names) for names in kept(found).values()} == {5}


def test_an_error_is_kept_however_late_it_comes(tmp_path: Path) -> None:
    """A job may take longer than a trace is waited for: its end, when it is an error, is in Jaeger all the same."""
    with jaeger(tmp_path) as found:
        with (
            gateway(tmp_path, jaeger=found.otlp, KEPT_PERCENT="0", DECISION_WAIT="1s") as made,
            sending(made.takes) as sent,
        ):
            request = sent.get_tracer("web").start_span("POST /bookings")
            with trace.use_span(request):
                assign("b-1")
            until(lambda: made.decided("not_sampled") == 1)
            request.set_status(Status(StatusCode.ERROR))
            request.end()
            until(lambda: bool(kept(found)))
        assert list(kept(found).values()) == [{"POST /bookings"}]


MAIL, PHONE, NATIONAL = "ann.o'neil+x@mail.example.org", "+49 (151) 2345-6789", "0151 2345 678"
BOOKING = "01985550-1234-7567-8901-234567890123"


def test_jaeger_gets_neither_addresses_nor_numbers(tmp_path: Path) -> None:
    """Wherever they stand in a span of anybody's; an id that looks like a number stays, and so does what is around."""
    personal = f"for {MAIL}, {PHONE} or {NATIONAL}"
    resource = Resource.create({"service.name": SERVICE, "owner": personal})
    with jaeger(tmp_path) as found:
        with gateway(tmp_path, jaeger=found.otlp) as made, sending(made.takes, resource=resource) as sent:
            tracer = sent.get_tracer("web", attributes={"scope": personal})
            span = tracer.start_span(f"PUT /guests/{MAIL}")
            span.set_attributes({
                "text": f"called {PHONE}",
                "list": [personal, "kept"],
                "json": json.dumps({"guest": {"mail": MAIL, "phones": [NATIONAL, PHONE], "covers": 4}}),
                "url.full": "https://example.org/?mail=ann.neil%40mail.example.org&phone=%2B49151234567",
                semconv.BOOKING_ID: BOOKING,
                "at": "2026-11-26 08:30:00.012345678",
                "number": 1234567890123,
            })  # fmt: skip
            span.add_event(f"told {MAIL}", {"by": f"sms to {NATIONAL}"})
            span.set_status(Status(StatusCode.ERROR, f"no table {personal}"))
            span.end()
            until(made.has_handed_on)
        (got,) = found.traces(service=SERVICE)
    said = json.dumps(got, ensure_ascii=False)
    for hidden in (MAIL, PHONE, NATIONAL, "mail.example.org", "%40", "151234567", "aside"):
        assert hidden not in said
    (only,) = got["spans"]
    tags = {tag["key"]: tag["value"] for tag in only["tags"]}
    assert only["operationName"].startswith("PUT /guests/")
    assert "****" in only["operationName"]
    assert tags["otel.status_description"].startswith("no table for ")
    assert (tags[semconv.BOOKING_ID], tags["at"], tags["number"]) == (
        BOOKING,
        "2026-11-26 08:30:00.012345678",
        1234567890123,
    )
    assert '"kept"' in tags["list"]
    assert '"covers": 4' in tags["json"]
    assert [field["value"] for field in only["logs"][0]["fields"] if field["key"] == "by"] == ["sms to****"]


def test_figures_lead_to_traces_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    """Prometheus' page has the library's own histograms, and the gateway's of what these leave out, with exemplars."""
    resource = Resource.create({"service.name": SERVICE, "service.instance.id": "1"})
    with gateway(tmp_path) as made:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"http://{made.takes}"), float("inf"))
        meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        with sending(made.takes, meter_provider=meters, resource=resource) as sent:
            traces = {in_a_trace(sent) for _ in range(3)}
            assert meters.force_flush()
        meters.shutdown()
        elsewhere = Resource({"service.name": "planner", "telemetry.sdk.language": "nodejs"})
        with sending(made.takes, resource=elsewhere) as other:
            other.get_tracer("planner").start_span(semconv.SPAN_QUOTE).end()
        seen: list[Series] = []

        def all_counted() -> bool:
            series = made.series()
            seen.extend(series)
            return sum(calls(series).values()) == 7

        until(all_counted)
        series = made.series()
    assert calls(series) == {
        (SERVICE, semconv.SPAN_ATTEMPT): 3,
        (SERVICE, semconv.SPAN_CONFIRM): 3,
        ("planner", semconv.SPAN_QUOTE): 1,
    }
    counts = {
        one.name: one.value for one in series if one.name.startswith("auto_assign_") and one.name.endswith("_count")
    }
    assert counts == {
        "auto_assign_quote_duration_seconds_count": 3,
        "auto_assign_job_duration_seconds_count": 3,
        "auto_assign_job_attempts_count": 3,
    }
    linked = {one.exemplar["trace_id"] for one in seen if one.name == "traces_span_metrics_duration_seconds_bucket"
              and one.labels["service_name"] == SERVICE and one.exemplar}  # fmt: skip
    assert linked
    assert linked <= traces
    assert not [one for one in series if {"booking", "trace", "job_id"} & {*one.labels}]
