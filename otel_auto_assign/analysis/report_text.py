"""A report as people and programs read it: tables, sentences, Markdown, JSON.

What is defined better comes first, today's definition after it, everywhere but in the CSV.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC
from itertools import groupby
from typing import Any, Final

from otel_auto_assign import semconv
from otel_auto_assign.analysis.figures import ALL, Fault, Figure, Report

_SPREAD: Final = re.compile(r"(\w+)_(p50|p90|p95|p99|avg|max)(?:_ms)?")
_STATISTICS: Final = ("p50", "p90", "p95", "p99", "avg", "max")
_ORDER: Final = (
    "planner_duration", "inline_duration", "job_success_duration", "job_attempts", "planner_cache_hit_pct",
    "inline_success_rate_pct", "inline_timeout_pct", "job_success_rate_pct", "job_failure_rate_pct", "job_", "inline_",
    "reason_share_pct",
)  # fmt: skip
_UNITS: Final = {"ms": " ms", "pct": " %"}

TODAY: Final = "as today"
"""What people read for the dimension ``all``."""
NOTHING: Final = "-"
"""What people read for an empty value."""


@dataclass(frozen=True)
class Grid:
    """A table for people: texts, of which those of the last ``numbers`` columns are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: int


def grids(report: Report) -> list[Grid]:
    """Give the tables of a report: how long and how many, how often, and then the same for each part."""
    found = []
    for split, figures in groupby(sorted(report.figures, key=_split_name), _split_name):
        every = list(figures)
        spreads = [figure for figure in every if _SPREAD.fullmatch(figure.metric)]
        singles = [figure for figure in every if not _SPREAD.fullmatch(figure.metric)]
        by, title = ((split,), f", by {split}") if split else ((), "")
        if spreads:
            header = ("metric", "definition", *by, *_STATISTICS, "n")
            found.append(Grid(f"How long, how many{title}", header, _spread_rows(spreads), len(_STATISTICS) + 1))
        if singles:
            found.append(Grid(f"How often{title}", ("metric", "definition", *by, "value", "n"), _rows(singles), 2))
    return found


def _split_name(figure: Figure) -> str:
    return figure.split.partition("=")[0]


def _rank(figure: Figure) -> tuple[Any, ...]:
    family = next(place for place, beginning in enumerate(_ORDER) if figure.metric.startswith(beginning))
    share = -figure.value if figure.value is not None and figure.metric == "reason_share_pct" else 0
    return family, _stem(figure), figure.dimension == ALL, share, figure.dimension, figure.split


def _stem(figure: Figure) -> str:
    spread = _SPREAD.fullmatch(figure.metric)
    return spread[1] if spread else figure.metric


def _names(figure: Figure) -> tuple[str, ...]:
    """Give the cells that say what a line is about."""
    definition = TODAY if figure.dimension == ALL else figure.dimension
    return (_stem(figure), definition, *((figure.split.partition("=")[2],) if figure.split else ()))


def _spread_rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """One row for the percentiles, average and maximum of one thing."""
    rows = []
    for names, group in groupby(sorted(figures, key=_rank), _names):
        values = {found[2]: figure for figure in group if (found := _SPREAD.fullmatch(figure.metric))}
        shown = [value_text(values[name]) if name in values else "" for name in _STATISTICS]
        rows.append((*names, *shown, f"{max(figure.sample_size for figure in values.values()):,}"))
    return rows


def _rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    return [(*_names(figure), value_text(figure), f"{figure.sample_size:,}") for figure in sorted(figures, key=_rank)]


def value_text(figure: Figure) -> str:
    """Write a value with its unit."""
    if figure.value is None:
        return NOTHING
    if figure.unit == "count":
        return f"{figure.value:,.0f}"
    return f"{figure.value:,.{1 if figure.unit == 'pct' else 2}f}{_UNITS.get(figure.unit, '')}"


def title(report: Report) -> str:
    """Say what was read."""
    return f"{report.window}" + (f", {report.filters}" if str(report.filters) else "")


def remarks(report: Report) -> list[str]:
    """Say in sentences how many rows there were, and what could not be read of them."""
    others = sum(rows for event_type, rows in report.rows.items() if event_type not in semconv.EVENTS)
    said = [f"{rows_text(report.own_rows)} of auto-assign, {rows_text(others)} of other tools left alone."]
    if not report.own_rows:
        said.append(
            "There is nothing to report: no row of auto-assign is in this window. "
            "`otel-auto-assign doctor` says which rows there are."
        )
    said += [f"The trace of the slowest {what}: {trace}" for what, trace in report.slowest.items()]
    return said + [fault_text(fault) for fault in report.faults]


def trace_links(report: Report) -> set[str]:
    """Give the addresses of traces that its remarks name."""
    return {*report.slowest.values(), *(fault.trace for fault in report.faults)} - {""}


def rows_text(count: int) -> str:
    """Write a number of rows."""
    return "1 row" if count == 1 else f"{count:,} rows"


def fault_text(fault: Fault) -> str:
    """Say what cannot be read of some rows."""
    example = f"{fault.example}: {fault.trace}" if fault.trace else fault.example
    return f"Unreadable: {rows_text(fault.rows)} of {fault.event_type}, {fault.what} (for example {example})."


def markdown(report: Report) -> str:
    """Write the report as a Markdown page."""
    lines = [f"# Auto-assign, {title(report)}", ""]
    for grid in grids(report):
        text, numbers = ["---"] * (len(grid.header) - grid.numbers), ["---:"] * grid.numbers
        lines += [f"## {grid.title}", "", markdown_row(grid.header), markdown_row(text + numbers)]
        lines += [*map(markdown_row, grid.rows), ""]
    return "\n".join([*lines, *(f"- {remark}" for remark in remarks(report))]) + "\n"


def markdown_row(cells: Iterable[str]) -> str:
    """Write one row of a Markdown table."""
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"


def as_json(report: Report) -> dict[str, Any]:
    """Give the report as what JSON can say; values are numbers or null."""
    start, end = (moment.astimezone(UTC).isoformat() for moment in (report.window.start, report.window.end))
    return {
        "window": {"start": start, "end": end},
        "filters": {name: list(values) for name, values in asdict(report.filters).items()},
        "rows": report.rows,
        "figures": [
            asdict(figure) | {"value": None if figure.value is None else float(figure.value)}
            for figure in report.figures
        ],
        "slowest": report.slowest,
        "unreadable": [asdict(fault) for fault in report.faults],
    }
