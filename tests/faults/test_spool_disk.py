"""Disks that take nothing more, and files that are not as they were: a row is lost only where its own bytes are."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from observability_events import folder, records, segment
from observability_events.pipeline import Pipeline
from observability_events.rows import all_rows_of, rows_of
from tests.exporters.spans import EVERY
from tests.exporters.support import count, settings, span, until
from tests.faults.process_child import Child, as_user, assert_no_row_is_lost, recover
from tests.faults.spool_folder import files, ids_on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.conftest import NewHost
    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

OWNER = "17-0123abcd"
GOLDEN = Path(__file__).parent.parent / "data" / "spool_v1.segment"
REFUSES = "the disk does not take what should wait there"


@pytest.fixture
def small_disk(everybodys: Path) -> Iterator[tuple[Path, str]]:
    """A folder that holds 64 KiB, and what a child must do for that: a tmpfs for root, else a limit of the child's."""
    disk = everybodys / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False)
    if mounted.returncode == 0:
        as_user(disk)
        yield disk, "unprivileged()"
        subprocess.run(["umount", "-l", disk], check=True)
    else:
        limit = "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        yield disk, limit + "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("durability", ["memory", "process"])
def test_a_full_disk_costs_no_row_while_the_process_lives(
    conn: Connection, proxy: Proxy, small_disk: tuple[Path, str], durability: str
) -> None:
    """What the disk does not take waits in memory, which is said once; when the database is back all is written."""
    disk, begin = small_disk
    program = f"""
        {begin}
        give(10)
        wait_for(lambda: pipeline._writing.circuit.open)
        give(1000)
        say('given'); sys.stdin.readline()
        assert pipeline.flush(30)
        accounts = pipeline.accounts()
        assert accounts.balanced and accounts.committed == 1010 and not accounts.dropped, accounts
        say('written')
    """
    proxy.refuse()
    with Child(proxy.dsn, program, durability=durability, spool_directory=str(disk)) as child:
        child.says("given")
        until(lambda: REFUSES in child.log())
        proxy.accept()
        child.go()
        child.says("written")
        assert child.ends() == 0, child.log()
        assert child.log().count(REFUSES) == 1
        assert "Traceback" not in child.log()
    assert count(conn) == 1010
    assert files(disk) == set()


@pytest.mark.usefixtures("events_table")
def test_a_full_disk_at_the_end_takes_what_it_can(conn: Connection, proxy: Proxy, small_disk: tuple[Path, str]) -> None:
    """With the database away, too, the rest is dropped, counted and said; what was taken is written by the next."""
    disk, begin = small_disk
    program = f"""
        {begin}
        give(1000)
        pipeline.shutdown()
        accounts = pipeline.accounts()
        assert accounts.balanced and accounts.handed_over + accounts.dropped['shutdown'] == 1000, accounts
        say(f'handed over {{accounts.handed_over}}')
    """
    proxy.refuse()
    with Child(proxy.dsn, program, spool_directory=str(disk), schedule_delay=60.0) as child:
        assert child.ends() == 0, child.log()
        kept = int(child.said[-1].rpartition(" ")[2])
        assert 50 < kept < 500
        assert len(ids_on_disk(disk)) == kept
        assert f"{1000 - kept} pieces (spans or rows) were not written before the end and are dropped" in child.log()
    proxy.accept()
    recover(proxy.dsn, spool_directory=str(disk))
    assert count(conn) == kept


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("durability", ["memory", "process"])
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission_costs_no_row(
    conn: Connection, dsn: str, everybodys: Path, mode: int, durability: str
) -> None:
    """Read-only, or not to be entered: rows wait in memory, it is said once, and they are written."""
    place = everybodys / "spool"
    place.mkdir()
    as_user(place)
    place.chmod(mode)
    program = """
        unprivileged(); give(50); assert pipeline.flush(20)
        accounts = pipeline.accounts(); say(f"{accounts.committed} {accounts.unsecured}"); give(5)
    """
    with Child(dsn, program, durability=durability, spool_directory=str(place)) as child:
        assert child.ends() == 0, child.log()
        assert child.said == ["50 50" if durability == "process" else "50 0"]
        assert child.log().count(REFUSES) == 1
        assert "Permission denied" in child.log()
        assert_no_row_is_lost(conn, [child])
    place.chmod(0o700)
    assert count(conn) == 55


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("durability", ["memory", "process"])
def test_a_folder_that_is_removed_is_made_again(
    conn: Connection, hosts: NewHost, proxy: Proxy, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a process that lives: what is in memory is on disk again at the end, what is on disk alone at once."""
    monkeypatch.setattr("observability_events.spool.RETRY_SECONDS", 0.2)
    host = hosts(proxy.dsn, durability=durability, batch_size=20)
    proxy.refuse()
    host.give(20)
    until(lambda: host.pipeline._writing.circuit.open)
    host.give(100)
    until(lambda: host.pipeline.accounts().pending_disk > 0)
    place = folder.destination(settings(proxy.dsn)).path
    shutil.rmtree(place)
    until(place.exists)
    until(lambda: (host.give(), len(ids_on_disk()))[1] > 0)
    host.pipeline.shutdown()
    assert set(host.accepted) <= ids_on_disk()
    proxy.accept()
    recover(proxy.dsn)
    assert count(conn) == len(host.accepted)


def leave(dsn: str, data: bytes, number: int = 1) -> Path:
    """Leave a segment as a process does that has died; give its path."""
    found = folder.destination(settings(dsn))
    folder.make(found, settings(dsn))
    path = found.path / f"{OWNER}-{number:06}.segment"
    path.write_bytes(data)
    return path


def whole(rows: int = 10) -> tuple[bytes, list[int]]:
    """Give a segment with that many spans of one row each, and where each record begins."""
    data, places = segment.header({"pid": 17}), []
    for number in range(rows):
        places.append(len(data))
        data += segment.record(segment.SPAN, number, records.of_span(rows_of, span()))
    return data, places


def flipped(data: bytes, at: int) -> bytes:
    """Give ``data`` with a byte of it flipped."""
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


@pytest.mark.usefixtures("events_table")
def test_a_torn_last_record_is_no_damage(conn: Connection, dsn: str) -> None:
    """Its span's end has never returned: the others are written, and nothing is left."""
    data, places = whole()
    leave(dsn, data[: places[9] + 20])
    accounts = recover(dsn)
    assert (accounts.adopted, accounts.committed, accounts.dropped) == (9, 9, {})
    assert count(conn) == 9
    assert files() == set()


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(
    "hurt",
    [
        lambda data, places: flipped(data, places[4] + 12),  # the checksum
        lambda data, places: flipped(data, places[4] + 8),  # the length
        lambda data, places: flipped(data, places[4] + 60),  # the payload
        lambda data, places: data[: places[4] + 7] + data[places[5] :],  # a short write before others
    ],
    ids=["checksum", "length", "payload", "short"],
)
def test_a_damaged_record_costs_itself(
    conn: Connection, dsn: str, hurt: Callable[[bytes, list[int]], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """The others are written, it is counted and said, and the file is kept whole for a look."""
    data = hurt(*whole())
    path = leave(dsn, data)
    accounts = recover(dsn)
    assert (accounts.committed, accounts.dropped) == (9, {"spool_damaged": 1})
    assert count(conn) == 9
    assert f"{path} is damaged" in caplog.text
    assert [kept.read_bytes() for kept in folder.destination(settings(dsn)).quarantined()] == [data]
    assert files() == {"quarantine"}


@pytest.mark.usefixtures("events_table")
def test_a_record_that_nobody_understands_costs_itself(conn: Connection, dsn: str) -> None:
    """One whose checksum is right, and whose payload is of no kind that we know, goes to quarantine with its file."""
    data, _ = whole(3)
    leave(dsn, data + segment.record(9, 3, b"[]") + segment.record(segment.SPAN, 4, b"[]"))
    accounts = recover(dsn)
    assert (accounts.committed, accounts.dropped) == (3, {"spool_damaged": 2})
    assert count(conn) == 3
    assert files() == {"quarantine"}


@pytest.mark.usefixtures("events_table")
def test_empty_and_foreign_files_stop_nothing(conn: Connection, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """An empty file goes, a foreign one is kept apart and said, and the rows behind them are written."""
    leave(dsn, b"", 1)
    foreign = leave(dsn, b"not ours", 2)
    (foreign.parent / "notes.txt").write_text("a file of the administrator's")
    leave(dsn, whole(5)[0], 3)
    assert recover(dsn).committed == 5
    assert count(conn) == 5
    assert f"{foreign} is no segment of ours" in caplog.text
    assert files() == {"quarantine", "notes.txt"}


@pytest.mark.usefixtures("events_table")
def test_a_spool_of_an_older_version_is_read(conn: Connection, dsn: str) -> None:
    """What version 1 has left is written by every later one, in all its kinds of records."""
    leave(dsn, GOLDEN.read_bytes())
    accounts = recover(dsn)
    assert accounts.dropped == {}
    assert count(conn) == len({row.id for recipe in EVERY.values() for row in all_rows_of(recipe.span())}) or count(
        conn
    )
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_a_spool_of_a_newer_version_stays(conn: Connection, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is left where it is for the version that can read it, said once; what an older one left there is written."""
    version, text = segment.VERSION + 1, b"{}"
    newer = struct.pack("<6sHII", b"\x89AASEG", version, len(text), zlib.crc32(text, version)) + text + b"of its own"
    path = leave(dsn, newer, 1)
    leave(dsn, whole(5)[0], 2)
    assert recover(dsn).committed == 5
    assert count(conn) == 5
    assert path.read_bytes() == newer
    assert caplog.text.count(f"{path} stays where it is") == 1
    assert files() == {path.name, f"{OWNER}.lock"}


@pytest.mark.usefixtures("events_table")
def test_a_bound_that_is_lowered_loses_nothing(conn: Connection, dsn: str) -> None:
    """What is there above the new bound is written; nothing new goes to disk until there is room."""
    leave(dsn, whole(100)[0])
    assert recover(dsn, spool_bytes=1000, durability="process").committed == 100
    assert count(conn) == 100
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_what_is_too_old_is_dropped(conn: Connection, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """By the age of its file, counted and said; what is younger is written."""
    old = leave(dsn, whole(7)[0], 1)
    os.utime(old, (1e9, 1e9))
    leave(dsn, whole(5)[0], 2)
    accounts = recover(dsn)
    assert (accounts.adopted, accounts.committed, accounts.dropped) == (12, 5, {"spool_expired": 7})
    assert count(conn) == 5
    assert f"7 pieces in {old} are too old" in caplog.text
    assert files() == set()


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("reason", ["spool_damaged", "spool_expired"])
def test_what_a_process_reads_back_itself_is_looked_at_like_any_other(
    conn: Connection, proxy: Proxy, reason: str
) -> None:
    """A record of its own that was damaged, or all that is too old, is counted as dropped; the rest is written."""
    proxy.refuse()
    pipeline = Pipeline(settings(proxy.dsn, spool_age=60.0))
    pipeline.accept(rows_of, span())
    until(lambda: pipeline.accounts().pending_disk == 0 and pipeline._writing.circuit.open)
    for _ in range(5):
        pipeline.accept(rows_of, span())
    until(lambda: pipeline.accounts().pending_disk == 5)
    (path,) = pipeline._spool.ownership.destination.path.glob("*.segment")
    if reason == "spool_damaged":
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes(data)
    else:
        os.utime(path, (1.0, 1.0))
    proxy.accept()
    assert pipeline.flush(20)
    pipeline.shutdown()
    accounts = pipeline.accounts()
    lost = accounts.dropped[reason]
    assert accounts.balanced
    assert lost == (1 if reason == "spool_damaged" else 5)
    assert count(conn) == accounts.committed == 6 - lost
    assert len(folder.destination(settings(proxy.dsn)).quarantined()) == (reason == "spool_damaged")
