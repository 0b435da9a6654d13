"""What a pipeline says of itself in metrics is what its accounts say, for every reader, as long as it lives."""

from __future__ import annotations

import gc
import json
import os
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import metrics as metrics_api
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.util._once import Once

from observability_events import telemetry as module
from observability_events.instruments import COUNTER, HISTOGRAM, TABLE
from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of
from otel_auto_assign import _guard, semconv
from otel_auto_assign.values import qualified_name
from tests.exporters.support import row, settings, span, until
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.instruments import Reading
    from observability_events.rows import Row
    from tests.postgres import Connection

pytestmark = pytest.mark.usefixtures("_no_provider")

Points = dict[tuple[str, str | None], int]


@pytest.fixture
def _no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """No global meter provider, as at the start of a process."""
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", None)
    monkeypatch.setattr(
        "opentelemetry.metrics._internal._PROXY_METER_PROVIDER", metrics_api._internal._ProxyMeterProvider()
    )
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER_SET_ONCE", Once())


class Meters:
    """A meter provider that is read in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def data(self) -> list[Any]:
        """The metrics of one collection, of our scope."""
        found = self.reader.get_metrics_data()
        scopes = [scope for resource in (found.resource_metrics if found else ()) for scope in resource.scope_metrics]
        return [metric for scope in scopes if scope.scope.name == semconv.EXPORTER_NAME for metric in scope.metrics]

    def points(self, component: str | None = None) -> Points:
        """Name and ``error.type``, or state, → value, or count, of one component or, if there is but one, of that."""
        shown = [(metric.name, point) for metric in self.data() for point in metric.data.data_points]
        names = {point.attributes[semconv.COMPONENT_NAME] for _, point in shown}
        assert component is not None or len(names) <= 1
        return {
            (name, _told(point.attributes)): point.count if hasattr(point, "count") else point.value
            for name, point in shown
            if component is None or point.attributes[semconv.COMPONENT_NAME] == component
        }


def _told(attributes: dict[str, Any]) -> str | None:
    return attributes.get(semconv.ERROR_TYPE) or attributes.get(semconv.METRIC_CIRCUIT_STATE)


@pytest.fixture
def meters() -> Iterator[Meters]:
    """A provider for the test."""
    made = Meters()
    yield made
    made.provider.shutdown()


@pytest.fixture
def pipelines() -> Iterator[Callable[..., Pipeline]]:
    """Makes pipelines, and shuts them down after the test."""
    made: list[Pipeline] = []

    def make(dsn: str, meters: Meters | None = None, **changes: Any) -> Pipeline:
        made.append(Pipeline(settings(dsn, **changes), meter_provider=meters.provider if meters else None))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.shutdown(0)


def three(given: ReadableSpan) -> Sequence[Row]:
    """Make three rows of a span, the last one bad."""
    return [row(), row(), row(severity="notice")]


def broken(given: ReadableSpan) -> Sequence[Row]:
    """Make no row of a span."""
    raise ZeroDivisionError


@pytest.mark.usefixtures("events_table")
def test_metrics_are_the_accounts(dsn: str, meters: Meters, pipelines: Callable[..., Pipeline]) -> None:
    """After rows of every fate each metric has the value of its field."""
    pipeline = pipelines(dsn, meters, schedule_delay=60.0, buffer_size=5)
    twice = span()
    with _guard.strict(False):
        for make, given in ((three, span()), (rows_of, twice), (rows_of, twice), (broken, span()), (rows_of, span())):
            assert pipeline.accept(make, given)
        assert not pipeline.accept(rows_of, span())
        waiting = meters.points()
        assert waiting[semconv.METRIC_QUEUE_SIZE, None] == 5
        assert waiting[semconv.METRIC_QUEUE_CAPACITY, None] == 5
        assert waiting[semconv.METRIC_INFLIGHT, None] == 0
        assert waiting[semconv.METRIC_PROCESSED, None] == 0
        assert waiting[semconv.METRIC_PROCESSED, "queue_full"] == 1
        assert pipeline.flush(5)

    pipeline.shutdown()
    pipeline.accept(rows_of, span())
    accounts = pipeline.accounts()
    assert accounts.dropped == {"buffer_full": 1, "not_made": 1, "shutdown": 1}
    found = meters.points()
    assert found.pop((semconv.METRIC_SPOOL_USAGE, None)) > 0
    durations = {key: found.pop(key) for key in list(found) if key[0] == semconv.METRIC_OPERATION_DURATION}
    assert found == {
        (semconv.METRIC_PROCESSED, None): 5,
        (semconv.METRIC_PROCESSED, "queue_full"): 1,
        (semconv.METRIC_PROCESSED, "already_shutdown"): 1,
        (semconv.METRIC_QUEUE_SIZE, None): 0,
        (semconv.METRIC_QUEUE_CAPACITY, None): 5,
        (semconv.METRIC_EXPORTED, None): accounts.committed,
        (semconv.METRIC_EXPORTED, "not_made"): 1,
        (semconv.METRIC_EXPORTED, "rejected"): 1,
        (semconv.METRIC_INFLIGHT, None): 0,
        (semconv.METRIC_ALREADY_PRESENT, None): 1,
        (semconv.METRIC_ADOPTED, None): 0,
        (semconv.METRIC_HANDED_OVER, None): 0,
        (semconv.METRIC_DEAD_LETTERED, None): 1,
        (semconv.METRIC_UNSECURED, None): 0,
        (semconv.METRIC_SPOOL_PENDING, None): 0,
        (semconv.METRIC_SPOOL_LIMIT, None): 256 * 2**20,
        (semconv.METRIC_CIRCUIT, "closed"): 1,
        (semconv.METRIC_CIRCUIT, "open"): 0,
        (semconv.METRIC_CIRCUIT, "half_open"): 0,
    }
    assert (accounts.committed, accounts.already_present) == (5, 1)
    assert durations.keys() == {(semconv.METRIC_OPERATION_DURATION, error) for error in (None, "23514")}


def test_names_kinds_and_units_are_the_conventions(
    meters: Meters, pipelines: Callable[..., Pipeline], dsn: str
) -> None:
    """Every metric under a name of OpenTelemetry's is what the conventions say that it is."""
    otel_metrics = pytest.importorskip("opentelemetry.semconv._incubating.metrics.otel_metrics")
    functions = {
        value: getattr(otel_metrics, f"create_{name.lower()}")
        for name, value in vars(otel_metrics).items()
        if name.startswith("OTEL_SDK_") and hasattr(otel_metrics, f"create_{name.lower()}")
    }
    theirs = [instrument for instrument in TABLE if instrument.name.startswith("otel.")]
    if semconv.METRIC_OPERATION_DURATION not in functions:
        pytest.skip("these conventions are older than the metrics of the SDK")
    assert theirs
    for instrument in theirs:
        created = functions[instrument.name](meters.provider.get_meter("theirs"))
        assert (type(created).__name__.lstrip("_"), created.unit) == (instrument.kind, instrument.unit), instrument.name


def test_the_component_is_named(meters: Meters, pipelines: Callable[..., Pipeline], dsn: str) -> None:
    """Its type is the class that writes, its name has a number; nothing else is on a point, and no id."""
    pipelines(dsn, meters)
    pipelines(dsn, meters)
    metrics = meters.data()
    points = [point.attributes for metric in metrics for point in metric.data.data_points]
    assert {point[semconv.COMPONENT_TYPE] for point in points} == {qualified_name(Pipeline)}
    names = {point[semconv.COMPONENT_NAME] for point in points}
    assert len(names) == 2
    assert all(name.startswith(f"{qualified_name(Pipeline)}/") for name in names)
    assert {key for point in points for key in point} <= {
        semconv.COMPONENT_TYPE,
        semconv.COMPONENT_NAME,
        semconv.ERROR_TYPE,
        semconv.METRIC_CIRCUIT_STATE,
    }


def test_counters_only_grow(meters: Meters, dsn: str, pipelines: Callable[..., Pipeline], events_table: str) -> None:
    """Also while spans of no row and of three are made, which moves ``accepted`` both ways."""
    pipeline = pipelines(dsn, meters, batch_size=3)
    counters = {instrument.name for instrument in TABLE if instrument.kind == COUNTER}
    before: Points = {}
    for _ in range(60):
        pipeline.accept(lambda _: [], span())
        pipeline.accept(lambda _: [row(), row()], span())
        now = {key: value for key, value in meters.points().items() if key[0] in counters}
        assert {key: value for key, value in before.items() if value > now[key]} == {}
        before = now
    assert pipeline.flush(5)


def test_a_pipeline_that_is_gone_is_not_shown(meters: Meters, dsn: str) -> None:
    """Nothing of the metrics keeps it alive."""
    pipeline = Pipeline(settings(dsn), meter_provider=meters.provider)
    assert meters.points()
    del pipeline
    gc.collect()
    assert meters.points() == {}


def test_a_provider_that_is_gone_leaves_nothing(dsn: str) -> None:
    """The instruments go with their provider: nothing of ours keeps either alive."""
    meters = Meters()
    pipeline = Pipeline(settings(dsn), meter_provider=meters.provider)
    assert meters.provider in module._durations
    gone = weakref.ref(meters.provider)
    meters.provider.shutdown()
    del meters, pipeline
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("first", ["pipeline", "provider"])
def test_the_global_provider_may_come_later(first: str, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Whether it is set before the pipeline is made or after it, each pipeline is shown by it, once."""
    meters = Meters()
    if first == "provider":
        metrics_api.set_meter_provider(meters.provider)
    one = pipelines(dsn)
    metrics_api.set_meter_provider(meters.provider) if first == "pipeline" else None
    two, three = pipelines(dsn), pipelines(dsn, meters)
    components = [pipeline._telemetry.attributes[semconv.COMPONENT_NAME] for pipeline in (one, two, three)]
    for component in components:
        assert meters.points(component)[semconv.METRIC_QUEUE_CAPACITY, None] == 20_000
    sizes = next(metric for metric in meters.data() if metric.name == semconv.METRIC_QUEUE_SIZE)
    shown = [(point.attributes or {})[semconv.COMPONENT_NAME] for point in sizes.data.data_points]
    assert [shown.count(component) for component in components] == [1, 1, 1]  # other tests' pipelines may live on
    meters.provider.shutdown()


def test_providers_are_told_apart(dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Each shows its own pipelines and none of the other's."""
    here, there = Meters(), Meters()
    pipelines(dsn, here)
    pipelines(dsn, there)
    assert here.points().keys() == there.points().keys()  # one component each, or points() fails
    here.provider.shutdown()
    there.provider.shutdown()


@pytest.mark.usefixtures("events_table")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of 3.12: what is tested here is that it works
def test_a_child_shows_its_own(dsn: str, meters: Meters, pipelines: Callable[..., Pipeline]) -> None:
    """Right after a fork nothing of the parent's is shown, and then what the child wrote."""
    pipeline = pipelines(dsn, meters)
    for _ in range(3):
        pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            before = meters.points()
            pipeline.accept(rows_of, span())
            pipeline.flush(5)
            after = meters.points()
            exported, capacity = (semconv.METRIC_EXPORTED, None), (semconv.METRIC_QUEUE_CAPACITY, None)
            os.write(writing, json.dumps([before[exported], before[capacity], after[exported]]).encode())
            pipeline.shutdown()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert json.loads(told.read()) == [0, 20_000, 1]
    os.waitpid(pid, 0)
    assert meters.points()[semconv.METRIC_EXPORTED, None] == 3


class Hostile(NoOpMeterProvider):
    """A meter provider that raises."""

    def get_meter(self, *args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError


@pytest.mark.usefixtures("events_table")
def test_a_provider_that_raises_hurts_nobody(dsn: str) -> None:
    """Rows are written all the same."""
    with _guard.strict(False):
        pipeline = Pipeline(settings(dsn), meter_provider=Hostile())
        pipeline.accept(rows_of, span())
        assert pipeline.flush(5)
        pipeline.shutdown()
    assert pipeline.accounts().committed == 1
    assert _guard.failures == {"registering the exporter's metrics": 1}


@pytest.mark.usefixtures("events_table")
def test_a_reading_that_raises_hurts_nobody(
    dsn: str, meters: Meters, pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and the other pipelines are shown."""

    def fail() -> None:
        raise ZeroDivisionError

    bad, good = pipelines(dsn, meters), pipelines(dsn, meters)
    bad.reading = fail  # type: ignore[method-assign, assignment] # it is what is tested
    with _guard.strict(False):
        assert meters.points()
        assert meters.points(good._telemetry.attributes[semconv.COMPONENT_NAME])
    assert [record.getMessage().partition(" failed")[0] for record in caplog.records] == [
        "observing the exporter's metrics"
    ]


def test_a_collection_is_one_look(
    dsn: str, meters: Meters, pipelines: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All instruments of a collection show one moment, and the spool's folder is read once for them; each anew."""
    pipeline = pipelines(dsn, meters, schedule_delay=60.0)
    looks: list[Reading] = []

    def reading() -> Reading:
        looks.append(Pipeline.reading(pipeline))
        return looks[-1]

    monkeypatch.setattr(pipeline, "reading", reading)
    for queued in range(3):
        assert meters.points()[semconv.METRIC_QUEUE_SIZE, None] == queued
        assert len(looks) == queued + 1
        pipeline.accept(rows_of, span())


def test_metrics_speak_while_the_database_is_away(
    conn: Connection, dsn: str, meters: Meters, pipelines: Callable[..., Pipeline], events_table: str
) -> None:
    """What waits is in the queue or in hand; when it was written, the duration includes the wait."""
    with Proxy(dsn) as proxy:
        pipeline = pipelines(proxy.dsn, meters, statement_timeout=0.3)
        pipeline.accept(rows_of, span())
        assert pipeline.flush(5)
        proxy.blackhole()
        for _ in range(10):
            pipeline.accept(rows_of, span())
        assert not pipeline.flush(0.5)
        found = meters.points()
        assert found[semconv.METRIC_QUEUE_SIZE, None] + found[semconv.METRIC_INFLIGHT, None] == 10
        assert found[semconv.METRIC_EXPORTED, None] == 1
        proxy.cut()
        proxy.release()
        assert pipeline.flush(10)
    (durations,) = [metric for metric in meters.data() if metric.name == semconv.METRIC_OPERATION_DURATION]
    longest = {point.attributes.get(semconv.ERROR_TYPE): point.max for point in durations.data.data_points}
    assert longest[None] > longest["observability_events.failures.DeadlineError"] >= 0.3
    assert meters.points()[semconv.METRIC_EXPORTED, None] == 11


def test_the_spool_is_shown(meters: Meters, pipelines: Callable[..., Pipeline]) -> None:
    """What waits on disk, what is handed over at the end, and what the next pipeline takes; the circuit is open."""
    here, there = (pipelines("host=/no/such/folder", meters, spool_bytes=2**20) for _ in range(2))
    first, second = (pipeline._telemetry.attributes[semconv.COMPONENT_NAME] for pipeline in (here, there))
    for _ in range(7):
        here.accept(rows_of, span())
    until(lambda: meters.points(first)[semconv.METRIC_CIRCUIT, "open"] == 1)
    for _ in range(4):  # seven are in hand, and tried again and again
        here.accept(rows_of, span())
    until(lambda: meters.points(first)[semconv.METRIC_SPOOL_PENDING, None] > 0)
    found = meters.points(first)
    waiting = (semconv.METRIC_SPOOL_PENDING, semconv.METRIC_QUEUE_SIZE, semconv.METRIC_INFLIGHT)
    assert sum(found[name, None] for name in waiting) == 11
    assert found[semconv.METRIC_CIRCUIT, "closed"] == 0
    assert 0 < found[semconv.METRIC_SPOOL_USAGE, None] <= found[semconv.METRIC_SPOOL_LIMIT, None] == 2**20

    here.shutdown(0.5)
    assert meters.points(first)[semconv.METRIC_HANDED_OVER, None] == 11
    there.start()
    until(lambda: meters.points(second)[semconv.METRIC_ADOPTED, None] == 11)


def test_without_a_spool_there_is_nothing_to_show_of_it(meters: Meters, pipelines: Callable[..., Pipeline]) -> None:
    """Neither bytes nor a limit: a dashboard need not divide by zero."""
    pipelines("host=/no/such/folder", meters, spool_bytes=0)
    shown = {name for name, _ in meters.points()}
    assert semconv.METRIC_QUEUE_SIZE in shown
    assert not shown & {semconv.METRIC_SPOOL_USAGE, semconv.METRIC_SPOOL_LIMIT}


def test_a_counter_does_not_fall(meters: Meters, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """Spans that the disk refuses go back to the buffer; to a reader a fall would be a restart."""
    pipeline = pipelines(dsn, meters, schedule_delay=60.0)
    with pipeline._ledger.lock:
        pipeline._ledger.taken(5)
    assert meters.points()[semconv.METRIC_PROCESSED, None] == 5
    with pipeline._ledger.lock:
        pipeline._ledger.returned(5)
    assert meters.points()[semconv.METRIC_PROCESSED, None] == 5


def test_the_table_is_of_known_kinds() -> None:
    """One histogram, no name twice, a description that ends as a sentence does."""
    assert [instrument.kind for instrument in TABLE].count(HISTOGRAM) == 1
    assert len({instrument.name for instrument in TABLE}) == len(TABLE)
    assert all(instrument.description.endswith(".") for instrument in TABLE)
