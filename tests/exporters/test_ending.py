"""The end of a process takes one time-out, however many pipelines wait for a database that does not answer."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import pytest

from observability_events.ending import LAST_CHANCE_SECONDS, ONE_END_SECONDS, Ending
from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of
from tests.exporters.support import count, settings, span, until
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from tests.postgres import Connection


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def waited(self, ending: Ending, seconds: float, timeout: float = 5.0) -> float:
        """Share in ``ending`` and wait so long; give what was left."""
        with ending.share(timeout) as left:
            self.now += seconds
        return left


def test_who_comes_later_gets_what_is_left() -> None:
    """Of five seconds two are waited, then the rest, then there is a last chance."""
    clock = Clock()
    ending = Ending(clock)
    assert [clock.waited(ending, seconds) for seconds in (2.0, 3.0, 0.0)] == [5.0, 3.0, LAST_CHANCE_SECONDS]


def test_what_passes_between_does_not_count() -> None:
    """Many quick shutdowns, one after the other, have all the time there is."""
    clock = Clock()
    ending = Ending(clock)
    for _ in range(10):
        assert clock.waited(ending, 0.0) == 5.0
        clock.now += 3.0


def test_a_provider_closed_long_before_is_another_end() -> None:
    """What it waited for in vain is not taken from the process's end."""
    clock = Clock()
    ending = Ending(clock)
    assert clock.waited(ending, 5.0) == 5.0
    clock.now += ONE_END_SECONDS + 0.1
    assert clock.waited(ending, 5.0) == 5.0


def test_no_time_is_no_time() -> None:
    """A time-out of zero has no last chance."""
    clock = Clock()
    assert clock.waited(Ending(clock), 0.0, timeout=0.0) == 0.0


SCRIPT = """
    import logging, sys, time
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from observability_events import ObservabilityEventsExporter, ObservabilityEventsProcessor
    from otel_auto_assign.settings import Settings

    logging.basicConfig()
    def settings(dsn):
        return Settings(dsn=dsn, schedule_delay=60.0, statement_timeout=30.0, connect_timeout=30.0, shutdown_timeout=2)
    provider = TracerProvider(shutdown_on_exit={provider_ends})
    provider.add_span_processor(ObservabilityEventsProcessor(settings({first!r})))
    provider.add_span_processor(BatchSpanProcessor(ObservabilityEventsExporter(settings({second!r}))))
    for _ in range(7):
        provider.get_tracer("t").start_span("auto_assign.quote").end()
    provider._active_span_processor._span_processors[1].force_flush()
    print(time.monotonic(), flush=True)
"""


def end(first: str, second: str, *, provider_ends: bool) -> tuple[float, str]:
    """Run a process with a processor and an exporter; give how long its end took, and what it said."""
    script = textwrap.dedent(SCRIPT).format(provider_ends=provider_ends, first=first, second=second)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return time.monotonic() - float(done.stdout), done.stderr


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("provider_ends", [True, False])
def test_processor_and_exporter_share_one_time_out(dsn: str, provider_ends: bool) -> None:
    """Before a black hole the process ends after one time-out, not two, and both say what they lost."""
    with Proxy(dsn) as proxy:
        proxy.blackhole()
        took, said = end(proxy.dsn, proxy.dsn, provider_ends=provider_ends)
    assert 2.0 <= took < 3.5
    assert said.count("7 pieces (spans or rows) were not written") == 2


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("provider_ends", [True, False])
def test_one_black_hole_does_not_cost_the_others_rows(conn: Connection, dsn: str, provider_ends: bool) -> None:
    """Only what went to the one database is lost."""
    with Proxy(dsn) as proxy:
        proxy.blackhole()
        _, said = end(proxy.dsn, dsn, provider_ends=provider_ends)
    assert count(conn) == 7
    assert said.count("were not written") == 1


@pytest.mark.usefixtures("events_table")
def test_who_comes_later_begins_at_once(conn: Connection, dsn: str) -> None:
    """While the first pipeline still waits in vain, the other writes what it has."""
    with Proxy(dsn) as proxy:
        proxy.blackhole()
        first = Pipeline(settings(proxy.dsn, schedule_delay=60.0, shutdown_timeout=20.0))
        second = Pipeline(settings(dsn, schedule_delay=60.0))
        first.accept(rows_of, span())
        second.accept(rows_of, span())
        waiting = threading.Thread(target=first.shutdown)
        waiting.start()
        until(lambda: count(conn) == 1)
        assert waiting.is_alive()
        proxy.release()
        waiting.join(20)
    second.shutdown(0)
    assert count(conn) == 2


def refused(_thread: threading.Thread) -> None:
    """What `threading.Thread.start` does where there can be no more threads."""
    raise RuntimeError("can't start new thread")


@pytest.mark.usefixtures("events_table")
def test_where_no_thread_can_start_the_end_writes_itself(
    conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In some versions of Python a process about to end starts none: handing over fails nowhere, nothing is lost."""
    pipeline = Pipeline(settings(dsn, schedule_delay=60.0))
    monkeypatch.setattr(threading.Thread, "start", refused)
    assert pipeline.accept(rows_of, span())
    assert not pipeline.flush(0.01)
    pipeline.shutdown()
    assert count(conn) == 1
    assert pipeline.accounts().committed == 1


@pytest.mark.usefixtures("events_table")
def test_where_a_thread_can_start_again_it_does(conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that had too many for a moment writes what has waited with the next span."""
    pipeline = Pipeline(settings(dsn, schedule_delay=60.0))
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refused)
        assert pipeline.accept(rows_of, span())
    assert pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    assert count(conn) == 2
    pipeline.shutdown()


AT_EXIT = """
    import atexit, logging, sys
    from opentelemetry.sdk.trace import TracerProvider
    from observability_events import ObservabilityEventsProcessor
    from otel_auto_assign.settings import Settings

    logging.basicConfig()
    provider = TracerProvider(shutdown_on_exit={provider_ends})
    provider.add_span_processor(ObservabilityEventsProcessor(Settings(dsn={dsn!r})))
    atexit.register(lambda: provider.get_tracer("t").start_span("auto_assign.job").end())
"""


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("provider_ends", [True, False])
def test_a_span_that_ends_in_an_exit_handler_is_written(conn: Connection, dsn: str, provider_ends: bool) -> None:
    """Though it is the first of the process, and nothing of ours has begun before."""
    script = textwrap.dedent(AT_EXIT).format(provider_ends=provider_ends, dsn=dsn)
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert count(conn) == 2
