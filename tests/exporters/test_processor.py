"""The main door, with the SDK's own provider before it and a real table behind it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from observability_events import ObservabilityEventsProcessor, Pipeline
from observability_events.sampler import AutoAssignSampler
from otel_auto_assign import _guard, semconv
from tests.exporters.support import add_parent, count, read, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Tracer

    from tests.postgres import Connection


class Setup:
    """A provider with our processor alone."""

    def __init__(self, dsn: str, sampler: Sampler | None = None) -> None:
        self.processor = ObservabilityEventsProcessor(settings(dsn))
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.tracer: Tracer = self.provider.get_tracer("test")


@pytest.fixture
def make(dsn: str) -> Iterator[Callable[..., Setup]]:
    """Makes providers, and shuts them down after the test."""
    made: list[Setup] = []

    def make(sampler: Sampler | None = None, to: str = dsn) -> Setup:
        made.append(Setup(to, sampler))
        return made[-1]

    yield make
    for setup in made:
        setup.provider.shutdown()


@pytest.mark.usefixtures("events_table")
def test_a_job_is_there_from_its_start(conn: Connection, make: Callable[..., Setup]) -> None:
    """While the job still runs its row is written: a process that dies leaves a trace."""
    setup = make()
    booking = add_parent(conn)
    job = setup.tracer.start_span(semconv.SPAN_JOB, attributes={semconv.BOOKING_ID: str(booking)})
    assert setup.processor.force_flush(5000)
    assert read(conn, "event_type, booking_id") == [("auto_assign.started", booking)]
    job.end()
    assert setup.processor.force_flush(5000)
    assert sorted(read(conn, "event_type")) == [("auto_assign.started",), ("auto_assign.summary",)]


@pytest.mark.usefixtures("events_table")
def test_started_shows_only_what_was_known_at_the_start(conn: Connection, make: Callable[..., Setup]) -> None:
    """What the span learns before its row is made does not show in `started`."""
    setup = make()
    given = {semconv.BOOKING_STATUS: "pending", semconv.TRIGGER: "cron"}
    with setup.tracer.start_as_current_span(semconv.SPAN_JOB, attributes=given) as job:
        job.set_attribute(semconv.BOOKING_STATUS, "confirmed")
        job.set_attribute(semconv.TRIGGER, "later")
        job.update_name("renamed")
    setup.processor.force_flush(5000)
    query = "context->>'status', context->>'trigger'"
    assert read(conn, query, "observability_events WHERE event_type = 'auto_assign.started'") == [("pending", "cron")]


def _work(tracer: Tracer, bookings: list[Any]) -> None:
    for booking in bookings:
        with (
            tracer.start_as_current_span("GET /foreign"),
            tracer.start_as_current_span(semconv.SPAN_JOB, attributes={semconv.BOOKING_ID: str(booking)}) as job,
        ):
            job_id = format(job.get_span_context().span_id, "016x")
            known: dict[str, str | int] = {semconv.BOOKING_ID: str(booking), semconv.JOB_ID: job_id}
            known[semconv.FLOW] = semconv.FLOW_JOB
            known |= {semconv.ATTEMPT_INDEX: 0, semconv.ATTEMPT_PLANNER_CALLS: 1, semconv.SUCCESS: True}
            with (
                tracer.start_as_current_span(semconv.SPAN_ATTEMPT, attributes=known),
                tracer.start_as_current_span(semconv.SPAN_QUOTE, attributes=known),
            ):
                pass


@pytest.mark.usefixtures("events_table")
def test_rows_do_not_depend_on_sampling(conn: Connection, make: Callable[..., Setup]) -> None:
    """At the ratios 0, 0.1 and 1 the same work gives the same set of rows."""
    bookings = [add_parent(conn) for _ in range(20)]
    found = []
    for ratio in (0.0, 0.1, 1.0):
        setup = make(AutoAssignSampler(TraceIdRatioBased(ratio)))
        _work(setup.tracer, bookings)
        assert setup.processor.force_flush(5000)
        found.append(sorted(read(conn, "booking_id::text, event_type, source, severity"), key=str))
        conn.execute("TRUNCATE observability_events")
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 20 * 4


@pytest.mark.usefixtures("events_table")
def test_foreign_spans_give_nothing(conn: Connection, make: Callable[..., Setup]) -> None:
    """Spans of other names are not even accepted."""
    setup = make()
    with setup.tracer.start_as_current_span("auto_assign.jobs"), setup.tracer.start_as_current_span("SELECT"):
        pass
    assert setup.processor.pipeline.accounts().accepted == 0
    assert setup.processor.force_flush(5000)
    assert count(conn) == 0


class Broken(Pipeline):
    """A pipeline in which everything fails."""

    def accept(self, *args: object) -> bool:
        """Fail."""
        raise ZeroDivisionError

    flush = shutdown = accept  # type: ignore[assignment] # all of them


def test_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails inside, the application's span ends as if nothing had been there; it is logged once a place."""
    provider = TracerProvider(shutdown_on_exit=False)
    broken = object.__new__(Broken)
    processor = ObservabilityEventsProcessor(pipeline=broken)
    provider.add_span_processor(processor)
    _guard.failures.clear()
    with _guard.strict(False):
        for _ in range(3):
            with provider.get_tracer("t").start_as_current_span(semconv.SPAN_JOB):
                pass
        assert not processor.force_flush(100)
        provider.shutdown()
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 4


def test_an_unreachable_database_leaves_the_application_alone(
    make: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    """Spans go on and end as ever; everything handed over is accounted for."""
    setup = make(to="host=/no/such/folder")
    _work(setup.tracer, [1, 2, 3])
    assert not setup.processor.force_flush(100)
    accounts = setup.processor.pipeline.accounts()
    assert accounts.balanced
    assert accounts.pending == accounts.accepted == 3 * 4


def test_takes_its_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings of its own it reads the environment, the exporter's variable before Supabase's."""
    monkeypatch.setenv("SUPABASE_DB_URL", "host=/no/such/folder")
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_BUFFER_SIZE", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SHUTDOWN_TIMEOUT", "0")
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SCHEDULE_DELAY", "60")
    provider = TracerProvider(shutdown_on_exit=False)
    processor = ObservabilityEventsProcessor()
    provider.add_span_processor(processor)
    for _ in range(2):
        provider.get_tracer("t").start_span(semconv.SPAN_QUOTE).end()
    assert processor.pipeline.accounts().dropped == {"buffer_full": 1}
    provider.shutdown()
    assert processor.pipeline.accounts().dropped == {"buffer_full": 1}
    assert processor.pipeline.accounts().handed_over == 1
