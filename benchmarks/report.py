"""Results and their table: printed, kept in ``benchmarks/README.md``, and compared with what is kept."""

from __future__ import annotations

import inspect
import os
import platform
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Spread

PAGE: Final = Path(__file__).with_name("README.md")
BEGIN: Final = "<!-- measured: begin -->\n"
END: Final = "<!-- measured: end -->\n"
HEAD: Final = "| measured | against | goal | ratio (quartiles) | in numbers | |\n|---|---|---|---|---|---|\n"

PACKAGES: Final = ("otel-auto-assign", "opentelemetry-sdk", "psycopg", "wrapt", "orjson")


@dataclass(frozen=True)
class Goal:
    """A bound that a ratio must keep."""

    bound: float
    at_least: bool = False

    def __str__(self) -> str:
        """Write it as the table does."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def is_met(self, value: float) -> bool:
        """Whether ``value`` keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Result:
    """One line of the table: a ratio, what it compares, and the numbers behind it."""

    what: str
    against: str
    ratio: Spread
    numbers: str
    goal: Goal | None = None

    @property
    def missed(self) -> bool:
        """Whether there is a goal and the median does not keep it."""
        return self.goal is not None and not self.goal.is_met(self.ratio.median)

    @property
    def line(self) -> str:
        """The line of the Markdown table."""
        verdict = "" if self.goal is None else "**missed**" if self.missed else "met"
        ratio = f"{self.ratio.median:.2f} ({self.ratio.low:.2f} to {self.ratio.high:.2f})"
        return f"| {self.what} | {self.against} | {self.goal or ''} | {ratio} | {self.numbers} | {verdict} |\n"


def microseconds(ours: Spread, theirs: Spread) -> str:
    """Write the two costs behind a ratio."""
    return f"{ours.median / 1000:.2f} against {theirs.median / 1000:.2f} µs"


def show_source(title: str, *functions: Callable[..., Any]) -> None:
    """Print what is compared, so that nobody has to believe the names."""
    print(f"\n== {title}\n")
    for function in functions:
        print(textwrap.indent(textwrap.dedent(inspect.getsource(function)), "    "))


@dataclass(frozen=True)
class Conditions:
    """Under which the results were measured: the server's version, and how busy the machine was before."""

    server: str
    load: float

    def __str__(self) -> str:
        """Write them as the page does."""
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        return (
            f"Measured on {datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {packages}, "
            f"PostgreSQL {self.server}; {os.cpu_count()} cores, load before {self.load:.1f}.\n"
        )


def table(results: Sequence[Result], conditions: Conditions) -> str:
    """Give the measured part of the page."""
    return f"{BEGIN}{conditions}\n{HEAD}{''.join(result.line for result in results)}{END}"


def write(results: Sequence[Result], conditions: Conditions) -> None:
    """Put the table into the page, in place of the one that is there."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    PAGE.write_text(before + table(results, conditions) + after, encoding="utf-8")


def out_of_date(results: Sequence[Result]) -> list[str]:
    """Say what in the page is not of this code: other lines, other goals, another version of ours.

    Other numbers are no reason, since they differ from run to run; other versions of Python or of a library are
    another machine's, not another code's.
    """
    text = PAGE.read_text(encoding="utf-8").split(BEGIN, 1)[1].split(END, 1)[0]
    kept = [line.split(" | ")[:3] for line in text.splitlines() if line.startswith("| ")][1:]
    now = [result.line.split(" | ")[:3] for result in results]
    own = f"{PACKAGES[0]} {version(PACKAGES[0])}"
    reasons = [
        f"has no line: {line[0][2:]} against {line[1]}, {line[2] or 'no goal'}" for line in now if line not in kept
    ]
    reasons += [f"has a line too many: {line[0][2:]} against {line[1]}" for line in kept if line not in now]
    if f"{own}," not in text:
        reasons.append(f"is not of {own}")
    return reasons
