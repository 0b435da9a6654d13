"""The gate's ledger as a file: read and appended under one lock, so that two gates cannot both take the one look."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from otel_auto_assign.commands import exits

if TYPE_CHECKING:
    from otel_auto_assign.analysis.ledger import Look


class LedgerFile:
    """An open ledger: what it remembers, and a way to add to it."""

    def __init__(self, file: IO[str] | None, looks: tuple[Look, ...]) -> None:
        self._file = file
        self.looks = looks

    def append(self, look: Look) -> None:
        """Add a look, on the disk before it is said; nothing in a dry run.

        Raises:
            OSError: if it cannot be written: then there was no look.
        """
        if self._file is None:
            return
        self._file.seek(0, os.SEEK_END)
        self._file.write(look.line())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def ledger(path: Path, *, dry: bool) -> Iterator[LedgerFile]:
    """Open the ledger at ``path``, alone; leaves where a line of it is damaged.

    Args:
        path: It is made if it is not there.
        dry: Nothing is made, locked or written.

    Raises:
        OSError: if it cannot be opened.
    """
    if dry and not path.exists():
        yield LedgerFile(None, ())
        return
    with path.open("r" if dry else "a+", encoding="utf-8") as file:
        if not dry:
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield LedgerFile(None if dry else file, _read(file, path))


def _read(file: IO[str], path: Path) -> tuple[Look, ...]:
    from otel_auto_assign.analysis.ledger import LedgerError, read_ledger

    try:
        return read_ledger(file)
    except (LedgerError, UnicodeDecodeError) as error:
        said = error if isinstance(error, LedgerError) else "it is no text"
        exits.leave(exits.INVALID, f"{path}: {said}")
