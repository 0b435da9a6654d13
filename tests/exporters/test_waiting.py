"""Whether rows can wait on disk: real folders, and file systems as Linux lists them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from observability_events.findings import Finding, Verdict
from observability_events.waiting import about_waiting
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM = 1024 * 1024  # more is free wherever tests run
MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - {root} /dev/sda1 rw
23 22 0:30 / /srv/with\\040blank rw - ext4 /dev/sdb1 rw
24 22 0:31 / /srv/remote rw master:2 - nfs4 files:/srv rw
25 22 0:32 / /run/memory rw,nosuid - tmpfs tmpfs rw
26 25 0:33 / /run/memory/disk rw - tmpfs tmpfs rw
27 25 0:34 / /run/memory/disk rw - xfs /dev/sdc1 rw
"""


def look(folder: Path | str, *, mounts: str = "", **changes: Any) -> list[Finding]:
    """Give the findings about a spool in ``folder``."""
    values: dict[str, Any] = {"spool_directory": str(folder), "spool_bytes": ROOM}
    settings = Settings(**(values | changes))
    return list(about_waiting(settings, mounts=mounts))


def verdicts(findings: list[Finding]) -> list[Verdict]:
    """Give the verdicts alone."""
    return [finding.verdict for finding in findings]


def test_a_folder_that_is_there_and_one_that_will_be_made(tmp_path: Path) -> None:
    """Both will do; nothing is made by looking."""
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    assert [finding.evidence for finding in look(there)] == [f"{there} is there; durability=memory"]
    missing = tmp_path / "a" / "b"
    assert [finding.evidence for finding in look(missing)] == [f"{missing} will be made; durability=memory"]
    assert list(tmp_path.iterdir()) == [there]


def test_the_default_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the process's own list of mounts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (finding, *_) = about_waiting(Settings(spool_bytes=ROOM))
    assert f"{tmp_path}/otel-auto-assign" in finding.evidence


def test_no_spool_is_said() -> None:
    """It is a choice, and what it costs is said."""
    (finding,) = look("/anywhere", spool_bytes=0)
    assert (finding.verdict, "lost with the process" in finding.evidence) == (Verdict.WARNING, True)


def test_others_may_look_into_it(tmp_path: Path) -> None:
    """Rows name guests' bookings; the remedy works."""
    tmp_path.chmod(0o755)
    (finding,) = look(tmp_path)
    assert "(mode 755)" in finding.evidence
    subprocess.run(finding.remedy.split(), check=True)
    assert verdicts(look(tmp_path)) == [Verdict.OK]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_it_belongs_to_another_user(tmp_path: Path) -> None:
    """As when the check is run by root, and the application by another."""
    tmp_path.chmod(0o700)
    os.chown(tmp_path, 65534, 65534)
    (finding,) = look(tmp_path)
    assert "belongs to user 65534, not to this one (0)" in finding.evidence


def test_a_file_in_its_place(tmp_path: Path) -> None:
    """Neither the folder itself nor one above it may be a file."""
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        (finding,) = look(folder)
        assert finding.evidence == f"{file} is no folder; rows wait in memory only"


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that every user may pass through; pytest's own are shut."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(("durability", "verdict"), [("memory", "warning"), ("process", "wrong"), ("power", "wrong")])
def test_a_folder_that_this_user_cannot_write(passable: Path, durability: str, verdict: str) -> None:
    """Where more was promised than memory, the promise cannot be kept; an unprivileged process looks, for root may."""
    closed = passable / "closed"
    closed.mkdir(mode=0o555)
    program = (
        "import os, sys; from otel_auto_assign.settings import Settings\n"
        "from observability_events.waiting import about_waiting\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "for folder in sys.argv[2:]:\n"
        "    settings = Settings(spool_directory=folder, spool_bytes=1, durability=sys.argv[1])\n"
        "    for one in about_waiting(settings, mounts=''): print(one.verdict, one.evidence, sep='|')\n"
    )
    wanted = [str(closed), str(closed / "below")]
    done = subprocess.run(
        [sys.executable, "-c", program, durability, *wanted], check=True, capture_output=True, text=True
    )
    said = [line.split("|") for line in done.stdout.splitlines()]
    assert [found[0] for found in said] == [verdict, verdict]
    assert f"{closed} cannot be written by this user" in said[0][1]
    assert f"{closed / 'below'} cannot be made: {closed} cannot be written by this user" in said[1][1]


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is allowed than there is; the room is that of the folder above, as long as there is none."""
    asked = []

    def statvfs(path: Path) -> os.statvfs_result:
        asked.append(path)
        return os.statvfs_result((4096, 1024, 500, 500, 300, 9, 9, 9, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    tmp_path.chmod(0o700)
    assert verdicts(look(tmp_path / "new", spool_bytes=300 * 1024)) == [Verdict.OK]
    (finding,) = look(tmp_path / "new", spool_bytes=300 * 1024 + 1)
    assert f"0 MiB are free below {tmp_path}, less than spool_bytes" in finding.evidence
    assert verdicts([finding]) == [Verdict.WARNING]
    assert asked == [tmp_path, tmp_path]


FILE_SYSTEMS: dict[str, tuple[str, str, str, Verdict, str]] = {
    "a disk": ("/srv/spool", "ext4", "memory", Verdict.OK, ""),
    "a blank in its name": ("/srv/with blank/spool", "nfs", "memory", Verdict.OK, ""),
    "remote": ("/srv/remote/spool", "ext4", "process", Verdict.WARNING, "is on nfs4, where locks may not hold"),
    "memory": ("/run/memory/spool", "ext4", "process", Verdict.WARNING, "is in memory (tmpfs)"),
    "memory, for the power": ("/run/memory/spool", "ext4", "power", Verdict.WRONG, "is in memory (tmpfs)"),
    "a disk below memory": ("/run/memory/disk/spool", "ext4", "power", Verdict.OK, ""),
    "a container": ("/spool", "overlay", "memory", Verdict.WARNING, "gone with the container"),
}


@pytest.mark.parametrize(("folder", "root", "durability", "verdict", "said"), FILE_SYSTEMS.values(), ids=FILE_SYSTEMS)
def test_the_file_system_is_known(folder: str, root: str, durability: str, verdict: Verdict, said: str) -> None:
    """By the longest mount point that the folder lies under, and of two there the later."""
    found = [
        finding
        for finding in look(folder, mounts=MOUNTS.format(root=root), durability=durability)
        if "is on" in finding.evidence or "gone" in finding.evidence
    ]
    assert verdicts(found) == ([] if verdict is Verdict.OK else [verdict])
    assert said in "".join(finding.evidence for finding in found)
