"""How long a stage takes, before it starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from otel_auto_assign.analysis.plans import Bound, Goal, Guardrail, Stage, Unit
from otel_auto_assign.analysis.power import CHANCE, HORIZON_DAYS, Outlook, Volume, chance_after, outlook
from otel_auto_assign.analysis.samples import Sample
from tests.analysis.cohorts import plain

STAGE = Stage("pilot", Unit.RESTAURANT_DAY, 0.5, 28)
MEDIAN = Goal("median", "planner_job_ms", "p50", Bound.RATIO_AT_MOST, 0.7, expect=0.5, max_days=56)
P95 = replace(MEDIAN, name="p95", statistic="p95")
SUCCESS = Guardrail("success", "job_success", "rate", Bound.AT_LEAST, 0.65)
SLOW = Goal("slow", "inline_ms", "share_above", Bound.AT_MOST, 0.05, above=2000, expect=0.01)
TRIES = Goal("tries", "attempts_per_booking", "share_above", Bound.AT_MOST, 0.05, above_baseline_p95=0.85, expect=0.01)
CALLS = Goal("calls", "calls_per_booking", "mean", Bound.RATIO_AT_MOST, 0.5, expect=0.3)
CACHED = Goal("cached", "cache_hit_failures", "rate", Bound.AT_LEAST, 0.05, expect=0.2)
DRAWS = 100


def baseline(days: int = 14, *, sd: float = 0.6, seed: int = 1) -> Volume:
    """Durations of two restaurants before the change."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 20)
    restaurant = np.tile([0, 1], days * 10)
    values = 6500 * np.exp(random.normal(0, sd, len(day)))
    unit = day * 2 + restaurant
    sample = Sample.of(values, bookings=np.arange(len(day)), units=unit, restaurants=restaurant, days=day)
    return Volume(sample, float(days))


def shares(share: float) -> Volume:
    """Events of the same restaurants, ``share`` of the rows."""
    volume = baseline()
    random = np.random.default_rng(2)
    return replace(volume, baseline=volume.baseline.replaced((random.random(280) < share).astype(float)))


def test_the_days_are_the_first_with_the_chance_that_is_wanted() -> None:
    """The chance grows with the days, and there it reaches four in five."""
    found = outlook(MEDIAN, STAGE, baseline(), draws=DRAWS)

    assert found.days is not None
    assert found.decidable
    chances = dict(found.chances)
    assert chances[found.days] >= CHANCE
    assert all(chance < CHANCE for days, chance in chances.items() if days < found.days)
    assert list(chances) == sorted(chances)
    assert (found.more_days(0), found.more_days(found.days - 3.5), found.more_days(999)) == (found.days, 4, 0)
    assert found.instead == ()


def test_twice_the_volume_takes_half_the_days() -> None:
    """Or thereabouts, and more spread or less effect takes longer."""
    usual = outlook(P95, STAGE, baseline(), draws=DRAWS).days
    twice = outlook(P95, STAGE, replace(baseline(), days=7.0), draws=DRAWS).days
    assert usual is not None
    assert twice is not None
    assert 0.35 < twice / usual < 0.75
    wider = outlook(MEDIAN, STAGE, baseline(sd=1.2), draws=DRAWS).days
    weaker = outlook(replace(MEDIAN, expect=0.6), STAGE, baseline(), draws=DRAWS).days
    median = outlook(MEDIAN, STAGE, baseline(), draws=DRAWS).days
    assert wider is not None
    assert weaker is not None
    assert median is not None
    assert min(wider, weaker) > 1.5 * median


def test_what_takes_too_long_is_said_with_what_does_not() -> None:
    """A p99 at the pilot's volume: not decidable, but p50 and p90 are, or with some times the restaurants."""
    found = outlook(replace(P95, statistic="p99"), STAGE, baseline(), draws=DRAWS)

    assert not found.decidable
    assert found.days is not None
    assert found.times_the_restaurants() == -(-found.days // 56)
    assert [name for name, _ in found.instead] == ["p50", "p90"]
    assert all(days is not None and days < found.days for _, days in found.instead)


def test_the_outlook_in_words() -> None:
    """Days that are missing, what is offered instead, or why nothing is known."""
    assert Outlook(MEDIAN, 15).sentence() == "median: about 15 more days"
    assert Outlook(MEDIAN, 15).sentence(14.5) == "median: about 1 more day"
    assert Outlook(MEDIAN, 15).sentence(20) == "median: none more"
    assert (
        Outlook(MEDIAN, None, why="the baseline has no rows").sentence()
        == "median: no outlook, the baseline has no rows"
    )
    assert Outlook(SUCCESS, None).sentence() == "success: not decidable at this volume"
    late = Outlook(P95, 124, instead=(("p50", 14), ("p90", 40)))
    assert late.sentence(14) == (
        "p95: not decidable at this volume within 56 days; "
        "p50 would need none more, or p90 would need about 26 more days, or 3 times the restaurants"
    )


def test_nobody_waits_for_ever() -> None:
    """What is expected hardly differs from what is wanted: no number of days is given."""
    found = outlook(replace(MEDIAN, expect=0.69), STAGE, baseline(sd=1.5), draws=DRAWS)
    assert (found.days, found.decidable, found.times_the_restaurants(), found.more_days(3)) == (None, False, None, None)
    assert max(dict(found.chances)) <= HORIZON_DAYS


def test_the_observed_effect_plays_no_part() -> None:
    """The baseline alone is asked for; a faster or slower planner with the same spread takes the same days."""
    usual = baseline()
    slow = replace(usual, baseline=usual.baseline.replaced(usual.baseline.values * 7))
    assert outlook(MEDIAN, STAGE, slow, draws=DRAWS) == outlook(MEDIAN, STAGE, usual, draws=DRAWS)
    assert outlook(MEDIAN, STAGE, usual, draws=DRAWS, seed=1).days != HORIZON_DAYS


@pytest.mark.parametrize("few", [plain([]), plain([1.0 + row for row in range(19)]), plain([1.0] * 60, per_unit=10)])
def test_a_baseline_too_small_gives_no_outlook(few: Sample) -> None:
    """Its spread is not known: the sentence says what is needed."""
    found = outlook(MEDIAN, STAGE, Volume(few, 7.0), draws=DRAWS)
    assert (found.days, found.decidable) == (None, False)
    assert found.why.endswith("are needed")
    assert chance_after(MEDIAN, STAGE, Volume(few, 7.0), 28) == 0


def test_shares_take_their_expected_share() -> None:
    """Of a fixed limit, of the baseline's p95, of rows of 0 and 1, of counts: each has its days."""
    durations, attempts = baseline(), baseline()
    attempts = replace(attempts, baseline=attempts.baseline.replaced(1 + np.arange(280.0) % 9))
    for goal, volume in ((SLOW, durations), (TRIES, attempts), (CALLS, attempts), (CACHED, shares(0.02))):
        found = outlook(goal, STAGE, volume, draws=DRAWS)
        assert found.days is not None, goal.name
        assert 7 <= found.days <= 150, goal.name
        assert chance_after(goal, STAGE, volume, found.days * 3, draws=DRAWS) > 0.9


def test_events_that_gather_take_longer() -> None:
    """The expected share comes in days that are alike, as much as the plan or the baseline says."""
    loose, tight = (outlook(SLOW, STAGE, baseline(), correlation=one, draws=DRAWS).days for one in (0.001, 0.3))
    assert loose is not None
    assert tight is not None
    assert tight > 1.5 * loose
    wanted = replace(CACHED, value=0.1, expect=0.2)
    gathered = np.repeat([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 40)
    volume = replace(baseline(), baseline=baseline().baseline.replaced(gathered))
    spread = outlook(wanted, STAGE, shares(0.15), draws=DRAWS).days
    clumped = outlook(wanted, STAGE, volume, draws=DRAWS).days
    assert spread is not None
    assert clumped is None or clumped > 2 * spread


def test_a_guardrail_is_reckoned_as_if_nothing_changed() -> None:
    """Success of 80 % takes days to be sure of 65; 61 % is broken before, and no days help."""
    held = outlook(SUCCESS, STAGE, shares(0.85), draws=DRAWS)
    assert held.days is not None
    assert held.decidable
    broken = outlook(SUCCESS, STAGE, shares(0.55), draws=DRAWS)
    assert broken.days is None
    assert "already" in broken.why


def test_counts_come_at_an_even_pace() -> None:
    """A hundred rows at twenty a day, of which half are on, take ten days."""
    rows = Goal("rows", "job_success", "rows", Bound.AT_LEAST, 100)
    assert outlook(rows, STAGE, baseline()).days == 10
    assert outlook(replace(rows, statistic="bookings"), replace(STAGE, exposure=0.0), baseline()).days == 5
    assert outlook(rows, STAGE, Volume(plain([]), 7.0)).why == "the baseline has no rows"


def test_the_exposure_shares_the_units_out() -> None:
    """With a tenth on the smaller side is what takes the time; windows see each side whole."""
    half = outlook(MEDIAN, STAGE, baseline(), draws=DRAWS).days
    tenth = outlook(MEDIAN, replace(STAGE, exposure=0.1), baseline(), draws=DRAWS).days
    window = outlook(MEDIAN, replace(STAGE, exposure=1.0, unit=Unit.WINDOW), baseline(), draws=DRAWS).days
    assert half is not None
    assert tenth is not None
    assert window is not None
    assert window < half < tenth
