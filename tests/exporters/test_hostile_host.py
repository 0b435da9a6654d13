"""The host around us does its worst: loggers that raise, limits that cut, workers that leave without a word."""

from __future__ import annotations

import logging
import multiprocessing
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from observability_events import ObservabilityEventsProcessor
from observability_events.rows import rows_of
from observability_events.sampler import sampler_from_argument
from otel_auto_assign import _guard, semconv
from otel_auto_assign.settings import Settings
from tests.exporters.support import add_parent, count, read, settings, span
from tests.postgres import create_events_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Connection


class Raising(logging.Handler):
    """A handler of the host's that cannot be written to."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("handler")


@pytest.fixture
def raising_handler() -> Iterator[None]:
    """Every record raises."""
    root, handler = logging.getLogger(), Raising()
    before = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.mark.usefixtures("raising_handler")
def test_a_logging_handler_that_raises_stops_no_start() -> None:
    """No DSN, a bad setting, a bad ratio: each is said, or not, and nothing else happens."""
    ObservabilityEventsProcessor(Settings()).shutdown()
    assert Settings.from_environment({"OTEL_EXPORTER_OBSERVABILITY_EVENTS_BATCH_SIZE": "x"}).batch_size == 500
    sampler_from_argument("x")
    with _guard.strict(False):
        _guard.swallowed("a test", ValueError("x"))


@pytest.mark.usefixtures("raising_handler")
@pytest.mark.parametrize("missing", [(), ("restaurant_id",)])
def test_a_logging_handler_that_raises_costs_no_row(conn: Connection, dsn: str, missing: tuple[str, ...]) -> None:
    """Refused rows and a table that is not as it was are said of; the accounts stay true."""
    create_events_table(conn, missing=missing)
    conn.execute("ALTER TABLE observability_events ADD CHECK (context->>'cache_hit' = 'false')")
    processor = ObservabilityEventsProcessor(settings(dsn))
    for number in range(20):
        processor.on_end(span(cache_hit=number < 3))
    assert processor.force_flush(10_000)
    accounts = processor.pipeline.accounts()
    processor.shutdown()
    assert (accounts.committed, accounts.pending, accounts.dead_lettered) == (17, 0, 3)
    assert count(conn) == 17


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (SpanLimits(max_attribute_length=10), 1),
        (SpanLimits(max_span_attributes=5), 1),
        (SpanLimits(max_span_attributes=128, max_attribute_length=10_000), 0),
    ],
)
def test_span_limits_that_cut_our_spans_are_said_once(
    caplog: pytest.LogCaptureFixture, limits: SpanLimits, said: int
) -> None:
    """Cut ids no longer join, and the table would not say why."""
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(ObservabilityEventsProcessor(Settings()))
    for _ in range(2):
        provider.get_tracer("t").start_span(semconv.SPAN_JOB)
    assert caplog.text.count("span limits") == said


@pytest.mark.parametrize(("exporter", "said"), [("otlp", 0), ("otlp,observability_events", 1)])
def test_thinned_traces_before_the_exporter_are_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, exporter: str, said: int
) -> None:
    """An exporter never sees what is not sampled: rows would be missing without a word."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporter)
    sampler_from_argument("0.1")
    sampler_from_argument("1")
    assert caplog.text.count("rows will be missing") == said


def test_a_foreign_key_of_two_columns_costs_no_row(conn: Connection, dsn: str) -> None:
    """A dangling booking is null in its column, which satisfies the key, and kept in the context."""
    create_events_table(conn, foreign_keys=False, extra="tenant int NOT NULL DEFAULT 1")
    conn.execute("ALTER TABLE bookings ADD tenant int NOT NULL DEFAULT 1, ADD UNIQUE (id, tenant)")
    key = "FOREIGN KEY (booking_id, tenant) REFERENCES bookings (id, tenant)"
    conn.execute(f"ALTER TABLE observability_events ADD {key}".encode())
    known, dangling = add_parent(conn), uuid.uuid4()
    processor = ObservabilityEventsProcessor(settings(dsn))
    for booking in (known, dangling):
        processor.on_end(span(booking__id=str(booking)))
    assert processor.force_flush(10_000)
    processor.shutdown()
    assert set(read(conn, "booking_id, context->>'booking_ref'")) == {(known, None), (None, str(dangling))}


def hand_over(processor: ObservabilityEventsProcessor) -> None:
    """What a worker does before it leaves."""
    for _ in range(10):
        processor.on_end(span())


def start_and_hand_over(dsn: str) -> None:
    """What a spawned worker does."""
    hand_over(ObservabilityEventsProcessor(settings(dsn, schedule_delay=60.0)))


@pytest.mark.usefixtures("events_table")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of 3.12: what is tested here is that it works
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_of_multiprocessing_writes_its_rows_before_it_leaves(conn: Connection, dsn: str, method: str) -> None:
    """It leaves by os._exit, which no atexit sees."""
    processor = ObservabilityEventsProcessor(settings(dsn, schedule_delay=60.0))
    context: Any = multiprocessing.get_context(method)
    if method == "fork":
        worker = context.Process(target=hand_over, args=(processor,))
    else:
        worker = context.Process(target=start_and_hand_over, args=(dsn,))
    worker.start()
    worker.join(30)
    processor.shutdown()
    assert worker.exitcode == 0
    assert count(conn) == 10


def test_ids_without_end_stay_out_of_memory() -> None:
    """A text that cannot be a UUID is not remembered."""
    from observability_events.rows import _uuid

    before = _uuid.cache_info().currsize
    (row,) = rows_of(span(booking__id="x" * 100_000))
    assert row.booking_id is None
    assert len(row.context["booking_ref"]) == 200
    assert _uuid.cache_info().currsize == before
