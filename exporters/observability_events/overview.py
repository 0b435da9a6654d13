"""What there is on disk for each destination, and what of it needs a person: read while everybody else goes on.

Nothing here asks the database, or needs a DSN: the folder says all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from observability_events import folder
from observability_events.circuit import CLOSED
from observability_events.dead_letters import DeadLetters, DeadLettersError
from observability_events.folder import Destination, Owner

PENDING: Final = ("pending_memory", "pending_disk")
SETTLED: Final = ("committed", "handed_over", "dead_lettered")


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One destination.

    Attributes:
        path: Its folder.
        about: Host, port, dbname and table; empty where that cannot be read.
        owners: Of rows that wait, the living first.
        pieces: Spans and rows that can be read from segments.
        oldest: When the oldest segment was last written to; None where there is none.
        dead_letters: Their number; None where they cannot be read, which a remark then explains.
        quarantined: Files that could not be read.
        remarks: What needs a person, each with what to do; none when all is well.
    """

    path: Path
    about: Mapping[str, Any]
    owners: tuple[Owner, ...]
    pieces: int
    oldest: datetime | None
    dead_letters: int | None
    quarantined: tuple[Path, ...]
    remarks: tuple[str, ...]

    @property
    def title(self) -> str:
        """Which database and table, in a line."""
        return title(self.path, self.about)


def title(path: Path, about: Mapping[str, Any]) -> str:
    """Say in a line which database and table a folder is for."""
    if not about:
        return f"unknown destination {path.name}"
    host, port, dbname, table = (about.get(name) or "" for name in ("host", "port", "dbname", "table"))
    return f"{host or 'local socket'}:{port}/{dbname}, table {table}"


def overviews(directory: Path) -> list[Overview]:
    """Look at every destination below ``directory``.

    Raises:
        OSError: if a folder cannot be read.
    """
    return [overview(found) for found in folder.destinations(directory)]


def overview(found: Destination) -> Overview:
    """Look at one destination.

    Raises:
        OSError: if its folder cannot be read.
    """
    try:
        letters: int | str = DeadLetters(found.path).count()
    except DeadLettersError as error:
        letters = str(error)
    return looked_at(found.path, found.about, found.owners(), dead_letters=letters, quarantined=found.quarantined())


def looked_at(
    path: Path,
    about: Mapping[str, Any],
    owners: Iterable[Owner],
    *,
    dead_letters: int | str = 0,
    quarantined: Iterable[Path] = (),
) -> Overview:
    """Put together what was seen; ``dead_letters`` is their number, or why they cannot be counted."""
    owners = tuple(sorted(owners, key=lambda owner: (not owner.alive, owner.name)))
    segments = [each for owner in owners for each in owner.segments]
    quarantined = tuple(quarantined)
    remarks = [remark for owner in owners for remark in _of_owner(owner)]
    if isinstance(dead_letters, str):
        remarks.append(dead_letters)
    elif dead_letters:
        letters = _counted(dead_letters, "dead letter")
        remarks.append(f"{letters}: `spool dead-letters` says why; when it is mended, `spool replay --dead-letters`")
    if quarantined:
        files = _counted(len(quarantined), "file")
        remarks.append(f"{files} that could not be read: see {path / folder.QUARANTINE}")
    return Overview(
        path=path,
        about=about,
        owners=owners,
        pieces=sum(each.records or 0 for each in segments),
        oldest=datetime.fromtimestamp(min(each.written for each in segments), UTC) if segments else None,
        dead_letters=None if isinstance(dead_letters, str) else dead_letters,
        quarantined=quarantined,
        remarks=tuple(remarks),
    )


def left_behind(found: Destination) -> int:
    """Give the number of pieces that owners who have ended left in readable segments."""
    return sum(each.records or 0 for owner in found.owners() if not owner.alive for each in owner.segments)


def _of_owner(owner: Owner) -> Iterator[str]:
    pieces = sum(each.records or 0 for each in owner.segments)
    if not owner.alive and pieces:
        yield (
            f"{owner.name} has ended and left {_counted(pieces, 'piece')}: the next process that starts writes them, "
            "or `spool replay` does"
        )
    unread = [each.path.name for each in owner.segments if each.records is None]
    if unread:
        yield f"{', '.join(unread)}: no segment, or written by a newer version of otel-auto-assign, which must write it"
    status = owner.status
    if status is None or not owner.alive:
        return
    if status.get("circuit") != CLOSED:
        error = status.get("last_error")
        yield (
            f"{owner.name}: the circuit is {status.get('circuit')} since {status.get('since')}"
            f"{f' ({error})' if error else ''}: rows wait, and are written when the database takes them again"
        )
    accounts = status.get("accounts") or {}
    dropped = {reason: pieces for reason, pieces in (accounts.get("dropped") or {}).items() if pieces}
    if dropped:
        named = ", ".join(f"{reason} {pieces}" for reason, pieces in dropped.items())
        yield f"{owner.name} has lost pieces: {named}"
    if not balanced(accounts):
        yield f"{owner.name}: the accounts do not add up; please report it"


def balanced(accounts: Mapping[str, Any]) -> bool:
    """Say whether an owner's accounts, as its status file has them, add up."""
    try:
        came = accounts["accepted"] + accounts["adopted"]
        return bool(came == sum(accounts[name] for name in (*SETTLED, *PENDING)) + sum(accounts["dropped"].values()))
    except (KeyError, TypeError, AttributeError):
        return False


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
