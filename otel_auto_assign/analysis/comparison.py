"""Two sides → all that can be said of them: the template, each goal and guardrail, and what forbids a conclusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from otel_auto_assign.analysis.cohorts import ON, Cohort
from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.judging import Cohorts, Finding, Judgement, judge
from otel_auto_assign.analysis.ledger import digest
from otel_auto_assign.analysis.measures import idle, samples
from otel_auto_assign.analysis.outliers import outliers
from otel_auto_assign.analysis.plans import Goal, Stage
from otel_auto_assign.analysis.samples import Sample
from otel_auto_assign.analysis.sides import Sides
from otel_auto_assign.analysis.template import Line, fill
from otel_auto_assign.analysis.traces import Tracing
from otel_auto_assign.analysis.validity import Side, copies
from otel_auto_assign.analysis.windows import Window

LISTED: Final = 5
"""So many outliers of a side are named, the largest first."""


@dataclass(frozen=True)
class Beyond:
    """Outliers of one measure: the fence, how many lie beyond it, and the largest."""

    measure: str
    fence: float
    post: int
    baseline: int
    largest: tuple[float, ...]
    traces: tuple[str, ...] = ()
    """Where the traces of the largest are shown, each empty where that is not known; see `traces`."""


@dataclass(frozen=True)
class Comparison:
    """What is known of two sides.

    Attributes:
        stage: Its unit, exposure, goals and guardrails.
        window: Of the post side; of both where one window holds both.
        before: Of the baseline where that is another one.
        lines: The template, filled in.
        judgements: Of every guardrail and goal.
        faults: Why the sides cannot be compared, each a sentence.
        caps: Why what they show can be marginal at best.
        post: Who is on that side.
        baseline: Likewise.
        beyond: Outliers of the durations.
        cohorts: The samples that were judged.
        exposed_since: When the first run on the post side saw the flags on.
        unreadable: What could not be read of the rows.
        data: The digest of what was judged.
        idle: Of each side, the jobs that decided nothing, and all of them.
    """

    stage: Stage
    window: Window
    before: Window | None
    lines: tuple[Line, ...]
    judgements: tuple[Judgement, ...]
    faults: tuple[str, ...]
    caps: tuple[str, ...]
    post: Side
    baseline: Side
    beyond: tuple[Beyond, ...]
    cohorts: Cohorts
    exposed_since: datetime | None = None
    unreadable: Mapping[str, int] = field(default_factory=dict)
    data: str = ""
    idle: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def compare(
    sides: Sides,
    stage: Stage,
    window: Window,
    *,
    before: Window | None = None,
    correlation: float = DEFAULT_CORRELATION,
    frozen: Mapping[str, float] | None = None,
) -> Comparison:
    """Say all that can be said of two sides.

    Args:
        sides: Shared out as the stage's unit wants it.
        stage: What is to be shown.
        window: Where the post side, or both, come from.
        before: Where the baseline comes from, if elsewhere.
        correlation: The plan's, within units.
        frozen: What was fixed before the stage.
    """
    post, baseline = samples(sides.post, stage.unit), samples(sides.baseline, stage.unit)
    faults = (*sides.faults(stage), *copies(post, baseline))
    cohorts = Cohorts(post, baseline, comparable=not faults, correlation=correlation, frozen=frozen or {})
    judgements = judge(stage, cohorts)
    if faults:
        judgements = tuple(_not_judged(one) if isinstance(one.claim, Goal) else one for one in judgements)
    return Comparison(
        stage=stage,
        window=window,
        before=before,
        lines=fill(post, baseline, correlation=correlation),
        judgements=judgements,
        faults=faults,
        caps=sides.caps(stage),
        post=Sides.who(sides.post, stage.unit),
        baseline=Sides.who(sides.baseline, stage.unit),
        beyond=tuple(_beyond(post, baseline)),
        cohorts=cohorts,
        exposed_since=_exposed_since(sides.post),
        unreadable=_unreadable(sides, before),
        data=digest(post, baseline),
        idle={"baseline": idle(sides.baseline), "post": idle(sides.post)},
    )


def _exposed_since(post: Cohort) -> datetime | None:
    began = np.concatenate([runs.began[runs.exposed == ON] for runs in (post.jobs, post.inline)])
    return datetime.fromtimestamp(float(began.min()) / 1000, UTC) if len(began) else None


def traced(found: Comparison, tracing: Tracing) -> Comparison:
    """Give a comparison whose outliers say where their traces are shown."""
    return replace(
        found,
        beyond=tuple(replace(one, traces=tracing.of_durations(one.measure, one.largest)) for one in found.beyond),
    )


def _not_judged(goal: Judgement) -> Judgement:
    """A goal of sides that cannot be compared, whatever its numbers say; guardrails know by themselves."""
    why = "the two sides cannot be compared"
    return replace(goal, finding=Finding.UNDECIDED, for_want_of_data=False, why=why, without_outliers=None)


def _beyond(post: Mapping[str, Sample], baseline: Mapping[str, Sample]) -> list[Beyond]:
    found = []
    for measure in sorted(post.keys() & baseline.keys()):
        if not measure.endswith("_ms"):
            continue
        both = post[measure], baseline[measure]
        out = outliers(*both)
        if out:
            values = np.concatenate([both[0].values[list(out.post)], both[1].values[list(out.baseline)]])
            largest = tuple(np.sort(values)[::-1][:LISTED].tolist())
            found.append(Beyond(measure, out.fence, len(out.post), len(out.baseline), largest))
    return found


def _unreadable(sides: Sides, before: Window | None) -> dict[str, int]:
    """Both sides of one window were read together."""
    read: list[Cohort] = [sides.post] if before is None else [sides.post, sides.baseline]
    found: dict[str, int] = {}
    for cohort in read:
        for what, count in cohort.unreadable.items():
            found[what] = found.get(what, 0) + count
    return found
