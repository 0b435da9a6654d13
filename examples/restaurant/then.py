"""``--then``: a command that looks at the demo's database while it is still there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from examples.restaurant.sandbox import Sandbox
from examples.restaurant.stop import Stop

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05


def run_then(command: str, sandbox: Sandbox, stop: Stop) -> int:
    """Run ``command`` in the shell, connected to the sandbox; give its exit code, 128 + n if signal n ended it.

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
        env={**os.environ, **sandbox.environment(), "PATH": path},
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
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.killpg(child.pid, number) if whole_session else child.send_signal(number)
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
