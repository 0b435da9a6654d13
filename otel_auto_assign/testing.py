"""For the tests of whoever uses the decorators: what a call left behind, the same in every run.

Needs the extra ``postgres``, but no database. Under pytest the fixture ``auto_assign`` gives a `Recording`; with any
other runner it is a block::

    with Recording() as seen:
        assign("b-17")
    assert seen.row("auto_assign.summary").context["result"] == "exhausted"
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self, cast

import orjson
import psycopg
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from psycopg.rows import dict_row

from observability_events.console import as_json
from observability_events.explanation import explain
from observability_events.pipeline import Pipeline
from observability_events.processor import ObservabilityEventsProcessor
from observability_events.rows import Row
from otel_auto_assign import _guard, _runs, configure, semconv
from otel_auto_assign._doubles import Door, Ended, Ids, ManualClock
from otel_auto_assign._runtime import runtime
from otel_auto_assign.flags import FlagProvider, Flags
from otel_auto_assign.reasons import isolated_reasons
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from observability_events.records import Make

__all__ = ["ManualClock", "Point", "Recording"]

WRITE_SECONDS: Final = 30.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Point:
    """What one metric recorded under one set of attributes.

    Attributes:
        metric: Its name.
        unit: As the metric gives it.
        attributes: The set.
        count: How many values were recorded.
        total: Their sum, in the unit.
        exemplars: The SDK's, each with the ids of a span.
    """

    metric: str
    unit: str
    attributes: Mapping[str, Any]
    count: int
    total: float
    exemplars: Sequence[Any]


class Recording:
    """Everything that decorated calls leave behind while it is entered; at the end all is as it was before.

    Ids and times are the same in every run. The clock stands still, so that durations are those that the test says
    (``seen.clock.advance(2.5)``); where real timers are to end a call, let time be real. A fault of ours, or of an
    extractor or provider given to us, is raised in the test instead of being swallowed.

    Args:
        seed: Makes the trace ids, and with them the rows' ids, different from those of another test.
        sampler: Asked of every span. Default: all are sampled.
        settings: Default: ``Settings()``, whatever the environment says.
        flags: In force, or what tells them. Default: as in production the environment.
        real_time: Whether times are real ones.
        strict: Whether faults are raised.

    Attributes:
        rows: The rows so far, in the order in which they were made.
        spans: The spans that have ended so far, in that order.
        clock: Stands still until told to go on.
        provider: The tracer provider in force.
        meter_provider: The meter provider in force.

    >>> with Recording() as seen:
    ...     traced_job(lambda booking_id: None)("b-17")
    >>> seen.events()
    ['auto_assign.started', 'auto_assign.summary']
    >>> seen.row("auto_assign.summary").context["result"]
    'skipped'
    """

    def __init__(
        self,
        *,
        seed: str = "",
        sampler: Sampler = ALWAYS_ON,
        settings: Settings | None = None,
        flags: Flags | FlagProvider | None = None,
        real_time: bool = False,
        strict: bool = True,
    ) -> None:
        self.rows: list[Row] = []
        self.spans: list[ReadableSpan] = []
        self.clock = ManualClock()
        resource = Resource({semconv.SERVICE_NAME: "tests", semconv.DEPLOYMENT_ENVIRONMENT_NAME: "test"})
        self._metric_reader = InMemoryMetricReader()
        with _sdk_enabled():
            self.provider = TracerProvider(
                sampler=sampler, resource=resource, id_generator=Ids(seed), shutdown_on_exit=False
            )
            self.meter_provider = MeterProvider([self._metric_reader], resource, shutdown_on_exit=False)
        self._door = Door(self.rows)
        self.provider.add_span_processor(ObservabilityEventsProcessor(pipeline=cast("Pipeline", self._door)))
        self.provider.add_span_processor(Ended(self.spans))
        self._given = (settings, flags, real_time)
        self._strict = strict
        self._afterwards = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_put_back())
            stack.enter_context(isolated_reasons())
            if self._strict:
                stack.enter_context(_faults_fail())
            settings, flags, real_time = self._given
            self.configure(settings=settings, flags=flags, real_time=real_time)
            self._afterwards = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._afterwards.__exit__(*exception)  # type: ignore[arg-type] # whatever the block ended by
        finally:
            self.provider.shutdown()
            self.meter_provider.shutdown()

    def configure(
        self,
        *,
        settings: Settings | None = None,
        flags: Flags | FlagProvider | None = None,
        real_time: bool = False,
    ) -> None:
        """Set what is in force from now on; what is not given goes back to its default (see the class).

        >>> with Recording() as seen:
        ...     seen.configure(flags=Flags(retry_policy_v2=True, planner_cache=False))
        """
        configure(
            settings=Settings() if settings is None else settings,
            tracer_provider=self.provider,
            meter_provider=self.meter_provider,
            flag_provider=(lambda: flags) if isinstance(flags, Flags) else flags,
        )
        if real_time:
            _runs.wall_ns, _runs.ticks_ns = _REAL_TIME
        else:
            _runs.wall_ns = _runs.ticks_ns = self.clock

    # -- what was left behind -------------------------------------------------------------------------------------

    def events(self, *, late: bool | None = None) -> list[str]:
        """Give the event types of the rows, sorted; only those that are late, or are not, if asked."""
        return sorted(row.event_type for row in self.rows if late is None or row.context.get("late", False) is late)

    def row(self, event_type: str) -> Row:
        """Give the only row of this type.

        Raises:
            AssertionError: if there is none, or more than one. It says what every span gave, and why.
        """
        found = [row for row in self.rows if row.event_type == event_type]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} rows {event_type}, not one\n{self.explain()}")
        return found[0]

    def dicts(self) -> list[dict[str, Any]]:
        """Give the rows as JSON has them: ids and times as text."""
        return [orjson.loads(as_json(row)) for row in self.rows]

    def explain(self) -> str:
        """Say of every span that has ended which rows it gave, which it did not, and why."""
        return "\n".join(str(explain(span)) for span in self.spans) or "no span has ended"

    @property
    def metrics(self) -> list[Point]:
        """What the metrics recorded so far."""
        # What has not been recorded yet is recorded by this collection.
        data = self._metric_reader.get_metrics_data()
        return [
            Point(
                metric.name,
                metric.unit or "",
                dict(point.attributes or {}),
                getattr(point, "count", 1),
                getattr(point, "sum", getattr(point, "value", 0)),
                point.exemplars,
            )
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]

    def written(self, dsn: str, *, table: str = "observability_events", keep: bool = False) -> list[Row]:
        """Write the rows to a database as the product does, and give them as the database has them.

        What its constraints, triggers and policies make of them shows: a reference that leads nowhere is null.

        Args:
            dsn: Of a role that may read and delete there, too.
            table: As in the setting.
            keep: Whether the rows stay there, for statements of your own; otherwise they are taken out again.

        Raises:
            AssertionError: if a row was refused or could not be written.
        """
        ids = [row.id for row in self.rows]
        remove = f"DELETE FROM {table} WHERE id = ANY(%s)".encode()
        with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
            # The same ids in every run: what a run left there that was killed would pass for what this one wrote.
            conn.execute(remove, [ids])
            try:
                _write(self._door.pieces, Settings(dsn=dsn, table=table, spool_bytes=0))
                found = conn.execute(f"SELECT * FROM {table} WHERE id = ANY(%s)".encode(), [ids])
                records = {record["id"]: record for record in found}
            finally:
                if not keep:
                    conn.execute(remove, [ids])
        return [_row(records[row_id]) for row_id in ids if row_id in records]


def _write(pieces: Sequence[tuple[Make, ReadableSpan]], settings: Settings) -> None:
    refused: list[str] = []

    def remember(row: Row, reason: str, sqlstate: str, text: str) -> bool:  # noqa: ARG001 - of one form with others
        refused.append(f"{row.event_type}: {sqlstate or text}")
        return False

    pipeline = Pipeline(settings, on_refused=remember)
    for make, span in pieces:
        pipeline.accept(make, span)
    settled = pipeline.flush(WRITE_SECONDS)
    pipeline.shutdown(0)
    if refused or not settled or sum(pipeline.accounts().dropped.values()):
        raise AssertionError(f"not every row was written; see the log. Refused, with SQLSTATE: {refused}")


def _row(record: dict[str, Any]) -> Row:
    rest: dict[str, Any] = {column: record.get(column) for column in Row._fields[2:]}
    return Row(key=record["id"].bytes, time_us=(record["created_at"] - _EPOCH) // _MICROSECOND, **rest)


_REAL_TIME: Final[tuple[Callable[[], int], Callable[[], int]]] = (_runs.wall_ns, _runs.ticks_ns)


@contextmanager
def _put_back() -> Iterator[None]:
    """Put back at the end what is in force, and the time."""
    before = {name: getattr(runtime, name) for name in runtime.__slots__}
    times = _runs.wall_ns, _runs.ticks_ns
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(runtime, name, value)
        _runs.wall_ns, _runs.ticks_ns = times


@contextmanager
def _faults_fail() -> Iterator[None]:
    """Raise faults where they happen; and at the end, where the code under test has caught them."""
    before = Counter(_guard.failures)
    with _guard.strict():
        yield
    if caught := sorted(_guard.failures - before):
        raise AssertionError(f"a fault was raised in code that caught it: {', '.join(caught)}")


@contextmanager
def _sdk_enabled() -> Iterator[None]:
    """Make providers that record, though the environment may have the SDK disabled for the application's tests."""
    before = os.environ.pop(OTEL_SDK_DISABLED, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[OTEL_SDK_DISABLED] = before
