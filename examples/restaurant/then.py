"""``--then``: a command that looks at the demo's database while it is still there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from examples.restaurant.sandbox import Sandbox
from examples.restaurant.stop import Stop

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05


def run_then(command: str, sandbox: Sandbox, stop: Stop, **environ: str) -> int:
    """Run ``command`` in the shell, connected to the sandbox; give its exit code, 128 + n if signal n ended it.

    ``environ`` is what it finds in its environment besides.

    From a terminal, Ctrl-C belongs to the command (``psql`` cancels a query by it). Whatever else ends the demo
    meanwhile ends the command, too.

    Raises:
        StoppedError: If ``stop`` broke it off.
    """
    stop.check()
    programs = [str(Path(sys.executable).parent), *([str(sandbox.programs)] if sandbox.programs else [])]
    path = os.pathsep.join([*programs, os.environ.get("PATH", os.defpath)])
    terminal = sys.stdin.isatty()
    before = signal.getsignal(signal.SIGINT)
    sys.stdout.flush()
    child = subprocess.Popen(  # noqa: S602 - it is the user's own command line
        f"trap : INT\n{command}" if terminal else command,  # else some shells end by a Ctrl-C that psql has handled
        shell=True,
        env={**os.environ, **sandbox.environment(), **environ, "PATH": path},
        start_new_session=not terminal,
    )
    try:
        if terminal:
            signal.signal(signal.SIGINT, lambda *_: None)
        while (code := child.poll()) is None:
            stop.wait(POLL_SECONDS)
    finally:
        signal.signal(signal.SIGINT, before)
        _end(child, whole_session=not terminal)
    return code if code >= 0 else 128 - code


def _end(child: subprocess.Popen[bytes], *, whole_session: bool) -> None:
    """End the command and what it started: its session, or on a terminal, whose session is the shell's, its family."""
    family = [] if whole_session else [child.pid, *_descendants(child.pid)]
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + GRACE_SECONDS
        sent = False
        while _alive(child, family):
            if not sent:
                _signal(child, family, number)
                sent = True
            if time.monotonic() > until:
                break
            time.sleep(POLL_SECONDS)


def _alive(child: subprocess.Popen[bytes], family: list[int]) -> bool:
    child.poll()  # reaps it: a zombie counts as alive
    return any(_exists(pid) for pid in family) if family else _exists(-child.pid)


def _exists(pid: int) -> bool:
    """Tell whether a process, or with a negative number a process group, is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _signal(child: subprocess.Popen[bytes], family: list[int], number: signal.Signals) -> None:
    for pid in family or [-child.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
    """Give the processes below ``pid``, as far as the system has /proc to tell."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):  # it has gone meanwhile
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(children.get(pid, []))
    for known in found:
        found += children.get(known, [])
    return found
