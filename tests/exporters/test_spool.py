"""The spool's writing side: what was appended is on disk, what is settled goes, and the disk may refuse at any time."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from observability_events import folder, segment
from observability_events.rows import rows_of
from observability_events.spool import RETRY_SECONDS, Spool
from otel_auto_assign.settings import Settings
from tests.exporters.support import span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from observability_events.place import Place


class Clock:
    """Seconds that are turned by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def spools(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Spool]]:
    """Makes spools in one folder, and closes them after the test."""
    made: list[Spool] = []

    def make(**changes: Any) -> Spool:
        values = {"dsn": "host=db dbname=x", "durability": "process", "spool_directory": str(tmp_path)} | changes
        made.append(Spool(Settings(**values), clock=clock))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def append(spool: Spool, count: int = 1) -> list[tuple[Place, int]]:
    """Append that many spans, which the disk takes."""
    kept = [spool.append_span(rows_of, span()) for _ in range(count)]
    assert None not in kept
    return [each for each in kept if each is not None]


def on_disk(spool: Spool) -> list[int]:
    """Give how many records each segment of the folder has, the oldest first."""
    found = sorted(spool.ownership.destination.path.glob("*.segment"))
    return [len(segment.read(path.read_bytes()).records) for path in found]


def test_what_was_appended_is_on_disk(spools: Callable[..., Spool]) -> None:
    """When `append` has returned, another process could read it, and its place says where."""
    spool = spools()
    kept = append(spool, 3)
    (place,) = {place for place, _ in kept}
    contents = segment.read(place.path.read_bytes())
    assert [record.number for record in contents.records] == [number for _, number in kept] == [0, 1, 2]
    assert contents.about["pid"] == os.getpid()
    assert oct(place.path.stat().st_mode)[-3:] == "600"
    assert [owner.alive for owner in spool.ownership.destination.owners()] == [True]


def test_an_idle_segment_is_let_go_when_all_of_it_is_settled(spools: Callable[..., Spool], clock: Clock) -> None:
    """Nothing is left of a process whose rows are all written, and not more often than the disk should be asked."""
    spool = spools()
    kept = append(spool, 2)
    for place, _ in kept:
        place.settle()
    spool.tend(idle=True)
    assert on_disk(spool) == [2]
    clock.now += 1
    spool.tend(idle=False)
    assert on_disk(spool) == [2]
    spool.tend(idle=True)
    assert on_disk(spool) == [0]
    spool.close()
    assert not spool.ownership.destination.path.exists()


def test_what_is_not_settled_stays(spools: Callable[..., Spool]) -> None:
    """One record of a segment that is not settled keeps it, with the lock's file by which its owner is found."""
    spool = spools()
    kept = append(spool, 2)
    kept[0][0].settle()
    spool.close()
    assert on_disk(spool) == [2]
    (owner,) = spool.ownership.destination.owners()
    assert not owner.alive


def test_a_full_segment_is_rolled(spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever finds it full, so that it is bounded while the writer thread waits for the database."""
    monkeypatch.setattr("observability_events.spool.SEGMENT_BYTES", 2_000)
    spool = spools()
    append(spool, 20)
    found = on_disk(spool)
    assert sum(found) == 20
    assert max(found) <= 10
    assert len(spool.sealed) == len(found) - 1


def test_threads_and_signal_handlers_append_at_once(
    spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through rolls and seals every record is there once, and every segment is let go in the end."""
    monkeypatch.setattr("observability_events.spool.SEGMENT_BYTES", 20_000)
    spool = spools(spool_bytes=10**9)
    kept: list[tuple[Place, int] | None] = []

    def handler(*_: object) -> None:
        kept.append(spool.append_span(rows_of, span()))
        signal.setitimer(signal.ITIMER_REAL, 0.0003)

    def work() -> None:
        kept.extend([spool.append_span(rows_of, span()) for _ in range(500)])

    before = signal.signal(signal.SIGALRM, handler)
    threads = [threading.Thread(target=work) for _ in range(3)]
    signal.setitimer(signal.ITIMER_REAL, 0.0003)
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 0.5
        while time.monotonic() < until or any(thread.is_alive() for thread in threads):
            spool.seal()
            append(spool)[0][0].settle()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for thread in threads:
        thread.join()
    spool.seal()
    assert None not in kept
    places = {each[0] for each in kept if each is not None}
    assert len(set(kept)) == len(kept) >= 1500
    written = sum(len(segment.read(place.bytes()).records) for place in spool.sealed)
    assert written >= len(kept)
    for each in kept:
        assert each is not None
        each[0].settle()
    assert all(place.finished for place in places)
    spool.tend(idle=False)
    assert sum(on_disk(spool)) == 0


def test_the_bound_is_kept(spools: Callable[..., Spool]) -> None:
    """When the folder is full nothing new goes there, what is there stays, and no more than a record lies above it."""
    spool = spools(spool_bytes=10_000)
    kept = [spool.append_span(rows_of, span()) for _ in range(100)]
    taken = len([each for each in kept if each is not None])
    assert 5 < taken < 60
    assert kept[taken:] == [None] * (100 - taken)
    assert spool.full
    assert folder.size(spool.ownership.destination.path) < 11_500
    assert sum(on_disk(spool)) == taken


def test_owners_that_begin_at_once_exceed_the_bound_by_a_segment_each(
    spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has seen the room that the other has taken since; the next segment of either sees what both have written."""
    monkeypatch.setattr("observability_events.spool.SEGMENT_BYTES", 6_000)
    owners = [spools(spool_bytes=10_000) for _ in range(3)]
    for owner in owners:
        append(owner)
    for owner in owners:
        while owner.append_span(rows_of, span()) is not None:
            pass
        assert owner.full
    assert 10_000 < folder.size(owners[0].ownership.destination.path) < 10_000 + 3 * 6_000 + 1_500


def test_a_bound_that_was_lowered_is_kept(spools: Callable[..., Spool]) -> None:
    """A folder that holds more than it may hold now loses nothing and takes nothing."""
    first = spools()
    append(first, 30)
    first.close()
    second = spools(spool_bytes=1_000)
    assert second.append_span(rows_of, span()) is None
    assert second.full
    assert sum(on_disk(second)) == 30


def test_room_again_is_found(spools: Callable[..., Spool], clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Some seconds after it was full the folder is asked again; trouble and recovery are one line each."""
    caplog.set_level("INFO")
    first = spools()
    append(first, 30)
    first.close()
    second = spools(spool_bytes=5_000)
    for _ in range(3):
        assert second.append_span(rows_of, span()) is None
        second.tend(idle=False)
    for path in second.ownership.destination.path.glob("*.segment"):
        path.unlink()
    assert second.append_span(rows_of, span()) is None
    clock.now += RETRY_SECONDS
    append(second)
    second.tend(idle=False)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "spool_bytes=5000" in caplog.text


def test_a_short_write_is_no_record(spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk took in part is not counted as kept, and another segment is begun for what follows."""
    spool = spools()
    append(spool)
    write = os.write

    def short(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:20])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        assert spool.append_span(rows_of, span()) is None
    (place,) = spool.sealed
    contents = segment.read(place.path.read_bytes())
    assert (len(contents.records), contents.torn, contents.damaged) == (1, True, 0)
    place.settle()
    assert place.finished


def test_a_disk_that_fails_is_asked_again(
    spools: Callable[..., Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While it fails nothing raises and nothing is tried for some seconds; it is said once what is weaker now."""
    spool = spools()
    append(spool)
    asked = []

    def failing(*_: object) -> int:
        asked.append(1)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", failing)
        for _ in range(5):
            assert spool.append_span(rows_of, span()) is None
            spool.tend(idle=False)
        assert len(asked) == 1
    clock.now += RETRY_SECONDS
    append(spool)
    assert caplog.text.count("the disk does not take") == 1


def test_a_removed_folder_is_made_again(
    spools: Callable[..., Spool], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """What is appended afterwards is on disk under a new lock; what was appended before knows that it is not."""
    spool = spools()
    ((before, _),) = append(spool)
    shutil.rmtree(spool.ownership.destination.path)
    assert not before.there
    spool.tend(idle=False)
    clock.now += RETRY_SECONDS
    ((after, _),) = append(spool)
    assert after.there
    assert [owner.alive for owner in spool.ownership.destination.owners()] == [True]
    assert "its folder was removed" in caplog.text


def test_without_bytes_there_is_no_spool(spools: Callable[..., Spool]) -> None:
    """spool_bytes=0 turns it off, whatever the durability says: no file, no folder."""
    spool = spools(spool_bytes=0)
    assert not spool.usable
    assert not spool.durable
    assert spool.append_span(rows_of, span()) is None
    assert not spool.ownership.destination.path.exists()


def test_two_owners_do_not_meet(spools: Callable[..., Spool]) -> None:
    """Two pipelines of one process have a lock and segments each."""
    first, second = spools(), spools()
    append(first, 2)
    append(second, 3)
    assert sorted(on_disk(first)) == [2, 3]
    assert [owner.alive for owner in first.ownership.destination.owners()] == [True, True]
    first.close()
    assert sorted(owner.alive for owner in second.ownership.destination.owners()) == [False, True]


def test_a_segment_that_cannot_be_begun_leaves_nothing(
    spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes the name and not the header: the file goes, or there would be one more every few seconds."""
    spool = spools()
    append(spool)
    monkeypatch.setattr(os, "write", lambda _descriptor, data: len(data) - 1)
    spool.seal()
    monkeypatch.undo()
    assert on_disk(spool) == [1]


def test_power_syncs(spools: Callable[..., Spool], monkeypatch: pytest.MonkeyPatch) -> None:
    """With `power` the folder is synced when a segment is begun, and what was written when it is asked for."""
    synced: list[str] = []
    fsync, fdatasync = os.fsync, os.fdatasync

    def named(what: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
            what(descriptor)

        return sync

    monkeypatch.setattr(os, "fsync", named(fsync))
    monkeypatch.setattr(os, "fdatasync", named(fdatasync))
    spool = spools(durability="power")
    append(spool, 3)
    assert synced == [""]
    spool.sync()
    spool.seal()
    spool.sync()
    assert synced == ["", ".segment", "", ".segment", ".segment"]  # once more for what came until it was sealed
    synced.clear()
    spool.sync()
    assert synced == [".segment"]  # the current one; the sealed one is synced for good


def test_a_segment_that_cannot_be_synced_is_left(
    spools: Callable[..., Spool], clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is unsure for good, for the disk gives its error once; spans wait in memory, and then in another segment."""
    asked: list[int] = []

    def fail_once(descriptor: int) -> None:
        asked.append(descriptor)
        if len(asked) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail_once)
    caplog.set_level(logging.INFO)
    spool = spools(durability="power")
    ((first, _),) = append(spool)
    spool.sync()
    assert first.unsure
    assert spool.append_span(rows_of, span()) is None
    spool.tend(idle=False)
    assert caplog.text.count("Input/output error") == 1
    clock.now += RETRY_SECONDS
    ((second, _),) = append(spool)
    spool.sync()
    assert not second.unsure
    assert asked == [first.descriptor, second.descriptor]
    assert first in spool.sealed
    spool.tend(idle=False)
    assert caplog.text.count("the disk takes again what waits") == 1


def test_a_segment_that_is_sealed_in_between_is_not_entered(spools: Callable[..., Spool]) -> None:
    """Sealed after our look and before our number: the record is in the next one, and this one is not waited for."""
    spool = spools()
    ((sealed, _),) = append(spool)
    numbers = sealed.numbers

    class SealedBefore:
        def __next__(self) -> int:
            sealed.numbers = numbers
            spool.seal()
            return next(numbers)

    sealed.numbers = SealedBefore()  # type: ignore[assignment] # a counter that something happens before
    ((place, number),) = append(spool)
    assert place is not sealed
    assert number == 0
    assert on_disk(spool) == [1, 1]
    sealed.settle()
    assert sealed.finished
