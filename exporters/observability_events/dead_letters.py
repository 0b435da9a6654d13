"""Rows that the database will never take wait here for a person: one SQLite file in the destination's folder.

With them spans that no rows could be made of, which only a fault of ours explains: the next version may do better.

A row comes here with the reason, and leaves when it was written after all, or when somebody deletes it. The row is kept
as it was, for what was wrong may be the table; a checksum is kept with it, for a flipped byte passes SQLite's own.

Several processes write the same file, each of them seldom and briefly, so it has the rollback journal and not the
write-ahead log: that one needs shared memory (no network file system has it), leaves two more files behind, and cannot
be read by who may not write. With ``synchronous = EXTRA`` a commit is on the disk when it returns, the journal's end
included. The file is opened for each call, 1 ms with its syncs: there is nothing to inherit by a fork, and nothing to
notice when the folder is removed or the file replaced.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import tempfile
import time
import uuid
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from observability_events import records, segment
from observability_events.complaints import Complaint
from observability_events.connection import without_secrets
from observability_events.rows import row_id
from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.values import safe_text, scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from observability_events.facts import EndedSpan
    from observability_events.records import Make
    from observability_events.rows import Row

FILE_NAME: Final = "dead-letters.sqlite3"
MOST_BYTES: Final = 64 * 2**20  # of the file: about fifty thousand letters
BUSY_SECONDS: Final = 0.8  # the longest that `add` waits for other processes
AGAIN_SECONDS: Final = 0.001  # between two tries: SQLite's own wait grows to 0.1 s, and such a one has no turn
BUSY_CALLS: Final = 2  # in a row that waited in vain: then the file is left alone for a while,
PAUSE_SECONDS: Final = 1.0  # or with many rows at a time each would wait
READING_BUSY_SECONDS: Final = 5.0  # for a person at the command line
PORTION: Final = 500  # letters that are read at once; between two portions nobody is kept from writing
VERSION: Final = 1
_APPLICATION_ID: Final = 0x6F61616C  # "oaal": tells our file from any other of SQLite's
_PAGE_BYTES: Final = 4096

_CREATE: Final = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    """CREATE TABLE letters (
        id BLOB NOT NULL UNIQUE, time REAL NOT NULL, reason TEXT NOT NULL, sqlstate TEXT NOT NULL, text TEXT NOT NULL,
        row BLOB NOT NULL, crc INTEGER NOT NULL
    )""",
)
_ADD: Final = (
    "INSERT INTO letters (id, time, reason, sqlstate, text, row, crc) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) "
    "DO UPDATE SET time = excluded.time, reason = excluded.reason, sqlstate = excluded.sqlstate, text = excluded.text"
)
_READ: Final = (
    "SELECT rowid, id, time, reason, sqlstate, text, row, crc FROM letters WHERE rowid > ? ORDER BY rowid LIMIT ?"
)

_log = SafeLog(__name__)


class DeadLettersError(Exception):
    """The file cannot be read or written; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A row that was refused, or a span that no rows could be made of, and why.

    Attributes:
        id: The row's; a span's is made from its ids and its name.
        time: When it was refused last, in UTC.
        reason: Why it is here, in a word.
        sqlstate: The database's code, or what there was in its place.
        text: What the database said, scrubbed.
        row: The row; None for a span, and where the file is damaged there.
        span: The span, and the function that made no rows of it; None for a row.
    """

    id: uuid.UUID
    time: datetime
    reason: str
    sqlstate: str
    text: str
    row: Row | None
    span: tuple[Make, EndedSpan] | None = None


class _File:
    """The file, opened; while another process has it, a statement is tried again ``until`` it is too late."""

    def __init__(self, connection: sqlite3.Connection, until: float) -> None:
        self._connection = connection
        self._until = until

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        while True:
            try:
                return self._connection.execute(statement, values)
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() >= self._until:
                    raise
            time.sleep(AGAIN_SECONDS * (0.5 + random.random()))  # noqa: S311 - who comes first is no secret


class DeadLetters:
    """The dead letters of one destination.

    Args:
        folder: The destination's; made when there is something to keep.
        dsn: Its secrets are taken out of every text.
        most_bytes: The file grows no further; what comes then is not kept.
        clock: Unix seconds.

    `add` and `add_span` never raise; the other methods, which the command line uses, raise `DeadLettersError`, and
    create no file.
    """

    def __init__(
        self, folder: Path, *, dsn: str = "", most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = folder / FILE_NAME
        self._dsn = dsn
        self._most_pages = max(1, most_bytes // _PAGE_BYTES)
        self._clock = clock
        self._complaint = Complaint(_log, "refused rows are kept as dead letters again")
        self._busy = 0  # calls in a row that waited in vain
        self._pause_until = 0.0

    def add(self, row: Row, reason: str, sqlstate: str, text: str) -> bool:
        """Keep ``row``, and give whether it is on the disk; a row that is there already has the new reason from now on.

        Waits for other processes less than a second.
        """
        return self._add(lambda: (row.key, _payload(row)), reason, sqlstate, text)

    def add_span(self, make: Make, span: EndedSpan, reason: str, text: str) -> bool:
        """Keep a span of which ``make`` could make no rows: they are made when the letter is tried again."""
        return self._add(lambda: (_key(span), records.of_span(make, span)), reason, "", text)

    def _add(self, kept: Callable[[], tuple[bytes, bytes]], reason: str, sqlstate: str, text: str) -> bool:
        if time.monotonic() < self._pause_until:
            return False
        try:
            key, payload = kept()
            values = (
                key,
                self._clock(),
                safe_text(reason) or "",
                safe_text(sqlstate) or "",
                scrub(without_secrets(text, self._dsn)),
                payload,
                zlib.crc32(payload),
            )
            self._create()
            with self._opened(BUSY_SECONDS) as file:
                file.execute("BEGIN IMMEDIATE")
                self._look(file, create=True)
                file.execute(_ADD, values)
                file.execute("COMMIT")
        except (sqlite3.Error, OSError, DeadLettersError) as error:
            self._busy = self._busy + 1 if _is_busy(error) else 0
            if self._busy >= BUSY_CALLS:
                self._pause_until = time.monotonic() + PAUSE_SECONDS
            self._complaint.trouble(f"refused rows cannot be kept as dead letters: {self._told(error)}")
            return False
        except Exception as error:
            _guard.swallowed("keeping a dead letter", error)
            return False
        self._busy = 0
        self._complaint.over()
        return True

    def count(self) -> int:
        """Give the number of letters."""
        with self._reading() as file:
            return 0 if file is None else int(file.execute("SELECT count(*) FROM letters").fetchone()[0])

    def letters(self) -> Iterator[Letter]:
        """Give the letters, in the order in which they came; nobody is kept from writing meanwhile."""
        last = 0
        while True:
            with self._reading() as file:
                found = [] if file is None else file.execute(_READ, (last, PORTION)).fetchall()
            for _, *columns in found:
                yield _letter(*columns)
            if len(found) < PORTION:
                return
            last = found[-1][0]

    def remove(self, ids: Iterable[uuid.UUID]) -> int:
        """Remove the letters with these ids; give how many there were."""
        removed = 0
        with self._reading() as file:
            if file is not None:
                file.execute("BEGIN IMMEDIATE")
                for each in ids:
                    removed += file.execute("DELETE FROM letters WHERE id = ?", (each.bytes,)).rowcount
                file.execute("COMMIT")
        return removed

    def _create(self) -> None:
        """Make the folder and an empty file, for nobody else to read.

        SQLite would make it as readable as the process makes its files. It is made under another name and linked, not
        opened and closed here: closing a file ends every lock that this process has on it, those of SQLite included.
        """
        if self.path.exists():
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=self.path.parent)
        try:
            os.close(descriptor)
            os.link(name, self.path)
        except FileExistsError:  # another process was faster
            pass
        finally:
            Path(name).unlink()

    @contextmanager
    def _opened(self, patience: float) -> Iterator[_File]:
        if not stat.S_ISREG(self.path.lstat().st_mode):
            raise DeadLettersError(f"{self.path} is not a file")
        uri = f"{self.path.absolute().as_uri()}?mode=rw"  # where it may not be written, it is opened for reading
        with closing(sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None)) as connection:
            file = _File(connection, time.monotonic() + patience)
            file.execute("PRAGMA synchronous = EXTRA")
            file.execute(f"PRAGMA max_page_count = {self._most_pages}")
            yield file

    @contextmanager
    def _reading(self) -> Iterator[_File | None]:
        """Give the file, or None if there is none.

        Raises:
            DeadLettersError: in the place of every other exception.
        """
        try:
            if not self.path.exists():
                yield None
                return
            with self._opened(READING_BUSY_SECONDS) as file:
                yield file if self._look(file) else None
        except (sqlite3.Error, OSError) as error:
            raise DeadLettersError(f"the dead letters cannot be used: {self._told(error)}") from error

    def _look(self, file: _File, *, create: bool = False) -> bool:
        """Say whether there is a table in ``file``, which is made if wished.

        Raises:
            DeadLettersError: if it is the file of something else, or of a newer version of ours.
        """
        (application,) = file.execute("PRAGMA application_id").fetchone()
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if application == _APPLICATION_ID:
            if version > VERSION:
                raise DeadLettersError(
                    f"{self.path} was written by a newer version of otel-auto-assign ({version}, we know {VERSION})"
                )
            return True
        if application or version or file.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise DeadLettersError(f"{self.path} is a database of something else: move it away")
        for statement in _CREATE if create else ():
            file.execute(statement)
        return create

    def _told(self, error: Exception) -> str:
        if isinstance(error, DeadLettersError):
            return str(error)
        if isinstance(error, OSError):
            return f"{error.strerror or error}: {self.path}"
        remedy = ""
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            remedy = "; move it away, and a new one is begun"
        return f"{error}: {self.path}{remedy}"


def _is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")


def _key(span: EndedSpan) -> bytes:
    """Give a span's id: as a row's is made, but of the span's name, which is no event type's."""
    context = span.context
    return row_id(span.name, context.trace_id, context.span_id, span.start_time or 0).bytes


def _payload(row: Row) -> bytes:
    try:
        return records.of_row(row)
    except (ValueError, RecursionError):  # what contains itself, and what is nested without end
        return records.of_row(row._replace(context={"unreadable": scrub(row.context)}))


def _letter(key: bytes, seconds: float, reason: str, sqlstate: str, text: str, payload: bytes, crc: int) -> Letter:
    row, span = _read(payload) if zlib.crc32(payload) == crc else (None, None)
    return Letter(
        id=uuid.UUID(bytes=key),
        time=datetime.fromtimestamp(seconds, UTC),
        reason=reason,
        sqlstate=sqlstate,
        text=text,
        row=row,
        span=span,
    )


def _read(payload: bytes) -> tuple[Row | None, tuple[Make, EndedSpan] | None]:
    """Give the row or the span of a payload, which have different numbers of fields."""
    for kind in (segment.ROW, segment.SPAN):
        try:
            make, read = records.read(kind, payload)
        except ValueError:
            continue
        return (read, None) if kind == segment.ROW else (None, (make, read))
    return None, None
