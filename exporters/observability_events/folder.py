"""The spool's folder: which destination it is for, who owns what in it, and whether an owner lives.

::

    <spool directory>/<destination>/    one for each database and table: rows never reach another than theirs
        destination.json                which database and table, for people; no user, no password
        <owner>.lock                    locked by the owner as long as it lives
        <owner>-000001.segment          see `observability_events.segment`
        <owner>.json                    what the owner last said of itself, see `observability_events.status`
        quarantine/                     what could not be read, whole

An owner is one pipeline of one process, named by its process id and some random digits. The lock is the kernel's
(flock): it goes with the process, however that ends. Whoever can take it owns what the owner has left.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from psycopg.conninfo import conninfo_to_dict

from observability_events import segment
from otel_auto_assign.settings import Settings

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
OPEN_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW
DESCRIPTION: Final = "destination.json"
QUARANTINE: Final = "quarantine"
LOCK_SUFFIX: Final = ".lock"
SEGMENT_SUFFIX: Final = ".segment"
STATUS_SUFFIX: Final = ".json"
NEW_SUFFIX: Final = ".new"  # of a file that is being replaced
_APPLICATION: Final = "otel-auto-assign"
_OWNED: Final = re.compile(r"(\d+-[0-9a-f]{8})(?:\.lock|-\d+\.segment)")
_WHERE: Final = ("host", "hostaddr", "port", "dbname", "service", "options")
"""What of a DSN decides which table is meant: ``options`` because of the search path. Not the user: roles change."""
_VARIABLES: Final = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE",
                     "service": "PGSERVICE", "options": "PGOPTIONS"}  # fmt: skip
_HASH_BYTES: Final = 8


@dataclass(frozen=True)
class SegmentFile:
    """A segment as it lies on disk.

    Attributes:
        written: When it was last written to, in Unix seconds.
        records: How many can be read; None where none can, or where a later version wrote it.
    """

    path: Path
    size: int
    written: float
    records: int | None


@dataclass(frozen=True)
class Owner:
    """An owner, and what there is of it.

    Attributes:
        alive: Whether its process still holds the lock.
        segments: The oldest first.
        status: What it last said of itself; None where it said nothing.
    """

    name: str
    alive: bool
    segments: tuple[SegmentFile, ...]
    status: Mapping[str, Any] | None


@dataclass(frozen=True)
class Destination:
    """The folder of one database and table."""

    path: Path

    @property
    def about(self) -> Mapping[str, Any]:
        """Host, port, dbname and table; empty where that cannot be read."""
        return _json(self.path / DESCRIPTION) or {}

    def owners(self) -> list[Owner]:
        """Look at all owners, dead or alive; for people, since it reads every segment."""
        found = []
        for name in owner_names(self.path):
            segments = tuple(_segment_file(path) for path in segment_paths(self.path, name) if path.exists())
            status = _json(self.path / f"{name}{STATUS_SUFFIX}")
            found.append(Owner(name, _alive(self.path, name), segments, status))
        return found

    def quarantined(self) -> list[Path]:
        """Give the files that could not be read."""
        return sorted((self.path / QUARANTINE).glob("*"))


def spool_directory(settings: Settings) -> Path:
    """Give where all destinations are."""
    if settings.spool_directory:
        return Path(settings.spool_directory).expanduser()
    state = os.environ.get("XDG_STATE_HOME", "")
    home = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()  # noqa: PTH117 - of a text
    return home / _APPLICATION


def destinations(directory: Path) -> list[Destination]:
    """Give the destinations in a spool directory, none where there is no such folder."""
    return [Destination(found.parent) for found in sorted(directory.glob(f"*/{DESCRIPTION}"))]


def destination(settings: Settings) -> Destination:
    """Give the destination of these settings' DSN and table; its folder need not exist."""
    where = [f"{name}={value}" for name, value in _place(settings).items() if value]
    name = hashlib.blake2b("\0".join(where).encode(), digest_size=_HASH_BYTES).hexdigest()
    return Destination(spool_directory(settings) / name)


def make(found: Destination, settings: Settings) -> None:
    """Make the destination's folder and its description, unless they are there.

    Raises:
        OSError: if it cannot be made.
    """
    found.path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    found.path.mkdir(exist_ok=True, mode=FOLDER_MODE)
    if not (found.path / DESCRIPTION).exists():
        place = _place(settings)
        about = {name: place[name] for name in ("host", "port", "dbname", "table")}
        with _unless_gone():  # another process may do the same at this moment
            replace(found.path / DESCRIPTION, orjson.dumps(about))


def owner_names(folder: Path) -> list[str]:
    """Give the names of all owners that a lock or a segment speaks of."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted({found[1] for found in map(_OWNED.fullmatch, names) if found})


def segment_paths(folder: Path, owner: str) -> list[Path]:
    """Give the paths of an owner's segments, the oldest first."""
    return sorted(folder.glob(f"{owner}-*{SEGMENT_SUFFIX}"))


def lock(folder: Path, owner: str) -> int | None:
    """Take an owner's lock; give its descriptor, which holds it, or None if somebody else does or the owner is gone.

    Raises:
        OSError: if the file cannot be opened, or the file system knows no locks.
    """
    path = folder / f"{owner}{LOCK_SUFFIX}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:  # else it was removed in between, by one who was done with all of it
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def replace(path: Path, data: bytes) -> None:
    """Write ``path`` anew, in one piece for whoever reads it; by one process at a time.

    Raises:
        OSError: if it cannot be written.
    """
    new = path.with_name(path.name + NEW_SUFFIX)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | OPEN_FLAGS, FILE_MODE)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    new.replace(path)


def synced(folder: Path) -> None:
    """Have the disk know the names in ``folder``.

    Raises:
        OSError: if it cannot.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size(folder: Path) -> int:
    """Give the bytes of all files in ``folder`` and its quarantine.

    Raises:
        OSError: if it cannot be read.
    """
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with _unless_gone():
                if entry.is_dir(follow_symlinks=False):
                    total += size(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def quarantine(path: Path) -> None:
    """Move a file that cannot be read out of the way.

    Raises:
        OSError: if it cannot be moved.
    """
    folder = path.parent / QUARANTINE
    folder.mkdir(exist_ok=True, mode=FOLDER_MODE)
    path.replace(folder / path.name)


def remove(found: Destination) -> None:
    """Remove a destination's folder if there is nothing in it but its description: the demo alone leaves one a run."""
    description = found.path / DESCRIPTION
    try:
        if [path.name for path in found.path.iterdir()] == [DESCRIPTION]:
            data = description.read_bytes()
            description.unlink()
            try:
                found.path.rmdir()
            except OSError:  # somebody has come in between
                replace(description, data)
    except OSError:  # others tidy up, too
        pass


def remove_owner(folder: Path, owner: str) -> None:
    """Remove what speaks of an owner that has left nothing; to be called by the holder of its lock."""
    for suffix in (STATUS_SUFFIX + NEW_SUFFIX, STATUS_SUFFIX, LOCK_SUFFIX):
        try:
            (folder / f"{owner}{suffix}").unlink()
        except OSError:  # gone already, or for the next one to try
            pass


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:  # others tidy up, too
        pass


def _place(settings: Settings) -> dict[str, str]:
    given = conninfo_to_dict(settings.dsn)
    place = {name: str(given.get(name) or os.environ.get(_VARIABLES[name], "")) for name in _WHERE}
    place["dbname"] = place["dbname"] or str(given.get("user") or os.environ.get("PGUSER", ""))  # libpq's default
    place["port"] = place["port"] or "5432"
    return place | {"table": settings.table}


def _alive(folder: Path, owner: str) -> bool:
    try:
        descriptor = os.open(folder / f"{owner}{LOCK_SUFFIX}", os.O_RDONLY | OPEN_FLAGS)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _segment_file(path: Path) -> SegmentFile:
    status = path.stat()
    try:
        records: int | None = len(segment.read(path.read_bytes()).records)
    except (segment.ForeignError, segment.NewerVersionError):
        records = None
    return SegmentFile(path, status.st_size, status.st_mtime, records)


def _json(path: Path) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None
