"""Before a stage starts: in how many days each goal would be shown, at the volume and with the spread there are.

The baseline's units of assignment are drawn again and again, the expected change is applied to one half, and the goal
is judged exactly as the gate will judge it. What was observed of the change plays no part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Final

import numpy as np

from otel_auto_assign.analysis.arrays import Bools, Floats
from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.estimates import scarcity
from otel_auto_assign.analysis.judging import Cohorts, Finding, judge_goal, judge_guardrail
from otel_auto_assign.analysis.plans import COUNTS, QUANTILES, RATES, Bound, Claim, Goal, Guardrail, Stage
from otel_auto_assign.analysis.rates import intra_class_correlation, slower
from otel_auto_assign.analysis.samples import Sample

CHANCE: Final = 0.8
"""The chance of success that a stage is planned for (Cohen, Statistical Power Analysis, 1988, 2.4)."""
HORIZON_DAYS: Final = 730
"""Nobody waits longer: beyond it the number of days is not looked for."""
DRAWS: Final = 400
"""For each number of days: near the chance that is wanted it is known to two points."""
AT_ONCE: Final = 100
"""Draws between two looks at whether more of them could change the answer."""
FAR: Final = 4.0
"""Standard errors from the chance that is wanted, at which they could not."""


@dataclass(frozen=True)
class Outlook:
    """How long it takes to show something.

    Attributes:
        claim: What is to be shown.
        days: To a chance of ``CHANCE``; None where that lies beyond ``HORIZON_DAYS``, or nothing is known.
        chances: The chance after some numbers of days, in order of days.
        instead: Days for other statistics of the same measure, where the claim takes longer than its goal allows.
        why: Why nothing is known, in a sentence; else empty.
    """

    claim: Claim
    days: int | None
    chances: tuple[tuple[int, float], ...] = ()
    instead: tuple[tuple[str, int | None], ...] = ()
    why: str = ""

    @property
    def decidable(self) -> bool:
        """Whether it can be shown within the days that its goal allows."""
        return self.days is not None and self.days <= _allowed(self.claim)

    def more_days(self, so_far: float) -> int | None:
        """How many days are missing after ``so_far``; 0 where none are, None where nobody knows."""
        return None if self.days is None else max(0, ceil(self.days - so_far))

    def times_the_restaurants(self) -> int | None:
        """How many times the restaurants would show it within the days that its goal allows."""
        return None if self.days is None else max(1, ceil(self.days / _allowed(self.claim)))

    def sentence(self, so_far: float = 0.0) -> str:
        """Say it in words, ``so_far`` days after the start.

        >>> from otel_auto_assign.analysis.plans import Bound
        >>> goal = Goal("planner p95", "planner_job_ms", "p95", Bound.RATIO_AT_MOST, 0.7, expect=0.5, max_days=56)
        >>> print(Outlook(goal, 56).sentence(so_far=14))
        planner p95: about 42 more days
        >>> print(Outlook(goal, 112, instead=(("p50", 14),)).sentence(so_far=14))
        planner p95: not decidable at this volume within 56 days; p50 would need none more, or 2 times the restaurants
        """
        if self.why:
            return f"{self.claim.name}: no outlook, {self.why}"
        if self.decidable:
            return f"{self.claim.name}: {_more(self.days, so_far)}"
        within = f" within {_allowed(self.claim):g} days" if isinstance(self.claim, Goal) else ""
        offers = [f"{name} would need {_more(days, so_far)}" for name, days in self.instead if days is not None]
        times = self.times_the_restaurants()
        if times is not None and times > 1:
            offers.append(f"{times} times the restaurants")
        offered = f"; {', or '.join(offers)}" if offers else ""
        return f"{self.claim.name}: not decidable at this volume{within}{offered}"


@dataclass(frozen=True)
class Volume:
    """What a day brings: a baseline, and in how many days it came together."""

    baseline: Sample
    days: float


def outlook(
    claim: Goal | Guardrail,
    stage: Stage,
    volume: Volume,
    *,
    correlation: float = DEFAULT_CORRELATION,
    seed: int = 0,
    draws: int = DRAWS,
) -> Outlook:
    """Reckon how many days a goal needs, if the change does what is expected; a guardrail, if it changes nothing.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), 25.5: power from a resampled pilot; whole units of
    assignment are drawn, within their restaurants, so that days stay as unequal and as alike within as they are.

    Args:
        claim: A goal or guardrail of the stage.
        stage: Its exposure says how the units are shared out.
        volume: Of the claim's measure.
        correlation: The plan's, within units.
        seed: Of the draws: the same gives the same days.
        draws: For each number of days.
    """
    if claim.statistic in COUNTS:
        return _of_a_count(claim, stage, volume)
    why = _hopeless(claim, volume.baseline)
    if why:
        return Outlook(claim, None, why=why)
    world = _World(claim, stage, volume, correlation, seed, draws)
    days, chances = _search(world)
    found = Outlook(claim, days, tuple(sorted(chances.items())))
    if found.decidable or claim.statistic not in QUANTILES:
        return found
    milder = [name for name, at in QUANTILES.items() if at < QUANTILES[claim.statistic] and name in {"p50", "p90"}]
    others = (replace(claim, statistic=name) for name in milder)
    worlds = (_World(other, stage, volume, correlation, seed, draws) for other in others)
    return replace(found, instead=tuple(zip(milder, (_search(one)[0] for one in worlds), strict=True)))


def chance_after(
    claim: Goal | Guardrail,
    stage: Stage,
    volume: Volume,
    days: int,
    *,
    correlation: float = DEFAULT_CORRELATION,
    seed: int = 0,
    draws: int = DRAWS,
) -> float:
    """Reckon the chance of a goal to be met, or a guardrail held, after ``days``; else as ``outlook``."""
    if _hopeless(claim, volume.baseline):
        return 0.0
    return _World(claim, stage, volume, correlation, seed, draws).chance(days)


class _World:
    """Cohorts as they may come, after any number of days."""

    def __init__(
        self, claim: Goal | Guardrail, stage: Stage, volume: Volume, correlation: float, seed: int, draws: int
    ) -> None:
        self.claim = claim
        self.stage = stage
        self.volume = volume
        self.correlation = correlation
        self.seed = seed
        self.draws = draws
        sample = volume.baseline
        self.order = np.argsort(sample.units, kind="stable")
        self.first = np.searchsorted(sample.units[self.order], np.arange(sample.count_units + 1))
        known = intra_class_correlation(
            sample if claim.measure in RATES else slower(sample, inf if claim.above is None else claim.above)
        )
        self.likeness = correlation if known is None else known
        self.strata = [np.flatnonzero(sample.by_unit.strata == one) for one in np.unique(sample.by_unit.strata)]

    def chance(self, days: int) -> float:
        """Of the claim to be met, or held, after so many days."""
        random = np.random.default_rng(self.seed)
        shown, drawn = 0, 0
        while drawn < self.draws:
            shown += sum(self._shown(days, random) for _ in range(AT_ONCE))
            drawn += AT_ONCE
            error = max(0.25 / drawn, (shown / drawn) * (1 - shown / drawn)) / drawn
            if (shown / drawn - CHANCE) ** 2 > FAR**2 * error:
                break
        return shown / drawn

    def _shown(self, days: int, random: np.random.Generator) -> bool:
        share = self.stage.exposure
        post, baseline = (days * share, days * (1 - share)) if 0 < share < 1 else (days, days)
        both = Cohorts(
            {self.claim.measure: self._changed(self._drawn(post, days, random), random)},
            {self.claim.measure: self._drawn(baseline, days, random)},
            correlation=self.correlation,
        )
        if isinstance(self.claim, Goal):
            return judge_goal(self.claim, both).finding is Finding.MET
        return judge_guardrail(self.claim, both).finding is Finding.HELD

    def _drawn(self, days: float, within: int, random: np.random.Generator) -> Sample:
        """As many whole units of each restaurant as come in so many days, spread over the days of a window."""
        part = days / self.volume.days
        many = [max(1, round(len(one) * part)) for one in self.strata]
        units = np.concatenate([random.choice(one, count) for one, count in zip(self.strata, many, strict=True)])
        numbers = np.concatenate([np.arange(count) * within // count for count in many])
        sizes = self.first[units + 1] - self.first[units]
        at = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = self.order[np.repeat(self.first[units], sizes) + at]
        drawn = np.repeat(np.arange(len(units)), sizes)
        sample = self.volume.baseline
        bookings = np.unique(drawn * sample.count_bookings + sample.bookings[rows], return_inverse=True)[1]
        restaurants = sample.restaurants[rows]
        return Sample(
            sample.values[rows], sample.beyond[rows], bookings, drawn, restaurants, numbers[drawn], sample.limit
        )

    def _changed(self, sample: Sample, random: np.random.Generator) -> Sample:
        """What is expected of the change, done to a sample of the baseline."""
        expect = self.claim.expect if isinstance(self.claim, Goal) else None
        if expect is None:
            return sample
        if self.claim.bound is Bound.RATIO_AT_MOST:
            return sample.replaced(sample.values * expect, beyond=sample.beyond, limit=sample.limit)
        if self.claim.statistic == "mean":
            return sample.replaced(sample.values * (expect / sample.values.mean()))
        return self._of_share(sample, expect, random)

    def _of_share(self, sample: Sample, expect: float, random: np.random.Generator) -> Sample:
        """The expected share, its events gathering in units as the baseline's or the planned correlation says."""
        likeness = min(0.99, max(1e-6, self.likeness))
        weight = 1 / likeness - 1
        shares = random.beta(expect * weight, (1 - expect) * weight, sample.count_units)
        happened = random.random(sample.rows) < shares[sample.units]
        return sample.replaced(self._values(happened))

    def _values(self, happened: Bools) -> Floats:
        """Values of the measure on the two sides of the claim's limit."""
        if self.claim.measure in RATES:
            return np.asarray(happened, dtype=np.float64)
        top = float(self.volume.baseline.values.max()) + (self.claim.above or 0) + 1
        return np.where(happened, top, 0.0)


def _search(world: _World) -> tuple[int | None, dict[int, float]]:
    """The fewest days, to about a twentieth, with the chance that is wanted; and every chance that was reckoned."""
    chances: dict[int, float] = {}
    low, high = 0, 7
    while high <= HORIZON_DAYS:
        chances[high] = world.chance(high)
        if chances[high] >= CHANCE:
            break
        low, high = high, high * 2
    else:
        return None, chances
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        chances[middle] = world.chance(middle)
        low, high = (low, middle) if chances[middle] >= CHANCE else (middle, high)
    return high, chances


def _hopeless(claim: Goal | Guardrail, baseline: Sample) -> str:
    """Why no number of days would do."""
    few = scarcity(("baseline", baseline.size(baseline.values)))
    if few or isinstance(claim, Goal):
        return few
    today = judge_guardrail(claim, Cohorts({claim.measure: baseline}, {claim.measure: baseline}))
    return today.why if today.finding is Finding.BROKEN_BEFORE else ""


def _of_a_count(claim: Claim, stage: Stage, volume: Volume) -> Outlook:
    """Rows and bookings come at an even pace."""
    there = volume.baseline.rows if claim.statistic == "rows" else volume.baseline.count_bookings
    share = stage.exposure if 0 < stage.exposure < 1 else 1
    if not there:
        return Outlook(claim, None, why="the baseline has no rows")
    return Outlook(claim, ceil(claim.value / (there / volume.days * share) - 1e-9))


def _more(days: int | None, so_far: float) -> str:
    more = max(0, ceil((days or 0) - so_far))
    return f"about {more} more {'day' if more == 1 else 'days'}" if more else "none more"


def _allowed(claim: Claim) -> float:
    return claim.max_days if isinstance(claim, Goal) else inf
