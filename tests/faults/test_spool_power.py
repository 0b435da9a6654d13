"""What only the system calls show: with durability ``power`` the disk is synced before a span counts as accepted."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.exporters.support import count
from tests.faults.process_child import PRELUDE, Child

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Connection

WRITTEN = re.compile(r"write\(\d+<[^>]*\.segment>")
SYNCED = re.compile(r"(fdatasync\(\d+<[^>]*\.segment>\)|<\.\.\. fdatasync resumed>\))\s+= 0")
NAMED = re.compile(r"fsync\(\d+<[^>]*otel-auto-assign/[0-9a-f]+>\)\s+= 0")
FOLDER_SYNCED = re.compile(r"f(data)?sync\(\d+<[^>]*otel-auto-assign/[0-9a-f]+>")
ACCEPTED = re.compile(r'write\(1<.*"accepted ')


@pytest.mark.debian
def test_power_is_synced_before_the_acknowledgement(dsn: str, tmp_path: Path) -> None:
    """Each span: its record is written, then fdatasync ends well, then it is accepted; before, the file has a name."""
    values = {"dsn": dsn, "durability": "power", "power_wait": True, "schedule_delay": 60.0}
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-s", "40", "-e", "trace=write,fsync,fdatasync", "-o", str(trace)]
    program = PRELUDE.format(settings=values) + "give(5)\nkill()\n"
    subprocess.run([*strace, sys.executable, "-c", program], check=False, capture_output=True, timeout=60)
    steps = []
    for line in trace.read_text().splitlines():
        for name, pattern in (("named", NAMED), ("written", WRITTEN), ("synced", SYNCED), ("accepted", ACCEPTED)):
            if pattern.search(line):
                steps.append(name)
    assert steps.count("accepted") == 5
    assert steps[:2] == ["written", "named"]  # the segment's header, and the folder that has its name
    order = " ".join(steps[2:])
    assert re.fullmatch(r"(written (synced )+accepted ?(synced )*){5}(synced ?)*", order + " "), order


UNSYNCED = """
    began = time.monotonic()
    give(5)
    assert time.monotonic() - began < 5
    wait_for(lambda: pipeline._writing.circuit.state == "closed" and pipeline.accounts().committed == 5)
    accounts = pipeline.accounts()
    assert accounts.balanced
    say(f"{accounts.accepted} accepted, {accounts.unsecured} of them unsecured")
"""


def test_a_disk_that_syncs_keeps_the_promise(dsn: str) -> None:
    """No span is counted as unsecured."""
    program = 'give(5); say(f"{pipeline.accounts().unsecured} unsecured")'
    with Child(dsn, program, durability="power", power_wait=True) as child:
        child.says("0 unsecured")


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(
    ("sync", "seconds"),
    [("raise OSError(5, 'Input/output error')", 1.0), ("time.sleep(60)", 0.1)],
    ids=["it fails", "it hangs"],
)
def test_a_disk_that_does_not_sync_keeps_nobody(conn: Connection, dsn: str, sync: str, seconds: float) -> None:
    """A span whose sync fails, or takes too long, is accepted all the same; that the promise is not kept is counted."""
    program = f"""
    from observability_events import syncing
    syncing.MOST_SECONDS = {seconds}
    def fdatasync(descriptor):
        {sync}
    os.fdatasync = fdatasync
    """
    with Child(dsn, program + UNSYNCED, durability="power", power_wait=True) as child:
        child.says("5 accepted, 5 of them unsecured")
        if seconds == 1.0:
            assert child.ends() == 0, child.log()
            assert child.log().count("Input/output error") == 1
    assert count(conn) == 5


@pytest.mark.debian
@pytest.mark.usefixtures("events_table")
def test_a_sync_that_the_kernel_refuses_is_counted(dsn: str, tmp_path: Path) -> None:
    """The same by the kernel's own answer to fdatasync: the first one is EIO, and the span after it waits in memory."""
    values = {"dsn": dsn, "durability": "power", "power_wait": True, "schedule_delay": 0.02}
    inject = "inject=fdatasync:error=EIO:when=1"
    strace = ["strace", "-f", "-e", "trace=fdatasync", "-e", inject, "-o", str(tmp_path / "trace")]
    program = PRELUDE.format(settings=values) + textwrap.dedent(UNSYNCED)
    done = subprocess.run([*strace, sys.executable, "-c", program], check=False, capture_output=True, timeout=60)
    assert b"5 accepted, 5 of them unsecured" in done.stdout, done.stderr
    assert done.stderr.count(b"Input/output error") == 1


@pytest.mark.debian
@pytest.mark.usefixtures("events_table")
def test_a_dead_letter_is_on_the_disk_when_it_is_kept(dsn: str, tmp_path: Path) -> None:
    """SQLite's journal goes last, and the folder is synced after that: else a power cut would bring it back."""
    program = """
    from tests.exporters.support import row
    pipeline.accept(lambda _: [row(), row(severity='notice')], span())
    assert pipeline.flush(20)
    assert pipeline.accounts().dead_lettered == 1
    say("kept")
    """
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-e", "trace=write,fsync,fdatasync,unlink", "-o", str(trace)]
    script = PRELUDE.format(settings={"dsn": dsn}) + textwrap.dedent(program)
    subprocess.run([*strace, sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
    lines = trace.read_text().splitlines()
    kept = next(at for at, line in enumerate(lines) if '"kept' in line)
    gone = max(at for at, line in enumerate(lines[:kept]) if re.search(r"unlink\(.*-journal", line))
    assert [line for line in lines[gone:kept] if FOLDER_SYNCED.search(line)]
