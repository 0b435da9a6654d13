"""The thread that records metrics: where it cannot start nothing is lost, and it keeps nothing alive."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider

from otel_auto_assign import configure, metrics
from otel_auto_assign._runtime import runtime
from tests.instrumentation.test_metrics import Measured, quote

QUOTES = "auto_assign.quote.duration"


@pytest.fixture
def measured() -> Iterator[Measured]:
    """Metrics of all that the test calls, in memory."""
    made = Measured()
    yield made
    made.meters.shutdown()


def test_where_no_thread_can_start_the_collection_records(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is about to end, or has too many: nothing reaches the caller, and the next call tries again."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refused)
        quote({"hold": "h"})
    assert [count for _, count in measured.counts(QUOTES)] == [1]
    assert runtime.metrics._thread is None
    quote({"hold": "h"})
    assert runtime.metrics._thread is not None


def test_metrics_that_nobody_has_any_more_end_their_thread(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that configures itself again and again does not gather threads."""
    monkeypatch.setattr(metrics, "LINGER_SECONDS", 0.01)
    quote({"hold": "h"})
    thread: Any = runtime.metrics._thread
    configure()
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


def test_many_calls_are_recorded_without_lingering(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory does not fill before the second is over."""
    monkeypatch.setattr(metrics, "LINGER_SECONDS", 60.0)
    monkeypatch.setattr(metrics, "_ENOUGH", 3)
    drained = threading.Event()
    drain = runtime.metrics.drain
    monkeypatch.setattr(runtime.metrics, "drain", lambda: drained.set() or drain())  # type: ignore[func-returns-value]
    for _ in range(4):
        quote({"hold": "h"})
    assert drained.wait(30)
    monkeypatch.undo()


def test_a_measurement_that_another_drain_has_taken_is_not_missed(measured: Measured) -> None:
    """The thread and a reader may drain at the same moment."""
    quote({"hold": "h"})
    first = runtime.metrics

    class Emptied(list[Any]):
        def __len__(self) -> int:
            return 1

        def popleft(self) -> Any:
            raise IndexError("pop from an empty deque")

    waiting, first._waiting = first._waiting, Emptied()  # type: ignore[assignment]
    first.drain()
    first._waiting = waiting
    assert [count for _, count in measured.counts(QUOTES)] == [1]


def test_who_measures_nothing_is_asked_nothing() -> None:
    """OpenTelemetry's own provider that does nothing is as good as none."""
    configure(meter_provider=NoOpMeterProvider())
    assert not runtime.metrics.on


def test_two_callers_may_wake_the_thread_at_once() -> None:
    """The second finds it awake."""
    lock = threading.Lock()
    lock.acquire()
    metrics._release(lock)
    metrics._release(lock)
    assert not lock.locked()
