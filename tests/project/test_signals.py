"""What a test run leaves behind when it is broken off, and what its children are told of signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project.sources import ROOT
from tests.restaurant.test_demo import alive, family, read_until

HANGS_UP = "import os, signal; os.kill(os.getpid(), signal.SIGHUP)"
WAITS = """
import sys, time
import pytest

@pytest.mark.postgres
def test_waits():
    print("now", file=sys.__stdout__, flush=True)
    time.sleep(60)
"""
ON_OUR_SERVER = """
import sys
from pathlib import Path
from tests import debian
debian.VERSION = 18
sys.exit(debian.run(["-q", "-s", "-p", "no:cacheprovider", "--rootdir", sys.argv[2], sys.argv[2]], Path(sys.argv[1])))
"""


def test_a_child_is_ended_by_a_hang_up() -> None:
    """A signal that is ignored is ignored by all that is started; see `pytest_configure` of the conftest."""
    done = subprocess.run([sys.executable, "-c", HANGS_UP], check=False)
    assert done.returncode == -signal.SIGHUP


def test_also_under_nohup() -> None:
    """The tests may be run where hang-ups are ignored; they themselves are not ended by one."""
    test = f"{Path(__file__).relative_to(ROOT)}::test_a_child_is_ended_by_a_hang_up"
    command = f"trap '' HUP; exec {sys.executable} -m pytest -q -p no:cacheprovider {test}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_database_tests_can_be_broken_off(tmp_path: Path, programs: Path) -> None:
    """Ctrl-C during `make test-debian`: pytest says so, the exit code is its own, and no server stays."""
    (tmp_path / "test_waits.py").write_text(WAITS)
    running = subprocess.Popen(
        [sys.executable, "-c", ON_OUR_SERVER, str(programs), str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert running.stdout is not None
        read_until(running.stdout, "now")
        processes = family(running.pid)
        assert len(processes) > 2, "the tests, keeper and server"

        os.killpg(running.pid, signal.SIGINT)  # all that run in the terminal

        assert running.wait(20) == pytest.ExitCode.INTERRUPTED
        assert "0 database tests passed" in running.stdout.read()
        deadline = time.monotonic() + 10
        while (left := alive(processes)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == set()
    finally:
        running.kill()
        running.communicate()
