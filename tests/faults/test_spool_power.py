"""What only the system calls show: with durability ``power`` the disk is synced before a span counts as accepted."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults.process_child import PRELUDE

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = re.compile(r"write\(\d+<[^>]*\.segment>")
SYNCED = re.compile(r"(fdatasync\(\d+<[^>]*\.segment>\)|<\.\.\. fdatasync resumed>\))\s+= 0")
NAMED = re.compile(r"fsync\(\d+<[^>]*otel-auto-assign/[0-9a-f]+>\)\s+= 0")
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
