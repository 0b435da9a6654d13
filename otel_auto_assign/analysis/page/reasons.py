"""Why attempts failed and what the cache answered, on both sides of a comparison: shown, and judged by nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from otel_auto_assign.analysis.events import EVERYTHING, EventsTable, Filters, parameters, snapshot, statement
from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.distribution import legend
from otel_auto_assign.analysis.page.document import pair, said, section
from otel_auto_assign.analysis.page.markup import Html
from otel_auto_assign.analysis.page.scales import share_text
from otel_auto_assign.analysis.page.tables import notes, table
from otel_auto_assign.analysis.report_text import NOTHING
from otel_auto_assign.analysis.windows import Window

MOST_DRAWN: Final = 8
"""Reasons that are drawn, the most frequent first."""


@dataclass(frozen=True)
class Tally:
    """Rows of one reason: ``exposed`` says the flags that they saw, None where that is neither on nor off."""

    reason: str
    exposed: bool | None
    attempts: int
    calls: int
    hits: int


@dataclass(frozen=True)
class Reasons:
    """What both sides came to.

    Attributes:
        baseline: By reason.
        post: By reason.
        neither: Attempts and calls that are on neither side.
    """

    baseline: dict[str, Tally]
    post: dict[str, Tally]
    neither: int

    def most(self, counted: Callable[[Tally], int]) -> list[str]:
        """The reasons of which there is anything, those with the most first."""
        counts: dict[str, int] = {}
        for one in (*self.baseline.values(), *self.post.values()):
            counts[one.reason] = counts.get(one.reason, 0) + counted(one)
        return sorted((name for name, count in counts.items() if count), key=lambda name: (-counts[name], name))


def read_reasons(
    conn: psycopg.Connection[Any],
    window: Window,
    *,
    before: Window | None = None,
    table: str = "observability_events",
    filters: Filters = EVERYTHING,
    asking: Callable[[str], object] = str,
) -> Reasons:
    """Read what attempts and calls came to, each by the flags that it saw itself, or of windows by its window.

    Args:
        conn: A connection that may read the table; see `figures.report` for its transaction.
        window: Of both sides; of windows, of the post side.
        before: Of windows: the baseline's.
        table: The table's name as the settings have it.
        filters: Which of its rows count.
        asking: Called with what is asked next.
    """
    with snapshot(conn), conn.cursor(row_factory=class_row(Tally)) as cursor:
        asking("reasons")
        question = EventsTable.find(conn, table).ask(statement("page_reasons"), filters)
        found = cursor.execute(question, parameters(window, filters)).fetchall()
        if before is not None:
            earlier = cursor.execute(question, parameters(before, filters)).fetchall()
            return Reasons(_summed(earlier), _summed(found), 0)
    sides = [[one for one in found if one.exposed is exposed] for exposed in (False, True, None)]
    return Reasons(_summed(sides[0]), _summed(sides[1]), sum(one.attempts + one.calls for one in sides[2]))


def _summed(tallies: list[Tally]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    for one in tallies:
        other = found.get(one.reason, Tally(one.reason, None, 0, 0, 0))
        found[one.reason] = Tally(
            one.reason, None, one.attempts + other.attempts, one.calls + other.calls, one.hits + other.hits
        )
    return found


@dataclass(frozen=True)
class _Part:
    """So many of ``of``; of nothing there is no share."""

    count: int
    of: int

    @property
    def share(self) -> float:
        return self.count / self.of if self.of else 0.0

    @property
    def text(self) -> str:
        return share_text(self.share) if self.of else NOTHING


Line = tuple[str, tuple[_Part, ...]]
"""A reason, and its part of each side."""


def reason_sections(reasons: Reasons, sides: Sequence[tuple[str, str, str]], most: int) -> list[Html]:
    """Make two sections: what attempts came to, and what the cache answered.

    Args:
        reasons: As read.
        sides: Name, style and words of the baseline, then of the post side.
        most: Rows of a table.
    """
    both = (reasons.baseline, reasons.post)
    totals = [sum(one.attempts for one in side.values()) for side in both]
    attempts = [
        (name, tuple(_Part(_of(side, name).attempts, total) for side, total in zip(both, totals, strict=True)))
        for name in reasons.most(lambda one: one.attempts)
    ]
    hits = [
        (name, tuple(_Part(_of(side, name).hits, _of(side, name).calls) for side in both))
        for name in reasons.most(lambda one: one.calls)
    ]
    below = ["Shown, and not judged: rows of one booking and of one day resemble each other."]
    if reasons.neither:
        below.append(
            f"{reasons.neither:,} attempts and calls are on neither side: their flags are not known, or differ."
        )
    return [
        _section("reasons", "What attempts came to", "Attempts of each side by reason", attempts, sides, below, most),
        _section(
            "cache", "What the cache answers", "Calls that the cache answered, by reason", hits, sides, below, most
        ),
    ]


def _of(side: Mapping[str, Tally], reason: str) -> Tally:
    return side.get(reason, Tally(reason, None, 0, 0, 0))


def _section(
    name: str,
    title: str,
    caption: str,
    lines: Sequence[Line],
    sides: Sequence[tuple[str, str, str]],
    below: Sequence[str],
    most: int,
) -> Html:
    if not lines:
        return section(title, said("There is nothing of this on either side."))
    drawn = lines[:MOST_DRAWN]
    groups = [
        (reason, [(part.share, part.text, style) for part, (_, style, _) in zip(parts, sides, strict=True)])
        for reason, parts in drawn
    ]
    told = "; ".join(f"{reason} {' and '.join(part.text for part in parts)}" for reason, parts in drawn[:3])
    longest = max(part.share for _, parts in drawn for part in parts)
    chart = charts.frame(
        name, caption, told, charts.grouped_bars(groups, longest), height=charts.grouped_height(groups)
    )
    rows = [(reason, *(f"{part.text} of {part.of:,}" for part in parts)) for reason, parts in lines]
    numbers = table(caption, ("reason", *(side for side, *_ in sides)), rows, numbers=len(sides), most=most)
    hidden = len(lines) - len(drawn)
    undrawn = [f"The {MOST_DRAWN} most frequent are drawn, {hidden:,} others are not."] if hidden else []
    return section(
        title,
        legend(*((f"fill {style}", words) for _, style, words in sides)),
        pair(chart, numbers),
        notes([*below, *undrawn]),
    )
