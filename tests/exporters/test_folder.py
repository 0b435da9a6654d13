"""The spool's folder: rows stay with their database, the dead are told from the living, and nobody else can read it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from observability_events import folder, segment
from observability_events.ownership import Ownership
from otel_auto_assign.settings import Settings

OWNER = "17-0123abcd"


@pytest.fixture
def place(tmp_path: Path) -> folder.Destination:
    """A destination's folder."""
    settings = Settings(dsn="host=db dbname=tables user=ann password=hunter2", spool_directory=str(tmp_path / "spool"))
    found = folder.destination(settings)
    folder.make(found, settings)
    return found


def test_a_destination_is_host_port_database_and_table() -> None:
    """Another one of them is another folder; user and password are not looked at, and defaults are the same as said."""
    base = "host=db dbname=tables"
    same = [base, f"{base} port=5432", f"{base} user=ann password=x", "postgresql://bob:y@db/tables"]
    other = ["host=db2 dbname=tables", "host=db dbname=x", f"{base} port=6432", f"{base} options=-csearch_path=x"]
    names = [folder.destination(Settings(dsn=dsn)).path.name for dsn in same + other]
    names.append(folder.destination(Settings(dsn=base, table="other")).path.name)
    assert len(set(names[: len(same)])) == 1
    assert len(set(names)) == 1 + len(other) + 1


def test_libpqs_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the DSN leaves to the environment decides where rows go, too."""
    named = folder.destination(Settings(dsn="host=db dbname=tables"))
    monkeypatch.setenv("PGHOST", "db")
    monkeypatch.setenv("PGDATABASE", "tables")
    assert folder.destination(Settings(dsn="user=ann")) == named


def test_the_state_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By default under XDG_STATE_HOME, without it in the home folder, and where a setting says."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert folder.spool_directory(Settings()) == tmp_path / "otel-auto-assign"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder.spool_directory(Settings()) == tmp_path / ".local/state/otel-auto-assign"
    assert folder.spool_directory(Settings(spool_directory="~/x")) == tmp_path / "x"


def test_nobody_else_can_read_it(place: folder.Destination) -> None:
    """The folder is the user's alone, and what describes it names neither user nor password."""
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o700
    assert place.about == {"host": "db", "port": "5432", "dbname": "tables", "table": "observability_events"}
    text = (place.path / folder.DESCRIPTION).read_text()
    assert "hunter2" not in text
    assert "ann" not in text
    assert folder.destinations(place.path.parent) == [place]
    assert folder.destinations(place.path / "no such folder") == []


def test_a_lock_has_one_holder(place: folder.Destination) -> None:
    """While it is held nobody else can take it; then anybody can."""
    held = folder.lock(place.path, OWNER)
    assert held is not None
    assert folder.lock(place.path, OWNER) is None
    assert [(owner.name, owner.alive) for owner in place.owners()] == [(OWNER, True)]
    os.close(held)
    assert [(owner.name, owner.alive) for owner in place.owners()] == [(OWNER, False)]
    again = folder.lock(place.path, OWNER)
    assert again is not None
    os.close(again)


def test_a_lock_that_was_removed_is_none(place: folder.Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited for a lock that its holder removed has not got it: the next owner of that name would have it, too."""
    import fcntl

    flock = fcntl.flock

    def removed_before(descriptor: int, operation: int) -> None:
        (place.path / f"{OWNER}.lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    assert folder.lock(place.path, OWNER) is None


def test_a_killed_process_is_dead(place: folder.Destination) -> None:
    """The kernel lets go of the lock, however the process ends."""
    program = (
        f"import sys, pathlib; from observability_events import folder\n"
        f"assert folder.lock(pathlib.Path({str(place.path)!r}), {OWNER!r}) is not None\n"
        f"print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert place.owners()[0].alive
        child.kill()
        child.wait()
    assert not place.owners()[0].alive


def test_what_an_owner_has_left_is_listed(place: folder.Destination) -> None:
    """Segments in their order with their size and records, and the owner's last word."""
    for number, count in ((1, 3), (2, 0)):
        data = segment.header({}) + b"".join(segment.record(segment.ROW, each, b"[]") for each in range(count))
        (place.path / f"{OWNER}-{number:06}.segment").write_bytes(data)
    (place.path / f"{OWNER}-000003.segment").write_bytes(b"foreign")
    (place.path / f"{OWNER}.json").write_text('{"circuit": "open"}')
    (owner,) = place.owners()
    assert [found.records for found in owner.segments] == [3, 0, None]
    assert owner.segments[2].size == 7
    assert owner.status == {"circuit": "open"}
    assert folder.size(place.path) == sum(path.stat().st_size for path in place.path.iterdir())


def test_quarantine_takes_the_whole_file(place: folder.Destination) -> None:
    """A file that could not be read is moved, not lost, and still counts."""
    bad = place.path / f"{OWNER}-000001.segment"
    bad.write_bytes(b"foreign")
    before = folder.size(place.path)
    folder.quarantine(bad)
    assert [path.read_bytes() for path in place.quarantined()] == [b"foreign"]
    assert folder.size(place.path) == before


def test_an_empty_folder_goes_and_comes_again(place: folder.Destination) -> None:
    """With nothing in it but its description it is removed; with anything else it stays as it was."""
    letters = place.path / "dead-letters.sqlite3"
    letters.touch()
    folder.remove(place)
    assert {path.name for path in place.path.iterdir()} == {folder.DESCRIPTION, letters.name}
    letters.unlink()
    folder.remove(place)
    assert not place.path.exists()
    folder.remove(place)


def test_a_folder_that_is_removed_while_an_owner_comes(
    place: folder.Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner makes it again, and has its lock in it."""
    lock = folder.lock
    removals = [folder.remove]

    def removed_before(path: Path, owner: str) -> int | None:
        if removals:
            removals.pop()(place)
        return lock(path, owner)

    monkeypatch.setattr(folder, "lock", removed_before)
    ownership = Ownership(Settings(dsn="host=db"), place)
    ownership.take()
    assert [owner.alive for owner in place.owners()] == [True]
    ownership.remove()
    ownership.release()
    assert not place.path.exists()
