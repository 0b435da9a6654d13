"""What a decorator costs while it is turned off, against the bare call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.measure import Side, Spread, interleaved, thread_cpu
from benchmarks.report import Goal, Result, microseconds, show_source
from benchmarks.stage import Database, use
from otel_auto_assign import traced_quote

CALLS: Final = 20_000
BODY_NANOSECONDS: Final = 250
CALIBRATION_ROUNDS: Final = 5
MOST_STEPS: Final = 100

_steps = range(1)
"""How often the body counts; set so that the bare call takes BODY_NANOSECONDS on this machine, now."""


def bare(tables: int, guests: int) -> int:
    """Two arguments, and work for 250 ns."""
    for _ in _steps:
        guests += tables
    return guests


@traced_quote
def decorated(tables: int, guests: int) -> int:
    """The same, decorated."""
    for _ in _steps:
        guests += tables
    return guests


class Planner:
    """The same as methods."""

    def bare(self, tables: int, guests: int) -> int:
        """Two arguments and self."""
        for _ in _steps:
            guests += tables
        return guests

    @traced_quote
    def decorated(self, tables: int, guests: int) -> int:
        """The same, decorated."""
        for _ in _steps:
            guests += tables
        return guests


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the lines of the table."""
    show_source("Turned off", bare, decorated, Planner)
    use(None)
    calibrate()
    planner = Planner()
    measured = interleaved(
        side("function", bare),
        side("off function", decorated),
        side("method", planner.bare),
        side("off method", planner.decorated),
    )
    for kind, goal in (("function", Goal(1.8)), ("method", Goal(2.2))):
        ratio = measured.ratio(f"off {kind}", kind)
        numbers = microseconds(measured.spread(f"off {kind}"), measured.spread(kind))
        yield Result(f"decorated {kind}, turned off", "the bare call, 250 ns", ratio, numbers, goal)


def side(name: str, function: Callable[[int, int], int]) -> Side:
    """Call ``function`` in a loop, whose own few nanoseconds count on both sides."""

    def calls() -> None:
        for _ in range(CALLS):
            function(1, 2)

    return Side(name, lambda: thread_cpu(calls, CALLS))


def calibrate() -> None:
    """Give the body as many steps as it takes for the bare call to last BODY_NANOSECONDS on this machine, now."""
    global _steps  # noqa: PLW0603 - the body reads it as cheaply as a constant
    for steps in range(1, MOST_STEPS):
        _steps = range(steps)
        if Spread.of([side("", bare).run() for _ in range(CALIBRATION_ROUNDS)]).median >= BODY_NANOSECONDS:
            return
