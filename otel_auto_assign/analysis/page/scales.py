"""Numbers → places on an axis, and the words beside its marks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil, floor, log10
from typing import Final

MOST_DECADES: Final = 8
"""A longer axis says less: what is smaller lies at its beginning."""
SHORTEST: Final = 0.001
"""No clock of ours tells less, in milliseconds."""


@dataclass(frozen=True)
class Scale:
    """From ``low`` to ``high`` in the data, from ``start`` to ``end`` on the page; outside of that it is clamped."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = log10(value / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def log_scale(values: Iterable[float], start: float, end: float, *, least: float = SHORTEST) -> Scale:
    """A logarithmic scale that has room for ``values``; what is 0 or less lies at its beginning.

    >>> scale = log_scale([0, 10, 1000], 0, 100)
    >>> scale(10), scale(100), scale(0)
    (0.0, 50.0, 0.0)
    """
    positive = [value for value in values if value > 0] or [1.0]
    high = max(*positive, least)
    low = max(min(positive), least, high / 10**MOST_DECADES)
    return Scale(low, high, start, end, logarithmic=True) if high > low else Scale(low / 2, high * 2, start, end, True)


def log_marks(scale: Scale, apart: float) -> list[float]:
    """Round values on a logarithmic axis: powers of ten, and what lies between them where there is room.

    Args:
        scale: The axis.
        apart: So far from each other they must be on the page, for their words to stand side by side; half as far from
            the end.

    >>> log_marks(Scale(30, 40_000, 0, 100, True), 20), log_marks(Scale(30, 250, 0, 100, True), 20)
    ([100.0, 1000.0, 10000.0], [30.0, 50.0, 100.0, 200.0])
    """
    powers = range(floor(log10(scale.low)), ceil(log10(scale.high)) + 1)
    kept: list[float] = []
    for step in _STEPS:
        for mark in (step * 10.0**power for power in powers):
            inside = scale.low <= mark * (1 + 1e-9) and mark <= scale.high * (1 + 1e-9)
            if (
                inside
                and abs(scale.end - scale(mark)) >= apart / 2
                and all(abs(scale(mark) - scale(other)) >= apart for other in kept)
            ):
                kept.append(mark)
    return sorted(kept)


def ms_text(value: float) -> str:
    """Write milliseconds with three digits, in the unit that a person would use.

    >>> ms_text(0.1319), ms_text(999.7), ms_text(2_576_035), ms_text(5)
    ('0.132 ms', '1 s', '2,576 s', '5 ms')
    """
    rounded = float(f"{value:.3g}")
    if abs(rounded) < 1000:  # noqa: PLR2004 - of them make a second
        return f"{rounded:g} ms"
    seconds = value / 1000
    return f"{seconds:,.0f} s" if abs(seconds) >= 100 else f"{float(f'{seconds:.3g}'):g} s"  # noqa: PLR2004 - three digits


def share_text(share: float) -> str:
    """Write a share as percents."""
    return f"{share * 100:.1f} %"


def change_text(ratio: float) -> str:
    """Write a ratio as the change that it is.

    >>> change_text(0.7), change_text(12)
    ('-30.0 %', '+1,100.0 %')
    """
    return f"{(ratio - 1) * 100:+,.1f} %"


def moment_text(moment: datetime, step_seconds: float) -> str:
    """Write a moment in UTC, as exactly as steps of that length need it."""
    told = moment.astimezone(UTC)
    if step_seconds >= _DAY:
        return f"{told.day} {told:%b %Y}"
    return f"{told.day} {told:%b %H:%M}" if step_seconds >= _MINUTE else f"{told:%H:%M:%S}"


_STEPS: Final = (1.0, 2.0, 5.0, 3.0, 1.5)
"""What a power of ten is multiplied by for a mark; the first are preferred."""
_DAY: Final = 86_400.0
_MINUTE: Final = 60.0
