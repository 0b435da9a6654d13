"""The demo's command line."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

DEFAULT_SCALE = 0.005
DEFAULT_SEED = 1


class UsageError(Exception):
    """What was asked for cannot be done; the message is one sentence for whoever asked. The demo exits with 2."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    bookings: Path | None
    seed: int
    scale: float
    dsn: str | None
    out: Path
    profiling: bool
    then: str | None

    @property
    def is_default_day(self) -> bool:
        """Whether this is the day that is known to show everything."""
        return self.bookings is None and self.scale == DEFAULT_SCALE


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(arguments: list[str]) -> Options:
    """Read the command line.

    Raises:
        UsageError: If it makes no sense.
        SystemExit: After ``--help``.
    """
    parser = _Parser(
        prog="python -m examples.restaurant",
        description="One day in four restaurants, first without and then with the planner team's two optimisations, "
        "on a real PostgreSQL; every job, attempt and quote is traced, and written as rows.",
        allow_abbrev=False,
    )
    parser.add_argument("--bookings", type=Path, metavar="CSV", help="take the day's requests from this file")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the made-up day (default: %(default)s)")
    parser.add_argument(
        "--scale",
        type=_scale,
        default=DEFAULT_SCALE,
        metavar="X",
        help="real seconds that a second of the restaurant lasts: retry delays, inline time-out, cutoff and cache "
        "life-time together (default: %(default)s)",
    )
    parser.add_argument("--dsn", help="use this server instead of one of its own; the demo works in a new schema there")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(".demo"),
        metavar="DIR",
        help="where baseline.csv, post.csv, report.html and comparison.html go (default: %(default)s)",
    )
    parser.add_argument("--profiling", action="store_true", help="record every stage, and the planner's statistics")
    parser.add_argument(
        "--then", metavar="CMD", help="run this before the server stops, with its connection in the environment"
    )
    return Options(**vars(parser.parse_args(arguments)))


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0.0001 <= scale <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0.0001 to 1 (1: as slow as life)")
    return scale
