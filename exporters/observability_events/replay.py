"""What waits on disk is written because a person asks for it: what dead processes have left, and dead letters."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg

from observability_events import wire
from observability_events.dead_letters import DeadLetters
from observability_events.failures import Action, action
from observability_events.folder import destination
from observability_events.overview import left_behind
from observability_events.pipeline import Pipeline
from observability_events.postgres import PostgresWriter
from observability_events.refusals import NOT_ENCODABLE, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from observability_events.dead_letters import Letter
    from observability_events.rows import Row
    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings

AT_ANY_RATE: Final = 1e9  # spans a second: somebody waits for them
LOOK_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 30.0  # without any row written, before what is left is left


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of it, in rows.

    Attributes:
        written: Are in the table now.
        already_present: Of those: were there before.
        dead_lettered: Were refused by the database, and are dead letters.
        left: Wait on disk as before.
        lost: Will never be written: too old, or refused and not to be kept.
    """

    written: int = 0
    already_present: int = 0
    dead_lettered: int = 0
    left: int = 0
    lost: int = 0


def replay_segments(settings: Settings, *, patience: float = PATIENCE_SECONDS) -> Replayed:
    """Write what dead processes have left for the database and table of ``settings``.

    Living processes keep what is theirs. It is over when nothing is left, or when ``patience`` seconds pass in which no
    row is written.
    """
    pipeline = Pipeline(dataclasses.replace(settings, catch_up_rate=AT_ANY_RATE, console=False))
    try:
        settled, since = -1, time.monotonic()
        while not pipeline.catch_up(LOOK_SECONDS) and time.monotonic() - since < patience:
            accounts = pipeline.accounts()
            if accounts.committed + accounts.dead_lettered > settled:
                settled, since = accounts.committed + accounts.dead_lettered, time.monotonic()
    finally:
        pipeline.shutdown()
    accounts = pipeline.accounts()
    return Replayed(
        written=accounts.committed,
        already_present=accounts.already_present,
        dead_lettered=accounts.dead_lettered,
        left=left_behind(destination(settings)),
        lost=sum(accounts.dropped.values()),
    )


def replay_letters(settings: Settings) -> Replayed:
    """Try the dead letters for the database and table of ``settings`` again; those refused once more stay.

    A letter goes when its row is committed: whatever ends this in the middle, no row is lost, and none is there twice.

    Raises:
        psycopg.Error: if the database cannot be reached or takes no rows at all now.
        TableUnfitError: if the table cannot take them.
        DeadLettersError: if the letters cannot be read, or not be removed.
    """
    letters = DeadLetters(destination(settings).path, dsn=settings.dsn)
    writer = PostgresWriter(settings)
    replayed = Replayed()
    try:
        for portion in _portions(letters.letters(), settings.batch_size):
            again = _Again(writer, letters)
            again.write(again.encoded(portion))
            again.make(portion)
            replayed = Replayed(
                written=replayed.written + again.written,
                already_present=replayed.already_present + again.already_present,
                dead_lettered=replayed.dead_lettered + again.refused,
                left=replayed.left + len(portion) - again.gone,
            )
    finally:
        writer.disconnect()
    return replayed


class _Again:
    """One portion of letters, of which some are ``gone`` in the end; who is at fault is found by halving."""

    def __init__(self, writer: PostgresWriter, letters: DeadLetters) -> None:
        self.written = self.already_present = self.refused = self.gone = 0
        self._writer = writer
        self._letters = letters

    def encoded(self, portion: Sequence[Letter]) -> list[EncodedRow]:
        rows = []
        for letter in portion:
            if letter.row is not None:
                try:
                    rows.append(wire.encode(letter.row))
                except Exception as error:  # of whatever kind its values provoke
                    self._refuse(letter.row, NOT_ENCODABLE, "", type(error).__name__)
        return rows

    def make(self, portion: Sequence[Letter]) -> None:
        """Try the spans again of which no rows could be made."""
        for letter in portion:
            if letter.span is not None:
                make, span = letter.span
                try:
                    rows = [wire.encode(row) for row in make(span)]
                except Exception as error:  # of whatever kind: it is as much at fault as before
                    self._letters.add_span(make, span, letter.reason, type(error).__name__)
                    self.refused += 1
                    continue
                self.write(rows)
                self.gone += self._letters.remove([letter.id])

    def write(self, rows: Sequence[EncodedRow]) -> None:
        if not rows:
            return
        try:
            inserted = self._writer.insert(rows)
        except Exception as error:
            wanted = action(error)
            if wanted not in (Action.ISOLATE, Action.SPLIT):
                raise
            if len(rows) > 1:
                self.write(rows[: len(rows) // 2])
                self.write(rows[len(rows) // 2 :])
            elif wanted is Action.ISOLATE:
                self._isolated(rows[0], error)
            return
        self.gone += self._letters.remove([row.row.id for row in rows])
        self.written += len(rows)
        self.already_present += len(rows) - inserted

    def _isolated(self, row: EncodedRow, error: Exception) -> None:
        column = self._writer.dangling(error)
        if column is not None and getattr(row.row, column) is not None:
            self.write([wire.without(row, column)])
            return
        sqlstate = (isinstance(error, psycopg.Error) and error.sqlstate) or ""
        self._refuse(row.row, REFUSED, sqlstate, self._writer.told(error))

    def _refuse(self, row: Row, reason: str, sqlstate: str, text: str) -> None:
        self._letters.add(row, reason, sqlstate, text)
        self.refused += 1


def _portions(letters: Iterator[Letter], size: int) -> Iterator[list[Letter]]:
    portion: list[Letter] = []
    for letter in letters:
        portion.append(letter)
        if len(portion) == size:
            yield portion
            portion = []
    if portion:
        yield portion
