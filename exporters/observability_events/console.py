"""Rows → standard output, one JSON line each: what would be written, for whoever develops without a database."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

import orjson

from observability_events.connection import nothing
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from observability_events.rows import Row
    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings

_log = SafeLog(__name__)


def as_json(row: Row) -> bytes:
    """Give ``row`` as one line of JSON without its end: every column by its name, ids and times as text."""
    columns = row._asdict()
    del columns["key"], columns["time_us"]
    return orjson.dumps({"id": row.id, "created_at": row.created_at, **columns})


class ConsoleWriter:
    """Prints batches, in the place of `observability_events.postgres.PostgresWriter`.

    A standard output that is closed, broken or not there at all takes nothing, which is said once in the log; nothing
    is raised, for no database will ever be the better for waiting.
    """

    def __init__(self, settings: Settings) -> None:
        self.meanwhile: Callable[[], bool] = nothing
        self._complained = False

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Print ``rows``, all of them at once."""
        lines = b"".join([as_json(encoded.row) + b"\n" for encoded in rows])
        try:
            _print(sys.stdout, lines)
        except Exception as error:
            if not self._complained:
                self._complained = True
                _log.warning("rows cannot be printed and are lost: %s", error)
        return len(rows)

    def dangling(self, error: BaseException) -> str | None:
        """Give None: nothing is referenced."""
        return None

    def told(self, error: BaseException) -> str:
        """Give the text of ``error``."""
        return str(error)

    def disconnect(self) -> None:
        """Leave the standard output to those who use it, too."""

    def abort(self) -> None:
        """Do nothing: a reader that does not read holds up the writer's thread, which ends with the process."""


def _print(out: TextIO | None, lines: bytes) -> None:
    """Write to the file behind ``out`` where it has one, past its buffer.

    What cannot be written would stay in the buffer, and Python's own flush at the exit would fail of it: the host would
    leave with another exit code, and with a reader that stands still it would never leave.

    Raises:
        OSError: and others, as ``out`` may be anything.
    """
    if out is None:
        raise OSError("there is no standard output")
    try:
        descriptor = out.fileno()
    except (OSError, AttributeError):  # captured by a test, shown by a notebook
        out.write(lines.decode())
        out.flush()
        return
    while lines:
        lines = lines[os.write(descriptor, lines) :]
