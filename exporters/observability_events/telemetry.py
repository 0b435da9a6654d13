"""The pipeline's own metrics, under the names that OpenTelemetry's SDK has for its processors and exporters.

Every counter is a field of the accounts, read when a metric reader collects: the caller of a traced function and the
writer thread do nothing for it. Only the duration of an operation is recorded when there is one, by the writer thread.
`TABLE` says which instrument is which field; ``docs/telemetry.md`` shows it.

https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

from __future__ import annotations

import itertools
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import metrics as metrics_api
from opentelemetry.metrics import Histogram, MeterProvider, Observation

from observability_events.circuit import STATES
from otel_auto_assign import _guard, semconv
from otel_auto_assign._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import CallbackOptions

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


class Observed(Protocol):
    """What can be observed: a pipeline."""

    def reading(self) -> Reading:
        """Give what it says of itself now."""


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
        description="How long a batch of rows was in hand until its commit, all attempts and waits included.",
        source="recorded when a batch, or a part of one, is committed",
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
        description="Spans and rows left on disk at the shutdown, for the next process.",
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


class Telemetry:
    """The metrics of one pipeline, for as long as it lives.

    Args:
        pipeline: Not kept alive.
        provider: By default the global one, whenever that is set.

    Nothing of it raises. It is shown from `begin` on.
    """

    def __init__(self, pipeline: Observed, provider: MeterProvider | None = None) -> None:
        self.attributes: dict[str, str] = {
            semconv.COMPONENT_TYPE: semconv.COMPONENT_PIPELINE,
            semconv.COMPONENT_NAME: f"{semconv.COMPONENT_PIPELINE}/{next(_numbers)}",
        }
        self.provider = provider
        self._pipeline = weakref.ref(pipeline)
        self._durations: Histogram | None = None
        self._counted: dict[tuple[str, str], int] = {}
        try:
            self._durations = _instruments(provider)
        except Exception as error:
            _guard.swallowed("registering the exporter's metrics", error)

    def begin(self) -> None:
        """Have the pipeline observed from now on, from zero."""
        self._counted = {}
        _live.add(self)

    def operation(self, seconds: float) -> None:
        """Record that a batch was committed."""
        try:
            if self._durations is not None:
                self._durations.record(seconds, self.attributes)
        except Exception as error:
            _guard.swallowed("recording the duration of an export", error)

    def observe(self, instrument: Instrument) -> Iterator[Observation]:
        """Give what ``instrument`` shows of the pipeline now."""
        pipeline = self._pipeline()
        if pipeline is not None:
            for value, attributes in instrument.points(pipeline.reading()):
                shown = value
                if instrument.kind == COUNTER:
                    # Spans that the disk has refused go back to the buffer; a counter that falls is one that restarted.
                    key = instrument.name, attributes.get(semconv.ERROR_TYPE, "")
                    shown = self._counted[key] = max(value, self._counted.get(key, 0))
                yield Observation(shown, {**self.attributes, **attributes})


_live: Final[weakref.WeakSet[Telemetry]] = weakref.WeakSet()
_numbers: Final = itertools.count()
_durations: Final[weakref.WeakKeyDictionary[MeterProvider, Histogram]] = weakref.WeakKeyDictionary()
"""Of the providers that have our instruments: where durations are recorded."""


def _instruments(provider: MeterProvider | None) -> Histogram:
    """Give the provider our instruments, once: of two of one name it would keep the first, and only its callback."""
    resolved = _resolved(provider)
    known = _durations.get(resolved)
    if known is not None:
        return known
    meter = metrics_api.get_meter(semconv.EXPORTER_NAME, __version__, provider, semconv.SCHEMA_URL)
    made: Histogram | None = None
    for instrument in TABLE:
        name, unit, description = instrument.name, instrument.unit, instrument.description
        if instrument.kind == HISTOGRAM:
            made = meter.create_histogram(
                name, unit, description, explicit_bucket_boundaries_advisory=DURATION_BOUNDARIES
            )
        elif instrument.kind == COUNTER:
            meter.create_observable_counter(name, [_callback(instrument, provider)], unit, description)
        else:
            meter.create_observable_up_down_counter(name, [_callback(instrument, provider)], unit, description)
    assert made is not None  # noqa: S101 - for the type checker: there is one in the table
    _durations[resolved] = made
    return made


def _resolved(provider: MeterProvider | None) -> MeterProvider:
    return metrics_api.get_meter_provider() if provider is None else provider


def _callback(
    instrument: Instrument, provider: MeterProvider | None
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Observe every pipeline that has this provider, or has the global one while that is this one."""
    given = None if provider is None else weakref.ref(provider)

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        observations: list[Observation] = []
        mine = _resolved(None if given is None else given())
        for telemetry in list(_live):
            if _resolved(telemetry.provider) is mine:
                try:
                    observations += telemetry.observe(instrument)
                except Exception as error:
                    _guard.swallowed("observing the exporter's metrics", error)
        return observations

    return observe
