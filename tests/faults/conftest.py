"""Hosts whose accounts are asserted after each test, a proxy before the database, and a server to be broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.faults.host import Host, assert_all_have_a_place
from tests.faults.proxy import Proxy
from tests.faults.server import Server
from tests.postgres import create_events_table, dsn_into, new_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    NewHost = Callable[..., Host]


@pytest.fixture
def hosts(dsn: str) -> Iterator[NewHost]:
    """Makes hosts of the test's schema; after the test they end, and what must hold after every fault is asserted."""
    yield from _ending(dsn)


@pytest.fixture
def own_hosts(own_dsn: str) -> Iterator[NewHost]:
    """The same on the server that is broken."""
    yield from _ending(own_dsn)


@pytest.fixture
def proxy(dsn: str) -> Iterator[Proxy]:
    """A proxy before the test's schema."""
    with Proxy(dsn) as made:
        yield made


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """A server that tests may break; `own_dsn` puts it back as it was."""
    with Server() as server:
        yield server


@pytest.fixture
def own_dsn(own_server: Server) -> Iterator[str]:
    """A new schema on the server to be broken, with the production table in it."""
    own_server.put_back()
    with new_schema(own_server.dsn) as schema:
        dsn = dsn_into(own_server.dsn, schema)
        with psycopg.connect(dsn, autocommit=True) as conn:
            create_events_table(conn)
        yield dsn


def _ending(dsn: str) -> Iterator[NewHost]:
    made: list[Host] = []

    def make(dsn: str, **changes: Any) -> Host:
        made.append(Host(dsn, **changes))
        return made[-1]

    yield make
    for host in made:
        host.pipeline.shutdown(0)
    assert_all_have_a_place(dsn, made)
