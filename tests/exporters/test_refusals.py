"""A row that was refused is kept, and while that cannot be done it waits: it is not dropped for a file's sake."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from observability_events import refusals as module
from observability_events.accounts import Ledger
from observability_events.dead_letters import FILE_NAME, DeadLetters
from observability_events.folder import destination
from observability_events.pipeline import Pipeline
from observability_events.refusals import AGAIN_SECONDS, REFUSED, Refusals
from observability_events.rows import rows_of
from tests.exporters.support import count, row, settings, span, until
from tests.faults.proxy import Proxy
from tests.faults.spool_folder import files, ids_on_disk
from tests.postgres import Connection, create_events_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from observability_events.rows import Row

NO_POISON = "CHECK (context ->> 'trigger' <> 'poison')"


class Keeper:
    """Keeps refused rows, or not, by a clock that is turned by hand.

    Attributes:
        works: Whether it keeps them now.
        impossible: Ids of rows that it never keeps.
        tried: How often it was asked to.
    """

    def __init__(self, *, again: bool = True) -> None:
        self.works = False
        self.impossible: set[object] = set()
        self.tried = 0
        self.kept: list[Row] = []
        self.time = 0.0
        self.ledger = Ledger()
        self.refusals = Refusals(self.ledger, self.keep, again=again, clock=lambda: self.time)

    def keep(self, row: Row, reason: str, sqlstate: str, text: str) -> bool:
        """Keep a row if it can."""
        self.tried += 1
        if self.works and row.id not in self.impossible:
            self.kept.append(row)
            return True
        return False

    def refuse(self, *rows: Row) -> None:
        """Have rows that were in hand refused."""
        with self.ledger.lock:
            self.ledger.taken(len(rows))
        for each in rows:
            self.refusals.refuse(each, None, REFUSED, "23514", "no")
        self.refusals.tend()

    @property
    def books(self) -> tuple[int, int, int]:
        """Kept, pending, dropped; the identity holds."""
        accounts = self.ledger.accounts(0)
        assert accounts.balanced
        return accounts.dead_lettered, accounts.pending, accounts.dropped.get(REFUSED, 0)


def test_what_cannot_be_kept_is_held_and_tried_again() -> None:
    """One try for all of them, and the next one some seconds later; then all are kept."""
    keeper = Keeper()
    rows = [row() for _ in range(5)]
    keeper.refuse(*rows)
    assert (keeper.books, keeper.tried) == ((0, 5, 0), 1)
    assert keeper.refusals.rest_seconds == AGAIN_SECONDS

    keeper.works = True
    keeper.time += AGAIN_SECONDS
    keeper.refusals.tend()
    assert keeper.books == (5, 0, 0)
    assert {each.id for each in keeper.kept} == {each.id for each in rows}
    assert not keeper.refusals.holds


def test_one_that_can_never_be_kept_stands_in_no_others_way() -> None:
    """It goes to the end of the line."""
    keeper = Keeper()
    rows = [row() for _ in range(5)]
    keeper.impossible = {rows[0].id}
    keeper.refuse(*rows)
    keeper.works = True
    for _ in range(2):
        keeper.time += AGAIN_SECONDS
        keeper.refusals.tend()
    assert keeper.books == (4, 1, 0)


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes beyond it is dropped and counted."""
    monkeypatch.setattr(module, "HELD_ROWS", 3)
    keeper = Keeper()
    keeper.refuse(*(row() for _ in range(5)))
    assert keeper.books == (0, 3, 2)


def test_without_anybody_to_keep_them_they_are_dropped() -> None:
    """The host's own function has said no, and is asked about each row once."""
    keeper = Keeper(again=False)
    keeper.refuse(row(), row())
    assert (keeper.books, keeper.tried) == ((0, 0, 2), 2)
    assert not keeper.refusals.holds


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """Have another connection keep everybody from the file while the block runs."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@pytest.fixture
def letters(conn: Connection, dsn: str) -> DeadLetters:
    """The dead letters of a table that refuses some rows; there is one already."""
    create_events_table(conn, extra=NO_POISON)
    found = DeadLetters(destination(settings(dsn)).path)
    assert found.add(row(), "refused", "23514", "no")
    return found


def give(pipeline: Pipeline, **attributes: Any) -> object:
    """Hand over a quote; give the id of its row."""
    given = span(**attributes)
    assert pipeline.accept(rows_of, given)
    return rows_of(given)[0].id


def test_a_file_that_others_hold_costs_no_row(
    conn: Connection, dsn: str, letters: DeadLetters, caplog: pytest.LogCaptureFixture
) -> None:
    """Good rows are written meanwhile; the refused ones become dead letters when the file is free."""
    pipeline = Pipeline(settings(dsn))
    with held_by_another(letters.path):
        poison = [give(pipeline, trigger="poison") for _ in range(3)]
        good = [give(pipeline) for _ in range(20)]
        until(lambda: "refused rows cannot be kept as dead letters: database is locked" in caplog.text)
        good += [give(pipeline) for _ in range(20)]
        until(lambda: count(conn) == 40)
        assert not pipeline.flush(0.1)
        accounts = pipeline.accounts()
        assert accounts.balanced
        assert (accounts.committed, accounts.pending, accounts.dropped) == (40, 3, {})
    assert pipeline.flush(10)
    assert {letter.id for letter in letters.letters()} >= set(poison)
    assert set(good).isdisjoint(letter.id for letter in letters.letters())
    assert pipeline.accounts().dead_lettered == 3
    pipeline.shutdown()
    assert pipeline.accounts().balanced


@pytest.mark.parametrize("durability", ["memory", "process"])
def test_at_the_end_it_is_left_to_the_next_process(
    conn: Connection, dsn: str, letters: DeadLetters, durability: str
) -> None:
    """Handed over on disk; the next one has it refused again, and keeps it."""
    letters.path.rename(letters.path.with_name("away"))
    letters.path.mkdir()
    pipeline = Pipeline(settings(dsn, durability=durability))
    poison = give(pipeline, trigger="poison")
    give(pipeline)
    until(lambda: count(conn) == 1)
    assert not pipeline.flush(0.3)
    pipeline.shutdown()
    accounts = pipeline.accounts()
    assert accounts.balanced
    assert (accounts.committed, accounts.handed_over, accounts.dropped) == (1, 1, {})
    assert ids_on_disk() >= {poison}

    letters.path.rmdir()
    following = Pipeline(settings(dsn))
    following.start()
    until(lambda: following.accounts().adopted >= 1)
    give(following)  # which shows that it is not the table's fault
    assert following.catch_up(10)
    following.shutdown()
    assert [letter.id for letter in letters.letters()] == [poison]
    assert following.accounts().dead_lettered == 1
    assert following.accounts().balanced
    assert files() == {FILE_NAME, "away"}


@pytest.mark.usefixtures("letters")
def test_with_the_database_away_it_is_on_disk(conn: Connection, dsn: str) -> None:
    """As all that is in hand then, for the process may be killed."""
    with Proxy(dsn) as proxy:
        DeadLetters(destination(settings(proxy.dsn)).path).path.mkdir(parents=True)
        pipeline = Pipeline(settings(proxy.dsn))
        poison = give(pipeline, trigger="poison")
        give(pipeline)
        until(lambda: count(conn) == 1)
        proxy.refuse()
        proxy.cut()
        others = {give(pipeline) for _ in range(3)}
        until(lambda: ids_on_disk() == {poison, *others})
        pipeline.shutdown(0.1)
        assert pipeline.accounts().balanced


def test_a_thread_that_is_stuck_in_the_file_is_taken_over_from(
    conn: Connection, dsn: str, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that it has in hand are on disk when `shutdown` returns, however the attempt ends afterwards."""
    within, on = threading.Event(), threading.Event()

    def stuck(*_: object) -> bool:
        within.set()
        on.wait(10)
        return False

    monkeypatch.setattr(DeadLetters, "add", stuck)
    pipeline = Pipeline(settings(dsn))
    poison = {give(pipeline, trigger="poison") for _ in range(3)}
    give(pipeline)
    assert within.wait(10)
    pipeline.shutdown(0.1)
    assert ids_on_disk() == poison
    on.set()
    assert pipeline._thread is not None
    pipeline._thread.join(10)
    accounts = pipeline.accounts()
    assert accounts.balanced
    assert (accounts.committed, accounts.handed_over, accounts.pending) == (1, 3, 0)
    assert ids_on_disk() == poison
    assert count(conn) == 1
