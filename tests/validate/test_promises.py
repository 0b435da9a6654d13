"""``make validate`` in short: what the statistics promise holds, and the usual ways would not."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

import pytest

from otel_auto_assign.analysis.plans import Unit
from otel_auto_assign.analysis.verdicts import Outcome
from tests.project.sources import ROOT
from tests.validate import contrasts, gate, pilot
from tests.validate.cells import ITEMS, Cell, Tally, cells, run
from tests.validate.windows import World

RUNS = 200
HARD = tuple(
    World(days, unit, 0.5, 0.7, shape)
    for days, unit, shape in (
        (7, Unit.BOOKING, "plain"), (14, Unit.RESTAURANT_DAY, "plain"), (28, Unit.BOOKING, "plain"),
        (28, Unit.RESTAURANT_DAY, "20 bookings"),
    )
)  # fmt: skip
"""Kinds of window in which limits are most easily too narrow."""


@pytest.fixture(scope="module")
def tallies() -> dict[str, list[Tally]]:
    """Each item at its limit in each of the hard windows, by method."""
    found = defaultdict(list)
    for at, item in enumerate(ITEMS):
        for world in HARD:
            found[item.method].append(run(Cell(item, world), RUNS, at))
    return found


def test_what_is_at_its_limit_hardly_ever_passes(tallies: dict[str, list[Tally]]) -> None:
    """Over all hard windows the one-sided 95 % limit of the wrong PASSes is at most 6 %."""
    every = [tally for found in tallies.values() for tally in found]
    pooled = Tally(every[0].cell, sum(one.runs for one in every), sum(one.kept for one in every), 0, 0)
    assert pooled.runs == RUNS * len(ITEMS) * len(HARD)
    assert pooled.rate > 0.005
    assert pooled.at_most <= 0.06
    assert max(one.rate for one in every) < 0.12


def test_intervals_cover_what_they_say(tallies: dict[str, list[Tally]]) -> None:
    """Nominal 95 %, for each method over all hard windows."""
    for method, found in tallies.items():
        assert sum(one.covered for one in found) / sum(one.runs for one in found) > 0.92, method


def test_every_kind_of_window_is_looked_at() -> None:
    """Eight items, four lengths, two units, five ways of days, and the shapes that matter to each."""
    found = list(cells())
    assert len(found) == len(set(map(str, found))) == 880
    assert {cell.item.claim.name for cell in found} == {item.claim.name for item in ITEMS}


@pytest.mark.parametrize("figure", pilot.FIGURES, ids=str)
def test_the_chances_that_were_named_are_found(figure: pilot.Figure) -> None:
    """At ten jobs a day on each side, to ten points."""
    assert pilot.chance(figure, 300, 1) == pytest.approx(figure.named, abs=pilot.TOLERANCE)


def test_the_gate_passes_what_is_as_hoped_and_nothing_else() -> None:
    """After eight weeks nearly always, and never where the flags change nothing."""
    assert gate.outcomes(56, 40, 1)[Outcome.PASS] > 30
    assert gate.outcomes(28, 40, 1)[Outcome.PASS] > 20
    assert gate.outcomes(28, 40, 1, hoped=False)[Outcome.PASS] == 0


def test_the_usual_intervals_are_too_narrow() -> None:
    """A plain bootstrap of a p95 ratio and Newcombe's on rows; on effective rows that one keeps its word."""
    assert contrasts.bootstrap_coverage(200, 1) < 0.88
    assert contrasts.newcombe_coverage(500, 1, adjusted=False) < 0.87
    assert contrasts.newcombe_coverage(500, 1, adjusted=True) > 0.92


def test_none_slow_of_59_is_not_enough() -> None:
    """At a correlation of 0.1 within days of ten it happens in 12 % of the cases where 5 % are slow."""
    assert contrasts.none_slow(59) == pytest.approx(0.12, abs=0.005)
    assert contrasts.none_slow(120) < 0.05
    assert contrasts.none_slow(59, correlation=1e-9) == pytest.approx(0.95**59)


def test_switched_days_are_fairer_than_windows() -> None:
    """With days like the ones before two windows pass wrongly in more than one of ten cases."""
    assert contrasts.design(Unit.WINDOW, 200, 1, autocorrelation=0.7) > 0.1
    assert contrasts.design(Unit.RESTAURANT_DAY, 200, 1, autocorrelation=0.7) < 0.05


def test_looking_until_it_passes_passes_wrongly() -> None:
    """Daily for three weeks, where one look would in 5 % of the cases."""
    assert contrasts.daily_until_pass(60, 1) > 0.08


def test_harm_is_caught_and_seldom_imagined() -> None:
    """A rise of 20 points in about two of five weeks; none in hardly any fortnight."""
    assert contrasts.alarms(100, 1, rise=0.2, days=7) > 0.25
    assert contrasts.alarms(60, 1, rise=0.0, days=14) < 0.08


def test_the_report_says_all_of_it() -> None:
    """Coverage, wrong PASSes with n, the chances at what is expected, the contrasts; and a broken promise."""
    command = [sys.executable, "-m", "tests.validate", "--runs", "8", "--again", "20", "--every", "110"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)

    for heading in ("coverage of the two-sided", "wrong PASS", "n = 20", "as expected", "ten jobs a day", "usual ways"):
        assert heading in done.stdout
    assert "BROKEN" in done.stdout
    assert (done.returncode, done.stderr) == (1, "")  # twenty windows cannot show 6 %
