"""What must not be able to pass, whatever the numbers are: identical data, an unset flag, an empty table, weak data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign.analysis.judging import Cohorts, judge
from otel_auto_assign.analysis.plan_files import default_plan, read_plan
from otel_auto_assign.analysis.plans import MEASURES, RATES, Stage
from otel_auto_assign.analysis.samples import Sample
from otel_auto_assign.analysis.validity import Exposure, Side, copies, faults
from otel_auto_assign.analysis.verdicts import Outcome, Verdict, decide

COMPARING = [stage for stage in read_plan(default_plan()).stages if 0 < stage.exposure < 1]
stages = st.sampled_from(COMPARING)
UNITS = 28
PLACES = frozenset((restaurant, day) for restaurant in range(2) for day in range(28))
ON = Side(restaurant_days=PLACES, exposure=Exposure(on=280), units=UNITS)
OFF = Side(restaurant_days=PLACES, exposure=Exposure(off=280), units=UNITS)


def measures(seed: int, *, rows: int = 280, good: float = 0.9, scale: float = 1.0) -> dict[str, Sample]:
    """Every measure of a side: ``good`` is how far it is within every guardrail."""
    random = np.random.default_rng(seed)
    columns = {}
    for measure in MEASURES:
        if measure in RATES:
            share = good if measure == "job_success" else 1 - good
            values = (random.random(rows) < share).astype(float)
        elif measure.endswith("_ms"):
            values = scale * random.lognormal(7, 0.3, rows)
        else:
            values = scale * random.poisson(1.5, rows).astype(float)
        day = np.arange(rows) % UNITS
        columns[measure] = Sample.of(
            values, bookings=np.arange(rows), units=day, restaurants=day % 2, days=day // 2 * 2 + day % 2
        )
    return columns


def verdict(
    stage: Stage, post: dict[str, Sample], baseline: dict[str, Sample], *, on: Side = ON, off: Side = OFF
) -> Verdict:
    """What the gate makes of both sides at the stage's one look."""
    wrong = (*faults(replace(stage, exposure=0.5), on, off), *copies(post, baseline))
    return decide(judge(stage, Cohorts(post, baseline, comparable=not wrong)), faults=wrong, at_look=True)


def test_what_is_far_better_passes() -> None:
    """Else nothing would be shown by the rest: production's proof and each ramp on a side far better than the other."""
    for stage in COMPARING:
        better = measures(1, scale=0.1, rows=2800) | {"cache_hit_failures": measures(2, good=0.3)["cache_hit_failures"]}
        found = verdict(stage, better, measures(3, good=0.7, scale=1.0, rows=2800))
        assert found.outcome is Outcome.PASS, (stage.name, found.reasons)


@given(stages, st.integers(0, 1000), st.sampled_from([0.01, 1.0]))
def test_identical_data_never_pass(stage: Stage, seed: int, scale: float) -> None:
    """One set of data on both sides, however good it is."""
    data = measures(seed, scale=scale)
    assert verdict(stage, data, data).outcome is Outcome.INVALID
    if stage.goals:
        assert decide(judge(stage, Cohorts(data, data)), at_look=True).outcome is not Outcome.PASS


@given(
    stages, st.integers(0, 1000), st.sampled_from([Exposure(unknown=280), Exposure(on=140, unknown=140), Exposure()])
)
def test_an_unset_flag_never_passes(stage: Stage, seed: int, exposure: Exposure) -> None:
    """On either side: what nobody knows is neither on nor off."""
    post, baseline = measures(seed, scale=0.1), measures(seed + 1)
    unknown = replace(exposure, off=exposure.on, on=0)
    for on, off in ((replace(ON, exposure=exposure), OFF), (ON, replace(OFF, exposure=unknown))):
        found = verdict(stage, post, baseline, on=on, off=off)
        assert found.outcome is Outcome.INVALID
        assert "unset is not off" in found.reasons[0]


@given(stages, st.integers(0, 1000))
def test_an_empty_table_never_passes(stage: Stage, seed: int) -> None:
    """Neither with both sides empty nor with one; it is too little, not wrong."""
    full = measures(seed, scale=0.1)
    assert verdict(stage, {}, {}, on=Side(), off=Side()).outcome is Outcome.INSUFFICIENT
    assert verdict(stage, full, {}, off=Side()).outcome is not Outcome.PASS
    assert verdict(stage, {}, full, on=Side()).outcome is not Outcome.PASS


@pytest.mark.parametrize("stage", COMPARING, ids=lambda stage: stage.name)
@pytest.mark.parametrize("rows", [1, 5, 19])
def test_a_handful_of_rows_never_passes(stage: Stage, rows: int) -> None:
    """However good they are."""
    assert verdict(stage, measures(1, rows=rows, scale=0.01), measures(2)).outcome is not Outcome.PASS
    assert verdict(stage, measures(1, scale=0.01), measures(2, rows=rows)).outcome is not Outcome.PASS
