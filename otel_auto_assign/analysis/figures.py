"""The figures of the data contract's §7 for a window of time, computed where the rows are.

As few passes over the table as can be: each file of ``sql/`` gives finished figures, of the whole and of each part
where they are split; here they are asked, ordered and written.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from typing import IO, Any, Final

import psycopg
from psycopg.rows import class_row

from otel_auto_assign import semconv
from otel_auto_assign.analysis.events import EVERYTHING, EventsTable, Filters, parameters, snapshot, statement
from otel_auto_assign.analysis.windows import Window

CSV_HEADER: Final = ("window_start", "window_end", "metric", "dimension", "value", "unit", "sample_size", "source")
ALL: Final = "all"

QUESTIONS: Final = {"durations": "durations", "outcomes": "outcomes", "attempts": "attempts", "emails": "e-mails"}
"""The statements, by their file's name in ``sql/``, and what a person calls them."""

_WHERE: Final = frozenset({"environment", "restaurant"})
SPLITS_OF: Final = (
    ("planner_", _WHERE | {"flow", "strategy", "reason"}),
    ("inline_duration_", _WHERE | {"strategy", "reason"}),
    ("", _WHERE),
)
"""By what a metric can be split: the first whose beginning is the metric's."""

_ROWS, _UNREADABLE = "rows", "unreadable"


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
        split: Of which part of the rows, as ``environment=production``; empty for all of them.
    """

    metric: str
    dimension: str
    value: Decimal | None
    unit: str
    sample_size: int
    source: str
    split: str = ""

    @property
    def label(self) -> str:
        """Dimension and part in one, as the CSV has them."""
        own = "" if self.split and self.dimension == ALL else self.dimension
        return ";".join(filter(None, (own, self.split)))


@dataclass(frozen=True)
class Fault:
    """What cannot be read of rows of one event type: how many, and the id of one of them; where its trace is shown."""

    event_type: str
    what: str
    rows: int
    example: str
    trace: str = ""


@dataclass(frozen=True)
class Report:
    """What is known of a window.

    Attributes:
        figures: Ordered by metric, dimension and part.
        rows: How many rows there are of each event type; of other tools' in one.
        faults: What could not be read of them.
        slowest: Where the traces of what took longest are shown; see `traces`.
    """

    window: Window
    filters: Filters
    figures: list[Figure]
    rows: dict[str, int]
    faults: list[Fault] = field(default_factory=list)
    slowest: dict[str, str] = field(default_factory=dict)

    @property
    def own_rows(self) -> int:
        """How many rows of the contract's event types there are."""
        return sum(rows for event_type, rows in self.rows.items() if event_type in semconv.EVENTS)


def report(
    conn: psycopg.Connection[Any],
    window: Window,
    *,
    table: str = "observability_events",
    email_event_type: str = "",
    filters: Filters = EVERYTHING,
    splits: Sequence[str] = (),
    asking: Callable[[str], object] = str,
) -> Report:
    """Compute all figures of ``window``, and say which rows could not be read.

    Args:
        conn: A connection that may read the table. Outside a transaction all statements share one snapshot of their
            own; inside one they are part of it.
        window: Rows count by their ``created_at``.
        table: The table's name as the settings have it, with its schema where needed.
        email_event_type: The event type of the application's own e-mail rows; empty where it has none.
        filters: Which of its rows count.
        splits: By what the figures are computed as well, of ``events.SPLITS``; a metric is not split by what its rows
            do not say.
        asking: Called with what is asked next.

    Raises:
        TableMissingError: if there is no such table.
        psycopg.Error: if it cannot be read.
    """
    given = parameters(window, filters) | {
        "email_event_type": email_event_type,
        "events": sorted(semconv.EVENTS),
        "results": sorted(semconv.RESULTS),
        "terminals": sorted(semconv.INLINE_TERMINALS),
    }
    found: list[Figure] = []
    faults: list[Fault] = []
    with snapshot(conn), conn.cursor(row_factory=class_row(Figure)) as cursor:
        events = EventsTable.find(conn, table)

        def answered(question: str, *, trusting: bool) -> list[Figure]:
            by = [name for name in splits if question == "durations" or name in _WHERE]
            return cursor.execute(events.ask(statement(question), filters, by, trusting=trusting), given).fetchall()

        for question, about in QUESTIONS.items():
            asking(about)
            try:
                with conn.transaction():
                    found += answered(question, trusting=True)
            except psycopg.errors.NumericValueOutOfRange:
                found += answered(question, trusting=False)
        if any(figure.metric == _UNREADABLE and figure.value for figure in found):
            asking("rows that cannot be read")
            with conn.cursor(row_factory=class_row(Fault)) as asked:
                faults = asked.execute(events.ask(statement(_UNREADABLE), filters), given).fetchall()
    return Report(
        window,
        filters,
        sorted(filter(_is_shown, found), key=lambda figure: (figure.metric, figure.label)),
        {figure.source: figure.sample_size for figure in found if figure.metric == _ROWS and not figure.split},
        faults,
    )


def figures(conn: psycopg.Connection[Any], window: Window, **options: Any) -> list[Figure]:
    """Compute all figures of ``window``; see `report` for what can be said besides."""
    return report(conn, window, **options).figures


def _is_shown(figure: Figure) -> bool:
    if figure.metric in (_ROWS, _UNREADABLE):
        return False
    if not figure.split:
        return True
    allowed = next(splits for beginning, splits in SPLITS_OF if figure.metric.startswith(beginning))
    return figure.sample_size > 0 and figure.split.partition("=")[0] in allowed


def write_csv(file: IO[str], window: Window, figures: Iterable[Figure]) -> None:
    """Write ``figures`` of ``window`` as the contract's CSV: times in UTC, an empty sample as an empty value."""
    bounds = tuple(moment.astimezone(UTC).isoformat() for moment in (window.start, window.end))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    writer.writerows(
        (*bounds, figure.metric, figure.label, figure.value, figure.unit, figure.sample_size, figure.source)
        for figure in figures
    )
