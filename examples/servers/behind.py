"""The demo's spans go to a real Collector; Kafka, a sink and Jaeger are behind it, each ended with the demo."""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from rich.console import Console

from collector.build.servers import ALL
from collector.chain import LETTERS, kafka_sink, make_topics
from collector.gateway import KAFKA as OVER_KAFKA
from collector.gateway import Gateway, gateway
from collector.running import Jaeger, jaeger, kafka
from examples.restaurant.demo import settings_of
from examples.restaurant.options import Options, UsageError
from examples.restaurant.report import heading
from examples.restaurant.sandbox import Sandbox
from examples.restaurant.stop import Stop
from examples.restaurant.trace_tree import context_of, telling_job
from examples.restaurant.tracing import FLUSH_MILLIS, QUEUE, Tracing
from observability_events.rows import all_rows_of
from observability_events.sampler import AlwaysSampleAutoAssign
from otel_auto_assign import Settings

ROWS: Final = "otel.rows"
TRACES: Final = "otel.traces"
GROUP: Final = "restaurant"
PARTITIONS: Final = 4
ARRIVAL_SECONDS: Final = 60.0
SEND_MILLIS: Final = 200
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Chain:
    """What runs behind the application.

    Attributes:
        gateway: The Collector, which takes the spans.
        kafka: The broker's address.
        jaeger: Where every trace ends.
        logs: The folder with a log of each.
    """

    gateway: Gateway
    kafka: str
    jaeger: Jaeger
    logs: Path


class Behind(Tracing):
    """Spans are sent, and rows are made of them at the far end."""

    def __init__(self, settings: Settings, chain: Chain, stop: Stop) -> None:
        exporter = OTLPSpanExporter(f"http://{chain.gateway.takes}", insecure=True)
        sending = BatchSpanProcessor(exporter, max_queue_size=QUEUE, schedule_delay_millis=SEND_MILLIS)
        super().__init__(settings, AlwaysSampleAutoAssign(), sending)
        self._dsn = settings.dsn
        self._chain = chain
        self._stop = stop

    def flush(self) -> bool:
        """Wait until every row is in the table; False if that took too long."""
        self._provider.force_flush(FLUSH_MILLIS)
        wanted = self._wanted()
        return self._within(ARRIVAL_SECONDS, lambda: not wanted - self._found())

    def written(self) -> int:
        """Say how many rows are in the table."""
        return len(self._found())

    def lost(self) -> int:
        """Say how many rows of the spans that ended here are not in the table."""
        return len(self._wanted() - self._found())

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def look(self, console: Console) -> list[str]:
        """Read the job's trace of the report back from Jaeger, and say where all of it is."""
        problems = []
        if foreign := len(self._found() - self._wanted()):
            problems.append(f"{foreign} rows are in the table that no span was for")
        chain = self._chain
        heading(console, "Behind servers", "application → Collector → Kafka → sink → table, and Jaeger")
        if trace := telling_job(self.keeper.spans()):
            trace_id = f"{context_of(trace[0]).trace_id:032x}"
            sent = {
                (f"{context_of(span).span_id:016x}", span.name, f"{span.parent.span_id:016x}" if span.parent else "")
                for span in trace
            }
            if self._within(ARRIVAL_SECONDS, lambda: _nested(chain.jaeger.trace(trace_id)) >= sent):
                console.print(f"  [green]read back from Jaeger[/green]  trace {trace_id}: {len(sent)} spans, as sent")
            else:
                problems.append(f"Jaeger does not have trace {trace_id} as it was sent")
            self._name("Jaeger", f"http://{chain.jaeger.query}/api/traces/{trace_id}", console)
        self._name("Kafka", f"{chain.kafka}, topics {ROWS}, {TRACES} and {ROWS}{LETTERS}", console)
        self._name("for Prometheus", f"http://{chain.gateway.page}/metrics", console)
        self._name("logs", str(chain.logs), console)
        console.print("  [dim]all of it ends with the demo: --then bash keeps it as long as you look around[/dim]")
        return problems

    def environment(self) -> Mapping[str, str]:
        """Give the variables by which a command finds Jaeger's API and Kafka."""
        return {"JAEGER": f"http://{self._chain.jaeger.query}/api", "KAFKA": self._chain.kafka}

    def _wanted(self) -> set[uuid.UUID]:
        return {row.id for span in self.keeper.spans() for row in all_rows_of(span)}

    def _found(self) -> set[uuid.UUID]:
        with psycopg.connect(self._dsn, autocommit=True) as conn:
            return {row_id for (row_id,) in conn.execute("SELECT id FROM observability_events")}

    def _within(self, seconds: float, true: Callable[[], bool]) -> bool:
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                return False
            self._stop.wait(_POLL_SECONDS)
        return True

    @staticmethod
    def _name(what: str, where: str, console: Console) -> None:
        console.print(f"  {what:<15} {where}", soft_wrap=True, markup=False)  # what is folded cannot be copied


@contextmanager
def behind_servers(options: Options, sandbox: Sandbox, stop: Stop) -> Iterator[Tracing]:
    """Start all of it; the demo's spans go in at one end, and its rows come out at the other.

    Raises:
        UsageError: If a server was not built.
    """
    if missing := [server.name for server in ALL if not server.current]:
        raise UsageError(f"{', '.join(missing)}: not built; run `make servers`")
    settings = settings_of(options, sandbox)
    sys.stdout.write("starting Kafka, Jaeger, the Collector and a sink\n")
    sys.stdout.flush()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="restaurant-")))
        broker = stack.enter_context(kafka(_made(folder / "kafka")))
        make_topics(broker, (ROWS, TRACES, ROWS + LETTERS), partitions=PARTITIONS)
        shown = stack.enter_context(jaeger(_made(folder / "jaeger")))
        stop.check()
        sink = kafka_sink(_made(folder / "sink"), settings, broker=broker, topic=ROWS, group=GROUP)
        stack.enter_context(sink)
        environ = {"KAFKA": broker, "KAFKA_ROWS": ROWS, "KAFKA_TRACES": TRACES, "KEPT_PERCENT": "100"}
        before = stack.enter_context(
            gateway(_made(folder / "collector"), jaeger=shown.otlp, then=(OVER_KAFKA,), **environ)
        )
        yield Behind(settings, Chain(before, broker, shown, folder), stop)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _nested(trace: Mapping[str, Any] | None) -> set[tuple[str, str, str]]:
    """Give id, name and parent of each span of a trace as Jaeger tells it."""
    return {
        (span["spanID"], span["operationName"], next((link["spanID"] for link in span["references"]), ""))
        for span in (trace or {"spans": []})["spans"]
    }
