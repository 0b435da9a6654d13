"""The keeper: the process between the embedded server and those who use it. See ``embedded_postgres``.

It runs this file as a script, with nothing but the standard library, in a session of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT: Final = 5432  # only the socket's name; nothing listens on a network
USER: Final = "postgres"
FAST_SHUTDOWN_SECONDS: Final = 3.0  # then at once, without a checkpoint
IMMEDIATE_SHUTDOWN_SECONDS: Final = 10.0  # within five the server itself kills those of its processes that are stuck
KILLED_SECONDS: Final = 1.0
SOCKET_PATH_BYTES: Final = 103  # of sockaddr_un.sun_path: 107 on Linux, 103 on macOS
_POLL_SECONDS: Final = 0.01


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock ``path``, waiting for it; a file whose folder has gone needs no lock."""
    try:
        file = path.open("w")
    except FileNotFoundError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def server_pid(folder: Path) -> int | None:
    """Give the process id of the server in ``folder``, by its pid file."""
    try:
        return int((folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def keep(order: dict[str, Any]) -> None:
    """Run the server until nobody holds the lock ``order["lock"]`` shared, then remove what was temporary."""
    with locked(Path(order["folder"]) / "keeper.lock"):  # a keeper whose server has crashed may still be tidying up
        _keep(Path(order["folder"]), order)


def _keep(folder: Path, order: dict[str, Any]) -> None:
    socket_folder = folder / "socket"
    if len(os.fsencode(socket_folder)) + len(f"/.s.PGSQL.{PORT}") > SOCKET_PATH_BYTES:
        socket_folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        _own_folder(socket_folder, order["owner"])
        _initialise(folder, order)
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                [
                    f"{order['programs']}/postgres",
                    *("-D", str(folder / "data"), "-k", str(socket_folder), "-p", str(PORT)),
                    *("-clisten_addresses=", "-cunix_socket_permissions=0700", *order["options"]),
                ],
                **_surroundings(order["owner"]),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: server.send_signal(signal.SIGINT))
        threading.Thread(target=_end_when_unused, args=(order["lock"], server.pid, folder), daemon=True).start()
        code = server.wait()
        if code != 0:
            tail = (folder / "server.log").read_text(errors="replace").strip()[-2000:]
            sys.stderr.write(tail)
    finally:
        (folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # a killed server leaves it
        shutil.rmtree(socket_folder, ignore_errors=True)
        shutil.rmtree(folder / "programs", ignore_errors=True)
        if order["temporary"]:
            shutil.rmtree(folder, ignore_errors=True)


def _end_when_unused(lock: int, pid: int, folder: Path) -> None:
    fcntl.flock(lock, fcntl.LOCK_EX)
    _end_server(pid, folder)


def _initialise(folder: Path, order: dict[str, Any]) -> None:
    data, unfinished = folder / "data", folder / "data.new"
    if (data / "PG_VERSION").exists():
        return
    shutil.rmtree(unfinished, ignore_errors=True)  # of an initdb that was killed
    _own_folder(unfinished, order["owner"])
    run = subprocess.run(
        [
            f"{order['programs']}/initdb",
            *("-D", str(unfinished), "-U", USER, "-A", "trust", "-E", "UTF8"),
            *("--no-locale", "--no-sync", "--no-instructions"),
        ],
        **_surroundings(order["owner"]),
        capture_output=True,
        check=False,
    )
    if run.returncode != 0:
        sys.stderr.write((run.stderr or run.stdout).decode(errors="replace"))
        raise SystemExit(1)
    unfinished.rename(data)


def _own_folder(folder: Path, owner: dict[str, Any]) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner:
        os.chown(folder, owner["user"], owner["group"])


def _surroundings(owner: dict[str, Any]) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL, "cwd": "/", "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}, **owner}


def _end_server(pid: int, folder: Path) -> None:
    """End the server with process id ``pid``: fast, then at once, then by force; returns when its pid file has gone."""
    stages = (
        ((signal.SIGINT, signal.SIGCONT), FAST_SHUTDOWN_SECONDS),
        ((signal.SIGQUIT, signal.SIGCONT), IMMEDIATE_SHUTDOWN_SECONDS),
        ((signal.SIGKILL,), KILLED_SECONDS),
    )
    for signals, seconds in stages:
        for number in signals:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if server_pid(folder) != pid:
                return
            time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    keep(json.loads(sys.argv[1]))
