"""What every benchmark stands on: the database, a provider as a host would build it, and the planner's answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

import otel_auto_assign
from examples.embedded_postgres import EmbeddedPostgres
from observability_events import ObservabilityEventsProcessor
from otel_auto_assign import Settings

_HERE: Final = Path(__file__).parent
TABLE_SQL: Final = (_HERE.parent / "examples" / "observability_events.sql", _HERE / "table.sql")
RESTAURANT: Final = "00000000-0000-4000-8000-000000000001"
BOOKINGS: Final = [f"00000000-0000-4000-9000-{number:012}" for number in range(1000)]

ANSWER: Final = {
    "hold": None,
    "reason": "No suitable tables for 4 guests",
    "alternates": 3,
    "strategy": {"requireAdjacency": True, "maxTables": 3},
    "cache_hit": False,
}
"""A planner's answer with everything a quote's span can say."""

_other_bookings = itertools.cycle(BOOKINGS)


class Nowhere(SpanExporter):
    """Takes spans and does nothing with them: what is measured ends where exporters begin."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them."""
        return SpanExportResult.SUCCESS


@dataclass(frozen=True)
class Database:
    """A real PostgreSQL with the contract's table."""

    dsn: str
    version: str
    data_directory: str

    def settings(self, **settings: object) -> Settings:
        """Settings that write into it, whatever the environment says."""
        spool = str(Path(self.data_directory).with_name("spool"))
        return Settings.from_environment({}, dsn=self.dsn, spool_directory=spool, **settings)

    def connect(self) -> psycopg.Connection:
        """Connect as the host would, autocommitting."""
        return psycopg.connect(self.dsn, autocommit=True)

    def empty(self) -> None:
        """Remove all rows."""
        with self.connect() as conn:
            conn.execute("TRUNCATE observability_events")

    def count(self) -> int:
        """How many rows there are."""
        with self.connect() as conn:
            row = conn.execute("SELECT count(*) FROM observability_events").fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def database() -> Iterator[Database]:
    """Start a server that makes commits durable, as production does, and create the table."""
    with EmbeddedPostgres(fsync=True) as server, psycopg.connect(server.dsn, autocommit=True) as conn:
        for file in TABLE_SQL:
            conn.execute(file.read_bytes())
        row = conn.execute("SHOW data_directory").fetchone()
        assert row is not None
        yield Database(server.dsn, str(conn.info.parameter_status("server_version")), row[0])


def provider(*processors: SpanProcessor, sampler: Sampler = ALWAYS_ON) -> TracerProvider:
    """Build a tracer provider; the processors are called in the order given."""
    made = TracerProvider(
        sampler=sampler,
        resource=Resource({"service.name": "bench", "deployment.environment.name": "bench"}),
        shutdown_on_exit=False,
    )
    for processor in processors:
        made.add_span_processor(processor)
    return made


def batch() -> BatchSpanProcessor:
    """The SDK's batch processor with its defaults, which both sides of a comparison get."""
    return BatchSpanProcessor(Nowhere())


def rows_processor(db: Database, **settings: object) -> ObservabilityEventsProcessor:
    """Our processor, writing into ``db``."""
    return ObservabilityEventsProcessor(db.settings(**settings))


def use(tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None = None) -> None:
    """Let the decorators start their spans there, and measure if there is a meter provider; None turns them off."""
    settings = Settings.from_environment({}, enabled=tracer_provider is not None)
    otel_auto_assign.configure(
        settings=settings, tracer_provider=tracer_provider, meter_provider=meter_provider or NoOpMeterProvider()
    )


def meters() -> SdkMeterProvider:
    """Build a meter provider; its reader takes what is recorded and exports nothing."""
    return SdkMeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)


def next_booking() -> str:
    """One booking after the other, so that no two of our own statements wait for the same one for long."""
    return next(_other_bookings)
