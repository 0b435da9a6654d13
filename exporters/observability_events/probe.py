"""What the table looks like: asked of the catalogue once a connection, never assumed.

A column of another type than the contract's is used when a value of ours survives there and back (a text for a uuid, an
enumeration or a domain for a text, json for jsonb). Where it does not, as a bigint does for a booking's uuid, a column
for an id is left null and the id kept in ``context``; without one of the others there is no row of ours, so they wait
and the log says which column it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from observability_events import wire
from observability_events.catalogue import CATALOGUE
from observability_events.complaints import Remarks
from observability_events.failures import TableUnfitError
from otel_auto_assign import semconv
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from observability_events.connection import Connection

_remarks = Remarks(SafeLog(__name__))

REQUIRED: Final = ("id", "created_at", "source", "event_type")
_ID: Final = "00000000-0000-4000-8000-000000000001"
_SAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("0190a5c8-0000-8000-8000-000000000001",),
    "created_at": ("2026-11-22 19:30:05+00",),
    "source": (semconv.SOURCE_JOB, semconv.SOURCE_INLINE),
    "event_type": tuple(CATALOGUE),
    "severity": (semconv.SEVERITY_INFO, semconv.SEVERITY_WARNING, semconv.SEVERITY_ERROR),
    "context": (f'{{"reason": "{"x" * 2000}"}}',),
    wire.RESTAURANT: (_ID,),
    wire.BOOKING: (_ID,),
}
"""Values of ours for each column, by which one of another type is tried: all words, and a text as long as any."""
_LONG_NAMES: Final = {"timestamptz": "timestamp with time zone"}
_WITHOUT_ZONE: Final = "timestamp without time zone"

_TABLE: Final = """
    SELECT c.oid, n.nspname, c.relname,
           (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'),
           pg_catalog.has_table_privilege(c.oid, 'INSERT') OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
           EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
                     ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                   WHERE i.indrelid = c.oid AND i.indisunique AND a.attname = 'id'),
           ARRAY(SELECT x.relname::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                 WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid
                                     AND a.attnum = ANY (i.indkey) AND a.attname = 'id') ORDER BY 1),
           ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t
                 WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 2 <> 0 AND t.tgtype & 4 <> 0 ORDER BY 1)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = pg_catalog.to_regclass(%s)
"""

_COLUMNS: Final = """
    SELECT attname, pg_catalog.format_type(atttypid, -1), pg_catalog.format_type(atttypid, atttypmod),
           attnotnull AND NOT atthasdef AND attidentity = '' AND attgenerated = ''
    FROM pg_catalog.pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
"""

# A partition's copy of a foreign key may have a name of its own, and errors name the copy.
_REFERENCES: Final = """
    SELECT k.conname, a.attname, pn.nspname, p.relname, pa.attname,
           k.conrelid = t.oid AND pg_catalog.cardinality(k.conkey) = 1
             AND pg_catalog.has_column_privilege(p.oid, pa.attnum, 'SELECT')
             AND pg_catalog.has_schema_privilege(pn.oid, 'USAGE')
             AND NOT pg_catalog.row_security_active(p.oid)
    FROM (SELECT %s::oid AS oid) t
    JOIN pg_catalog.pg_constraint k
      ON k.conrelid = t.oid OR k.conrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(t.oid))
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
    JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
    JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
    JOIN pg_catalog.pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND a.attname = ANY (%s)
"""


@dataclass(frozen=True)
class Parent:
    """The row that a column references, where we may look whether it exists."""

    schema: str
    table: str
    column: str


@dataclass(frozen=True)
class Shape:
    """What was found.

    Attributes:
        schema: Of the table, as the catalogue spells it.
        name: Of the table.
        types: Our columns that exist and can be used, with their types as SQL.
        constraints: Foreign key's name → column of ours, partitions' included.
        parents: Column → its parent, where it can be joined.
        lock_timeout_ms: The longest our statement waits for a lock.
    """

    schema: str
    name: str
    types: Mapping[str, str]
    constraints: Mapping[str, str]
    parents: Mapping[str, Parent]
    lock_timeout_ms: int


def probe(connection: Connection, table: str) -> Shape:
    """Ask the catalogue about ``table``, a name as in SQL.

    Raises:
        TableUnfitError: if it is missing or cannot take our rows; the text names table, role and remedy.
        psycopg.Error: if the question fails.
    """
    role, database = _one(connection, "SELECT current_user, current_database()")
    who = f'as role "{role}" in database "{database}"'
    try:
        found = connection.execute(_TABLE.encode(), (table,)).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        raise TableUnfitError(
            f'no permission to use the schema of {table} {who}: GRANT USAGE ON SCHEMA … TO "{role}"'
        ) from None
    if found is None:
        raise TableUnfitError(
            f"table {table} does not exist, or its schema is not on the search path or not to be used, {who}: "
            "create it, or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE to its name with its schema"
        )
    oid, schema, name, deadlock_timeout_ms, may_insert, id_is_unique, unique, triggers = found
    full = f"{schema}.{name}"
    if not may_insert:
        raise TableUnfitError(f'no permission to write to {full} {who}: GRANT INSERT ON {full} TO "{role}"')
    types = _types(connection, oid, full)
    _warn(full, unique, triggers, unique_id=id_is_unique)
    usable = [column for column in wire.REFERENCES if column in types]
    references = connection.execute(_REFERENCES.encode(), (oid, usable)).fetchall()
    return Shape(
        schema=schema,
        name=name,
        types=types,
        constraints={constraint: column for constraint, column, *_ in references},
        parents={column: Parent(*parent) for _, column, *parent, joinable in references if joinable},
        # The host must never be the deadlock's victim: its check comes after deadlock_timeout, so we let go well
        # before, with room for the time that a lock of ours was held already when we began to wait for another.
        lock_timeout_ms=max(1, deadlock_timeout_ms // 4),
    )


def insert_statement(shape: Shape) -> sql.Composed:
    """Give the one statement that writes a batch; its parameters are the arrays of ``shape.types``, in that order.

    The first part sets ``lock_timeout`` for this statement alone: no session state is left behind for the next client
    of a pooler. Rows go in by booking, so that two writers take the locks of bookings in the same order.
    """
    columns = list(shape.types)
    values: list[sql.Composable] = []
    joins: list[sql.Composable] = []
    for column in columns:
        value: sql.Composable = sql.Identifier("r", column)
        if shape.types[column] == _WITHOUT_ZONE:
            value = sql.SQL("{} AT TIME ZONE 'UTC'").format(value)  # not in the session's zone
        if column in shape.parents:
            parent = shape.parents[column]
            joins.append(
                sql.SQL("LEFT JOIN {} AS {} ON {} = {}").format(
                    sql.Identifier(parent.schema, parent.table),
                    sql.Identifier(f"p_{column}"),
                    sql.Identifier(f"p_{column}", parent.column),
                    sql.SQL("({})::{}").format(value, sql.SQL(shape.types[column])),
                )
            )
            value = sql.Identifier(f"p_{column}", parent.column)
        elif column == "context":
            for reference in shape.parents:
                value = sql.SQL(
                    "{} || CASE WHEN {} IS NOT NULL AND {} IS NULL THEN jsonb_build_object({}, {}) ELSE '{{}}' END"
                ).format(
                    value,
                    sql.Identifier("r", reference),
                    sql.Identifier(f"p_{reference}", shape.parents[reference].column),
                    sql.Literal(wire.REFERENCES[reference]),
                    sql.Identifier("r", reference),
                )
        values.append(sql.SQL("({})::{}").format(value, sql.SQL(shape.types[column])))
    arrays = [sql.SQL(f"%b::{wire.TYPES[column]}[]") for column in columns]
    return sql.SQL(
        "WITH patience AS MATERIALIZED (SELECT pg_catalog.set_config('lock_timeout', {patience}, true)) "
        "INSERT INTO {table} ({columns}) "
        "SELECT {values} FROM patience CROSS JOIN unnest({arrays}) AS r ({columns}) {joins} "
        "{order} ON CONFLICT DO NOTHING"
    ).format(
        patience=sql.Literal(f"{shape.lock_timeout_ms}ms"),
        table=sql.Identifier(shape.schema, shape.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        arrays=sql.SQL(", ").join(arrays),
        joins=sql.SQL(" ").join(joins),
        order=sql.SQL("ORDER BY {}").format(sql.Identifier("r", wire.BOOKING))
        if wire.BOOKING in columns
        else sql.SQL(""),
    )


def _types(connection: Connection, oid: int, full: str) -> dict[str, str]:
    rows = connection.execute(_COLUMNS.encode(), (oid,)).fetchall()
    existing = {column for column, *_ in rows}
    missing = [column for column in REQUIRED if column not in existing]
    if missing:
        raise TableUnfitError(f"table {full} has no column {', '.join(missing)}: is it the right table?")
    unfilled = [column for column, _, _, needed in rows if needed and column not in wire.COLUMNS]
    if unfilled:
        raise TableUnfitError(
            f"table {full} has columns that we do not know, NOT NULL and without a default "
            f"({', '.join(unfilled)}): give them a default"
        )
    absent = [column for column in wire.COLUMNS if column not in existing]
    if absent:
        _remarks.warning(f"table {full} has no column {', '.join(absent)}; rows are written without")
    types, unfit = {}, []
    for column, kind, exact, needed in rows:
        if column not in wire.COLUMNS:
            continue
        wanted = wire.TYPES[column]
        if _holds(connection, column, exact):
            types[column] = kind
        elif column in wire.REFERENCES and not needed:
            _remarks.warning(
                f"column {column} of {full} is {exact}, not {wanted}: it stays empty, and the id is kept in context as "
                f"{wire.REFERENCES[column]}"
            )
        else:
            unfit.append((column, exact, wanted))
    if unfit:
        found = ", ".join(f"{column} is {exact} (expected {wanted})" for column, exact, wanted in unfit)
        remedy = ", ".join(
            f"ALTER COLUMN {column} {'DROP NOT NULL' if column in wire.REFERENCES else f'TYPE {wanted} USING …'}"
            for column, _, wanted in unfit
        )
        raise TableUnfitError(
            f"table {full} has columns of types that cannot hold our values: {found}. ALTER TABLE {full} {remedy}, "
            "or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE to a table of its own"
        )
    return {column: types[column] for column in wire.COLUMNS if column in types}


def _holds(connection: Connection, column: str, kind: str) -> bool:
    """Try whether our values survive in ``column``, which is of type ``kind``."""
    ours = wire.TYPES[column]
    if kind in (ours, _LONG_NAMES.get(ours)):
        return True
    samples = ", ".join(f"{sql.Literal(sample).as_string()}::{ours}" for sample in _SAMPLES[column])
    question = f"SELECT bool_and(v::{kind}::{ours} = v) FROM unnest(ARRAY[{samples}]) v"
    try:
        return _one(connection, question)[0] is True
    except (psycopg.errors.CannotCoerce, psycopg.DataError):
        return False
    except psycopg.errors.CheckViolation:  # of a domain: what it says of one value says nothing of the others
        return True


def _warn(full: str, unique: list[str], triggers: list[str], *, unique_id: bool) -> None:
    """Say what will not fail and yet cost something."""
    if not unique_id:
        _remarks.warning(f"table {full} has no unique index with id: a row written twice would be there twice")
    if unique or triggers:
        _remarks.info(
            f"rows of {full} can be swallowed silently by unique indexes ({', '.join(unique) or 'none'}) or BEFORE "
            f"triggers ({', '.join(triggers) or 'none'}); they count as already present"
        )


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # noqa: S101 - for the type checker: a SELECT without FROM gives one row
    return row
