"""The whole gate on the pilot's stage: how often it passes where everything is as hoped for, and what it says else."""

from __future__ import annotations

from collections import Counter

import numpy as np

from otel_auto_assign.analysis.arrays import Floats
from otel_auto_assign.analysis.judging import Cohorts, judge
from otel_auto_assign.analysis.plan_files import default_plan, read_plan
from otel_auto_assign.analysis.samples import Sample
from otel_auto_assign.analysis.verdicts import Outcome, decide
from tests.validate.windows import PILOT_DAY_SD, Drawn, World, counts, draw, durations, events

PILOT = read_plan(default_plan()).stage("pilot")


def as_hoped(drawn: Drawn, random: np.random.Generator) -> dict[str, Floats]:
    """Every measure of the pilot with the change that its goal expects, and what is guarded a little better."""
    slow = events(drawn, 0.01, 0.2, random)
    return {
        "planner_job_ms": durations(drawn, 0.5, random),
        "inline_ms": 500 + 3000 * slow,
        "calls_per_booking": counts(drawn, 0.46, 3.6, random),
        "attempts_per_booking": counts(drawn, 0.7, 2.4, random),
        "job_success": events(drawn, 0.85, 0.75, random),
        "job_failure": events(drawn, 0.15, 0.25, random),
        "inline_timeout": events(drawn, 0.4, 0.5, random),
        "cache_hit": events(drawn, 0.15, 0.0, random),
    }


def as_before(drawn: Drawn, random: np.random.Generator) -> dict[str, Floats]:
    """Every measure of the pilot where the flags change nothing at all."""
    return {
        "planner_job_ms": durations(drawn, 1.0, random),
        "inline_ms": 500 + 3000 * events(drawn, 0.2, 0.2, random),
        "calls_per_booking": counts(drawn, 1.0, 3.6, random),
        "attempts_per_booking": counts(drawn, 1.0, 2.4, random),
        "job_success": events(drawn, 0.75, 0.75, random),
        "job_failure": events(drawn, 0.25, 0.25, random),
        "inline_timeout": events(drawn, 0.5, 0.5, random),
        "cache_hit": events(drawn, 0.0, 0.0, random),
    }


def outcomes(days: int, runs: int, seed: int, *, hoped: bool = True) -> Counter[Outcome]:
    """What the gate says at the one look after ``days``, over ``runs`` pilots."""
    random = np.random.default_rng(seed)
    drawn = draw(World(days, day_sd=PILOT_DAY_SD), runs, random)
    values = (as_hoped if hoped else as_before)(drawn, random)
    said: Counter[Outcome] = Counter()
    for window in range(runs):
        sides: tuple[dict[str, Sample], dict[str, Sample]] = ({}, {})
        for measure, column in values.items():
            for side, sample in zip(sides, drawn.sides(window, column), strict=True):
                side[measure] = sample
        said[decide(judge(PILOT, Cohorts(*sides)), at_look=True).outcome] += 1
    return said
