"""Hosts in processes of their own, which may be killed at any step; and what must hold across all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from observability_events.pipeline import Pipeline
from tests.exporters.support import read, settings
from tests.faults.spool_folder import ids_on_disk

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from observability_events.accounts import Accounts
    from tests.postgres import Connection

PRELUDE = """
import logging, os, signal, sys, time
from observability_events import postgres, spool, segment
from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of
from otel_auto_assign.settings import Settings
from tests.exporters.support import span

logging.basicConfig()
pipeline = Pipeline(Settings(**{settings!r}))

def give(count=1):
    for _ in range(count):
        given = span()
        ids = [row.id for row in rows_of(given)]
        if pipeline.accept(rows_of, given):
            for each in ids:
                os.write(1, f"accepted {{each}}\\n".encode())

def say(text):
    os.write(1, f"{{text}}\\n".encode())

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def unprivileged():
    import importlib.readers, importlib.resources
    importlib.resources.files("observability_events").joinpath("sql").is_dir()  # Python itself may be root's alone
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

def wait_for(true, seconds=20):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)
"""


class Child:
    """A process with a pipeline that runs ``program``, which has the names of `PRELUDE`.

    Attributes:
        accepted: The ids of all rows that it has accepted, as far as it could say so.
        said: What else it said.
    """

    def __init__(self, dsn: str, program: str, **changes: Any) -> None:
        values: dict[str, Any] = {"dsn": dsn, "schedule_delay": 0.02, "shutdown_timeout": 1.0} | changes
        script = PRELUDE.format(settings=values) + textwrap.dedent(program)
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.accepted: set[UUID] = set()
        self.said: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            with self._news:
                if word == "accepted":
                    self.accepted.add(UUID(rest))
                else:
                    self.said.append(line.strip())
                self._news.notify_all()

    def says(self, text: str, seconds: float = 20.0) -> None:
        """Wait until it has said ``text``."""
        with self._news:
            assert self._news.wait_for(lambda: text in self.said, seconds), self.log()

    def go(self) -> None:
        """Let its next ``sys.stdin.readline()`` return."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it as nobody can survive."""
        self.process.kill()
        self.ends()

    def ends(self, seconds: float = 20.0) -> int:
        """Wait for its end; give its exit code, a signal's as negative."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def was_killed(self) -> None:
        """Wait until it has killed itself, as the program meant it to."""
        assert self.ends() == -signal.SIGKILL, self.log()

    def log(self) -> str:
        """Give what it wrote to its standard error."""
        self.errors.seek(0)
        return self.errors.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                pass


def recover(dsn: str, **changes: Any) -> Accounts:
    """Be the next process: write what the dead ones have left; give the accounts, which balance."""
    pipeline = Pipeline(settings(dsn, catch_up_rate=1e6, **changes))
    try:
        assert pipeline.catch_up(20)
    finally:
        pipeline.shutdown()
    accounts = pipeline.accounts()
    assert accounts.balanced
    assert accounts.pending == 0
    return accounts


def assert_no_row_is_lost(conn: Connection, children: Iterable[Child]) -> None:
    """Assert that every accepted id is in the table or on disk, and none is in the table twice."""
    written = Counter(key for (key,) in read(conn))
    accepted = set().union(*(child.accepted for child in children))
    assert [key for key, times in written.items() if times > 1] == []
    assert accepted - written.keys() - ids_on_disk() == set()


def as_user(path: Path) -> None:
    """Give a folder to the user as whom an unprivileged child runs."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
