"""The host around us: instrumented drivers, doors opened twice, rows that cannot be made, and what must stay secret."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg.conninfo import make_conninfo

from observability_events import ObservabilityEventsExporter, ObservabilityEventsProcessor, connection
from observability_events.postgres import PostgresWriter
from otel_auto_assign import _guard, configure, semconv, traced_job, traced_quote
from tests.exporters.support import count, row, settings, span, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.conftest import NewHost
    from tests.faults.server import Server
    from tests.postgres import Connection

SECRET = "p@ss:word/50%?ü"


@pytest.fixture
def instrumented() -> Iterator[InMemorySpanExporter]:
    """psycopg, traced; gives what its spans go to."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = vars(psycopg.Connection)["connect"]
    PsycopgInstrumentor().instrument(tracer_provider=provider)
    yield exporter
    PsycopgInstrumentor().uninstrument()
    psycopg.Connection.connect = before  # type: ignore[method-assign] # what it was: uninstrument() leaves a bound method


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("taken_off", [False, True])
def test_an_instrumented_driver_traces_nothing_of_ours(
    conn: Connection, dsn: str, hosts: NewHost, instrumented: InMemorySpanExporter, taken_off: bool
) -> None:
    """The application's statements are traced, ours are not; nor does its taking the instrumentation off harm us."""
    made: list[connection.Connection] = []

    class Kept(PostgresWriter):
        def _connected(self) -> connection.Connection:
            made.append(super()._connected())
            return made[-1]

    if taken_off:
        PsycopgInstrumentor().uninstrument()
    host = hosts(dsn, writer=Kept)
    host.give(10)
    assert host.settles()
    assert count(conn) == 10
    assert {type(one) for one in made} == {connection.Connection}  # with the deadline of ours
    with psycopg.connect(dsn) as application:
        application.execute("SELECT 1")
    assert [one.name for one in instrumented.get_finished_spans()] == ([] if taken_off else ["SELECT"])


def processors(dsn: str) -> list[ObservabilityEventsProcessor | BatchSpanProcessor]:
    """The processor twice."""
    return [ObservabilityEventsProcessor(settings(dsn)) for _ in range(2)]


def exporters(dsn: str) -> list[ObservabilityEventsProcessor | BatchSpanProcessor]:
    """The exporter twice."""
    return [BatchSpanProcessor(ObservabilityEventsExporter(settings(dsn))) for _ in range(2)]


def one_exporter(dsn: str) -> list[ObservabilityEventsProcessor | BatchSpanProcessor]:
    """One exporter in two processors."""
    exporter = ObservabilityEventsExporter(settings(dsn))
    return [BatchSpanProcessor(exporter), BatchSpanProcessor(exporter)]


def both(dsn: str) -> list[ObservabilityEventsProcessor | BatchSpanProcessor]:
    """Processor and exporter."""
    return [
        ObservabilityEventsProcessor(settings(dsn)), BatchSpanProcessor(ObservabilityEventsExporter(settings(dsn)))
    ]  # fmt: skip


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("doors", [processors, exporters, one_exporter, both], ids=lambda made: str(made.__name__))
def test_with_doors_opened_twice_every_row_is_there_once(
    conn: Connection, dsn: str, doors: Callable[[str], list[ObservabilityEventsProcessor | BatchSpanProcessor]]
) -> None:
    """However the application registers us, more than once: ids follow from the spans, so the same rows come twice."""
    provider = TracerProvider(shutdown_on_exit=False)
    for door in doors(dsn):
        provider.add_span_processor(door)
    tracer = provider.get_tracer("t")
    for _ in range(20):
        with tracer.start_as_current_span(semconv.SPAN_JOB):
            tracer.start_span(semconv.SPAN_QUOTE).end()
    assert provider.force_flush(10_000)
    provider.shutdown()
    assert count(conn) == 60


class Raising(Mapping[str, Any]):
    """Attributes that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")


@pytest.mark.usefixtures("events_table")
def test_a_span_whose_rows_cannot_be_made_costs_itself_alone(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted; the spans before and behind it are written, and the log has one line."""
    host = hosts(dsn, schedule_delay=60.0)
    broken = span()

    class Broken(ReadableSpan):
        @property
        def attributes(self) -> Any:
            return Raising()

    with _guard.strict(False):
        host.give(5)
        for _ in range(3):
            host.give_broken(Broken(semconv.SPAN_QUOTE, context=broken.context))
        host.give(5)
        assert host.settles()
    assert host.pipeline.accounts().dropped == {"not_made": 3}
    assert caplog.text.count("making the rows of a span") == 1
    assert count(conn) == 10


class RaisingHandler(logging.Handler):
    """A handler of the application's that cannot be written to."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("handler")


@pytest.mark.usefixtures("events_table")
def test_a_logging_handler_that_raises_costs_no_row(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """In every line that we log on the way: a lock, a refused row, a table that is missing and comes back."""
    root, handler = logging.getLogger(), RaisingHandler()
    before = root.level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        conn.execute("ALTER TABLE observability_events RENAME TO elsewhere")
        host = hosts(dsn)
        host.give(5)
        assert not host.settles(0.3)
        conn.execute("ALTER TABLE elsewhere RENAME TO observability_events")
        assert host.settles()
        host.give_rows(row(), row(severity="no such"), row())
        assert host.settles()
        host.pipeline.shutdown()
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    assert len(host.refused) == 1
    assert count(conn) == 7


@pytest.fixture
def login(own_server: Server, own_dsn: str) -> Iterator[str]:
    """A role with a password full of special characters, which must log in with it; its name."""
    with psycopg.connect(own_dsn, autocommit=True) as conn:
        conn.execute("CREATE ROLE secretive LOGIN SUPERUSER")
        conn.execute(f"ALTER ROLE secretive PASSWORD '{SECRET}'".encode())
    own_server.authenticate("host all secretive 127.0.0.1/32 scram-sha-256\n")
    yield "secretive"
    own_server.authenticate("")
    with psycopg.connect(own_dsn, autocommit=True) as conn:
        conn.execute("DROP ROLE secretive")


@traced_job
def look_for_a_table() -> None:
    """A job with a quote that finds nothing."""
    with traced_quote():
        pass


@pytest.mark.parametrize("form", ["uri", "words"])
def test_the_password_is_nowhere(
    own_server: Server, own_dsn: str, own_hosts: NewHost, login: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the log down to DEBUG, not in spans, metrics, rows or what is refused, in none of its spellings."""
    caplog.set_level(logging.DEBUG)
    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    configure(tracer_provider=provider, meter_provider=MeterProvider([reader]))
    dsn = make_conninfo(own_dsn, host="127.0.0.1", user=login, password=SECRET)
    if form == "uri":
        options = quote(str(psycopg.conninfo.conninfo_to_dict(dsn)["options"]))
        address = f"127.0.0.1:{own_server.port}/postgres?options={options}"
        dsn = f"postgresql://{login}:{quote(SECRET, safe='')}@{address}"
    host = own_hosts(dsn)
    with psycopg.connect(own_dsn, autocommit=True) as conn:
        conn.execute(f"ALTER ROLE {login} PASSWORD 'another'".encode())
        look_for_a_table()
        for ended in spans.get_finished_spans():
            host.give_span(ended)
        assert not host.settles(0.3)
        until(lambda: "password authentication failed" in caplog.text)
        conn.execute(f"ALTER ROLE {login} PASSWORD '{SECRET}'".encode())
        host.give_rows(row(), row(severity=SECRET))
        assert host.settles()
        conn.execute("ALTER TABLE observability_events RENAME TO elsewhere")
        host.give()
        assert not host.settles(0.3)
        conn.execute("ALTER TABLE elsewhere RENAME TO observability_events")
        assert host.settles()
        rows = conn.execute("SELECT * FROM observability_events").fetchall()
    metrics = reader.get_metrics_data()
    assert metrics is not None
    shown = [
        caplog.text, metrics.to_json(), repr(rows), repr(host.pipeline.accounts()), repr(settings(dsn)),
        *(ended.to_json() for ended in spans.get_finished_spans()),
    ]  # fmt: skip
    for spelled in (SECRET, quote(SECRET), quote(SECRET, safe=""), repr(SECRET)[1:-1]):
        assert [text for text in shown if spelled in text] == []
