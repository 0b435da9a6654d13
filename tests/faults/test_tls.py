"""TLS is refused, or the certificate is not the right one: rows wait, in the clear goes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from observability_events.checkup import at_database
from tests.exporters.support import count, settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import NewHost
    from tests.faults.server import Server

pytestmark = pytest.mark.debian

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in ``folder``."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


class Authority:
    """Signs certificates; ``root`` is the file by which it is trusted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.root = folder / "ca.crt"
        openssl(
            folder,
            "req",
            "-x509",
            *KEY,
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-days",
            "2",
            "-subj",
            f"/CN={folder.name}",
        )

    def sign(self, server: Server, name: str) -> None:
        """Give ``server`` a certificate for ``name``, and have it in force with TLS on."""
        openssl(self._folder, "req", *KEY, "-keyout", "own.key", "-out", "own.csr", "-subj", f"/CN={name}")
        openssl(
            self._folder, "x509", "-req", "-in", "own.csr", "-out", "own.crt", "-days", "2",
            *("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
        )  # fmt: skip
        for file in ("own.crt", "own.key"):
            target = server.folder / file
            shutil.copyfile(self._folder / file, target)
            target.chmod(0o600)
            if server.owner:
                os.chown(target, server.owner["user"], server.owner["group"])
        server.set(ssl="on", ssl_cert_file=str(server.folder / "own.crt"), ssl_key_file=str(server.folder / "own.key"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority that we trust."""
    return Authority(tmp_path)


def tls(own_dsn: str, authority: Authority) -> str:
    """Give a DSN that demands TLS, by a certificate of the authority's for ``localhost``."""
    return make_conninfo(
        own_dsn, host="localhost", hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=str(authority.root)
    )


def written(dsn: str) -> int:
    """How many rows are in the table."""
    with psycopg.connect(dsn) as conn:
        return count(conn)


def test_tls_that_the_server_refuses_is_waited_for(
    own_server: Server, own_dsn: str, own_hosts: NewHost, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """It has none: nothing is sent in the clear; when it has TLS rows are written, encrypted."""
    host = own_hosts(tls(own_dsn, authority))
    host.give(5)
    assert not host.settles(0.3)
    assert "server does not support SSL" in caplog.text
    authority.sign(own_server, "localhost")
    assert host.settles()
    with psycopg.connect(own_dsn) as conn:
        ours = (
            "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'otel-auto-assign'"
        )
        assert conn.execute(ours.encode()).fetchall() == [(True,)]
        assert count(conn) == 5


@pytest.mark.parametrize(("wrong", "said"), [("name", "does not match host name"), ("authority", "verify failed")])
def test_a_wrong_certificate_is_waited_for(
    own_server: Server,
    own_dsn: str,
    own_hosts: NewHost,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
    wrong: str,
    said: str,
) -> None:
    """Of another name, or by another authority: no row is sent; with the right one they are written."""
    if wrong == "name":
        authority.sign(own_server, "database.invalid")
    else:
        Authority(tmp_path_factory.mktemp("another")).sign(own_server, "localhost")
    host = own_hosts(tls(own_dsn, authority))
    host.give(5)
    assert not host.settles(0.3)
    assert said in caplog.text
    assert written(own_dsn) == 0
    authority.sign(own_server, "localhost")
    assert host.settles()
    assert written(own_dsn) == 5


def test_the_clients_deadline_holds_with_tls(
    own_server: Server, own_dsn: str, own_hosts: NewHost, authority: Authority
) -> None:
    """A server that has stopped in the middle of it: the statement is given up, and goes through when it goes on."""
    authority.sign(own_server, "localhost")
    host = own_hosts(tls(own_dsn, authority), statement_timeout=0.3, connect_timeout=2.0)
    host.give()
    assert host.settles()
    with own_server.stopped():
        host.give(100, reason="x" * 400)
        assert not host.settles(1.0)
    assert host.settles()
    assert written(own_dsn) == 101


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("verify-full", "TLS, and localhost has proved who it is (sslmode=verify-full)"),
        ("require", "TLS, but anybody may pose as localhost (sslmode=require)"),
        ("disable", "none between here and localhost"),
    ],
)
def test_check_says_who_could_read_along(
    own_server: Server, own_dsn: str, authority: Authority, mode: str, said: str
) -> None:
    """What the connection came to, not what the DSN asks for."""
    authority.sign(own_server, "localhost")
    root = "" if mode == "require" else str(authority.root)
    findings = at_database(settings(make_conninfo(tls(own_dsn, authority), sslmode=mode, sslrootcert=root)))
    assert [one.evidence for one in findings if one.subject == "encryption"] == [said]
