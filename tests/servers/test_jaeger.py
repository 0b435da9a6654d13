"""Traces in the real Jaeger, through the real Collector."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from collector.running import Jaeger, free_address, jaeger
from observability_events import ObservabilityEventsProcessor
from otel_auto_assign import (
    continue_from,
    current_inline,
    semconv,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
)
from tests.exporters.support import read, settings, until
from tests.servers.sending import SERVICE, send_jobs, sending
from tests.servers.test_sink import agent

if TYPE_CHECKING:
    from tests.postgres import Connection

PAGE = Path(__file__).parents[2] / "docs" / "jaeger.md"
BY_REASON = {"service": SERVICE, "tags": '{"auto_assign.reason_code":"hard.no_suitable_tables"}'}


def test_an_agent_hands_a_jobs_trace_on(tmp_path: Path) -> None:
    """Nested as it was called, and found by its reason code."""
    takes = free_address()
    with jaeger(tmp_path) as kept, agent(tmp_path, takes, kept.otlp):
        send_jobs(takes)
        until(lambda: bool(kept.traces(**BY_REASON)))
        (trace,) = kept.traces(**BY_REASON)
    spans = {span["operationName"]: span for span in trace["spans"]}
    assert set(spans) == {semconv.SPAN_JOB, semconv.SPAN_ATTEMPT, semconv.SPAN_QUOTE}
    parents = {name: [link["spanID"] for link in span["references"]] for name, span in spans.items()}
    assert parents == {
        semconv.SPAN_JOB: [],
        semconv.SPAN_ATTEMPT: [spans[semconv.SPAN_JOB]["spanID"]],
        semconv.SPAN_QUOTE: [spans[semconv.SPAN_ATTEMPT]["spanID"]],
    }


@traced_quote
def find(booking_id: str) -> dict[str, object]:
    """Answer as the booking wants it."""
    if booking_id == "b-broken":
        raise ValueError("the planner is broken")
    if booking_id == "b-slow":
        time.sleep(1.1)
    if booking_id == "b-2":
        return {"hold": None, "reason": "No suitable tables for 4 guests", "cache_hit": False}
    return {"hold": "h-1", "cache_hit": booking_id == "b-cached"}


@traced_confirm
def confirm(booking_id: str) -> bool:
    """Confirm it."""
    return True


@traced_job(trigger="queue", max_attempts=1)
def assign_later(booking_id: str) -> bool:
    """One attempt."""
    return bool(find(booking_id)["hold"]) and confirm(booking_id)


@traced_inline(trigger="web")
def book_now(booking_id: str) -> dict[str, str]:
    """Ask, and give the carrier of the job to come."""
    if booking_id != "b-timeout" and find(booking_id)["hold"]:
        confirm(booking_id)
    elif booking_id == "b-timeout":
        find(booking_id)
        current_inline().timed_out()
    return dict(current_inline().inject())


BOOKINGS = ("b-1", "b-2", "b-cached", "b-timeout", "b-broken", "b-slow")


def evening(provider: TracerProvider) -> dict[str, str]:
    """Have a request for each booking, and a job after the first two and the slow one; give their traces."""
    tracer, traces = provider.get_tracer("web"), {}
    for booking in BOOKINGS:
        with tracer.start_as_current_span(
            "POST /bookings", record_exception=False, set_status_on_exception=False
        ) as request:
            traces[booking] = f"{request.get_span_context().trace_id:032x}"
            if booking == "b-slow":
                assign_later(booking)
                continue
            with suppress(ValueError):
                note = book_now(booking)
        if booking in BOOKINGS[:2]:
            with continue_from(note):
                assign_later(booking)
    return traces


@dataclass(frozen=True)
class Evening:
    """What Jaeger and the table have of it.

    Attributes:
        jaeger: Still running.
        traces: Their ids, by booking.
        spans: Jaeger's, by span id.
        rows: Of the table: event type, severity and context.
    """

    jaeger: Jaeger
    traces: dict[str, str]
    spans: dict[str, dict[str, Any]]
    rows: list[tuple[str, str, dict[str, Any]]]

    def above(self, span_id: str) -> list[str]:
        """Give a span's name and those above it, the nearest first."""
        span = self.spans[span_id]
        parents = [link["spanID"] for link in span["references"]]
        return [span["operationName"], *(name for parent in parents for name in self.above(parent))]


@pytest.fixture
def seen(conn: Connection, dsn: str, events_table: str, tmp_path: Path) -> Iterator[Evening]:
    """An evening's spans: rows in the process, traces by the agent and Jaeger."""
    takes = free_address()
    with jaeger(tmp_path) as kept, agent(tmp_path, takes, kept.otlp):
        with sending(takes) as provider:
            provider.add_span_processor(ObservabilityEventsProcessor(settings(dsn)))
            traces = evening(provider)
        until(lambda: all(len((kept.trace(one) or {"spans": []})["spans"]) > 1 for one in traces.values()))
        until(lambda: sum(len((kept.trace(one) or {"spans": []})["spans"]) for one in traces.values()) == SPANS)
        spans = {
            span["spanID"]: span for one in traces.values() for span in (kept.trace(one) or {"spans": []})["spans"]
        }
        rows = [(one, how, context) for one, how, context in read(conn, "event_type, severity, context")]
        yield Evening(kept, traces, spans, rows)


SPANS = 29
"""Of the evening: six requests, five inline runs, three jobs with an attempt each, eight quotes and four confirms."""


def test_the_same_in_rows_and_traces(seen: Evening) -> None:
    """Trace, nesting, length and status of each row are those of its span."""
    assert len(seen.rows) > 30
    for event, severity, context in seen.rows:
        span = seen.spans[context["span_id"]]
        assert span["traceID"] == context["trace_id"]
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        if event != semconv.EVENT_STARTED and (ms := context.get("durationMs", context.get("totalDurationMs"))):
            assert abs(span["duration"] - round(ms * 1000)) <= 1, event  # Jaeger cuts to µs, rows are rounded
        raised = {
            semconv.EVENT_QUOTE: severity == "warning",
            semconv.EVENT_SUMMARY: context.get("result") in {"error", "cancelled"},
            semconv.EVENT_ATTEMPT: False,
            semconv.EVENT_ATTEMPT_ERROR: True,
        }
        raised |= {one: not one.endswith((".succeeded", ".no_hold")) for one in semconv.INLINE_TERMINALS}
        if event in raised:
            assert (tags.get("otel.status_code") == "ERROR") == raised[event], event
            assert ("error.type" in tags) == raised[event], event
        above = seen.above(context["span_id"])
        assert above[-1] == "POST /bookings"
        if context.get("job_id"):
            assert semconv.SPAN_JOB in above
            assert seen.above(context["job_id"])[0] == semconv.SPAN_JOB
        else:
            assert semconv.SPAN_INLINE in above


def test_one_trace_from_the_request_to_the_job(seen: Evening) -> None:
    """Request, inline run and job; the job has a link to the inline run, and its rows have the trace's id."""
    trace = seen.jaeger.trace(seen.traces["b-2"])
    assert trace is not None
    by_name = {span["operationName"]: span for span in trace["spans"]}
    assert {"POST /bookings", semconv.SPAN_INLINE, semconv.SPAN_JOB} <= by_name.keys()
    inline, job = by_name[semconv.SPAN_INLINE], by_name[semconv.SPAN_JOB]
    links = {(link["refType"], link["spanID"]) for link in job["references"]}
    assert links == {("FOLLOWS_FROM", inline["spanID"])}  # parent and link are the same span: Jaeger has it once
    (summary,) = [
        context
        for event, _, context in seen.rows
        if event == semconv.EVENT_SUMMARY and context["trace_id"] == trace["traceID"]
    ]
    assert summary["job_id"] == job["spanID"]


def test_each_question_of_the_page_is_answered(seen: Evening) -> None:
    """By the query that stands beside it, with just the traces it asks for."""
    queries = re.findall(r"^\| (.*\?) \| `/api/traces\?(.*)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(queries) == 5
    answers = {
        question: {one["traceID"] for one in seen.jaeger.asked(f"traces?{query}")} for question, query in queries
    }
    by_trace = {trace: booking for booking, trace in seen.traces.items()}
    assert [{by_trace[one] for one in found} for found in answers.values()] == [
        {"b-2"}, {"b-2"}, {"b-cached"}, {"b-timeout"}, {"b-slow"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "bookings"),
    [
        ("auto_assign.reason_code:hard.no_suitable_tables", {"b-2"}),
        ("auto_assign.cache_hit:true", {"b-cached"}),
        ("error.type:ValueError", {"b-broken"}),
        ("error.type:timeout", {"b-timeout"}),
        ("auto_assign.reason_code:hard.zone_locked", set()),
    ],
)
def test_traces_are_found_by(seen: Evening, tag: str, bookings: set[str]) -> None:
    """The attributes that people look for, and by nothing else's."""
    found = {one["traceID"] for one in seen.jaeger.traces(service=SERVICE, tag=tag)}
    assert found == {seen.traces[booking] for booking in bookings}
