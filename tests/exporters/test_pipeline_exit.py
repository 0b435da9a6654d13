"""The end of a pipeline and of its process: what waits is written, or left behind and counted."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from observability_events.pipeline import Pipeline
from observability_events.postgres import PostgresWriter
from observability_events.rows import rows_of
from tests.exporters.support import count, span, until
from tests.postgres import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings


@pytest.mark.usefixtures("events_table")
def test_shutdown_writes_what_waits_and_ends(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """What was accepted is written; what comes afterwards is refused and counted; a second call does nothing."""
    pipeline = pipelines(dsn, schedule_delay=60.0)
    for _ in range(50):
        pipeline.accept(rows_of, span())
    pipeline.shutdown()
    assert count(conn) == 50
    assert not pipeline.accept(rows_of, span())
    pipeline.shutdown()
    assert pipeline.accounts().dropped == {"shutdown": 1}
    assert "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()}
    ours = b"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'"
    until(lambda: conn.execute(ours).fetchone() == (0,))


SCRIPT = """
    import logging, os, sys, uuid
    from opentelemetry.sdk.trace import TracerProvider
    from observability_events import ObservabilityEventsProcessor
    from otel_auto_assign.settings import Settings

    logging.basicConfig()
    provider = TracerProvider(shutdown_on_exit={provider_ends})
    provider.add_span_processor(ObservabilityEventsProcessor(Settings(dsn={dsn!r}, schedule_delay=60.0)))
    for _ in range(7):
        provider.get_tracer("t").start_span("auto_assign.quote").end()
    {end}
"""


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("provider_ends", [True, False])
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise KeyError"])
def test_interpreter_exit_writes_what_waits(conn: Connection, dsn: str, provider_ends: bool, end: str) -> None:
    """Rows that wait when the interpreter ends are written, also when nobody shuts the provider down."""
    script = textwrap.dedent(SCRIPT).format(dsn=dsn, provider_ends=provider_ends, end=end)
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == {"": 0, "sys.exit(3)": 3, "raise KeyError": 1}[end], done.stderr
    assert "Warning" not in done.stderr
    assert count(conn) == 7


def test_interpreter_exit_does_not_wait_for_ever(tmp_path: Any) -> None:
    """With an unreachable database the process ends in time, with one line that counts what is left."""
    script = textwrap.dedent(SCRIPT).format(dsn=f"host={tmp_path}", provider_ends=False, end="")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script.replace("delay=60.0", "delay=60.0, shutdown_timeout=0.5")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - began < 4.0
    assert done.stderr.count("7 pieces (spans or rows) were not written") == 1


@pytest.mark.usefixtures("events_table")
def test_an_end_may_have_no_limit(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """It takes as long as the writing does."""
    pipeline = pipelines(dsn, schedule_delay=60.0)
    pipeline.accept(rows_of, span())
    pipeline.shutdown(math.inf)
    assert count(conn) == 1


class _Late(deque[Any]):
    """A buffer that is empty when it is looked at, and at once thereafter has a last span: then the end begins."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self._end: Callable[[], None] | None = end

    def __bool__(self) -> bool:
        found = len(self) > 0
        if self._end is not None:
            end, self._end = self._end, None
            end()
        return found


@pytest.mark.usefixtures("events_table")
def test_a_span_that_comes_right_before_the_end_is_written(
    conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]
) -> None:
    """The writer thread does not end on what it saw of the buffer before it was told to."""
    pipeline = pipelines(dsn, spool_bytes=0)
    writing = pipeline._writing

    def end() -> None:
        pipeline._buffer.append((rows_of, span(), None, 0))
        writing.stop_at = time.monotonic() + 5

    pipeline._buffer = writing.buffer = writing.maker._buffer = _Late(end)
    pipeline.start()
    assert pipeline._thread is not None
    pipeline._thread.join(5)
    assert count(conn) == 1


class Stuck(PostgresWriter):
    """Hangs in each statement until it is let go, and fails then."""

    def __init__(self, given: Settings) -> None:
        super().__init__(given)
        self.began, self.let_go = threading.Event(), threading.Event()

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Hang."""
        self.began.set()
        self.let_go.wait(20)
        raise ValueError


def test_a_thread_that_was_taken_over_from_does_nothing_more(
    pipelines: Callable[..., Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    """When it wakes up after the end what it had in hand is on disk, and it leaves without touching anything."""
    made: list[Stuck] = []

    def stuck(given: Settings) -> Stuck:
        made.append(Stuck(given))
        return made[0]

    pipeline = pipelines("host=/no/such/folder", writer=stuck)
    for _ in range(7):
        pipeline.accept(rows_of, span())
    assert made[0].began.wait(10)
    pipeline.shutdown(0.1)
    before = pipeline.accounts()
    assert (before.handed_over, before.pending) == (7, 0)
    caplog.clear()
    made[0].let_go.set()
    until(lambda: "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()})
    assert pipeline.accounts() == before
    assert caplog.records == []
