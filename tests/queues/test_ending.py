"""The zero-code example's processes end with the one that has started them, however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.zero_code import services
from tests.exporters.support import until
from tests.project.sources import ROOT

STARTER = """
import json, os, pathlib, signal, sys
from examples.zero_code.services import running
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with running() as services:
    children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    print(json.dumps([str(services.logs), *children]), flush=True)
    signal.pause()
"""
SERVER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"


def of_sessions(sessions: set[int]) -> list[str]:
    """Give the command lines of all processes that are in one of the sessions, and no zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, _group, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) in sessions and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.debian
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left(number: signal.Signals) -> None:
    """Redis, PostgreSQL, the web server, the worker, its children and their folder are gone, after SIGKILL, too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE", "PG"))}
    with subprocess.Popen([sys.executable, "-c", STARTER], cwd=ROOT, env=kept, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        folder, *keepers = json.loads(starter.stdout.readline())
        sessions = {int(keeper) for keeper in keepers}
        running = " ".join(of_sessions(sessions))
        assert all(name in running for name in ("redis-server", "postgres", "uvicorn", "celery"))
        assert Path(folder).is_dir()
        starter.send_signal(number)
    until(lambda: not of_sessions(sessions) and not Path(folder).exists(), 30)


def test_a_server_ends_with_its_block(tmp_path: Path) -> None:
    """It has ended when the block has, and its log is kept."""
    with services.process("server", [sys.executable, "-c", SERVER], tmp_path, {}):
        log = tmp_path / "server.log"
        until(lambda: log.read_text().endswith("\n"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


def test_a_server_that_ends_at_once_is_said(tmp_path: Path) -> None:
    """What it has printed is in the sentence."""
    command = [sys.executable, "-c", "raise SystemExit('no more memory')"]
    with (
        pytest.raises(RuntimeError, match="server did not start: no more memory"),
        services.process("server", command, tmp_path, {}, ready=tmp_path / "socket"),
    ):
        pass
