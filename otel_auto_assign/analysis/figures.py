"""The figures of the data contract's §7 for a window of time, computed where the rows are.

One question, one statement: each file of ``sql/`` gives finished figures; here they are asked, ordered and written.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import pq, sql
from psycopg.rows import class_row

CSV_HEADER: Final = ("window_start", "window_end", "metric", "dimension", "value", "unit", "sample_size", "source")

QUESTIONS: Final = (
    "planner_durations",
    "planner_cache_hits",
    "job_attempts",
    "job_counts",
    "job_rates",
    "job_success_durations",
    "inline_durations",
    "inline_success",
    "inline_events",
    "inline_email_duplicates",
    "reason_shares",
)
"""The statements, by their file's name in ``sql/``."""

_NAME_PART: Final = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


@dataclass(frozen=True)
class Window:
    """The time from ``start`` up to, not including, ``end``; both with a time zone.

    Raises:
        ValueError: if a time has no zone, or the window is empty.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what would silently select the wrong rows."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"a window's times need a time zone: {self.start} to {self.end}")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts: {self.start} to {self.end}")


@dataclass(frozen=True)
class Figure:
    """One figure: ``value`` in ``unit``, None where the sample is empty.

    Attributes:
        metric: The name of the contract's §7.
        dimension: ``all`` is today's definition; ``cache_hits=excluded``, ``late=excluded`` and ``outcome=decided`` are
            the better ones; a reason code for ``reason_share_pct``.
        value: Rounded to two decimals.
        unit: ``ms``, ``pct``, ``count`` or ``attempts``.
        sample_size: How many rows (attempts: bookings) the value is computed from.
        source: The event type, or ``a/b`` of a ratio.
    """

    metric: str
    dimension: str
    value: Decimal | None
    unit: str
    sample_size: int
    source: str


def figures(
    conn: psycopg.Connection[Any], window: Window, *, table: str = "observability_events", email_event_type: str = ""
) -> list[Figure]:
    """Compute all figures of ``window``, ordered by metric and dimension.

    Args:
        conn: A connection that may read the table. Outside a transaction all statements share one snapshot of their
            own; inside one they are part of it.
        window: Rows count by their ``created_at``.
        table: The table's name as the settings have it, with its schema where needed.
        email_event_type: The event type of the application's own e-mail rows; empty where it has none.

    Raises:
        psycopg.Error: if the table cannot be read.
    """
    parameters = {"start": window.start, "end": window.end, "email_event_type": email_event_type}
    name = _identifier(table)
    with _one_snapshot(conn), conn.cursor(row_factory=class_row(Figure)) as cursor:
        found = [
            figure
            for question in QUESTIONS
            for figure in cursor.execute(statement(question).format(table=name), parameters).fetchall()
        ]
    return sorted(found, key=lambda figure: (figure.metric, figure.dimension))


def statement(question: str) -> sql.SQL:
    """Give the text of one of ``QUESTIONS``: ``{table}`` and the parameters of ``figures`` are to be filled in."""
    text = files(__package__).joinpath("sql", f"{question}.sql").read_text(encoding="utf-8")
    return sql.SQL(text)  # our own file, not a value


def write_csv(path: Path, window: Window, figures: Iterable[Figure]) -> None:
    """Write ``figures`` of ``window`` as the contract's CSV: times in UTC, an empty sample as an empty value."""
    bounds = tuple(moment.astimezone(UTC).isoformat() for moment in (window.start, window.end))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_HEADER)
        writer.writerows(bounds + astuple(figure) for figure in figures)


@contextmanager
def _one_snapshot(conn: psycopg.Connection[Any]) -> Iterator[None]:
    if conn.info.transaction_status != pq.TransactionStatus.IDLE:
        yield
        return
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _identifier(table: str) -> sql.Identifier:
    """Quote a table's name part by part; as in SQL, what is not in quotes is in small letters."""
    parts = _NAME_PART.findall(table)
    return sql.Identifier(*(quoted.replace('""', '"') or plain.lower() for quoted, plain in parts))
