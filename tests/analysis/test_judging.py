"""Goals and guardrails, judged."""

from __future__ import annotations

from math import floor, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign.analysis.judging import (
    Cohorts,
    Finding,
    Judgement,
    freeze,
    judge,
    judge_goal,
    judge_guardrail,
    threshold,
)
from otel_auto_assign.analysis.plans import Bound, Goal, Guardrail, Stage, Unit
from otel_auto_assign.analysis.quantiles import quantile_floor
from otel_auto_assign.analysis.samples import Sample
from tests.analysis.cohorts import lognormal, plain, reordered, samples
from tests.analysis.test_rates import events

MEDIAN = Goal("median", "planner_job_ms", "p50", Bound.RATIO_AT_MOST, 0.7, expect=0.5)
SLOW = Goal("slow", "inline_ms", "share_above", Bound.AT_MOST, 0.05, above=2000, expect=0.01)
CALLS = Goal("calls", "calls_per_booking", "mean", Bound.RATIO_AT_MOST, 0.5, expect=0.46)
ATTEMPTS = Goal(
    "tries", "attempts_per_booking", "share_above", Bound.AT_MOST, 0.05, above_baseline_p95=0.85, expect=0.01
)
CACHED = Goal("cached", "cache_hit_failures", "rate", Bound.AT_LEAST, 0.05, expect=0.15)
ENOUGH = Goal("enough", "job_success", "rows", Bound.AT_LEAST, 100)
SUCCESS = Guardrail("success", "job_success", "rate", Bound.AT_LEAST, 0.65)
LOSS = Guardrail("loss", "job_success", "rate", Bound.FALL_AT_MOST, 0.1)
TIME_OUTS = Guardrail("time-outs", "inline_timeout", "rate", Bound.RISE_AT_MOST, 0.1)
TRIES = Guardrail("average attempts", "attempts_per_booking", "mean", Bound.AT_MOST, 2.5)
MUCH_SLOWER = Guardrail("slower", "planner_job_ms", "p50", Bound.RATIO_AT_MOST, 1.25)
RELATIVE = (MEDIAN, CALLS, ATTEMPTS)


def goal(wanted: Goal, post: Sample, baseline: Sample | None = None) -> Judgement:
    """Judge a goal on one measure's samples."""
    return judge_goal(wanted, cohorts(wanted.measure, post, baseline))


def guardrail(wanted: Guardrail, post: Sample, baseline: Sample | None = None, *, comparable: bool = True) -> Judgement:
    """Judge a guardrail on one measure's samples."""
    return judge_guardrail(wanted, cohorts(wanted.measure, post, baseline, comparable=comparable))


def cohorts(measure: str, post: Sample, baseline: Sample | None, *, comparable: bool = True) -> Cohorts:
    """Both sides of one measure."""
    return Cohorts({measure: post}, {} if baseline is None else {measure: baseline}, comparable=comparable)


def test_a_ratio_is_met_missed_or_undecided() -> None:
    """By the limit on its side: far below the goal, far above it, around it."""
    baseline = lognormal(1, units=28)
    assert goal(MEDIAN, lognormal(2, units=28, scale=0.4), baseline).finding is Finding.MET
    assert goal(MEDIAN, lognormal(2, units=28, scale=1.2), baseline).finding is Finding.MISSED
    close = goal(MEDIAN, lognormal(2, units=28, scale=0.7), baseline)
    assert (close.finding, close.for_want_of_data) == (Finding.UNDECIDED, False)
    assert close.why.startswith("ratio at most 0.7 lies within its limits, 0.")


def test_too_few_are_undecided_for_want_of_data() -> None:
    """And say how many there are and how many are needed, whatever the numbers are."""
    few = goal(MEDIAN, plain([1.0] * 19), plain([1e6] * 400))
    assert (few.finding, few.for_want_of_data) == (Finding.UNDECIDED, True)
    assert few.why == "the post side has 19 bookings, 20 are needed"
    p95 = Goal("p95", "planner_job_ms", "p95", Bound.RATIO_AT_MOST, 0.7, expect=0.5)
    short = goal(p95, plain([1.0 + row for row in range(50)]), plain([1e6 + row for row in range(400)]))
    assert (short.finding, short.for_want_of_data, short.estimate.needed) == (Finding.UNDECIDED, True, 59)


def test_a_missing_limit_does_not_hide_a_miss() -> None:
    """A p95 of fifty rows cannot be met, but if it is ten times as slow that is seen."""
    p95 = Goal("p95", "planner_job_ms", "p95", Bound.RATIO_AT_MOST, 0.7, expect=0.5)
    assert (
        goal(p95, plain([1e5 + row for row in range(50)]), plain([1.0 + row for row in range(400)])).finding
        is Finding.MISSED
    )


def test_a_share_slower_than_a_limit() -> None:
    """None of 120 is met, 30 of 120 are missed, one of 120 is open; time-outs count as slow."""
    quick = [100.0 + row for row in range(120)]
    assert goal(SLOW, plain(quick, per_unit=10)).finding is Finding.MET
    assert goal(SLOW, plain([*quick[:90], *[2001.0] * 30], per_unit=10)).finding is Finding.MISSED
    assert goal(SLOW, plain([*quick[:119], 2001.0], per_unit=10)).finding is Finding.UNDECIDED
    assert goal(SLOW, plain(quick, per_unit=10, beyond=30)).finding is Finding.MISSED


def test_attempts_are_held_against_the_baselines_p95() -> None:
    """More than 85 % of it, rounded down, may be needed in 5 % of the cases at most; fixed beforehand or not."""
    baseline = plain([float(1 + row % 8) for row in range(160)], per_unit=10)
    post = plain([float(1 + row % 6) for row in range(160)], per_unit=10)
    stage = Stage("s", Unit.RESTAURANT_DAY, 0.5, 28, goals=(ATTEMPTS, MEDIAN, SLOW))
    fixed = freeze(stage, {ATTEMPTS.measure: baseline})
    assert fixed == {"tries": 6}
    assert freeze(stage, {}) == {}
    for known in (fixed, {}):
        met = judge_goal(ATTEMPTS, Cohorts({ATTEMPTS.measure: post}, {ATTEMPTS.measure: baseline}, frozen=known))
        assert (met.finding, met.frozen) == (Finding.MET, 6)
    lower = judge_goal(ATTEMPTS, Cohorts({ATTEMPTS.measure: post}, {ATTEMPTS.measure: baseline}, frozen={"tries": 4}))
    assert (lower.finding, lower.frozen) == (Finding.MISSED, 4)
    assert judge_goal(ATTEMPTS, Cohorts({ATTEMPTS.measure: post}, {}, frozen=fixed)).finding is Finding.MET
    assert goal(ATTEMPTS, baseline, baseline).finding is Finding.MISSED
    none = goal(ATTEMPTS, baseline)
    assert (none.finding, none.for_want_of_data, none.why) == (Finding.UNDECIDED, True, "the baseline has no rows")


def test_a_p95_of_the_same_weeks_is_taken_at_its_lower_limit() -> None:
    """By chance it is too high in one of two cases, and the share above it would be too easily small enough."""
    baseline = plain([float(1 + row) for row in range(100)], per_unit=1)
    assert freeze(Stage("s", Unit.BOOKING, 0.5, 28, goals=(ATTEMPTS,)), {ATTEMPTS.measure: baseline}) == {"tries": 80}
    assert threshold(ATTEMPTS, baseline) == floor(0.85 * quantile_floor(baseline, 0.95)) < 80
    assert threshold(SLOW, baseline) == 2000


def test_average_calls_and_counts() -> None:
    """A mean as a share of the baseline's, a share that should be reached, a number that should be there."""
    many, few = (plain([float(row % 5 * factor) for row in range(140)], per_unit=10) for factor in (4, 1))
    assert goal(CALLS, few, many).finding is Finding.MET
    assert goal(CALLS, many, many).finding is Finding.MISSED
    assert goal(CACHED, events(40, 200)).finding is Finding.MET
    assert goal(CACHED, events(1, 400)).finding is Finding.MISSED
    assert goal(ENOUGH, events(60, 100)).finding is Finding.MET
    short = goal(ENOUGH, events(60, 99))
    assert (short.finding, short.for_want_of_data, short.why) == (
        Finding.UNDECIDED,
        True,
        "there are 99, 100 are needed",
    )


def test_a_guardrail_is_held_breached_or_undecided() -> None:
    """From below and from above, of one side and of the difference of two."""
    assert guardrail(SUCCESS, events(80, 100), events(80, 100)).finding is Finding.HELD
    assert guardrail(SUCCESS, events(40, 100), events(80, 100)).finding is Finding.BREACHED
    assert guardrail(SUCCESS, events(67, 100), events(80, 100)).finding is Finding.UNDECIDED
    for rail, worse, better in ((LOSS, 40, 70), (TIME_OUTS, 70, 40)):
        assert guardrail(rail, events(50, 100), events(50, 100)).finding is Finding.UNDECIDED
        assert guardrail(rail, events(500, 1000), events(500, 1000)).finding is Finding.HELD
        assert guardrail(rail, events(worse * 4, 400), events(better * 4, 400)).finding is Finding.BREACHED
    assert guardrail(MUCH_SLOWER, lognormal(1, scale=3), lognormal(2)).finding is Finding.BREACHED
    assert guardrail(MUCH_SLOWER, lognormal(1, scale=0.7), lognormal(2)).finding is Finding.HELD


def test_a_limit_that_was_broken_before_is_no_reason_to_go_back() -> None:
    """Success of 61 % against 65, or 2.63 attempts against 2.5: not breached by the change, and held if it is now."""
    broken = guardrail(SUCCESS, events(40, 100), events(61, 100))
    assert broken.finding is Finding.BROKEN_BEFORE
    assert broken.why == "the baseline has 0.61 already, where at least 0.65 is the limit"
    assert guardrail(SUCCESS, events(90, 100), events(61, 100)).finding is Finding.HELD
    attempts = plain([float(row % 4 + 1.13) for row in range(140)], per_unit=10)
    assert guardrail(TRIES, attempts, attempts).finding is Finding.BROKEN_BEFORE
    assert guardrail(TRIES, attempts, plain([1.0, 2.0] * 70)).finding is not Finding.BROKEN_BEFORE


def test_relative_guardrails_need_sides_that_can_be_compared() -> None:
    """With flags that nobody knows a difference means nothing; a fixed limit is broken all the same."""
    assert guardrail(TIME_OUTS, events(90, 100), events(10, 100), comparable=False).finding is Finding.UNDECIDED
    assert guardrail(SUCCESS, events(10, 100), events(90, 100), comparable=False).finding is Finding.BREACHED


def test_a_goal_may_require_a_guardrail() -> None:
    """Jobs that give up sooner are no faster: met only with the success held."""
    job_time = Goal("job time", "job_ms", "p50", Bound.RATIO_AT_MOST, 0.7, expect=0.5, requires="success")
    stage = Stage("s", Unit.RESTAURANT_DAY, 0.5, 28, goals=(job_time,), guardrails=(SUCCESS,))
    fast, slow = lognormal(2, units=28, scale=0.4), lognormal(1, units=28)

    def of(post: int) -> list[Finding]:
        both = Cohorts(
            {"job_ms": fast, "job_success": events(post, 100)}, {"job_ms": slow, "job_success": events(80, 100)}
        )
        return [one.finding for one in judge(stage, both)]

    assert of(80) == [Finding.HELD, Finding.MET]
    assert of(67) == [Finding.UNDECIDED, Finding.UNDECIDED]


def test_outliers_are_in_the_headline_and_beside_it() -> None:
    """A few values that decide are not left out, but it is seen that they decide."""
    baseline = lognormal(1, units=56)
    fast = lognormal(2, units=56, scale=0.3)
    values = np.where(np.arange(fast.rows) % 10 == 0, 1e8, fast.values)
    p95 = Goal("p95", "planner_job_ms", "p95", Bound.RATIO_AT_MOST, 0.7, expect=0.5)

    judged = goal(p95, fast.replaced(values), baseline)

    assert (judged.finding, judged.without_outliers) == (Finding.MISSED, Finding.MET)
    assert judged.depends_on_outliers
    assert goal(p95, fast, baseline).without_outliers is None


@given(samples(), st.sampled_from(RELATIVE))
def test_identical_data_never_meet_a_goal_that_compares(sample: Sample, wanted: Goal) -> None:
    """Whatever the data, on both sides they are no improvement."""
    assert goal(wanted, sample, sample).finding is not Finding.MET


@given(
    st.sampled_from([*RELATIVE, SLOW, CACHED, ENOUGH, SUCCESS, TIME_OUTS, TRIES, LOSS, MUCH_SLOWER]), samples(high=1)
)
def test_nothing_is_shown_by_an_empty_side(wanted: Goal | Guardrail, sample: Sample) -> None:
    """No rows: undecided, for want of data."""
    empty = plain([])
    for post, baseline in ((empty, empty), (empty, sample)):
        judged = goal(wanted, post, baseline) if isinstance(wanted, Goal) else guardrail(wanted, post, baseline)
        if judged.finding is not Finding.BROKEN_BEFORE:
            assert (judged.finding, judged.for_want_of_data) == (Finding.UNDECIDED, True)
            assert judged.why


@given(samples(), samples(), st.sampled_from(RELATIVE), st.floats(0.05, 0.95))
def test_better_is_never_judged_worse(post: Sample, baseline: Sample, wanted: Goal, factor: float) -> None:
    """All of the post side smaller: a goal that was met stays so, and one that was not missed is not now."""
    before = goal(wanted, post, baseline).finding
    after = goal(wanted, post.replaced(post.values * factor, beyond=post.beyond), baseline).finding
    order = [Finding.MISSED, Finding.UNDECIDED, Finding.MET]
    if wanted is not ATTEMPTS:  # of a share the effect of clusters changes as well
        assert order.index(after) >= order.index(before)


@given(samples(), samples(), st.sampled_from(RELATIVE), st.integers(0, 9))
def test_the_order_of_rows_does_not_matter(post: Sample, baseline: Sample, wanted: Goal, seed: int) -> None:
    """Nor the names of clusters."""
    assert (
        goal(wanted, reordered(post, seed), reordered(baseline, seed)).finding is goal(wanted, post, baseline).finding
    )


def test_a_limit_that_is_the_bound_itself_decides_nothing() -> None:
    """Ties make limits equal to the true ratio: at its bound that is neither met nor missed. A count is enough."""
    tied = plain([100.0] * 200)
    at_bound = goal(MEDIAN, tied.replaced(tied.values * 0.7), tied)
    assert at_bound.estimate.lower == at_bound.estimate.upper == pytest.approx(0.7)
    assert at_bound.finding is Finding.UNDECIDED
    assert goal(MEDIAN, tied.replaced(tied.values * 0.69), tied).finding is Finding.MET
    assert goal(MEDIAN, tied.replaced(tied.values * 0.71), tied).finding is Finding.MISSED
    assert goal(ENOUGH, events(60, 100)).finding is Finding.MET


def test_limits_that_do_not_exist_are_endless() -> None:
    """They are never a number that could be taken for one."""
    estimate = goal(MEDIAN, plain([]), plain([])).estimate
    assert (estimate.value, estimate.lower, estimate.upper, estimate.interval) == (None, -inf, inf, (-inf, inf))


@pytest.mark.parametrize(("bound", "value", "limit"), [(Bound.AT_LEAST, 0.65, "lower"), (Bound.AT_MOST, 0.9, "upper")])
def test_the_sentence_names_the_limit_that_decided(bound: Bound, value: float, limit: str) -> None:
    """The lower one of what should be reached, the upper one of what should be kept below."""
    judged = guardrail(Guardrail("g", "job_success", "rate", bound, value), events(80, 100))
    assert (
        judged.why
        == f"its limit of {getattr(judged.estimate, limit):.4g} is held against {bound.replace('_', ' ')} {value}"
    )
