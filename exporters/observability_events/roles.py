"""The least-privilege roles, as SQL to paste: one that writes rows, one that reads them, one that does both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql

from observability_events import wire
from observability_events.questions import question
from observability_events.server import server_time_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from observability_events.connection import Connection
    from observability_events.probe import Table
    from otel_auto_assign.settings import Settings

WRITER: Final = "auto_assign_writer"
READER: Final = "auto_assign_reader"
RECONCILER: Final = "auto_assign_reconciler"
_READING_SECONDS: Final = 60


@dataclass(frozen=True)
class Place:
    """What rights are given to; every name as SQL.

    Attributes:
        database: Its name.
        schema: The table's.
        table: Its name with its schema.
        columns: Ours that the table has.
        sequences: That defaults of the host's columns draw from.
        row_security: It is on.
    """

    database: str
    schema: str
    table: str
    columns: Sequence[str]
    sequences: Sequence[str]
    row_security: bool


def place(connection: Connection, table: Table) -> Place:
    """Ask the catalogue what the roles need rights to.

    Raises:
        psycopg.Error: if a question fails.
    """
    existing = [column for column, *_ in connection.execute(question("columns"), {"oid": table.oid})]
    sequences = connection.execute(question("sequences"), {"oid": table.oid, "columns": list(wire.COLUMNS)})
    security = connection.execute(question("security"), {"oid": table.oid}).fetchone()
    return Place(
        database=sql.Identifier(connection.info.dbname).as_string(),
        schema=sql.Identifier(table.schema).as_string(),
        table=table.full,
        columns=[column for column in wire.COLUMNS if column in existing],
        sequences=[name for name, _ in sequences],
        row_security=security is not None and bool(security[1]),
    )


def roles_sql(place: Place, settings: Settings) -> str:
    """Give the statements that make the roles."""
    return "\n".join(_lines(place, settings)) + "\n"


def _lines(place: Place, settings: Settings) -> Iterator[str]:
    time_out = server_time_out(settings)
    yield "-- Inserts rows, and can do nothing else. The exporter's own."
    yield from _login(place, WRITER, time_out)
    yield f"GRANT INSERT ({', '.join(place.columns)}) ON {place.table} TO {WRITER};"
    yield from (f"GRANT USAGE ON SEQUENCE {sequence} TO {WRITER};" for sequence in place.sequences)
    if place.row_security:
        yield f"CREATE POLICY {WRITER} ON {place.table} FOR INSERT TO {WRITER} WITH CHECK (true);"
    yield ""
    yield "-- Reads rows, for figures and `doctor`."
    yield from _login(place, READER, f"{_READING_SECONDS}s")
    yield f"ALTER ROLE {READER} SET default_transaction_read_only = on;"
    yield f"GRANT SELECT ON {place.table} TO {READER};"
    if place.row_security:
        yield f"CREATE POLICY {READER} ON {place.table} FOR SELECT TO {READER} USING (true);"
    yield ""
    yield "-- Does both, for `reconcile` (OTEL_AUTO_ASSIGN_RECONCILE_DSN): the summaries of jobs whose process died."
    yield from _login(place, RECONCILER, f"{_READING_SECONDS}s")
    yield f"GRANT {WRITER}, {READER} TO {RECONCILER};"
    yield ""
    yield r"-- Give each a password; in psql:  \password " + WRITER


def _login(place: Place, role: str, time_out: str) -> Iterator[str]:
    yield f"CREATE ROLE {role} LOGIN;"
    yield f"ALTER ROLE {role} SET statement_timeout = '{time_out}';"
    yield f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{time_out}';"
    yield f"GRANT CONNECT ON DATABASE {place.database} TO {role};"
    yield f"GRANT USAGE ON SCHEMA {place.schema} TO {role};"
