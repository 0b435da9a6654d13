"""Rows → table: one connection of our own, one round trip a batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psycopg

from observability_events import connection as connections
from observability_events import wire
from observability_events.failures import DeadlineError, refused_by_policy
from observability_events.probe import policy, probe, say
from observability_events.statement import insert_statement, patience_statement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from observability_events.findings import Finding
    from observability_events.probe import Shape
    from observability_events.wire import EncodedRow
    from otel_auto_assign.settings import Settings

_FOREIGN_KEY_VIOLATION: Final = "23503"
LOOK_AGAIN_SECONDS: Final = 60.0  # at a table of which a column is left out: a GRANT may have come since


class PostgresWriter:
    """Writes batches to ``settings.table``; connects, and asks what the table looks like, when first needed.

    To be used by one thread, `abort` excepted. Every method that raises leaves the rows to the caller: nothing of the
    failed statement was committed, or, after `DeadlineError` and lost connections, it is not known; ids make writing
    the rows once more harmless.
    """

    def __init__(
        self, settings: Settings, *, connect: Callable[[Settings], connections.Connection] = connections.connect
    ) -> None:
        self._settings = settings
        self._connect = connect
        self.meanwhile: Callable[[], bool] = connections.nothing
        self._connection: connections.Connection | None = None
        self._shape: Shape | None = None
        self._statements: tuple[bytes, bytes] | None = None
        self._looked_at = 0.0
        self._remarks: Sequence[Finding] = ()
        self._aborted = False

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Write ``rows`` in one transaction; give how many were not there before.

        Raises:
            psycopg.Error: what the server or the connection said.
            TableUnfitError: if the table is missing or cannot take the rows.
            DeadlineError: if ``settings.statement_timeout`` passed, or `abort` was called.
        """
        connection = self._connected()
        shape, (patience, statement) = self._known(connection)
        for column in wire.REFERENCES.keys() - shape.types.keys():
            rows = [wire.without(row, column) if getattr(row.row, column) is not None else row for row in rows]
        return connection.together(patience, statement, wire.arrays(shape.types, rows))

    def _known(self, connection: connections.Connection) -> tuple[Shape, tuple[bytes, bytes]]:
        """Give what the table looks like, asked when it is not known, and what writes into it."""
        now = time.monotonic()
        old = self._shape is not None and not self._shape.whole and now >= self._looked_at + LOOK_AGAIN_SECONDS
        if self._shape is None or self._statements is None or old:
            self._looked_at = now
            self._shape = probe(connection, self._settings.table)
            self._statements = (
                patience_statement(self._shape).as_bytes(connection),
                insert_statement(self._shape).as_bytes(connection),
            )
            say([remark for remark in self._shape.remarks if remark not in self._remarks])
            self._remarks = self._shape.remarks
        return self._shape, self._statements

    def dangling(self, error: BaseException) -> str | None:
        """Give the column of ours that ``error`` blames for referencing what does not exist."""
        if not isinstance(error, psycopg.Error) or error.sqlstate != _FOREIGN_KEY_VIOLATION or self._shape is None:
            return None
        return self._shape.constraints.get(error.diag.constraint_name or "")

    def told(self, error: BaseException) -> str:
        """Give the text of ``error`` on one line, without secrets, with the table it is about.

        What the policies of the table refuse is told with the role and a policy that would let it in.
        """
        text = connections.told(error, self._settings.dsn)
        shape = self._shape
        if shape is not None and refused_by_policy(error):
            text += f", as role {shape.role}: let it in by a policy such as {policy(shape.full, shape.role)}"
        return text if self._settings.table in text else f"{text} (table {self._settings.table})"

    def disconnect(self) -> None:
        """Close the connection and forget what the table looked like; the next `insert` begins anew."""
        connection, self._connection, self._shape, self._statements = self._connection, None, None, None
        if connection is not None:
            if not self._aborted:
                connection.give_up()
            connection.close()

    def abort(self) -> None:
        """End the statement that runs, and let no other begin; to be called by another thread."""
        self._aborted = True
        connection = self._connection
        if connection is not None:
            connection.deadline = 0.0

    def _connected(self) -> connections.Connection:
        if self._connection is None or self._connection.closed:
            self.disconnect()
            self._connection = self._connect(self._settings)
        self._connection.meanwhile = self.meanwhile
        self._connection.deadline = time.monotonic() + self._settings.statement_timeout
        if self._aborted:  # asked after the deadline was set, so that no abort is overwritten
            raise DeadlineError("writing was given up")
        return self._connection
