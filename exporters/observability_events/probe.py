"""What the table looks like: asked of the catalogue once a connection, never assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from observability_events import wire
from observability_events.columns import WITHOUT_ZONE, Columns, examine, one
from observability_events.complaints import Remarks
from observability_events.failures import TableUnfitError
from observability_events.findings import Finding, Verdict
from observability_events.questions import question
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from observability_events.connection import Connection

_remarks = Remarks(SafeLog(__name__))

TABLE: Final = "table"
INSERTING: Final = "permission"
POLICIES: Final = "row security"
SWALLOWING: Final = "swallowed rows"
_WHO: Final = "SELECT current_user, current_database()"


@dataclass(frozen=True)
class Table:
    """What the table is, as `sql/table.sql` says.

    Attributes:
        oid: Of the table.
        schema: As the catalogue spells it.
        name: As the catalogue spells it.
        full: Both as SQL.
        role: Who asked.
        deadlock_timeout_ms: After which the server looks for deadlocks.
        may_insert: The role may insert into one column at least.
        id_is_unique: There is a unique index with our id.
        unique: Other unique indexes.
        triggers: That come before a row is inserted.
        rules: On UPDATE or INSERT.
        shut: Row security is active for the role, and no policy lets it insert.
    """

    oid: int
    schema: str
    name: str
    full: str
    role: str
    deadlock_timeout_ms: int
    may_insert: bool
    id_is_unique: bool
    unique: Sequence[str]
    triggers: Sequence[str]
    rules: Sequence[str]
    shut: bool

    @property
    def quoted_role(self) -> str:
        """The role as SQL."""
        return sql.Identifier(self.role).as_string()

    @property
    def lock_timeout_ms(self) -> int:
        """The longest that our statement waits for a lock.

        The host must never be the deadlock's victim: its check comes after ``deadlock_timeout``, so we let go well
        before, with room for the time that a lock of ours was held already when we began to wait for another.
        """
        return max(1, self.deadlock_timeout_ms // 4)


@dataclass(frozen=True)
class Parent:
    """The row that a column references, where we may look whether it exists."""

    schema: str
    table: str
    column: str


@dataclass(frozen=True)
class Shape:
    """What a statement needs to know.

    Attributes:
        schema: Of the table, as the catalogue spells it.
        name: Of the table.
        full: Both as SQL.
        role: Who writes, as SQL.
        types: Our columns that exist and can be used, with their types as SQL.
        without_zone: Of them those that hold times without a time zone, whatever domains lie above.
        any_text: Of them those that take any text.
        constraints: Foreign key's name → column of ours, partitions' included.
        parents: Column → its parent, where it can be joined.
        lock_timeout_ms: The longest our statement waits for a lock.
        whole: No column that exists is left out.
        remarks: What will not fail and yet cost something.
    """

    schema: str
    name: str
    full: str
    role: str
    types: Mapping[str, str]
    without_zone: frozenset[str]
    any_text: frozenset[str]
    constraints: Mapping[str, str]
    parents: Mapping[str, Parent]
    lock_timeout_ms: int
    whole: bool
    remarks: Sequence[Finding]


def probe(connection: Connection, table: str) -> Shape:
    """Ask the catalogue about ``table``, a name as in SQL.

    Raises:
        TableUnfitError: if it is missing or cannot take our rows; the text names table, role and remedy.
        psycopg.Error: if the question fails.
    """
    found = look(connection, table)
    if isinstance(found, Finding):
        raise TableUnfitError(str(found))
    columns = examine(connection, found.oid, found.full, found.quoted_role, found.triggers)
    findings = [*judge(found), *columns.findings]
    wrong = [str(finding) for finding in findings if finding.verdict is Verdict.WRONG]
    if wrong:
        raise TableUnfitError(". ".join(wrong))
    return _shape(connection, found, columns, findings)


def look(connection: Connection, table: str) -> Table | Finding:
    """Ask the catalogue what ``table`` is; give what is wrong where it is not there or not to be seen.

    Raises:
        psycopg.Error: if the question fails.
    """
    role, database = (sql.Identifier(name).as_string() for name in one(connection, _WHO))
    who = f"as role {role} in database {database}"
    try:
        found = connection.execute(question("table"), {"table": table}).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        evidence = f"no permission to use the schema of {table} {who}"
        return Finding(TABLE, Verdict.WRONG, evidence, f"GRANT USAGE ON SCHEMA … TO {role}")
    if found is None:
        return Finding(
            TABLE,
            Verdict.WRONG,
            f"table {table} does not exist, or its schema is not on the search path or not to be used, {who}",
            "create it, or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE to its name with its schema",
        )
    return Table(*found)


def judge(table: Table) -> Iterator[Finding]:
    """Say what is wrong with the table as a whole, and what may cost rows in silence."""
    full, role = table.full, table.quoted_role
    if not table.may_insert:
        evidence = f"no permission to write to {full} as role {role}"
        yield Finding(INSERTING, Verdict.WRONG, evidence, f"GRANT INSERT ON {full} TO {role}")
    if table.shut:
        evidence = f"row security of {full} is on, and no policy lets role {role} insert"
        yield Finding(POLICIES, Verdict.WRONG, evidence, policy(full, role))
    if table.rules:
        names = ", ".join(table.rules)
        yield Finding(
            TABLE,
            Verdict.WRONG,
            f"table {full} has rules ({names}), beside which PostgreSQL allows no ON CONFLICT",
            "make triggers of them, or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE to another table",
        )
    if not table.id_is_unique:
        evidence = f"table {full} has no unique index with id: a row written twice would be there twice"
        yield Finding(TABLE, Verdict.WARNING, evidence, "give it one")
    if table.unique or table.triggers:
        yield Finding(
            SWALLOWING,
            Verdict.WARNING,
            f"rows of {full} can be swallowed silently by unique indexes ({', '.join(table.unique) or 'none'}) or "
            f"BEFORE triggers ({', '.join(table.triggers) or 'none'}); they count as already present",
        )


def policy(table: str, role: str) -> str:
    """Give the statement that lets ``role`` insert into ``table`` under row security; both as SQL."""
    return f"CREATE POLICY auto_assign_rows ON {table} FOR INSERT TO {role} WITH CHECK (true)"


def say(remarks: Sequence[Finding]) -> None:
    """Put what will cost something into the log."""
    for remark in remarks:
        (_remarks.info if remark.subject == SWALLOWING else _remarks.warning)(str(remark))


def _shape(connection: Connection, table: Table, columns: Columns, findings: Sequence[Finding]) -> Shape:
    names = [column for column in wire.REFERENCES if column in columns.usable]
    references = connection.execute(question("references"), {"oid": table.oid, "columns": names}).fetchall()
    return Shape(
        schema=table.schema,
        name=table.name,
        full=table.full,
        role=table.quoted_role,
        types={name: column.type for name, column in columns.usable.items()},
        without_zone=frozenset(n for n, column in columns.usable.items() if column.base_type == WITHOUT_ZONE),
        any_text=frozenset(name for name, column in columns.usable.items() if column.any_text),
        constraints={constraint: column for constraint, column, *_ in references},
        parents={column: Parent(*parent) for _, column, *parent, joinable in references if joinable},
        lock_timeout_ms=table.lock_timeout_ms,
        whole=not columns.left_out,
        remarks=findings,
    )
