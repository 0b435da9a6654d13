"""Jobs in the table that lack a row that every job has: the questions, one statement each in ``sql/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple, cast

from psycopg import sql

from observability_events.abandoned import Abandoned, JobRow, abandoned
from observability_events.columns import one
from observability_events.connection import Connection
from observability_events.failures import TableUnfitError
from observability_events.probe import Shape
from observability_events.questions import question

_ROWS_AT_ONCE: Final = 500
"""How many rows the client holds: contexts have some kilobytes at most."""
_ALL: Final = "true"


class Unfinished(NamedTuple):
    """A job that lacks its summary or its ``started``; or, without ids, all rows that are no job's of ours.

    Attributes:
        rows: How many it has.
        started, summarised: Whether it has these.
        first_us, last_us: The time of its first and of its last row, in Unix microseconds.
    """

    trace_id: str | None
    job_id: str | None
    rows: int
    started: bool
    summarised: bool
    first_us: int
    last_us: int


class UnfinishedJobs:
    """What a role with SELECT can find out about the jobs in one table.

    Args:
        connection: In a transaction, for `lock` and for whatever gives more than one line.
        table: As in SQL.
        shape: What the table looks like.

    Raises:
        TableUnfitError: if the table has no ``context``.
    """

    def __init__(self, connection: Connection, table: str, shape: Shape) -> None:
        self._connection = connection
        self._table = table
        if "context" not in shape.types:
            raise TableUnfitError(f"table {table} has no column context: it does not say which job a row belongs to")
        created_at = sql.SQL("created_at")
        if "created_at" in shape.without_zone:
            created_at = sql.SQL("(created_at AT TIME ZONE 'UTC')")
        self._names: dict[str, sql.Composable] = {
            "table": sql.Identifier(shape.schema, shape.name),
            "created_at": created_at,
            "context": sql.SQL("context" if shape.types["context"] == "jsonb" else "(context::jsonb)"),
        }
        for column in ("restaurant_id", "booking_id"):
            self._names[column] = sql.SQL(column if column in shape.types else "NULL")

    def hidden_by(self) -> list[str]:
        """Give the conditions of row security that may hide rows from us.

        Raises:
            TableUnfitError: if we may not read the table, or no row of it is shown to us.
        """
        role, may_read, secured, any_of, all_of = self._one("reading_rights", table=self._table)
        if not may_read:
            raise TableUnfitError(
                f'role "{role}" may not read {self._table}: GRANT SELECT ON {self._table} TO "{role}"'
            )
        if not secured:
            return []
        if not any_of:
            raise TableUnfitError(
                f'row security shows no row of {self._table} to role "{role}": '
                f'CREATE POLICY … ON {self._table} FOR SELECT TO "{role}" USING (true)'
            )
        return [condition for condition in ([] if _ALL in any_of else any_of) + all_of if condition != _ALL]

    def lock(self) -> bool:
        """Take the table for this transaction; say whether nobody else has."""
        return self._one("reconcile_lock", table=self._table)[0] is True

    def now(self) -> datetime:
        """Give the time at which the transaction began, by the database's clock."""
        (found,) = one(self._connection, "SELECT now()")
        return cast("datetime", found)

    def longest_ms(self, since: datetime | None) -> float | None:
        """Give the duration of the longest job that came to its end by itself."""
        found: float | None = self._one("longest_job", since=since)[0]
        return found

    def unfinished(self, since: datetime | None) -> Iterator[Unfinished]:
        """Give the jobs that have rows after ``since``, by the time of their first row after it."""
        for row in self._rows("unfinished_jobs", since=since):
            yield Unfinished(*row)

    def abandoned(self, jobs: Sequence[Unfinished]) -> list[Abandoned]:
        """Read the rows of some jobs, and give what those are owed that have no summary by now, by their start."""
        rows = self._rows(
            "rows_of_jobs",
            trace_ids=[job.trace_id for job in jobs],
            job_ids=[job.job_id for job in jobs],
            first_us=min(job.first_us for job in jobs),
            last_us=max(job.last_us for job in jobs),
        )
        found = (
            abandoned(trace_id, job_id, (JobRow(*row[2:]) for row in of_job))
            for (trace_id, job_id), of_job in groupby(rows, lambda row: row[:2])
        )
        return sorted((job for job in found if job is not None), key=lambda job: (job.summary.time_us, job.job_id))

    def _rows(self, name: str, **parameters: Any) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor(name=name) as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            yield from cursor.execute(self._statement(name), parameters)

    def _one(self, name: str, **parameters: Any) -> tuple[Any, ...]:
        found = self._connection.execute(self._statement(name), parameters).fetchone()
        if found is None:
            raise TableUnfitError(f"table {self._table} is gone")
        return found

    def _statement(self, name: str) -> sql.Composed:
        return sql.SQL(question(name).decode()).format(**self._names)
