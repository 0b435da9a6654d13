"""What befalls a worker and its line, and what befalls the server and the table; a fault is over when it returns."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from tests.postgres import TABLE

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.faults.proxy import Proxy
    from tests.faults.server import Server
    from tests.soak.process import Fleet, Worker


@dataclass
class Line:
    """A worker and the proxy that is its only way to the server."""

    fleet: Fleet
    worker: Worker
    proxy: Proxy
    chance: random.Random

    def some(self, least: float, most: float) -> None:
        """Let some seconds pass."""
        time.sleep(self.chance.uniform(least, most))


@dataclass
class House:
    """The server, and the schema that the rows go to."""

    server: Server
    dsn: str
    chance: random.Random

    def some(self, least: float, most: float) -> None:
        """Let some seconds pass."""
        time.sleep(self.chance.uniform(least, most))

    @contextmanager
    def host(self) -> Iterator[psycopg.Connection]:
        """A transaction of the host application, rolled back in the end."""
        with psycopg.connect(self.dsn, application_name="host") as conn:
            yield conn
            conn.rollback()

    def run(self, statement: str) -> None:
        """Run a statement of the host's administrator."""
        with psycopg.connect(self.dsn, autocommit=True, application_name="host") as conn:
            conn.execute(statement.encode())


# -- a worker and its line --------------------------------------------------------------------------------------------


def line_cut(line: Line) -> None:
    """Every open connection is reset."""
    line.proxy.cut()


def cut_in_a_statement(line: Line) -> None:
    """The line breaks in the middle of what is sent."""
    line.proxy.up.cut_after(line.chance.randint(1, 20_000))
    line.some(0.2, 1)


def cut_before_the_answer(line: Line) -> None:
    """What was sent arrives and is committed; the answer does not come back."""
    line.proxy.down.passing.clear()
    line.some(0.2, 1)
    line.proxy.cut()
    line.proxy.down.passing.set()


def black_hole(line: Line) -> None:
    """Nothing comes through in either direction, and nobody says so."""
    line.proxy.blackhole()
    line.some(1, 5)
    line.proxy.release()


def refused(line: Line) -> None:
    """Nothing listens."""
    line.proxy.refuse()
    line.some(1, 5)
    line.proxy.accept()


def killed(line: Line) -> None:
    """SIGKILL, in the middle of whatever it does; another process takes its place."""
    line.worker.restart(signal.SIGKILL)


def terminated(line: Line) -> None:
    """SIGTERM, to a process that leaves by it: whatever befalls the server, within its time."""
    line.worker.restart(signal.SIGTERM)


def forked(line: Line) -> None:
    """A child with rows of its own, while rows of the parent wait."""
    line.worker.ask("fork")


def killed_beside_its_child(line: Line) -> None:
    """The parent's rows belong to the parent's successor, although a child lives that has inherited all it had."""
    line.worker.ask("fork")
    line.worker.restart(signal.SIGKILL)


def disk_refused(line: Line) -> None:
    """The disk takes nothing for a while: rows wait in memory, by a weaker promise, and must be settled before a kill.

    Nothing that the table refuses is on its way meanwhile, for dead letters need the disk.
    """
    with line.fleet.pure(line.worker):
        line.worker.refuse_disk(refuse=True)
        line.some(1, 4)
        line.worker.refuse_disk(refuse=False)
        assert line.worker.ask("settle") == "True"


# -- the server and the table -----------------------------------------------------------------------------------------


def server_hangs(house: House) -> None:
    """SIGSTOP to all its processes."""
    pids = house.server.pids
    _signal(pids, signal.SIGSTOP)
    house.some(1, 4)
    _signal(pids, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # a session that has ended meanwhile
            os.kill(pid, number)


def server_restarted(house: House) -> None:
    """Its sessions are ended with 57P01; it is away for a moment."""
    house.server.stop()
    house.some(0, 2)
    house.server.start()


def server_crashed(house: House) -> None:
    """It ends at once, and recovers."""
    house.server.stop(signal.SIGQUIT)
    house.some(0, 2)
    house.server.start()


def sessions_ended(house: House) -> None:
    """An administrator ends every session of ours."""
    house.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'")


def read_only(house: House) -> None:
    """As after a fail-over: 25006."""
    house.server.set(default_transaction_read_only="on")
    sessions_ended(house)
    house.some(1, 3)
    house.server.set()
    sessions_ended(house)


def bookings_locked(house: House) -> None:
    """The host holds half of the bookings."""
    with house.host() as conn:
        conn.execute("SELECT FROM bookings WHERE id::text > '8' ORDER BY id FOR UPDATE")
        house.some(1, 4)


def table_locked(house: House) -> None:
    """Somebody alters the table for a while."""
    with house.host() as conn:
        conn.execute(f"LOCK TABLE {TABLE}".encode())
        house.some(1, 3)


def table_missing(house: House) -> None:
    """It is there under another name for a while."""
    house.run(f"ALTER TABLE {TABLE} RENAME TO elsewhere")
    house.some(0.5, 2)
    house.run(f"ALTER TABLE elsewhere RENAME TO {TABLE}")


OF_A_LINE: tuple[Callable[[Line], None], ...] = (
    line_cut, cut_in_a_statement, cut_before_the_answer, black_hole, refused, killed, terminated, forked,
    killed_beside_its_child, disk_refused,
)  # fmt: skip
OF_THE_HOUSE: tuple[Callable[[House], None], ...] = (
    server_hangs, server_restarted, server_crashed, sessions_ended, read_only, bookings_locked, table_locked,
    table_missing,
)  # fmt: skip
