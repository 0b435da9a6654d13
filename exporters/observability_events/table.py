"""The table as our inserts will meet it: before a deploy, as findings. Nothing is written, or it is taken back."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from observability_events import wire
from observability_events.catalogue import CATALOGUE
from observability_events.columns import SUBJECT as COLUMNS
from observability_events.columns import Columns
from observability_events.failures import Action, action
from observability_events.findings import Finding, Verdict
from observability_events.probe import INSERTING, POLICIES, SWALLOWING, TABLE, Table, probe
from observability_events.questions import question
from observability_events.rows import Row
from observability_events.statement import insert_statement, patience_statement
from otel_auto_assign import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from observability_events.connection import Connection

DAYS_AHEAD: Final = 7
_LEAST_PATIENCE_MS: Final = 10
_PARTITIONED: Final = "p"
_KINDS: Final = {"r": "a table", "p": "a partitioned table", "v": "a view", "f": "a foreign table", "m": "a view"}
_CHANGING: Final = ("UPDATE", "DELETE", "TRUNCATE")
_TRIAL: Final = "trial insert"
_ROLE: Final = "role"
_US_PER_S: Final = 1_000_000


def about_table(connection: Connection, table: Table, judged: Sequence[Finding]) -> Iterator[Finding]:
    """Say what the table is, and what our role is to it; ``judged`` is what the probe makes of it.

    Raises:
        psycopg.Error: if a question fails.
    """
    found = connection.execute(question("security"), {"oid": table.oid}).fetchone()
    assert found is not None  # noqa: S101 - for the type checker: the table was seen a moment ago
    kind, row_security, active, owned, further = found
    by_subject = {finding.subject for finding in judged}
    if TABLE not in by_subject:
        yield Finding(TABLE, Verdict.OK, f"{table.full} is {_KINDS.get(kind, 'a relation')} whose id is unique")
    if INSERTING not in by_subject:
        yield Finding(INSERTING, Verdict.OK, f"granted to {table.quoted_role}")
    changing = [privilege for privilege in further if privilege in _CHANGING]
    if owned or changing:
        may = "owns" if owned else f"may {', '.join(changing)}"
        remedy = "paste what `otel-auto-assign check --sql role` prints"
        yield Finding(_ROLE, Verdict.WARNING, f"{table.quoted_role} {may} {table.full}; INSERT is enough", remedy)
    if SWALLOWING not in by_subject:
        yield Finding(SWALLOWING, Verdict.OK, "no other unique index and no BEFORE trigger could swallow one")
    yield from judged
    yield from _policies(connection, table, on=row_security, active=active)
    yield from _partitions(connection, table, partitioned=kind == _PARTITIONED)
    patience = f"deadlock_timeout is {table.deadlock_timeout_ms} ms; a lock of yours is given way to after "
    patience += f"{table.lock_timeout_ms} ms"
    if table.lock_timeout_ms < _LEAST_PATIENCE_MS:
        remedy = "raise deadlock_timeout: it is one second by default"
        yield Finding("locks", Verdict.WARNING, f"{patience}: rows will often be put off", remedy)
    else:
        yield Finding("locks", Verdict.OK, patience)


def about_columns(connection: Connection, table: Table, columns: Columns) -> Iterator[Finding]:
    """Say which of our columns are written, and whether the host's can be filled.

    Raises:
        psycopg.Error: if a question fails.
    """
    sequences = connection.execute(question("sequences"), {"oid": table.oid, "columns": list(columns.usable)})
    undrawn = [sequence for sequence, granted in sequences if not granted]
    yield from columns.findings
    for sequence in undrawn:
        evidence = f"a default of {table.full} draws from sequence {sequence}, which {table.quoted_role} may not"
        remedy = f"GRANT USAGE ON SEQUENCE {sequence} TO {table.quoted_role}"
        yield Finding(COLUMNS, Verdict.WRONG, evidence, remedy)
    if not columns.findings and not undrawn:
        yield Finding(COLUMNS, Verdict.OK, f"all {len(columns.usable)} of ours can be written")


def about_references(connection: Connection, table: Table, columns: Columns) -> Iterator[Finding]:
    """Say what the ids reference, and how one that references nothing is found.

    Raises:
        psycopg.Error: if the question fails.
    """
    subject = "foreign keys"
    names = [column for column in wire.REFERENCES if column in columns.usable]
    found: dict[str, tuple[str, bool]] = {}
    for _, column, schema, parent, _, joinable in connection.execute(
        question("references"), {"oid": table.oid, "columns": names}
    ):
        before = found.get(column, ("", False))
        found[column] = (sql.Identifier(schema, parent).as_string(), joinable or before[1])
    if not found:
        yield Finding(subject, Verdict.OK, "none")
    for column, (parent, joinable) in sorted(found.items()):
        how = "by a look at it" if joinable else f"by trying, since {table.quoted_role} may not read all of it"
        yield Finding(subject, Verdict.OK, f"{column} references {parent}; ids that are not there are found {how}")


def try_insert(connection: Connection, table: str) -> Finding:
    """Insert a row of every event type and take them back; the table's triggers run for them.

    Raises:
        TableUnfitError: if the table cannot take our rows.
        psycopg.Error: if the connection is lost.
    """
    shape = probe(connection, table)
    rows = [wire.encode(row) for row in _trial_rows()]
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            connection.execute(patience_statement(shape))
            statement = insert_statement(shape).as_bytes(connection)
            inserted = psycopg.RawCursor(connection).execute(statement, wire.arrays(shape.types, rows)).rowcount
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        text = f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})"
        if action(error) in (Action.SPLIT, Action.BACK_OFF):
            return Finding(_TRIAL, Verdict.WARNING, f"not tried: {text}", "try again when nobody locks the table")
        remedy = "have constraints, triggers and policies let these rows in" if action(error) is Action.ISOLATE else ""
        return Finding(_TRIAL, Verdict.WRONG, f"refused: {text}", remedy)
    if inserted < len(rows):
        text = f"{len(rows) - inserted} of {len(rows)} rows were swallowed without an error"
        remedy = "look at the triggers, and at unique indexes without id; such rows would count as written"
        return Finding(_TRIAL, Verdict.WRONG, text, remedy)
    return Finding(_TRIAL, Verdict.OK, f"{len(rows)} rows went in, one of each event type, and were taken back")


def _policies(connection: Connection, table: Table, *, on: bool, active: bool) -> Iterator[Finding]:
    if table.shut:  # told by the probe, with the remedy
        return
    if not active:
        evidence = f"on for others, not for {table.quoted_role}" if on else "off"
        yield Finding(POLICIES, Verdict.OK, evidence)
        return
    found = connection.execute(question("policies"), {"oid": table.oid}).fetchall()
    open_ = any(permissive and demand == "true" for _, permissive, demand in found)
    strict = [f"{name} demands {demand}" for name, permissive, demand in found if not permissive and demand != "true"]
    strict += [] if open_ else [f"{name} demands {demand}" for name, permissive, demand in found if permissive]
    names = ", ".join(name for name, *_ in found)
    if strict:
        evidence = f"rows that a policy is against will be refused ({'; '.join(strict)})"
        yield Finding(POLICIES, Verdict.WARNING, evidence, "see whether it is true of our rows: --try-insert")
    else:
        yield Finding(POLICIES, Verdict.OK, f"on, and every row is let in ({names})")


def _partitions(connection: Connection, table: Table, *, partitioned: bool) -> Iterator[Finding]:
    subject = "partitions"
    if not partitioned:
        return
    conditions = [text for (text,) in connection.execute(question("partitions"), {"oid": table.oid})]
    remedy = f"CREATE TABLE … PARTITION OF {table.full} FOR VALUES FROM ('…') TO ('…')"
    days: list[Any] = []
    if conditions:
        try:
            days = connection.execute(_untaken(conditions).as_bytes(connection)).fetchall()
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            evidence = f"whether there is one for each of the next {DAYS_AHEAD} days cannot be told"
            yield Finding(subject, Verdict.WARNING, f"{evidence} ({error.diag.message_primary})", "use --try-insert")
            return
    if not conditions or (days and days[0][0] == 0):
        yield Finding(subject, Verdict.WRONG, f"{table.full} has none for rows of now", remedy)
    elif days:
        evidence = f"{table.full} has none for rows of {days[0][1]:%Y-%m-%d}, in {days[0][0]} days"
        yield Finding(subject, Verdict.WARNING, evidence, remedy)
    else:
        yield Finding(subject, Verdict.OK, f"{len(conditions)}, with one for each of the next {DAYS_AHEAD} days")


def _untaken(conditions: Sequence[str]) -> sql.Composed:
    """Ask for which of the coming days no partition takes a summary: the conditions are the catalogue's own SQL."""
    return sql.SQL(question("untaken_days").decode()).format(  # our own file, not a value
        source=sql.Literal(semconv.SOURCE_JOB),
        event_type=sql.Literal(semconv.EVENT_SUMMARY),
        severity=sql.Literal(semconv.SEVERITY_INFO),
        days=sql.Literal(DAYS_AHEAD),
        taken=sql.SQL(" OR ").join(sql.SQL(f"({condition})") for condition in conditions),
    )


def _trial_rows() -> Iterator[Row]:
    now_us = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for event in CATALOGUE.values():
        yield Row(
            key=uuid.uuid4().bytes,
            time_us=now_us,
            source=event.source or semconv.SOURCE_JOB,
            event_type=event.name,
            severity=event.severity or semconv.SEVERITY_INFO,
            context={"trigger": "check"},
            restaurant_id=None,
            booking_id=None,
        )
