"""From memory to disk: the buffer while the database is away, and all that is in hand at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from observability_events import records, segment

if TYPE_CHECKING:
    from observability_events.accounts import Ledger
    from observability_events.making import Piece
    from observability_events.place import Place
    from observability_events.records import Make
    from observability_events.refusals import Refusal
    from observability_events.spool import Spool
    from observability_events.wire import EncodedRow

RowInHand = TypeVar("RowInHand", "EncodedRow", "Refusal")

TOGETHER: Final = 50
"""Spans that leave the buffer in one go: if the disk refuses, no more than these have to go back."""


class Keeper:
    """Moves pieces to ``spool``, and tells ``ledger``; to be used by whoever has the pieces in hand."""

    def __init__(self, spool: Spool, ledger: Ledger) -> None:
        self._spool = spool
        self._ledger = ledger

    def spill(self, buffer: deque[Piece]) -> bool:
        """Move ``buffer``, the oldest first; give whether the disk has taken all."""
        while self._spool.usable:
            with self._ledger.lock:
                pieces = [buffer.popleft() for _ in range(min(TOGETHER, len(buffer)))]
                self._ledger.taken(len(pieces))
            if not pieces:
                return True
            moved = 0
            while moved < len(pieces) and self._spilled(pieces[moved]):
                moved += 1
            self._ledger.spilled(moved)
            if moved < len(pieces):
                with self._ledger.lock:
                    buffer.extendleft(reversed(pieces[moved:]))
                    self._ledger.returned(len(pieces) - moved)
                return False
        return False

    def _spilled(self, piece: Piece) -> bool:
        make, it, place, number = piece
        if place is not None and place.there:
            place.spilled.append(number)
            return True
        kept = self._kept(make, it)
        if kept is None:
            return False
        self._ledger.spilled(len(kept) - 1)
        for new, new_number in kept:
            new.spilled.append(new_number)
        return True

    def secured(self, piece: Piece) -> Piece:
        """Give ``piece`` with its place on disk, if the disk takes it."""
        make, it, place, number = piece
        if place is None and records.known(make) and (kept := self._spool.append_span(make, it)) is not None:
            place, number = kept
        return make, it, place, number

    def secured_row(self, row: RowInHand) -> RowInHand:
        """Give ``row`` with its place on disk, if the disk takes it."""
        if row.place is None:
            try:
                payload = records.of_row(row.row)
            except (ValueError, RecursionError):  # it was refused because of that, and waits in memory
                return row
            kept = self._spool.append(segment.ROW, payload)
            if kept is not None:
                row = row._replace(place=kept[0])
        return row

    def leave(self, pieces: Iterable[Piece], rows: Iterable[EncodedRow | Refusal]) -> int:
        """Leave what was in hand to the next process; give how many pieces the disk has not taken."""
        lost = sum(not self._left(make, it, place) for make, it, place, _ in pieces)
        return lost + sum(not self._left(records.made_already, row.row, row.place) for row in rows)

    def _left(self, make: Make, it: Any, place: Place | None) -> bool:
        if place is not None and place.there:
            place.keep = True
            place.settle()
            return True
        kept = self._kept(make, it)
        if kept is None:
            return False
        for new, _ in kept:
            new.keep = True
            new.settle()
        return True

    def _kept(self, make: Make, it: Any) -> list[tuple[Place, int]] | None:
        """Write a span or, where no other process would know ``make``, its rows; None if the disk does not take all."""
        if records.known(make):
            kept = self._spool.append_span(make, it)
            return None if kept is None else [kept]
        try:
            payloads = [records.of_row(row) for row in make(it)]
        except Exception:  # it will be said when their turn comes, if that comes
            return None
        kept_rows: list[tuple[Place, int]] = []
        for payload in payloads:
            kept = self._spool.append(segment.ROW, payload)
            if kept is None:
                for place, _ in kept_rows:
                    place.settle()
                return None
            kept_rows.append(kept)
        if len(kept_rows) != 1:
            self._ledger.made(len(kept_rows))
        return kept_rows
