"""The metrics of a pipeline as a table: which instrument is made from which fields of the accounts.

``docs/telemetry.md`` shows it. Names are those that OpenTelemetry's SDK has for its own processors and exporters, where
it has one.

https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from observability_events.circuit import STATES
from otel_auto_assign import semconv

if TYPE_CHECKING:
    from collections.abc import Callable

    from observability_events.accounts import Accounts

COUNTER: Final = "Counter"
UP_DOWN_COUNTER: Final = "UpDownCounter"
HISTOGRAM: Final = "Histogram"
DURATION_BOUNDARIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)

NOT_PROCESSED: Final[Mapping[str, str]] = {
    "buffer_full": semconv.ERROR_QUEUE_FULL,
    "spool_full": semconv.ERROR_QUEUE_FULL,
    "shutdown": semconv.ERROR_ALREADY_SHUTDOWN,
    "no_dsn": "no_dsn",
}
"""Reasons for which spans are dropped before their rows are made, and what ``error.type`` says of them. Every other
reason is one of the export, and is its own ``error.type``."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a pipeline says of itself at one moment.

    Attributes:
        accounts: See there.
        queued: Spans that wait in the buffer.
        capacity: The most that may.
        taken: Spans that were ever taken from it, to have their rows made or to wait on disk.
        circuit: Its state.
        spool_usage: Bytes of the spool's folder; None where there is no spool.
        spool_limit: The most that they may be.
    """

    accounts: Accounts
    queued: int
    capacity: int
    taken: int
    circuit: str
    spool_usage: int | None
    spool_limit: int


Points = Iterable[tuple[int, Mapping[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """One metric.

    Attributes:
        name: In the conventions, or ours.
        kind: As the conventions call it.
        unit: In UCUM.
        description: One sentence.
        source: Which fields it is made from, for people.
        points: Those fields' values, each with its attributes; nothing for what is recorded, not observed.
    """

    name: str
    kind: str
    unit: str
    description: str
    source: str
    points: Callable[[Reading], Points] = lambda _: ()


def _failed(error_type: str) -> Mapping[str, str]:
    return {semconv.ERROR_TYPE: error_type}


def _processed(of: Reading) -> Points:
    yield of.taken, {}
    failed: Counter[str] = Counter()
    for reason, error_type in NOT_PROCESSED.items():
        failed[error_type] += of.accounts.dropped.get(reason, 0)
    yield from ((pieces, _failed(error_type)) for error_type, pieces in failed.items() if pieces)


def _exported(of: Reading) -> Points:
    yield of.accounts.committed, {}
    if of.accounts.dead_lettered:
        yield of.accounts.dead_lettered, _failed(semconv.ERROR_REJECTED)
    for reason, pieces in of.accounts.dropped.items():
        if reason not in NOT_PROCESSED:
            yield pieces, _failed(reason)


def _spool(of: Reading) -> Points:
    if of.spool_usage is not None:
        yield of.spool_usage, {}


def _spool_limit(of: Reading) -> Points:
    if of.spool_usage is not None:
        yield of.spool_limit, {}


TABLE: Final = (
    Instrument(
        name=semconv.METRIC_PROCESSED,
        kind=COUNTER,
        unit="{span}",
        description="Spans whose processing has finished.",
        source="spans taken from the buffer; with `error.type`, spans that never came so far: "
        + ", ".join(f"`dropped[{reason}]` as `{error_type}`" for reason, error_type in NOT_PROCESSED.items()),
        points=_processed,
    ),
    Instrument(
        name=semconv.METRIC_QUEUE_SIZE,
        kind=UP_DOWN_COUNTER,
        unit="{span}",
        description="Spans that wait in the buffer.",
        source="of `pending_memory`: the spans in the buffer",
        points=lambda of: [(of.queued, {})],
    ),
    Instrument(
        name=semconv.METRIC_QUEUE_CAPACITY,
        kind=UP_DOWN_COUNTER,
        unit="{span}",
        description="The most spans that may wait in the buffer.",
        source="the setting `buffer_size`",
        points=lambda of: [(of.capacity, {})],
    ),
    Instrument(
        name=semconv.METRIC_EXPORTED,
        kind=COUNTER,
        unit="{span}",
        description="Rows whose export has finished; they count as spans here.",
        source="`committed`; with `error.type`, `dead_lettered` as `rejected`, and every other reason of `dropped`",
        points=_exported,
    ),
    Instrument(
        name=semconv.METRIC_INFLIGHT,
        kind=UP_DOWN_COUNTER,
        unit="{span}",
        description="Rows in hand that are not written yet; they count as spans here.",
        source="of `pending_memory`: all but the spans in the buffer",
        points=lambda of: [(of.accounts.pending_memory - of.queued, {})],
    ),
    Instrument(
        name=semconv.METRIC_OPERATION_DURATION,
        kind=HISTOGRAM,
        unit="s",
        description="How long a batch was in hand until its commit, waits included; or how long a failed attempt took.",
        source="recorded when a batch, or a part of one, is committed; with `error.type` (the SQLSTATE, or the "
        "exception), when an attempt at it fails",
    ),
    Instrument(
        name=semconv.METRIC_ALREADY_PRESENT,
        kind=COUNTER,
        unit="{row}",
        description="Rows that were in the table before.",
        source="`already_present`",
        points=lambda of: [(of.accounts.already_present, {})],
    ),
    Instrument(
        name=semconv.METRIC_ADOPTED,
        kind=COUNTER,
        unit="{piece}",
        description="Spans and rows read from what ended processes have left on disk.",
        source="`adopted`",
        points=lambda of: [(of.accounts.adopted, {})],
    ),
    Instrument(
        name=semconv.METRIC_HANDED_OVER,
        kind=COUNTER,
        unit="{piece}",
        description="Spans and rows left on disk at the shutdown, for the next process; in a sink, left with senders.",
        source="`handed_over`",
        points=lambda of: [(of.accounts.handed_over, {})],
    ),
    Instrument(
        name=semconv.METRIC_DEAD_LETTERED,
        kind=COUNTER,
        unit="{row}",
        description="Rows that the database refused, kept with the reason.",
        source="`dead_lettered`",
        points=lambda of: [(of.accounts.dead_lettered, {})],
    ),
    Instrument(
        name=semconv.METRIC_UNSECURED,
        kind=COUNTER,
        unit="{span}",
        description="Spans whose end returned before the disk held them as the durability promises.",
        source="`unsecured`",
        points=lambda of: [(of.accounts.unsecured, {})],
    ),
    Instrument(
        name=semconv.METRIC_SPOOL_PENDING,
        kind=UP_DOWN_COUNTER,
        unit="{piece}",
        description="Spans and rows of this process that wait on disk alone.",
        source="`pending_disk`",
        points=lambda of: [(of.accounts.pending_disk, {})],
    ),
    Instrument(
        name=semconv.METRIC_SPOOL_USAGE,
        kind=UP_DOWN_COUNTER,
        unit="By",
        description="Bytes of all files in the spool's folder, those of other processes included.",
        source="the folder",
        points=_spool,
    ),
    Instrument(
        name=semconv.METRIC_SPOOL_LIMIT,
        kind=UP_DOWN_COUNTER,
        unit="By",
        description="The most bytes that the spool's folder may have.",
        source="the setting `spool_bytes`",
        points=_spool_limit,
    ),
    Instrument(
        name=semconv.METRIC_CIRCUIT,
        kind=UP_DOWN_COUNTER,
        unit="1",
        description="1 for the state that the circuit is in, 0 for the others.",
        source="the circuit, with `auto_assign.exporter.circuit.state`: `closed`, `open` or `half_open`",
        points=lambda of: [(int(of.circuit == state), {semconv.METRIC_CIRCUIT_STATE: state}) for state in STATES],
    ),
)
