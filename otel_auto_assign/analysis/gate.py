"""One look at a stage: what was fixed before, what the rows say since, and the verdict on both.

ledger ──► start, date of the look, what was frozen ──┐
rows since the start, up to the date of the look ─────┼──► comparison ──► verdict ──► a line for the ledger
plan ─────────────────────────────────────────────────┘
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import scipy

from otel_auto_assign._version import __version__
from otel_auto_assign.analysis.cohorts import OFF, ON, Cohort
from otel_auto_assign.analysis.comparison import Comparison, compare
from otel_auto_assign.analysis.judging import Finding, freeze
from otel_auto_assign.analysis.ledger import Look, frozen, is_final, started, tampering
from otel_auto_assign.analysis.looks import Reader
from otel_auto_assign.analysis.measures import samples
from otel_auto_assign.analysis.plans import COUNTS, Goal, Guardrail, Plan, Stage, Unit
from otel_auto_assign.analysis.power import DRAWS, Outlook, Volume, chance_after, outlook
from otel_auto_assign.analysis.samples import Sample
from otel_auto_assign.analysis.sides import Sides
from otel_auto_assign.analysis.verdicts import Verdict, decide
from otel_auto_assign.analysis.windows import Window

_MOMENT: Final = timedelta(milliseconds=1)
QUICK_DRAWS: Final = 100
"""For the outlook in a report, which nothing hangs on."""


@dataclass(frozen=True)
class Result:
    """What one look at a stage gave.

    Attributes:
        stage: As planned.
        comparison: Of its rows so far, and none after the date of the look.
        verdict: What follows.
        look: The line for the ledger.
        earlier: The verdict of the one look, where it was taken before.
        outlooks: Of goals that are undecided: how much longer.
    """

    stage: Stage
    comparison: Comparison
    verdict: Verdict
    look: Look
    earlier: Look | None
    outlooks: tuple[tuple[Outlook, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Seen:
    """What was read for a look.

    Attributes:
        start: When the stage started.
        due: The date of its one look.
        window: Since its start, and none after that date.
        before: Of windows: the baseline's.
        fixed: What shares are above of, fixed before the stage.
        sides: What is compared.
    """

    start: datetime
    due: datetime
    window: Window
    before: Window | None
    fixed: Mapping[str, float]
    sides: Sides


def see(reader: Reader, stage: Stage, looks: Sequence[Look]) -> Seen:
    """Read what a look at a stage needs, as of the reader's present, or of the date of the look if that is over.

    Raises:
        TableMissingError: if there is no such table.
        psycopg.Error: if it cannot be read.
    """
    start = started(stage, looks, reader.now)
    due = stage.look(start)
    fixed = frozen(stage, looks)
    if fixed is None:
        fixed = _freeze(reader, stage, start)
    reader = replace(reader, now=min(reader.now, due))
    window = Window(start, max(reader.now, start + _MOMENT))
    before = Window(start - timedelta(days=stage.days), start) if stage.unit is Unit.WINDOW else None
    return Seen(start, due, window, before, fixed, reader.sides(stage, window, before=before))


def look_at(
    seen: Seen, plan: Plan, stage: Stage, looks: Sequence[Look], *, now: datetime, zone: str, decides: bool = True
) -> Result:
    """Look at a stage.

    Args:
        seen: Its rows.
        plan: The whole, whose digest is remembered.
        stage: One of its stages.
        looks: What the ledger remembers.
        now: The reader's present.
        zone: The reader's, by its name.
        decides: Whether this may be the stage's one look; a watch never is.
    """
    identity = f"{plan.digest}@{zone}"  # days are part of what was planned
    found = compare(seen.sides, stage, seen.window, before=seen.before, correlation=plan.correlation, frozen=seen.fixed)
    final = decides and is_final(stage, looks, start=seen.start, as_of=now)
    verdict = decide(
        found.judgements,
        faults=(*tampering(stage, looks, plan=identity, start=seen.start), *found.faults),
        caps=(*_unsoaked(stage, found, seen.due), *found.caps),
        at_look=final,
    )
    look = Look(
        stage=stage.name,
        as_of=now.astimezone(UTC),
        start=seen.start,
        due=seen.due,
        final=final,
        plan=identity,
        data=found.data,
        verdict=str(verdict.outcome),
        cause=str(verdict.cause or ""),
        versions=versions(),
        frozen=seen.fixed,
    )
    earlier = next((one for one in looks if one.stage == stage.name and one.final), None)
    return Result(stage, found, verdict, look, earlier, _outlooks(plan, stage, found, seen.window.length))


def versions() -> Mapping[str, str]:
    """Give the versions of what reckons."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"otel-auto-assign": __version__, "python": python, "numpy": np.__version__, "scipy": scipy.__version__}


@dataclass(frozen=True)
class Prospect:
    """What ``gate --plan`` says of one goal or guardrail.

    Attributes:
        outlook: The days to a chance of 80 %.
        at_look: The chance after the stage's own days; None where nothing is reckoned.
    """

    outlook: Outlook
    at_look: float | None


@dataclass(frozen=True)
class Forecast:
    """What ``gate --plan`` says of a stage.

    Attributes:
        stage: As planned.
        window: From which the baseline is.
        bookings: That it has.
        days: In which they came.
        unknown: How many of its runs do not say their flags.
        prospects: Of goals, then guardrails.
    """

    stage: Stage
    window: Window
    bookings: int
    days: int
    unknown: int
    prospects: tuple[Prospect, ...]

    @property
    def known(self) -> bool:
        """Whether there is an outlook for every goal that decides."""
        return not any(one.outlook.why for one in self._deciding)

    @property
    def decidable(self) -> bool:
        """Whether every goal that decides can be shown within its days."""
        return all(one.outlook.decidable for one in self._deciding)

    @property
    def _deciding(self) -> list[Prospect]:
        return [one for one in self.prospects if isinstance(one.outlook.claim, Goal) and one.outlook.claim.decides]


def forecast(
    cohort: Cohort,
    plan: Plan,
    stage: Stage,
    window: Window,
    *,
    draws: int = DRAWS,
    reckoning: Callable[[str], object] = str,
) -> Forecast:
    """Say, before a stage starts, how many days each goal takes at the volume there is.

    What had the flags on is left out. A run that does not say its flags is taken for off: for planning that is good
    enough, and years of rows have none.

    Args:
        cohort: All that came in ``window``.
        plan: The whole.
        stage: One of its stages.
        window: For saying it.
        draws: See `power.outlook`.
        reckoning: Called with the name of what is reckoned next.
    """
    cohort = _not_on(cohort)
    measured = samples(cohort, stage.unit)
    numbers = np.concatenate([cohort.jobs.days, cohort.inline.days])
    days = int(numbers.max() - numbers.min()) + 1 if len(numbers) else 0
    claims: tuple[Goal | Guardrail, ...] = (*stage.goals, *stage.guardrails)
    prospects = []
    for claim in claims:
        reckoning(claim.name)
        prospects.append(_prospect(claim, stage, Volume(measured.get(claim.measure, _NONE), days or 1), plan, draws))
    unknown = sum(int((runs.exposed != OFF).sum()) for runs in (cohort.jobs, cohort.inline))
    bookings = len({*cohort.jobs.bookings.tolist(), *cohort.inline.bookings.tolist()})
    return Forecast(stage, window, bookings, days, unknown, tuple(prospects))


def _prospect(claim: Goal | Guardrail, stage: Stage, volume: Volume, plan: Plan, draws: int) -> Prospect:
    found = outlook(claim, stage, volume, correlation=plan.correlation, draws=draws)
    if found.why or claim.statistic in COUNTS:
        return Prospect(found, None)
    chances = dict(found.chances)
    if stage.days not in chances:
        chances[stage.days] = chance_after(claim, stage, volume, stage.days, correlation=plan.correlation, draws=draws)
    return Prospect(found, chances[stage.days])


def _outlooks(plan: Plan, stage: Stage, found: Comparison, so_far: timedelta) -> tuple[tuple[Outlook, float], ...]:
    """How much longer the goals need that are undecided, each with the days so far.

    From what is expected and how the baseline spreads, never from what was observed of the change.
    """
    if not 0 < stage.exposure < 1 or found.faults:
        return ()
    days = so_far / timedelta(days=1)
    told = []
    for one in found.judgements:
        sample = found.cohorts.baseline.get(one.claim.measure)
        if not isinstance(one.claim, Goal) or one.finding is not Finding.UNDECIDED or sample is None or days <= 0:
            continue
        volume = Volume(sample, days * (1 - stage.exposure))
        told.append((outlook(one.claim, stage, volume, correlation=plan.correlation, draws=QUICK_DRAWS), days))
    return tuple(told)


def _freeze(reader: Reader, stage: Stage, start: datetime) -> Mapping[str, float]:
    """Fix what shares are above of, from as many days before the stage as it has; nothing where it needs none."""
    if all(claim.above_baseline_p95 is None for claim in (*stage.goals, *stage.guardrails)):
        return {}
    before = reader.cohort(stage, Window(start - timedelta(days=stage.days), start)).exposed(OFF)
    return freeze(stage, samples(before, stage.unit))


def _unsoaked(stage: Stage, found: Comparison, due: datetime) -> tuple[str, ...]:
    if not stage.soak_hours or not stage.exposure or found.exposed_since is None:
        return ()
    hours = (due - found.exposed_since) / timedelta(hours=1)
    if hours >= stage.soak_hours:
        return ()
    return (f"the flags were first on {hours:.0f} hours before the look, {stage.soak_hours:g} are wanted",)


def _not_on(cohort: Cohort) -> Cohort:
    jobs, inline, calls = (part.exposed != ON for part in (cohort.jobs, cohort.inline, cohort.calls))
    return cohort.where(jobs=jobs, inline=inline, calls=calls)


_NONE: Final = Sample.of([], bookings=[])
