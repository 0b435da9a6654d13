"""The pipeline's own metrics: observed when a metric reader collects.

Every counter is a field of the accounts: the caller of a traced function and the writer thread do nothing for it. Only
the duration of an operation is recorded when there is one, by the writer thread. `observability_events.instruments` has
the table.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from opentelemetry import metrics as metrics_api
from opentelemetry.metrics import Histogram, MeterProvider, Observation

from observability_events.instruments import COUNTER, DURATION_BOUNDARIES, HISTOGRAM, TABLE, Instrument, Reading
from otel_auto_assign import _guard, semconv
from otel_auto_assign._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import CallbackOptions


class Observed(Protocol):
    """What can be observed: a pipeline, or a sink's writer."""

    def reading(self) -> Reading:
        """Give what it says of itself now."""


class Telemetry:
    """The metrics of one pipeline, for as long as it lives.

    Args:
        pipeline: Not kept alive.
        provider: By default the global one, whenever that is set.
        component: What kind of component it is.

    Nothing of it raises. It is shown from `begin` on.
    """

    def __init__(
        self,
        pipeline: Observed,
        provider: MeterProvider | None = None,
        *,
        component: str = semconv.COMPONENT_PIPELINE,
    ) -> None:
        self.attributes: dict[str, str] = {
            semconv.COMPONENT_TYPE: component,
            semconv.COMPONENT_NAME: f"{component}/{next(_numbers)}",
        }
        self.provider = provider
        self._pipeline = weakref.ref(pipeline)
        self._durations: Histogram | None = None
        self._counted: dict[tuple[str, str], int] = {}
        self._reading: Reading | None = None
        self._shown: set[str] = set()
        try:
            self._durations = _instruments(provider)
        except Exception as error:
            _guard.swallowed("registering the exporter's metrics", error)

    def begin(self) -> None:
        """Have the pipeline observed from now on, from zero."""
        self._counted = {}
        self._reading = None
        _live.add(self)

    def operation(self, seconds: float, error_type: str | None = None) -> None:
        """Record that a batch was committed, or that an attempt at it failed."""
        try:
            if self._durations is not None:
                failed = {} if error_type is None else {semconv.ERROR_TYPE: error_type}
                self._durations.record(seconds, {**self.attributes, **failed})
        except Exception as error:
            _guard.swallowed("recording the duration of an export", error)

    def observe(self, instrument: Instrument) -> Iterator[Observation]:
        """Give what ``instrument`` shows of the pipeline now."""
        reading = self._read(instrument)
        if reading is not None:
            for value, attributes in instrument.points(reading):
                shown = value
                if instrument.kind == COUNTER:
                    # Spans that the disk has refused go back to the buffer; a counter that falls is one that restarted.
                    key = instrument.name, attributes.get(semconv.ERROR_TYPE, "")
                    shown = self._counted[key] = max(value, self._counted.get(key, 0))
                yield Observation(shown, {**self.attributes, **attributes})

    def _read(self, instrument: Instrument) -> Reading | None:
        """Give one reading for all instruments of a round: the next begins when one asks that was shown already."""
        pipeline = self._pipeline()
        if pipeline is None:
            return None
        reading = self._reading
        if reading is None or instrument.name in self._shown:
            self._shown = set()
            self._reading = reading = pipeline.reading()
        self._shown.add(instrument.name)
        return reading


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
