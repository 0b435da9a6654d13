"""A handful of connections that all planners share, and a count of what the server refused."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


class Database:
    """A pool of ``size`` connections; who finds none free waits for one.

    Args:
        dsn: Where to connect; its search path must lead to the restaurant's tables.
        size: How many connections are kept.
        lock_timeout: The longest that a statement waits for a lock, in real seconds.

    Raises:
        psycopg.OperationalError: If the server cannot be reached.
    """

    def __init__(self, dsn: str, *, size: int = 8, lock_timeout: float = 1.0) -> None:
        self._dsn = dsn
        self._lock_timeout_ms = max(1, round(lock_timeout * 1000))
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._size = size
        self._counting = threading.Lock()
        self.refusals: Counter[str] = Counter()
        """How often the server refused, by SQLSTATE."""
        for _ in range(size):
            self._idle.put(self._connect())

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection for one transaction: committed at the end of the block, rolled back if it raises."""
        conn = self._idle.get()
        try:
            if conn.closed:
                conn = self._connect()
            with conn.transaction():
                yield conn
        except psycopg.Error as error:
            with self._counting:
                self.refusals[error.sqlstate or "none"] += 1
            raise
        finally:
            self._idle.put(conn)

    def close(self) -> None:
        """Close every connection; waits for those that are lent."""
        for _ in range(self._size):
            self._idle.get().close()

    def _connect(self) -> Connection:
        conn = psycopg.connect(self._dsn, autocommit=True, application_name="restaurant")
        conn.execute("SELECT set_config('lock_timeout', %s, false)", (f"{self._lock_timeout_ms}ms",))
        return conn
