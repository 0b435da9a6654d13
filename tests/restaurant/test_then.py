"""``--then`` on a terminal: whatever the command has started ends with it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.exporters.support import until

ROOT = Path(__file__).parents[2]
PROGRAM = """
    import signal, sys
    from examples.restaurant.sandbox import Sandbox
    from examples.restaurant.stop import Stop, StoppedError
    from examples.restaurant.then import run_then

    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.now())
    family = "sleep 99 & echo $! >> pids; (sleep 99 & echo $! >> pids; exec sleep 99) & echo $! >> pids; wait"
    try:
        run_then(family, Sandbox("", "schema", "server", None), stop)
    except StoppedError:
        sys.exit(3)
"""


def exists(pid: int) -> bool:
    """Whether the process runs; one that only waits to be noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc, as what is tested does")
def test_on_a_terminal_the_commands_family_ends_with_it(tmp_path: Path) -> None:
    """What it has put into the background has no session of its own that could be ended, and ends all the same."""
    pids = tmp_path / "pids"
    terminal, end = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=end,
        start_new_session=True,
    )
    family: list[int] = []
    try:
        until(lambda: pids.exists() and pids.read_text().count("\n") == 3)
        family = [int(pid) for pid in pids.read_text().split()]
        running.terminate()
        assert running.wait(20) == 3
        assert [pid for pid in family if exists(pid)] == []
    finally:
        running.kill()
        running.wait()
        for pid in filter(exists, family):
            os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        os.close(end)
