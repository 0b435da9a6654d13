"""Tables: what a chart shows as numbers, and what needs no chart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from otel_auto_assign.analysis.page.markup import Html, breakable, element, joined, prose, short
from otel_auto_assign.analysis.report_text import Grid

LONGEST_CELL: Final = 120
SLIM: Final = 12
"""Names of rows so short stay in one line, and leave the width to the numbers."""
WEAK: Final = "†"
"""Beside a value that its sample is too small for."""

Doubt = Callable[[Sequence[str], Sequence[str], int], bool]
"""Of header, row and column: whether the value is one that its sample cannot carry."""


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: int,
    most: int = 1000,
    doubt: Doubt = lambda *_: False,
    rest: str = "--json",
) -> Html:
    """Make a table that scrolls by itself where the page is narrow.

    Args:
        caption: What it is.
        header: Of the columns; the first names the rows.
        rows: Texts, from the data or not.
        numbers: So many of the last columns are numbers.
        most: So many rows are shown, and of the others is said how many there are.
        doubt: Which values are marked with `WEAK`.
        rest: The option of the command that has what is not shown.
    """
    names = len(header) - numbers

    def style(place: int) -> str | None:
        return "n" if place >= names else None

    head = element("tr", *(element("th", text, scope="col", class_=style(at)) for at, text in enumerate(header)))
    body = []
    for row in rows[:most]:
        cells = [element("th", breakable(short(row[0], LONGEST_CELL)), scope="row")]
        for place, text in enumerate(row[1:], 1):
            shown: str = short(text, LONGEST_CELL) if place >= names else breakable(short(text, LONGEST_CELL))
            if doubt(header, row, place):
                shown = element("span", f"{shown} {WEAK}", class_="weak")
            cells.append(element("td", shown, class_=style(place)))
        body.append(element("tr", *cells))
    hidden = len(rows) - most
    told = prose(f"and {hidden:,} more, which are not shown here: `{rest}` has them")
    foot = element("tfoot", element("tr", element("td", told, colspan=len(header))))
    made = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *body),
        foot if hidden > 0 else Html(),
        class_="slim" if all(len(row[0]) <= SLIM for row in rows) else None,
    )
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=short(caption, LONGEST_CELL))


def grid_table(grid: Grid, *, most: int, doubt: Doubt = lambda *_: False, rest: str = "--json") -> Html:
    """Make a table of what the terminal shows as one."""
    return table(grid.title, grid.header, grid.rows, numbers=grid.numbers, most=most, doubt=doubt, rest=rest)


def notes(sentences: Sequence[str], longest: int = 600, *, links: Collection[str] = ()) -> Html:
    """Sentences, each a paragraph; addresses of ``links`` lead there."""
    return joined(*(element("p", prose(short(sentence, longest), links), class_="note") for sentence in sentences))
