"""Rows are made while the server works, and nobody who waits in flush or shutdown waits longer for it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import pytest

from observability_events import making, wire
from observability_events.accounts import Ledger
from observability_events.failures import DeadlineError
from observability_events.making import Maker
from observability_events.pipeline import Pipeline
from observability_events.postgres import PostgresWriter
from observability_events.rows import rows_of
from tests.exporters.support import count, row, settings, span, stopped_writers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.making import Piece
    from observability_events.place import Place
    from observability_events.records import Make
    from observability_events.rows import Row
    from observability_events.wire import EncodedRow
    from tests.postgres import Connection


def encode(rows: Sequence[Row], place: Place | None = None) -> list[EncodedRow]:
    """Encode all rows."""
    return [wire.encode(one, place) for one in rows]


def maker(spans: int, *, batch: int, make: Make = rows_of) -> Maker:
    """A maker before a buffer of that many spans, all of which are due."""
    buffer: deque[Piece] = deque((make, span(), None, 0) for _ in range(spans))
    made = Maker(buffer, Ledger(), encode, batch)
    made.due = spans
    return made


def test_batches_keep_size_and_order() -> None:
    """Spans leave the buffer oldest first, a batch at a time, until no more are due."""
    given = [span() for _ in range(5)]
    made = Maker(deque((rows_of, one, None, 0) for one in given), Ledger(), encode, 2)
    made.due = 4
    batches = []
    while made.take():
        batches.append([one.row for one in made.batch()])
    assert batches == [[row for one in pair for row in rows_of(one)] for pair in (given[:2], given[2:4])]
    assert (made._ledger.spans, made.ahead) == (4, 0)


def test_no_more_than_one_batch_is_made_ahead() -> None:
    """However long the server takes, the spans of later batches stay in the buffer."""
    made = maker(5, batch=2)
    while made.work():
        pass
    assert not made.work()
    assert (made._ledger.spans, made.ahead) == (2, 2)
    assert len(made.batch()) == 2


class Clock:
    """In the place of the module ``time``: a nanosecond passes with each look, and sleeps are remembered."""

    def __init__(self) -> None:
        self.perf_counter_ns = iter(range(1000)).__next__
        self.slept: list[float] = []
        self.sleep = self.slept.append


def test_a_moment_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time for a turn is over the thread pauses, and goes on with its next span at the next turn."""
    clock = Clock()
    monkeypatch.setattr(making, "time", clock)
    monkeypatch.setattr(making, "YIELD_AFTER_NANOSECONDS", 3)
    made = maker(5, batch=5)
    turns = [made.work() for _ in range(3)]
    assert turns == [True, True, False]
    assert clock.slept == [0, 0, 0]
    assert len(made.batch()) == 5


def test_a_backlog_is_worse_than_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """While four batches wait behind the one that is made, the thread does not pause."""
    clock = Clock()
    monkeypatch.setattr(making, "time", clock)
    made = maker(15, batch=3)
    assert made.take()
    made.batch()
    assert clock.slept == []
    assert made.take()
    made.batch()
    assert clock.slept == [0]


def test_spans_that_are_gone_are_not_waited_for() -> None:
    """If a shutdown has emptied the buffer, what was due is due no more."""
    made = Maker(deque(), Ledger(), encode, 2)
    made.due = 2
    assert not made.take()
    assert made.due == 0


class Slow(PostgresWriter):
    """Takes a moment before each statement, and remembers the statements' sizes."""

    sizes: list[int]

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Insert."""
        self.sizes.append(len(rows))
        time.sleep(0.05)
        return super().insert(rows)


@pytest.mark.usefixtures("events_table")
def test_rows_are_made_while_the_server_works(conn: Connection, dsn: str) -> None:
    """While the first batch's statement runs the second batch is made, and flush waits for the rows of both."""
    made: list[ReadableSpan] = []

    def make(given: ReadableSpan) -> list[Row]:
        made.append(given)
        return rows_of(given)

    Slow.sizes = []
    pipeline = Pipeline(settings(dsn, batch_size=10, schedule_delay=60.0), writer=Slow)
    try:
        pipeline.accept(rows_of, span())
        assert pipeline.flush(5)
        with stopped_writers(conn):
            pipeline._buffer.extend((make, span(), None, 0) for _ in range(20))  # at once: of one round
            assert not pipeline.flush(0.3)
            assert len(made) == 20
            found = pipeline.accounts()
            assert (found.accepted, found.committed, found.pending) == (21, 1, 20)
        assert pipeline.flush(5)
        assert count(conn) == 21
        assert Slow.sizes == [1, 10, 10]
    finally:
        pipeline.shutdown(0)


@pytest.mark.usefixtures("events_table")
def test_rows_made_ahead_are_accounted_for_at_the_end(conn: Connection, dsn: str) -> None:
    """A shutdown that cannot wait hands over the batch in the statement, the one made ahead and the rest."""
    pipeline = Pipeline(settings(dsn, batch_size=10, schedule_delay=60.0))
    pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    with stopped_writers(conn):
        pipeline._buffer.extend((rows_of, span(), None, 0) for _ in range(30))  # at once: of one round
        began = time.monotonic()
        pipeline.shutdown(0.3)
        assert time.monotonic() - began < 0.6
        found = pipeline.accounts()
    assert (found.accepted, found.committed, found.pending, found.handed_over) == (31, 1, 0, 30)


@pytest.mark.usefixtures("events_table")
def test_rows_made_ahead_are_written_at_the_end(conn: Connection, dsn: str) -> None:
    """A shutdown with time enough writes all batches of the round."""
    pipeline = Pipeline(settings(dsn, batch_size=10, schedule_delay=60.0))
    pipeline._buffer.extend((rows_of, span(), None, 0) for _ in range(29))  # at once: of one round
    pipeline.accept(rows_of, span())
    pipeline.shutdown(5)
    assert count(conn) == 30
    assert pipeline.accounts().pending == 0


@pytest.mark.usefixtures("events_table")
def test_the_deadline_holds_beside_endless_work(conn: Connection, dsn: str) -> None:
    """A statement that the server does not answer is given up in time, though there was always something to do."""
    writer = PostgresWriter(settings(dsn, statement_timeout=0.3))
    assert writer.insert(encode([row()])) == 1
    turns: list[int] = []

    def endless() -> bool:
        turns.append(1)
        time.sleep(0.001)
        return True

    writer.meanwhile = endless
    with stopped_writers(conn):
        began = time.monotonic()
        with pytest.raises(DeadlineError):
            writer.insert(encode([row()]))
        assert 0.3 <= time.monotonic() - began < 0.5
    assert len(turns) > 10
    writer.disconnect()
