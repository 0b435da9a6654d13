"""The table's columns: which take our values, which are left out, and what stands in the way of a row.

A column of another type than the contract's is used when a value of ours survives there and back (a text for a uuid, an
enumeration or a domain for a text, json for jsonb). What cannot be written is left out where a row is worth having
without it: the ids, whose text is then in ``context``, and the severity. Without one of the others there is no row of
ours, so they wait, and the log says which column it is and what to do::

                       id, created_at, source, event_type, context     severity, booking_id, restaurant_id
    is missing         wrong (context: left out)                       left out
    may not be written wrong                                           left out, unless NOT NULL and not filled
    is generated       wrong                                           left out
    of an unfit type   wrong                                           severity: wrong; ids: as above
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from observability_events import wire
from observability_events.catalogue import CATALOGUE
from observability_events.findings import Finding, Verdict
from observability_events.questions import question
from otel_auto_assign import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from observability_events.connection import Connection

SUBJECT: Final = "columns"
REQUIRED: Final = ("id", "created_at", "source", "event_type")
_KEPT: Final = (*REQUIRED, "context")
"""Where they exist, no row is worth having without them."""
WITHOUT_ZONE: Final = "timestamp without time zone"
_ANY_TEXT: Final = ("text", "character varying")
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
_WHOLE_NUMBERS: Final = ("smallint", "integer", "bigint")


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it.

    Attributes:
        name: Of the column.
        type: Its type as SQL, without a length.
        exact_type: With it.
        base_type: What lies under its domains, without a length.
        not_null: It is NOT NULL; a BEFORE trigger may still fill it.
        domain_not_null: Its domain refuses null, before any trigger.
        has_default: It has a default of its own.
        domain_default: Its type has one.
        identity: Numbered by the server.
        generated: Empty, or the kind of its expression, ``s`` or ``v``.
        granted: We may insert into it.
    """

    name: str
    type: str
    exact_type: str
    base_type: str
    not_null: bool
    domain_not_null: bool
    has_default: bool
    domain_default: bool
    identity: bool
    generated: str
    granted: bool

    @property
    def filled(self) -> bool:
        """Whether the server has a value for it where we send none."""
        return self.has_default or self.domain_default or self.identity or bool(self.generated)

    @property
    def needed(self) -> bool:
        """Whether an INSERT must name it."""
        return (self.not_null or self.domain_not_null) and not self.filled

    @property
    def any_text(self) -> bool:
        """Whether it takes any text."""
        return self.exact_type in _ANY_TEXT


@dataclass(frozen=True)
class Columns:
    """What was found.

    Attributes:
        usable: Ours that can be written, in the order of `wire.COLUMNS`.
        left_out: Ours that exist and are not written.
        findings: What is not as it should be; rows can be written if none of them is wrong.
    """

    usable: Mapping[str, Column]
    left_out: Sequence[str]
    findings: Sequence[Finding]


def examine(connection: Connection, oid: int, table: str, role: str, triggers: Sequence[str]) -> Columns:
    """Ask the catalogue about the columns of ``table``, which has the BEFORE ``triggers``; both names as SQL.

    Raises:
        psycopg.Error: if the question fails.
    """
    found = [Column(*row) for row in connection.execute(question("columns"), {"oid": oid})]
    ours = {column.name: column for column in found if column.name in wire.COLUMNS}
    ungranted = [column for column in ours.values() if not column.generated and not column.granted]
    generated = [column for column in ours.values() if column.generated]
    unfit = [
        column
        for column in ours.values()
        if column not in ungranted + generated and not _holds(connection, column.name, column.exact_type)
    ]
    left_out = [column.name for column in ungranted + generated + unfit]
    usable = {name: ours[name] for name in wire.COLUMNS if name in ours and name not in left_out}
    findings = [
        *_missing(table, ours),
        *_unfilled(table, [column for column in found if column.needed and column.name not in ours], triggers),
        # With no right at all it is the table's grant that is missing, which is said of the table.
        *(_ungranted(table, role, ungranted) if any(column.granted for column in found) else ()),
        *_generated(table, generated),
        *_unfit(table, unfit),
        *_never_null(table, usable),
    ]
    return Columns(usable, left_out, findings)


def _missing(table: str, ours: Mapping[str, Column]) -> Iterator[Finding]:
    required = [name for name in REQUIRED if name not in ours]
    if required:
        evidence = f"table {table} has no column {', '.join(required)}"
        yield Finding(SUBJECT, Verdict.WRONG, evidence, "is it the right table?")
    others = [name for name in wire.COLUMNS if name not in ours and name not in REQUIRED]
    if others:
        evidence = f"table {table} has no column {', '.join(others)}; rows are written without"
        yield Finding(SUBJECT, Verdict.WARNING, evidence)


def _unfilled(table: str, needed: Sequence[Column], triggers: Sequence[str]) -> Iterator[Finding]:
    """Judge the host's columns that an INSERT of ours would leave null."""
    hopeless = [column.name for column in needed if column.domain_not_null or not triggers]
    hoped = [column.name for column in needed if column.name not in hopeless]
    if hopeless:
        yield Finding(
            SUBJECT,
            Verdict.WRONG,
            f"table {table} has columns that we do not know, NOT NULL and without a default ({', '.join(hopeless)})",
            "give them a default",
        )
    if hoped:
        yield Finding(
            SUBJECT,
            Verdict.WARNING,
            f"table {table} has columns that we do not know, NOT NULL and without a default ({', '.join(hoped)}); "
            f"rows are written only if a BEFORE trigger ({', '.join(triggers)}) fills them",
        )


def _ungranted(table: str, role: str, columns: Sequence[Column]) -> Iterator[Finding]:
    wrong = [column for column in columns if column.name in _KEPT or column.needed]
    others = [column for column in columns if column not in wrong]
    for verdict, found in ((Verdict.WRONG, wrong), (Verdict.WARNING, others)):
        if found:
            names = ", ".join(column.name for column in found)
            kept = _kept(found)
            yield Finding(
                SUBJECT,
                verdict,
                f"role {role} may not write to {names} of {table}"
                + ("" if verdict is Verdict.WRONG else f"; rows are written without{kept}"),
                f"GRANT INSERT ({names}) ON {table} TO {role}",
            )


def _generated(table: str, columns: Sequence[Column]) -> Iterator[Finding]:
    wrong = [column for column in columns if column.name in _KEPT]
    others = [column for column in columns if column not in wrong]
    if wrong:
        changes = ", ".join(
            f"ALTER COLUMN {column.name} DROP EXPRESSION"
            if column.generated == "s"
            else f"DROP COLUMN {column.name}, ADD COLUMN {column.name} {wire.TYPES[column.name]}"
            for column in wrong
        )
        evidence = f"table {table} generates {', '.join(column.name for column in wrong)}, where our values belong"
        yield Finding(SUBJECT, Verdict.WRONG, evidence, f"ALTER TABLE {table} {changes}")
    if others:
        names = ", ".join(column.name for column in others)
        evidence = f"table {table} generates {names}; rows are written without{_kept(others)}"
        yield Finding(SUBJECT, Verdict.WARNING, evidence)


def _unfit(table: str, columns: Sequence[Column]) -> Iterator[Finding]:
    others = [column for column in columns if column.name in wire.REFERENCES and not column.needed]
    wrong = [column for column in columns if column not in others]
    for column in others:
        yield Finding(
            SUBJECT,
            Verdict.WARNING,
            f"column {column.name} of {table} is {column.exact_type}, not {wire.TYPES[column.name]}: it "
            f"{'is left to the server' if column.filled else 'stays empty'}, and the id is kept in context as "
            f"{wire.REFERENCES[column.name]}",
        )
    if wrong:
        found = ", ".join(f"{column.name} is {column.exact_type} (expected {_expected(column)})" for column in wrong)
        # In one statement the column would still be numbered when its type changes.
        unnumbered = "".join(f"ALTER TABLE {table} ALTER COLUMN {c.name} DROP IDENTITY; " for c in wrong if c.identity)
        yield Finding(
            SUBJECT,
            Verdict.WRONG,
            f"table {table} has columns of types that cannot hold our values: {found}",
            f"{unnumbered}ALTER TABLE {table} {', '.join(change for column in wrong for change in _changes(column))}; "
            "or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_TABLE to a table of its own",
        )


def _changes(column: Column) -> Iterator[str]:
    """Give what ``ALTER TABLE`` has to do to a column of an unfit type."""
    if column.name in wire.REFERENCES:
        yield f"ALTER COLUMN {column.name} {'DROP NOT NULL' if not column.domain_not_null else 'TYPE uuid USING …'}"
        return
    numbered = column.base_type in _WHOLE_NUMBERS and column.name == "id"
    if numbered and column.has_default:
        yield f"ALTER COLUMN {column.name} DROP DEFAULT"
    yield f"ALTER COLUMN {column.name} TYPE {_expected(column)} USING …"
    if numbered and column.filled:
        yield f"ALTER COLUMN {column.name} SET DEFAULT gen_random_uuid()"


def _never_null(table: str, usable: Mapping[str, Column]) -> Iterator[Finding]:
    """Name the ids that may not be null: many a row has none, and one that references nothing is written as null."""
    found = [usable[name] for name in wire.REFERENCES if name in usable]
    names = [column.name for column in found if column.not_null or column.domain_not_null]
    if names:
        changes = ", ".join(
            f"ALTER COLUMN {name} {'TYPE uuid' if usable[name].domain_not_null else 'DROP NOT NULL'}" for name in names
        )
        evidence = f"table {table} takes no null in {', '.join(names)}: rows without such an id will be refused"
        yield Finding(SUBJECT, Verdict.WARNING, evidence, f"ALTER TABLE {table} {changes}")


def _kept(columns: Sequence[Column]) -> str:
    keys = [wire.REFERENCES[column.name] for column in columns if column.name in wire.REFERENCES]
    return f", and the id is kept in context as {', '.join(keys)}" if keys else ""


def _expected(column: Column) -> str:
    return wire.TYPES[column.name]


def _holds(connection: Connection, column: str, kind: str) -> bool:
    """Try whether our values survive in ``column``, which is of type ``kind``."""
    ours = wire.TYPES[column]
    if kind in (ours, _LONG_NAMES.get(ours)):
        return True
    samples = ", ".join(f"{sql.Literal(sample).as_string()}::{ours}" for sample in _SAMPLES[column])
    trial = f"SELECT bool_and(v::{kind}::{ours} = v) FROM unnest(ARRAY[{samples}]) v"
    try:
        return one(connection, trial)[0] is True
    except (psycopg.errors.CannotCoerce, psycopg.DataError):
        return False
    except psycopg.errors.CheckViolation:  # of a domain: what it says of one value says nothing of the others
        return True


def one(connection: Connection, query: str) -> tuple[Any, ...]:
    """Give the one row of a SELECT without FROM."""
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # noqa: S101 - for the type checker
    return row
