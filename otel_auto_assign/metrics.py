"""The metrics: how long quotes, jobs and inline runs took, and how many attempts a job needed.

::

    caller ── append ──► queue ──► [ thread of ours, a second later ] ──► histograms
                               └─► [ the reader that collects ]      ──►

A histogram's count is the counter of its outcome, so there are no counters beside them. They do not depend on
sampling. Recording costs as much as half a span, so the caller only appends; a thread of ours records, with the span's
context, so that exemplars link to it. What has not been recorded when a reader collects is recorded then, by a callback
of the meter's: so nothing is left behind at the end of the process either, in whatever order exit handlers run.

Attributes are bounded: outcomes, codes, flags and the names of exception classes; never an id.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, NoOpHistogram, Observation
from opentelemetry.trace import Span, set_span_in_context

from otel_auto_assign import semconv
from otel_auto_assign._guard import swallowed

if TYPE_CHECKING:
    from otel_auto_assign._attempts import Attributes

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_ATTEMPTS: Final = tuple(range(1, 12))
_COMMON: Final = (semconv.FLAG_RETRY_POLICY_V2, semconv.FLAG_PLANNER_CACHE, semconv.ERROR_TYPE)
_OF_QUOTE: Final = (semconv.FLOW, semconv.SUCCESS, semconv.REASON_CODE, semconv.CACHE_HIT, *_COMMON)
_OF_JOB: Final = (semconv.JOB_RESULT, semconv.JOB_HARD_STOP_REASON_CODE, *_COMMON)
_OF_ATTEMPTS: Final = (semconv.JOB_RESULT, *_COMMON)
_OF_INLINE: Final = (semconv.INLINE_OUTCOME, semconv.REASON_CODE, semconv.CACHE_HIT, *_COMMON)

_NS_PER_S: Final = 1e9
LINGER_SECONDS: Final = 1.0
"""How long measurements gather before they are recorded together; exemplars are that much younger than their spans."""
MOST_WAITING: Final = 20_000
_ENOUGH: Final = 5_000  # waiting: then the thread does not linger
_A_BREATH: Final = 20  # measurements between two offers of the interpreter to the host's threads: about 200 µs
_MOST_ERROR_TYPES: Final = 100


Call = tuple[str, "Attributes", "Attributes", str | None, int, Span]
"""A call that has ended: its span's name, what all spans of its run carry, what its span was ended with, its
``error.type``, nanoseconds, and the span. A plain tuple: callers pay for making it."""


class Metrics:
    """The instruments of ``meter``, and what waits to be recorded in them."""

    def __init__(self, meter: Meter) -> None:
        self._quotes = _durations(meter, semconv.METRIC_QUOTE_DURATION, "How long the planner took for a quote.")
        self._jobs = _durations(meter, semconv.METRIC_JOB_DURATION, "How long jobs took, to whatever end.")
        self._inline_runs = _durations(meter, semconv.METRIC_INLINE_DURATION, "How long inline runs took.")
        self._attempts = meter.create_histogram(
            semconv.METRIC_JOB_ATTEMPTS,
            unit="{attempt}",
            description="How many attempts a job made.",
            explicit_bucket_boundaries_advisory=_ATTEMPTS,
        )
        # It observes nothing: it is there to be called before each collection.
        meter.create_observable_gauge(semconv.METRIC_DRAIN, callbacks=[_drain_all])
        self._error_types: set[str] = set()
        self.begin()
        _live.add(self)

    def begin(self) -> None:
        """Set everything that belongs to one process."""
        self._waiting: deque[Call] = deque()
        self._nothing = threading.Lock()  # held while nothing waits; released to wake the thread
        self._nothing.acquire()
        self._little = threading.Lock()  # held until much waits
        self._little.acquire()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def on(self) -> bool:
        """Tell whether anybody takes metrics: without a meter provider the API gives a proxy, or what does nothing."""
        real = getattr(self._quotes, "_real_instrument", self._quotes)
        return real is not None and type(real) is not NoOpHistogram

    def ended(self, call: Call) -> None:
        """Take ``call`` to be measured; never blocks. When too many wait it is dropped, and counted as a failure."""
        waiting = self._waiting
        count = len(waiting)
        if count >= MOST_WAITING:
            swallowed("measuring: more calls than can be recorded", _TooManyError(f"{count} wait"))
            return
        waiting.append(call)
        if self._nothing.locked():
            _release(self._nothing)
            if self._thread is None:
                self._start()
        if count >= _ENOUGH and self._little.locked():
            _release(self._little)

    def drain(self) -> None:
        """Record what waits, now."""
        waiting = self._waiting
        for number in range(len(waiting)):
            try:
                call = waiting.popleft()
            except IndexError:  # somebody else drains, too
                return
            try:
                self._record(call)
            except Exception as failure:
                swallowed("recording a metric", failure)
            if number % _A_BREATH == _A_BREATH - 1:
                time.sleep(0)

    def _record(self, call: Call) -> None:
        name, common, attributes, error_type, duration_ns, span = call
        context = set_span_in_context(span, Context())  # exemplars link to the span that is current
        known = {**common, **attributes}
        if error_type is not None:
            known[semconv.ERROR_TYPE] = self._bounded(error_type)
        seconds = duration_ns / _NS_PER_S
        if name == semconv.SPAN_QUOTE:
            self._quotes.record(seconds, _picked(known, _OF_QUOTE), context)
        elif name == semconv.SPAN_INLINE:
            self._inline_runs.record(seconds, _picked(known, _OF_INLINE), context)
        elif name == semconv.SPAN_JOB:
            attempts = known[semconv.JOB_ATTEMPTS_USED]
            assert isinstance(attempts, int)  # noqa: S101 - for the type checker: it is ours
            self._jobs.record(seconds, _picked(known, _OF_JOB), context)
            self._attempts.record(attempts, _picked(known, _OF_ATTEMPTS), context)

    def _bounded(self, error_type: str) -> str:
        """Let a program that makes exception classes without end not make time series without end."""
        known = self._error_types
        if error_type not in known:
            if len(known) >= _MOST_ERROR_TYPES:
                return semconv.ERROR_TYPE_OTHER
            known.add(error_type)
        return error_type

    # -- the thread -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        # Python 3.11 starts a thread while the interpreter ends, and waits for ever until it runs.
        if sys.is_finalizing() or not self._starting.acquire(blocking=False):
            return
        thread = threading.Thread(target=_run, args=(weakref.ref(self),), name="otel-auto-assign-metrics", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the process is about to end, or has too many: the last collection records what waits
            self._starting.release()
            self._nothing.acquire(blocking=False)  # so that the next call tries again
        else:
            self._thread = thread

    def lap(self) -> None:
        """Wait until something waits, let more gather, and record it."""
        if self._nothing.acquire(timeout=LINGER_SECONDS):
            self._little.acquire(timeout=LINGER_SECONDS)
            self.drain()


class _TooManyError(Exception):
    """More calls end than can be recorded."""


_live: Final[weakref.WeakSet[Metrics]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for metrics in list(_live):
        metrics.begin()  # what waits is the parent's to record, and the thread is gone


os.register_at_fork(after_in_child=_after_fork_in_child)


def _durations(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, unit="s", description=description, explicit_bucket_boundaries_advisory=_SECONDS)


def _picked(known: Attributes, keys: Iterable[str]) -> Attributes:
    return {key: known[key] for key in keys if key in known}


def _release(lock: threading.Lock) -> None:
    try:
        lock.release()
    except RuntimeError:  # another thread was faster
        pass


def _run(reference: weakref.ref[Metrics]) -> None:
    while (metrics := reference()) is not None:
        metrics.lap()
        del metrics  # or a thread that waits would keep alive what nobody else has


def _drain_all(_options: CallbackOptions) -> Iterable[Observation]:
    """Record what waits anywhere: of two instruments of one name the SDK keeps the first, and only its callback."""
    for metrics in list(_live):
        metrics.drain()
    return ()
