"""Whether rows can wait on disk: the spool's folder looked at before it is needed, as findings. Nothing is made."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from observability_events.findings import Finding, Verdict
from observability_events.folder import FOLDER_MODE, spool_directory
from otel_auto_assign.settings import IN_MEMORY, SURVIVES_POWER, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBJECT: Final = "spool"
_SETTING: Final = "OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY"
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_REMOTE: Final = re.compile(r"nfs.*|cifs|smb.*|9p|afs|ceph|gluster.*|lustre|ocfs2|gpfs|fuse\..*|virtiofs")
_OF_MEMORY: Final = ("tmpfs", "ramfs")
_OF_A_CONTAINER: Final = ("overlay", "aufs")
_MIB: Final = 1024 * 1024


def about_waiting(settings: Settings, *, mounts: str | None = None) -> Iterator[Finding]:
    """Look at where rows wait that the database does not take in time.

    Args:
        settings: Those in force.
        mounts: What is mounted where, as Linux says; by default the process's.
    """
    if not settings.spool_bytes:
        evidence = "off: rows that the database does not take in time are lost with the process"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, "set OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_BYTES above 0")
        return
    try:
        folder = spool_directory(settings)
    except (RuntimeError, OSError):
        evidence = "no folder: this user has no home; rows wait in memory only"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, f"set {_SETTING}")
        return
    found = [*_place(folder, settings), *_file_system(folder, settings, _mounted() if mounts is None else mounts)]
    yield from found
    if not found:
        made = "is there" if folder.exists() else "will be made"
        yield Finding(SUBJECT, Verdict.OK, f"{folder} {made}; durability={settings.durability}")


def _place(folder: Path, settings: Settings) -> Iterator[Finding]:
    verdict = Verdict.WARNING if settings.durability == IN_MEMORY else Verdict.WRONG  # the promise cannot be kept
    try:
        standing = _nearest(folder)
        found = standing.stat()
    except OSError as error:
        evidence = f"{folder} cannot be looked at: {error.strerror}; rows wait in memory only"
        yield Finding(SUBJECT, verdict, evidence, f"let this user in, or set {_SETTING}")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Finding(SUBJECT, verdict, f"{standing} is no folder; rows wait in memory only", f"set {_SETTING}")
        return
    if not os.access(standing, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        what = "cannot be written" if standing == folder else f"cannot be made: {standing} cannot be written"
        evidence = f"{folder} {what} by this user ({os.geteuid()}); rows wait in memory only"
        yield Finding(SUBJECT, verdict, evidence, f"chown {os.geteuid()} it, or set {_SETTING}")
        return
    if standing == folder and found.st_uid != os.geteuid():
        evidence = f"{folder} belongs to user {found.st_uid}, not to this one ({os.geteuid()})"
        remedy = f"chown {os.geteuid()} {folder}, and run this check as the application's user"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, remedy)
    if standing == folder and stat.S_IMODE(found.st_mode) & ~FOLDER_MODE & 0o777:
        evidence = f"others may look into {folder} (mode {stat.S_IMODE(found.st_mode):o})"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, f"chmod {FOLDER_MODE:o} {folder}")
    room = os.statvfs(standing)
    free = room.f_bavail * room.f_frsize
    if free < settings.spool_bytes:
        evidence = (
            f"{free // _MIB} MiB are free below {standing}, less than spool_bytes ({settings.spool_bytes // _MIB})"
        )
        yield Finding(SUBJECT, Verdict.WARNING, evidence, f"make room, or set {_SETTING}")


def _file_system(folder: Path, settings: Settings, mounts: str) -> Iterator[Finding]:
    kind = _kind(folder, mounts)
    if _REMOTE.fullmatch(kind):
        evidence = f"{folder} is on {kind}, where locks may not hold and the line may be cut"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, f"set {_SETTING} to a folder on a disk of this machine")
    elif kind in _OF_MEMORY:
        verdict = Verdict.WRONG if settings.durability == SURVIVES_POWER else Verdict.WARNING
        evidence = f"{folder} is in memory ({kind}), and gone when the machine or the container stops"
        yield Finding(SUBJECT, verdict, evidence, f"set {_SETTING} to a folder on a disk")
    elif kind in _OF_A_CONTAINER:
        evidence = f"{folder} is in a container's own layer ({kind}), and gone with the container"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, f"mount a volume, and set {_SETTING} to it")


def _nearest(folder: Path) -> Path:
    """Give the folder, or the lowest above it that is there.

    Raises:
        OSError: if it cannot be told.
    """
    for path in (folder, *folder.parents):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        return path
    return Path(folder.anchor)


def _kind(folder: Path, mounts: str) -> str:
    """Give the type of the file system that ``folder`` is or will be on; empty where that is not known."""
    path = folder.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields, _, described = line.partition(" - ")
        parts = fields.split(" ")
        if len(parts) < 5:  # noqa: PLR2004 - proc_pid_mountinfo(5): the fifth is the mount point
            continue
        point = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), parts[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:  # of two at one place the later covers the other
            best, kind = len(point.parts), described.split(" ", 1)[0]
    return kind


def _mounted() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
