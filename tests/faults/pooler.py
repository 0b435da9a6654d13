"""pgbouncer in transaction mode before a server of the tests' own, with one connection for all of its clients."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg.conninfo import make_conninfo

from collector.running import free_port
from examples import embedded_postgres
from tests.exporters.support import until
from tests.faults.server import USER

if TYPE_CHECKING:
    from types import TracebackType

    from tests.faults.server import Server

PROGRAM = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
CONFIGURATION = """\
[databases]
* = host={server.folder} port={server.port}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
server_login_retry = 1
"""


class Pooler:
    """Listens on a unix socket in a temporary folder; as a context manager it ends with its block.

    Attributes:
        dsn: Through it, for the superuser, into the database ``postgres``.
    """

    def __init__(self, server: Server) -> None:
        owner = server.owner
        self._folder = Path(tempfile.mkdtemp(prefix="pooler-", dir=embedded_postgres._temporary_root(owner)))
        port = free_port()
        (self._folder / "ini").write_text(CONFIGURATION.format(server=server, port=port, folder=self._folder))
        (self._folder / "users").write_text(f'"{USER}" ""\n')
        if owner:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, owner["user"], owner["group"])
        self._owner = owner
        self._process: subprocess.Popen[bytes] | None = None
        self.dsn = make_conninfo("", host=str(self._folder), port=port, user=USER, dbname="postgres")

    def start(self) -> None:
        """Start it; it takes connections afterwards."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, self._folder / "ini"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._owner
            )
        until(self._ready)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
            self._process = None

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            psycopg.connect(self.dsn).close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)
