"""The owner's last word on itself: what it says, when it is written, and that it has no secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from observability_events import folder
from observability_events.accounts import Accounts
from observability_events.circuit import Circuit
from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of
from observability_events.status import StatusFile
from tests.exporters.support import settings, span, until

if TYPE_CHECKING:
    from pathlib import Path


class Run:
    """A status file with a clock that is turned by hand."""

    def __init__(self, tmp_path: Path) -> None:
        self.now = 1_795_375_800.5
        self.path = tmp_path / "1-0123abcd.json"
        self.circuit = Circuit(lambda: self.now)
        self.file = StatusFile("process", lambda: self.now)

    def write(self, accepted: int, *, now: bool = False) -> dict[str, Any]:
        """Have it written with these accounts; give what is there."""
        accounts = Accounts(accepted=accepted, committed=0, already_present=0, pending_memory=accepted, dropped={})
        self.file.write(self.path, self.circuit, accounts, now=now)
        found: dict[str, Any] = orjson.loads(self.path.read_bytes())
        return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A file that is not there yet."""
    return Run(tmp_path)


def test_it_says_everything(run: Run) -> None:
    """Who, since when, how the database looks from here, and the accounts; readable by its owner alone."""
    run.file.service = "tables"
    run.circuit.failed("no route to ann@example.org")
    assert run.write(3) == {
        "version": 1,
        "pid": os.getpid(),
        "service": "tables",
        "durability": "process",
        "time": "2026-11-22T19:30:00.500Z",
        "circuit": "closed",
        "since": "2026-11-22T19:30:00.500Z",
        "last_error": "no route to [e-mail]",
        "accounts": {
            "accepted": 3,
            "adopted": 0,
            "committed": 0,
            "already_present": 0,
            "pending_memory": 3,
            "pending_disk": 0,
            "handed_over": 0,
            "dead_lettered": 0,
            "unsecured": 0,
            "dropped": {},
        },
    }
    assert oct(run.path.stat().st_mode)[-3:] == "600"


def test_it_is_written_once_a_second(run: Run) -> None:
    """When something has changed and a second is over; at once when the circuit has changed, or at the end."""
    run.write(1)
    run.now += 0.5
    assert run.write(2)["accounts"]["accepted"] == 1
    run.now += 0.5
    assert run.write(2)["accounts"]["accepted"] == 2
    for _ in range(3):
        run.circuit.failed("down")
    assert run.write(3)["circuit"] == "open"
    assert run.write(4)["accounts"]["accepted"] == 3
    assert run.write(4, now=True)["accounts"]["accepted"] == 4
    before = run.path.stat().st_mtime_ns
    run.now += 10
    run.write(4)
    assert run.path.stat().st_mtime_ns == before


def test_a_clock_that_steps_back_does_not_silence_it(run: Run) -> None:
    """The next news are written all the same."""
    run.write(1)
    run.now -= 3600
    assert run.write(2)["accounts"]["accepted"] == 2


def test_a_pipeline_says_how_it_is(tmp_path: Path) -> None:
    """While the database is away its status has the open circuit and the server's text without the password."""
    pipeline = Pipeline(settings("host=/no/such/folder user=u password=hunter2secret"))
    pipeline.accept(rows_of, span())
    try:
        until(lambda: pipeline._writing.circuit.open)
        found = folder.destination(pipeline._settings)
        until(lambda: bool(found.owners() and (found.owners()[0].status or {}).get("circuit") == "open"))
        (owner,) = found.owners()
        assert owner.alive
        assert owner.status is not None
        assert "/no/such/folder" in owner.status["last_error"]
        assert owner.status["service"] == "unknown_service"
    finally:
        pipeline.shutdown(0)
    (owner,) = found.owners()
    assert not owner.alive
    assert owner.status is not None
    assert owner.status["accounts"]["handed_over"] == 1
    assert all(b"hunter2" not in path.read_bytes() for path in found.path.iterdir() if path.is_file())
