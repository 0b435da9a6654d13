"""Where a piece lies on disk, and when all that lies there is settled: the counts by which a segment is let go."""

from __future__ import annotations

import itertools
import os
from collections import deque
from pathlib import Path


class Place:
    """A segment in use.

    Any thread enters it, with no lock, for a span may end in a signal handler in the middle of anything: it takes a
    number, looks whether the segment is sealed, and writes. Whoever seals says so first and takes a number then: all
    numbers below it have entered, and each of them either settles or is gone. The counts are the writer thread's.

    Attributes:
        path: The file.
        descriptor: Open for reading and appending; None of an adopted segment, which is read once.
        numbers: Gives the next record's number.
        sealed: Whether nobody may enter any more.
        entered: How many have, when sealed.
        gone: Numbers of those that entered and wrote nothing.
        spilled: Numbers of records that are nowhere but here.
        keep: Whether the file stays when all of it is settled: the next process reads it.
        room: Bytes that may still be written, about: threads that write at once may miss each other's.
        synced: Whether the disk has all of it, should the machine fail; looked at when sealed.
        unsure: Whether the disk has failed to sync it: it will say no second time what of it is lost.
        damaged: Whether a part of it could not be read, so that it goes to quarantine in the end.
    """

    __slots__ = (
        "damaged", "descriptor", "entered", "gone", "keep", "numbers", "path", "room", "sealed", "settled", "spilled",
        "synced", "unsure",
    )  # fmt: skip

    def __init__(self, path: Path, descriptor: int | None = None, *, room: int = 0, records: int | None = None) -> None:
        self.path = path
        self.descriptor = descriptor
        self.numbers = itertools.count()
        self.sealed = records is not None
        self.entered = records
        self.gone: deque[int] = deque()
        self.spilled: deque[int] = deque()
        self.settled = 0
        self.room = room
        self.synced = False
        self.unsure = False
        self.keep = False
        self.damaged = False

    def seal(self) -> None:
        """Let nobody enter any more; to be called once."""
        self.sealed = True
        self.entered = next(self.numbers)

    def made(self, rows: int) -> None:
        """Of a record came ``rows`` rows, each of which will settle."""
        self.settled -= rows - 1

    def settle(self, pieces: int = 1) -> None:
        """Count ``pieces`` that need the disk no longer."""
        self.settled += pieces

    @property
    def finished(self) -> bool:
        """Whether nobody needs it any more."""
        entered = self.entered
        return entered is not None and self.settled + sum(number < entered for number in self.gone) >= entered

    @property
    def there(self) -> bool:
        """Whether the file still has a name by which another process will find it."""
        if self.descriptor is None:
            return self.path.exists()
        return os.fstat(self.descriptor).st_nlink > 0

    def bytes(self) -> bytes:
        """Read all of it, by its descriptor: the name may be gone.

        Raises:
            OSError: if it cannot be read.
        """
        if self.descriptor is None:
            return self.path.read_bytes()
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    @property
    def written(self) -> float:
        """When it was last written to, in Unix seconds.

        Raises:
            OSError: if the disk does not say.
        """
        return (self.path.stat() if self.descriptor is None else os.fstat(self.descriptor)).st_mtime

    def close(self) -> None:
        """Close the descriptor; only when `finished`, for till then somebody may be about to write."""
        if self.descriptor is not None:
            descriptor, self.descriptor = self.descriptor, None
            os.close(descriptor)
