"""The chart of how durations are spread: which share of them is not longer than what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.curves import ENOUGH_FOR_P95, SHARES
from otel_auto_assign.analysis.page.markup import Html, element
from otel_auto_assign.analysis.page.scales import Scale, log_marks, log_scale, ms_text

_QUARTERS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Spread:
    """One curve.

    Attributes:
        label: What it is of.
        style: ``a`` or ``b``.
        values: The durations that the shares of `SHARES` do not exceed, in ms.
        rows: How many durations there are.
    """

    label: str
    style: str
    values: Sequence[float]
    rows: int


def distribution(
    name: str, title: str, told: str, spreads: Sequence[Spread], *, marked: Iterable[tuple[str, float]] = ()
) -> Html:
    """Draw curves over one logarithmic axis.

    Args:
        name: Unique in the page.
        title: What the chart shows.
        told: The same in numbers.
        spreads: With rows.
        marked: Durations that get a line, and its words.
    """
    x = log_scale((value for one in spreads for value in one.values), charts.LEFT, charts.RIGHT)
    y = Scale(0, 1, charts.BOTTOM, charts.TOP)
    enough = min(one.rows for one in spreads) >= ENOUGH_FOR_P95
    levels = (0.25, 0.5, 0.75, 0.95) if enough else _QUARTERS
    drawn = [charts.steps(_points(one, x, y), one.style) for one in spreads]
    return charts.frame(
        name,
        title,
        told,
        charts.down([(y(share), f"{share:.0%}") for share in levels]),
        charts.across([(x(mark), ms_text(mark)) for mark in log_marks(x, charts.ACROSS)]),
        *drawn,
        *(charts.upright(x(value), f"{word} {ms_text(value)}", row=row) for row, (word, value) in enumerate(marked)),
    )


def _points(one: Spread, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """From nothing up to all: each duration once, at the share that it completes."""
    shares: dict[float, float] = {}
    for value, share in zip(one.values, SHARES, strict=True):
        shares[x(value)] = share
    first = min(shares, default=charts.LEFT)
    return [(charts.LEFT, y(0)), (first, y(0)), *((at, y(share)) for at, share in shares.items()), (charts.RIGHT, y(1))]


def legend(*entries: tuple[str, str]) -> Html:
    """Say what the lines or columns are: of each its style and words, in the order in which they are drawn."""
    made = []
    for style, text in entries:
        filled = style.startswith("fill")
        drawn = (
            element("rect", x=0, y=1, width=13, height=13, class_=style)
            if filled
            else element("path", d="M0,7H26", class_=style)
        )
        swatch = element("svg", drawn, width=14 if filled else 28, height=14, aria_hidden="true")
        made.append(element("li", swatch, text))
    return element("ul", *made, class_="legend")
