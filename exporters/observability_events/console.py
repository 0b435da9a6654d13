"""Rows → standard output, one JSON line each: what would be written, for whoever develops without a database."""

from __future__ import annotations

import os
import select
import sys
from collections import deque
from select import PIPE_BUF
from typing import TYPE_CHECKING, Final, TextIO
from weakref import WeakKeyDictionary

import orjson

from observability_events.connection import LOOK_SECONDS
from observability_events.direct import DirectWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from observability_events.rows import Row
    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings

NOT_PRINTED: Final = "not_printed"
ROWS_REMEMBERED: Final = 10_000
"""A batch span processor hands its spans over within seconds of the rows of the other door."""

_printed: Final[WeakKeyDictionary[TextIO, dict[bytes, object]]] = WeakKeyDictionary()
"""Standard output → the ids of the rows that it has: a processor and an exporter in one process make the same rows."""


def as_json(row: Row) -> bytes:
    """Give ``row`` as one line of JSON without its end: every column by its name, ids and times as text."""
    columns = row._asdict()
    del columns["key"], columns["time_us"]
    return orjson.dumps({"id": row.id, "created_at": row.created_at, **columns})


def _printed_to(out: TextIO | None) -> dict[bytes, object]:
    try:
        return {} if out is None else _printed.setdefault(out, {})
    except TypeError:  # an object of the host's that cannot be remembered
        return {}


def _new_in(printed: dict[bytes, object], rows: Sequence[Row]) -> list[Row]:
    """Give those of ``rows`` that are not in ``printed``, where they are from now on.

    Two pipelines may ask at once: each row is told apart by one operation that no other thread comes between.
    """
    marks = [object() for _ in rows]
    new = [row for row, mark in zip(rows, marks, strict=True) if printed.setdefault(row.key, mark) is mark]
    for oldest in list(printed)[: max(0, len(printed) - ROWS_REMEMBERED)]:
        printed.pop(oldest, None)
    return new


class ConsoleWriter(DirectWriter):
    """Prints batches, and no row twice.

    A standard output that is closed, broken or not there at all takes nothing. That is said once in the log and counted
    as `NOT_PRINTED`: waiting would not help, as it does with a database. One that others have made non-blocking, or
    whose reader stands still, is waited for.
    """

    LOST = NOT_PRINTED
    COMPLAINT = "rows cannot be printed and are lost"

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._aborted = False

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Print ``rows``, in their order, but for those that are there already; give how many were not.

        Raises:
            LostError: where the standard output takes no more.
        """
        printed = _printed_to(sys.stdout)
        new = _new_in(printed, [encoded.row for encoded in rows])
        lines = deque(as_json(row) + b"\n" for row in new)
        try:
            self._print(sys.stdout, lines)
        except Exception as error:
            for row in new[len(new) - len(lines) :]:
                printed.pop(row.key, None)
            raise self.lost(len(lines), error) from error
        return len(new)

    def abort(self) -> None:
        """Wait no longer for a reader that does not read."""
        self._aborted = True

    def _print(self, out: TextIO | None, lines: deque[bytes]) -> None:
        """Write to the file behind ``out`` where it has one, past its buffer; what was written leaves ``lines``.

        What cannot be written would stay in the buffer, and Python's own flush at the exit would fail of it: the host
        would leave with another exit code, and with a reader that stands still it would never leave.

        Raises:
            OSError: and others, as ``out`` may be anything.
        """
        if out is None:
            raise OSError("there is no standard output")
        try:
            descriptor = out.fileno()
        except (OSError, AttributeError):  # captured by a test, shown by a notebook
            out.write(b"".join(lines).decode())
            out.flush()
            lines.clear()
            return
        while lines:
            piece = lines[0][:PIPE_BUF]
            whole = 1  # lines in the piece
            while whole < len(lines) and len(piece) + len(lines[whole]) <= PIPE_BUF:
                piece += lines[whole]
                whole += 1
            self._wait_for(descriptor)
            try:
                written = os.write(descriptor, piece)
            except BlockingIOError:  # somebody else was faster
                continue
            while written and written >= len(lines[0]):
                written -= len(lines.popleft())
            if written:
                lines[0] = lines[0][written:]

    def _wait_for(self, descriptor: int) -> None:
        """Wait until so much can be written at once that no other's output comes between: `PIPE_BUF` bytes of a pipe.

        Raises:
            OSError: if it was given up.
        """
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while not self._aborted:
            if poll.poll(LOOK_SECONDS * 1000):
                return
        raise OSError("nobody reads the standard output")
