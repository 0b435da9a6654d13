"""Measure what the statistics promise, and say it: ``make validate``, or ``python -m tests.validate --help``.

Ends with 1 if in any kind of window the gate passes wrongly more often than it may.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from otel_auto_assign.analysis.plans import Unit
from otel_auto_assign.analysis.verdicts import Outcome
from tests.validate import contrasts, gate, pilot
from tests.validate.cells import ITEMS, Cell, Tally, cells, run
from tests.validate.windows import PILOT_DAY_SD, World
from tests.validate.workers import Workers

MAY_PASS_WRONGLY: Final = 0.06
"""The one-sided 95 % limit of the share of wrong PASSes, in the worst kind of window."""
WORST: Final = 8
"""Cells that are measured again with new windows: the worst of many looks worse than it is."""
WEEKS: Final = (7, 14, 28, 56)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.validate", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="windows for each cell (default: %(default)s)")
    parser.add_argument("--again", type=int, default=20_000, help="windows for the worst cells (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, help="of the cells only each so many (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: %(default)s)")
    options = parser.parse_args(arguments)
    with Workers(options.workers, options.runs, options.seed) as workers:
        kept = _measure(workers, tuple(cells())[:: options.every], options.again)
    _say("", f"the promise is {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


def _measure(workers: Workers, found: Sequence[Cell], again: int) -> bool:
    runs, seed = workers.runs, workers.seed
    _say(f"{len(found)} kinds of window, {runs} simulated windows each, seed {seed}")
    screened = workers.all(partial(run, cell, runs, seed + at) for at, cell in enumerate(found))
    _say_coverage(screened)
    worst = sorted(screened, key=lambda tally: -tally.rate)[:WORST]
    fresh = workers.all(partial(run, one.cell, again, seed + 10_000 + at) for at, one in enumerate(worst))
    kept = _say_wrong_pass(screened, fresh)
    _say_at_expect(workers)
    _say_pilot(workers)
    _say_contrasts(workers)
    return kept


def _say_coverage(tallies: Sequence[Tally]) -> None:
    _say("", "coverage of the two-sided intervals, nominal 95 %: on average, in the worst cell")
    methods = defaultdict(list)
    for tally in tallies:
        methods[tally.cell.item.method].append(tally)
    for method, found in methods.items():
        worst = min(found, key=lambda tally: tally.covered / tally.runs)
        mean = sum(tally.covered for tally in found) / sum(tally.runs for tally in found)
        _say(f"  {method:24} {mean:7.1%} {worst.covered / worst.runs:7.1%}   {worst.cell}")


def _say_wrong_pass(screened: Sequence[Tally], fresh: Sequence[Tally]) -> bool:
    _say("", "wrong PASS, each goal and guardrail exactly at its limit, nominal 5 %: on average, in the worst cell")
    for item in ITEMS:
        found = [tally for tally in screened if tally.cell.item.claim == item.claim]
        if not found:
            continue
        worst = max(found, key=lambda tally: tally.rate)
        mean = sum(tally.kept for tally in found) / sum(tally.runs for tally in found)
        _say(f"  {item.claim.name:24} {mean:7.1%} {worst.rate:7.1%}   {worst.cell}")
    _say("", f"the {len(fresh)} worst cells again, with windows of their own: rate, one-sided 95 % limit, n")
    for tally in fresh:
        _say(f"  {tally.rate:7.2%} {tally.at_most:7.2%} {tally.runs:7}   {tally.cell}")
    worst = max(fresh, key=lambda tally: tally.at_most)
    _say(f"  worst: at most {worst.at_most:.2%}, {MAY_PASS_WRONGLY:.0%} allowed, n = {worst.runs}")
    return worst.at_most <= MAY_PASS_WRONGLY


def _say_at_expect(workers: Workers) -> None:
    _say("", f"met or held where the truth is as expected, after {', '.join(map(str, WEEKS))} days")
    grid = [Cell(item, World(days, Unit.RESTAURANT_DAY, PILOT_DAY_SD)) for item in ITEMS for days in WEEKS]
    found = workers.all(
        partial(run, cell, workers.runs, workers.seed + at, truth=cell.item.expected) for at, cell in enumerate(grid)
    )
    for at, item in enumerate(ITEMS):
        rates = "".join(f"{tally.rate:8.0%}" for tally in found[at * len(WEEKS) :][: len(WEEKS)])
        _say(f"  {item.claim.name:24} truth {item.expected:<6g}{rates}")
    for hoped, words in ((True, "P(PASS) of the default plan's pilot, all as hoped"), (False, "nothing changed")):
        said = workers.all(
            partial(gate.outcomes, days, workers.runs // 4, workers.seed + days, hoped=hoped) for days in WEEKS
        )
        rates = "".join(f"{one[Outcome.PASS] / one.total():8.0%}" for one in said)
        _say(f"  {words:50}{rates}")


def _say_pilot(workers: Workers) -> None:
    _say("", "at ten jobs a day on each side: chance as simulated here, and as it was named when this was planned")
    chances = workers.all(partial(pilot.chance, figure, workers.runs, workers.seed) for figure in pilot.FIGURES)
    for figure, chance in zip(pilot.FIGURES, chances, strict=True):
        _say(f"  {chance:5.0%} {figure.named:5.0%}   {figure}")


def _say_contrasts(workers: Workers) -> None:
    _say("", "what the usual ways do")
    few, many, seed = workers.runs // 4, workers.runs, workers.seed
    switched, window = Unit.RESTAURANT_DAY, Unit.WINDOW
    tasks: dict[str, Callable[[], float]] = {
        "coverage of a plain bootstrap's p95 ratio": partial(contrasts.bootstrap_coverage, few, seed),
        "coverage of Newcombe on rows": partial(contrasts.newcombe_coverage, many, seed, adjusted=False),
        "coverage of Newcombe on effective rows": partial(contrasts.newcombe_coverage, many, seed, adjusted=True),
        "none slow in 59 runs of which 5 % are, correlation 0.1": partial(contrasts.none_slow, 59),
        "none slow in 120 such runs": partial(contrasts.none_slow, 120),
        "median at its limit passes, windows, days alike 0.7": partial(
            contrasts.design, window, many, seed, autocorrelation=0.7
        ),
        "the same, days switched in pairs": partial(contrasts.design, switched, many, seed, autocorrelation=0.7),
        "the same, looked at daily until it passes": partial(contrasts.daily_until_pass, few, seed),
        "a rise of time-outs by 20 pp is caught within 7 days": partial(contrasts.alarms, few, seed, rise=0.2, days=7),
        "no rise is taken for one in 14 daily looks": partial(contrasts.alarms, few, seed, rise=0.0, days=14),
    }
    for words, share in zip(tasks, workers.all(tasks.values()), strict=True):
        _say(f"  {share:6.1%}   {words}")


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
