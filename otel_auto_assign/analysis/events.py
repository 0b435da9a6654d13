"""The events table as it is here: its name, the columns it has, and how a question selects from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Final

import psycopg
from psycopg import pq, sql

from otel_auto_assign.analysis.windows import Window

_NAME_PART: Final = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')

SPLITS: Final = {
    "environment": "coalesce(context ->> 'environment', 'unknown')",
    "restaurant": "coalesce({restaurant}, 'unknown')",
    "flow": "coalesce(context ->> 'flow', CASE source WHEN 'auto_assign' THEN 'job' "
    "WHEN 'bookings.inline_auto_assign' THEN 'inline' ELSE 'unknown' END)",
    "strategy": "coalesce('adjacency ' || (context -> 'strategy' ->> 'requireAdjacency'), 'adjacency unknown') "
    "|| coalesce(', tables ' || (context -> 'strategy' ->> 'maxTables'), ', tables unknown')",
    "reason": "coalesce(context ->> 'reasonCode', 'unknown')",
}
"""By what figures can be split, as SQL."""


_NEEDED: Final = ("id", "created_at", "source", "event_type", "context")
_FOR_READING: Final = {
    "timezone": "UTC",
    "work_mem": "64MB",  # for each sort: a percentile over a few million rows then sorts in memory
    "parallel_tuple_cost": "0",  # by its default the server's planner reads millions of JSON documents with one process
}


class TableMissingError(LookupError):
    """There is no such table, or it cannot be one of events; the text says what to do."""


@dataclass(frozen=True)
class Filters:
    """Which rows of a window count; empty is all.

    Attributes:
        environments: Those of ``context.environment``; an empty one is that of rows which name none.
        restaurants: Their ids, in the column or, dangling, in ``context.restaurant_ref``.
        without_sources: Values of ``source`` that do not count.
    """

    environments: tuple[str, ...] = ()
    restaurants: tuple[str, ...] = ()
    without_sources: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write them for people; empty if all rows count."""
        parts = [
            f"{name} {' or '.join(values)}"
            for name, values in (("environment", self.environments), ("restaurant", self.restaurants))
            if values
        ]
        parts += [f"without source {' and '.join(self.without_sources)}"] if self.without_sources else []
        return ", ".join(parts)


EVERYTHING: Final = Filters()


@dataclass(frozen=True)
class EventsTable:
    """The table, as found.

    Attributes:
        name: As SQL, quoted; or a statement that stands in its place.
        columns: Those that it has.
    """

    name: sql.Composable
    columns: frozenset[str]

    @classmethod
    def find(cls, conn: psycopg.Connection[Any], name: str) -> EventsTable:
        """Look the table up by its name as the settings have it.

        Raises:
            TableMissingError: if there is none, or it lacks a column without which no row can be told from another.
            psycopg.Error: if the catalogue cannot be asked.
        """
        identifier = _identifier(name)
        found = conn.execute(
            "SELECT array_agg(attname::text) FROM pg_catalog.pg_attribute "
            "WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            (identifier.as_string(),),
        ).fetchone()
        if found is None or found[0] is None:
            raise TableMissingError(
                f"there is no table {name}, or this role may not use its schema: give its name by --table, with its "
                "schema if the search path does not find it"
            )
        columns = frozenset(found[0])
        missing = [
            column for column in ("id", "created_at", "source", "event_type", "context") if column not in columns
        ]
        if missing:
            raise TableMissingError(f"table {name} has no column {', '.join(missing)}: is it the right table?")
        return cls(identifier, columns)

    @property
    def booking(self) -> sql.Composable:
        """A row's booking as text, or null."""
        return self._reference("booking_id", "booking_ref")

    @property
    def restaurant(self) -> sql.Composable:
        """A row's restaurant as text, or null."""
        return self._reference("restaurant_id", "restaurant_ref")

    def older(self, filters: Filters) -> EventsTable:
        """The rows of jobs that say no ``job_id``, each with one; see older_jobs.sql."""
        kept = (sql.Identifier(column) for column in sorted(self.columns - {"context"}))
        text = statement("older_jobs").format(
            columns=sql.SQL(", ").join(kept), table=self.name, booking=self.booking, rows=self.rows(filters)
        )
        return replace(self, name=sql.SQL("({})").format(text))

    def _reference(self, column: str, key: str) -> sql.Composable:
        kept = sql.SQL("context ->> {}").format(sql.Literal(key))
        return (
            sql.SQL("coalesce({}::text, {})").format(sql.Identifier(column), kept) if column in self.columns else kept
        )

    def rows(self, filters: Filters) -> sql.Composable:
        """The condition on rows, to which ``parameters`` are to be given."""
        conditions: list[sql.Composable] = [sql.SQL("created_at >= %(start)s AND created_at < %(end)s")]
        if filters.environments:
            conditions.append(sql.SQL("coalesce(context ->> 'environment', '') = ANY (%(environments)s)"))
        if filters.restaurants:
            conditions.append(sql.SQL("{} = ANY (%(restaurants)s)").format(self.restaurant))
        if filters.without_sources:
            conditions.append(sql.SQL("source <> ALL (%(without_sources)s)"))
        return sql.SQL(" AND ").join(conditions)

    def ask(
        self, text: sql.SQL, filters: Filters, splits: Sequence[str] = (), *, trusting: bool = False
    ) -> sql.Composed:
        """Fill a statement of ``sql/`` in: the table, the rows that count, and by what they are split.

        Trusting, it is a quarter faster, and fails on a JSON number that no double can hold.
        """
        number = _trusted_number if trusting else _number
        expressions = {name: sql.SQL(SPLITS[name]).format(restaurant=self.restaurant) for name in splits}
        columns = [sql.SQL(", {} AS {}").format(value, sql.Identifier(name)) for name, value in expressions.items()]
        labels = [
            sql.SQL("CASE WHEN grouping({0}) = 0 THEN {1} || {0} END").format(sql.Identifier(name), f"{name}=")
            for name in splits
        ]
        sets = [sql.SQL("({})").format(sql.Identifier(name)) for name in splits]
        grouping = sql.SQL("GROUPING SETS ((), {})").format(sql.SQL(", ").join(sets))
        return text.format(
            table=self.name,
            rows=self.rows(filters),
            booking=self.booking,
            restaurant=self.restaurant,
            readable=_is_number(sql.SQL("duration")),
            ms=number("durationMs"),
            planner_ms=number("planner_duration_ms"),
            total_ms=number("totalDurationMs"),
            timeout_ms=number("timeoutMs"),
            attempts_used=number("attemptsUsed"),
            planner_calls=number("planner_calls"),
            columns=sql.SQL("").join(columns),
            names=sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(name)) for name in splits),
            split=sql.SQL("concat_ws(';', {})").format(sql.SQL(", ").join(labels)) if splits else sql.Literal(""),
            grouping=grouping if splits else sql.SQL("()"),
            # with a grouping set of nothing the server would not count in parallel
            and_grouping=sql.SQL(", {}").format(grouping) if splits else sql.SQL(""),
        )


def parameters(window: Window, filters: Filters) -> dict[str, Any]:
    """Give what the condition of `EventsTable.rows` asks for."""
    return {
        "start": window.start,
        "end": window.end,
        "environments": list(filters.environments),
        "restaurants": list(filters.restaurants),
        "without_sources": list(filters.without_sources),
    }


def statement(question: str) -> sql.SQL:
    """Give the text of a file of ``sql/``, for `EventsTable.ask`."""
    text = files(__package__).joinpath("sql", f"{question}.sql").read_text(encoding="utf-8")
    return sql.SQL(text)  # our own file, not a value


@contextmanager
def snapshot(conn: psycopg.Connection[Any], *, patience_seconds: float | None = None) -> Iterator[None]:
    """Let all that is asked in the block see one and the same state of the database, and change nothing.

    Inside a transaction of the caller's, all is asked in that. Whatever is set holds for the transaction alone, so
    that through a pooler nothing is left behind for the next client.

    Args:
        conn: Read from.
        patience_seconds: The longest that one statement may take, or wait for a lock.
    """
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        yield
        return
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for name, value in _FOR_READING.items():
            conn.execute("SELECT set_config(%s, %s, true)", (name, value))
        if patience_seconds is not None:
            limit = str(max(1, int(patience_seconds * 1000)))
            conn.execute("SELECT set_config('statement_timeout', %s, true)", (limit,))
        yield


def _is_number(value: sql.Composable) -> sql.Composed:
    """Whether a jsonb is a number that a double can hold.

    jsonb orders texts below and booleans above all numbers; a JSON number may have thousands of digits, on which a
    plain cast would end the whole question.
    """
    return sql.SQL("({0} BETWEEN '1e-300' AND '1e15' OR {0} = '0' OR {0} BETWEEN '-1e15' AND '-1e-300')").format(value)


def _number(key: str) -> sql.Composed:
    """A key of the context as a double, null where it is not one."""
    value = sql.SQL("context -> {}").format(sql.Literal(key))
    return sql.SQL("CASE WHEN {} THEN ({})::double precision END").format(_is_number(value), value)


def _trusted_number(key: str) -> sql.Composed:
    """The same, for numbers that a double can hold."""
    value = sql.SQL("context -> {}").format(sql.Literal(key))
    return sql.SQL("CASE jsonb_typeof({0}) WHEN 'number' THEN ({0})::double precision END").format(value)


def _identifier(table: str) -> sql.Identifier:
    """Quote a table's name part by part; as in SQL, what is not in quotes is in small letters."""
    parts = _NAME_PART.findall(table)
    return sql.Identifier(*(quoted.replace('""', '"') or plain.lower() for quoted, plain in parts))
