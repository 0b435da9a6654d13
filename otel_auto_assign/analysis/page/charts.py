"""Charts, drawn in SVG by hand: as wide as the page is, with words that stay as large as they are.

Across, places are percents of the width; down, they are pixels. Only curves are stretched, and their lines are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_auto_assign.analysis.page.markup import Html, element, joined, short
from otel_auto_assign.analysis.page.scales import Scale

LEFT, RIGHT = 9.0, 98.0
"""Where a horizontal axis begins and ends, in percents; the words of the vertical one stand before it."""
FEWEST_COLUMNS: Final = 6
"""Fewer would be so wide that they look like more."""
TOP, BOTTOM = 18.0, 232.0
"""Where a vertical axis ends and begins, in pixels."""
HEIGHT: Final = 256
ACROSS: Final = 14.0
"""So many percents of a phone's width a word on a horizontal axis takes."""
DOWN: Final = 24.0
"""So many pixels one on a vertical axis takes."""
_BAR: Final = 40
"""The height of a bar and the words above it."""
_THIN: Final = 16
"""The height of a bar beside another, and the gap below it."""
LONGEST_LABEL: Final = 38
LONGEST_TOLD: Final = 400

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """Columns of one colour."""

    label: str
    style: str
    values: Mapping[int, float]


def frame(name: str, title: str, told: str, *body: str, height: int = HEIGHT) -> Html:
    """Make a chart of what is drawn in it.

    Args:
        name: Unique in the page.
        title: What it shows.
        told: The same as the eye sees it, for who does not.
        body: From the back to the front.
        height: In pixels.
    """
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", short(told, LONGEST_TOLD), id=f"{name}-told"),
        *body,
        class_="chart",
        role="img",
        aria_labelledby=f"{name}-title {name}-told",
        width="100%",
        height=height,
    )


def across(marks: Sequence[tuple[float, str]], *, spread: bool = False) -> Html:
    """A horizontal axis: a line, and words under it.

    Args:
        marks: Places and words.
        spread: The first word begins at its place and the last one ends there, for they stand at the ends.
    """
    words = []
    for number, (x, text) in enumerate(marks):
        anchor = "middle"
        if spread and number in {0, len(marks) - 1}:
            anchor = "end" if number else "start"
        words.append(element("text", text, x=_percent(x), y=BOTTOM + 17, class_="mark", text_anchor=anchor))
    return joined(element("line", x1=0, x2="100%", y1=BOTTOM, y2=BOTTOM, class_="axis"), *words)


def down(marks: Iterable[tuple[float, str]]) -> Html:
    """A vertical axis: a faint line for each mark, its word standing on it."""
    return joined(
        *(
            joined(
                element("line", x1=0, x2="100%", y1=_px(y), y2=_px(y), class_="grid"),
                element("text", text, x=0, y=_px(y - 4), class_="mark halo"),
            )
            for y, text in marks
        )
    )


def curve(points: Points, style: str, *, closed: bool = False, height: int = HEIGHT) -> Html:
    """A line through points, or, closed, an area; nothing without points."""
    if not points:
        return Html()
    d = "M" + "L".join(f"{x * 10:.4g},{y:.4g}" for x, y in points) + ("Z" if closed else "")
    return _stretched(d, style, height)


def steps(points: Points, style: str, height: int = HEIGHT) -> Html:
    """A line that goes on to each point and only there up or down to it, as shares of a whole grow."""
    if not points:
        return Html()
    (x, y), *rest = points
    d = f"M{x * 10:.4g},{y:.4g}" + "".join(f"H{x * 10:.4g}V{y:.4g}" for x, y in rest)
    return _stretched(d, style, height)


def dots(points: Points, style: str, radius: float = 3.5) -> Html:
    """A dot at each point."""
    return joined(*(element("circle", cx=_percent(x), cy=_px(y), r=radius, class_=style) for x, y in points))


def upright(x: float, text: str, *, row: int = 0, style: str = "flag") -> Html:
    """A vertical line and what it says; ``row`` puts the words lower, where lines stand close together."""
    anchor = "end" if x > 50 else "start"  # noqa: PLR2004 - the half with more room
    word = element(
        "text", text, x=_percent(x), dx=-4 if anchor == "end" else 4, y=_px(TOP - 6 + 15 * row),
        class_=f"{style} halo", text_anchor=anchor,
    )  # fmt: skip
    return joined(element("line", x1=_percent(x), x2=_percent(x), y1=2, y2=BOTTOM, class_=style), word)


def level(y: float, text: str, style: str) -> Html:
    """A horizontal line across the whole, and what it says at its end."""
    return joined(
        element("line", x1=0, x2="100%", y1=_px(y), y2=_px(y), class_=style),
        element("text", text, x="99%", y=_px(y - 4), class_=f"{style} halo", text_anchor="end"),
    )


def bars(rows: Sequence[tuple[str, float, str]], most: float, styles: Mapping[str, str] | None = None) -> Html:
    """Bars one under the other, each with its label above and its value behind it; see `bars_height`.

    Args:
        rows: Label, value, and the value in words.
        most: The value as long as the page is wide.
        styles: Of labels that are not coloured as the others are.
    """
    drawn = []
    for place, (label, value, text) in enumerate(rows):
        top, long = place * _BAR, 72 * min(1.0, max(0.0, value / most if most > 0 else 0.0))
        style = (styles or {}).get(label, "b")
        drawn += [
            element("text", short(label, LONGEST_LABEL), x=0, y=top + 13, class_="label"),
            element("rect", x=0, y=top + 18, width=_percent(max(long, 0.3)), height=13, class_=f"fill {style}"),
            element("text", text, x=_percent(long), dx=6, y=top + 29, class_="value"),
        ]
    return joined(*drawn)


def bars_height(rows: Sequence[object]) -> int:
    """The height of a chart of bars."""
    return max(1, len(rows)) * _BAR


def grouped_bars(groups: Sequence[tuple[str, Sequence[tuple[float, str, str]]]], most: float) -> Html:
    """Bars of several sides under one label; see `grouped_height`.

    Args:
        groups: Label, and of each side the value, the value in words, and the style.
        most: The value of the longest bar.
    """
    drawn, top = [], 0
    for label, group in groups:
        drawn.append(element("text", short(label, LONGEST_LABEL), x=0, y=top + 13, class_="label"))
        for number, (value, text, style) in enumerate(group):
            y, long = top + 18 + number * _THIN, 72 * value / most if most > 0 else 0.0
            drawn.append(
                element("rect", x=0, y=y, width=_percent(max(long, 0.3)), height=_THIN - 4, class_=f"fill {style}")
            )
            drawn.append(element("text", text, x=_percent(long), dx=6, y=y + 10, class_="value"))
        top += _group_height(group)
    return joined(*drawn)


def grouped_height(groups: Sequence[tuple[str, Sequence[object]]]) -> int:
    """The height of a chart of grouped bars."""
    return sum(_group_height(group) for _, group in groups)


def _group_height(group: Sequence[object]) -> int:
    return 26 + _THIN * len(group)


def columns(series: Sequence[Series], keys: Sequence[int], words: Sequence[str], values: Sequence[str]) -> Html:
    """Columns side by side, one group for each key.

    Args:
        series: What is drawn.
        keys: The groups.
        words: Under each.
        values: Above each; empty strings for none.
    """
    most = max((one.values.get(key, 0.0) for one in series for key in keys), default=0.0) or 1.0
    tall = Scale(0, most, BOTTOM, TOP + 12)
    slot = 100 / max(len(keys), FEWEST_COLUMNS)
    wide = slot * 0.78 / len(series)
    drawn = []
    for place, key in enumerate(keys):
        left = place * slot + slot * 0.11
        for number, one in enumerate(series):
            y = tall(one.values.get(key, 0.0))
            drawn.append(
                element(
                    "rect", x=_percent(left + number * wide), y=_px(y), width=_percent(wide * 0.92),
                    height=_px(BOTTOM - y), class_=f"fill {one.style}",
                )
            )  # fmt: skip
        middle, top = (place + 0.5) * slot, min(tall(one.values.get(key, 0.0)) for one in series)
        drawn.append(
            element("text", values[place], x=_percent(middle), y=_px(top - 5), class_="value", text_anchor="middle")
        )
        drawn.append(
            element("text", words[place], x=_percent(middle), y=BOTTOM + 17, class_="mark", text_anchor="middle")
        )
    return joined(element("line", x1=0, x2="100%", y1=BOTTOM, y2=BOTTOM, class_="axis"), *drawn)


def _stretched(d: str, style: str, height: int) -> Html:
    drawn = element("path", d=d, class_=style, vector_effect="non-scaling-stroke")
    return element(
        "svg", drawn, width="100%", height=height, viewBox=f"0 0 1000 {height}", preserveAspectRatio="none",
        class_="stretched",
    )  # fmt: skip


def _percent(x: float) -> str:
    return f"{x:.4g}%"


def _px(y: float) -> str:
    return f"{y:.4g}"
