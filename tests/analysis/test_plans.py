"""Rollout plans as people write them."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta

import pytest

from otel_auto_assign.analysis.plan_files import default_plan, read_plan
from otel_auto_assign.analysis.plans import Bound, PlanError, Unit

STAGE = """\
[[stage]]
name = "pilot"
unit = "restaurant-day"
exposure = 0.5
days = 28
"""
GOAL = """\
[[stage.goal]]
name = "median"
measure = "planner_job_ms"
statistic = "p50"
ratio_at_most = 0.7
expect = 0.5
"""
GUARDRAIL = """\
[[stage.guardrail]]
name = "success"
measure = "job_success"
statistic = "rate"
at_least = 0.65
"""
SPEED = 'measure = "planner_job_ms"\nstatistic = "p50"\n{}'
RATE = 'measure = "job_success"\nstatistic = "rate"\nat_least = 0.65'
WHOLE = STAGE + GOAL + GUARDRAIL


def test_a_plan_is_read_into_values() -> None:
    """Every key has its place, and what is left out its default."""
    plan = read_plan("correlation = 0.2\n" + WHOLE.replace("days = 28", "days = 28\nstart = 2026-01-05T01:00:00+01:00"))
    (stage,) = plan.stages

    assert plan.correlation == 0.2
    assert (stage.unit, stage.exposure, stage.days, stage.environment) == (Unit.RESTAURANT_DAY, 0.5, 28, "")
    assert stage.start == datetime(2026, 1, 5, tzinfo=UTC)
    assert stage.look(stage.start) == datetime(2026, 2, 2, tzinfo=UTC)
    (goal,), (guardrail,) = stage.goals, stage.guardrails
    assert (goal.bound, goal.value, goal.expect, goal.max_days, goal.decides) == (
        Bound.RATIO_AT_MOST,
        0.7,
        0.5,
        56,
        True,
    )
    assert (guardrail.name, guardrail.bound, guardrail.value) == ("success", Bound.AT_LEAST, 0.65)
    assert plan.stage("pilot") is stage


def changed(old: str, new: str) -> str:
    """The whole plan with one thing changed."""
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stage = [", "the plan is not TOML: "),
        ("", "the plan has no stages: write at least one [[stage]]"),
        ("stages = 3\n" + WHOLE, "the plan: there is no key 'stages', there are correlation, stage"),
        ("correlation = 2\n" + WHOLE, "the plan: correlation is 2, it must be from 0 to 1"),
        ("stage = [3]", "stage 1 must be a table"),
        (changed("days = 28", "dayz = 28"), "stage 1: there is no key 'dayz', there are days, "),
        (changed("days = 28\n", ""), "stage 'pilot' has no days"),
        (changed("days = 28", "days = 28.5"), "stage 1: days is 28.5, it must be a whole number"),
        (changed("days = 28", "days = true"), "days is True, it must be a whole number"),
        (changed("days = 28", "days = 1\nsoak_hours = 48"), "the look after 1 days must come after 48 hours of soak"),
        (changed("days = 28", "days = 28\nstart = 2026-01-05T00:00:00"), "no time zone, write 2026-01-05T00:00:00Z"),
        (changed("days = 28", "days = 28\nstart = 2026-01-05"), "it must be a date with time and zone"),
        (changed("days = 28", "days = 28\nrestaurants = [1]"), "restaurants are a list of ids in quotes"),
        (changed("days = 28", "days = 28\nguardrails_as = 'ramp'"), "'ramp', which is no stage before it"),
        (changed("restaurant-day", "week"), "unit is 'week', it can be restaurant-day, booking, window"),
        (changed("exposure = 0.5", "exposure = 50"), "stage 'pilot': exposure is 50, it must be from 0 to 1"),
        (changed("exposure = 0.5", "exposure = true"), "exposure is True, it must be a number"),
        (changed("exposure = 0.5", "exposure = nan"), "exposure is nan, it must be a number"),
        (changed("exposure = 0.5", "exposure = '0.5'"), "exposure is '0.5', it must be a number"),
        (changed("exposure = 0.5", "exposure = 1"), "no comparison possible at exposure 1: keep a hold-back (0.9)"),
        (STAGE, "stage 'pilot' has no goal that decides and no guardrail: it could not but pass"),
        (STAGE + GOAL + "decides = false", "it could not but pass"),
        (WHOLE + STAGE + GOAL, "the plan: stages need names of their own, and pilot comes twice"),
        (WHOLE + GUARDRAIL, "goals and guardrails need names of their own, and success comes twice"),
        (changed("planner_job_ms", "planner_ms"), "(median): there is no measure 'planner_ms', there are planner_job"),
        (changed('"p50"', '"p55"'), "there is no statistic 'p55', there are p50, p90"),
        (changed("ratio_at_most = 0.7\n", ""), "(median) needs one of at_most, at_least, ratio_at_most, "),
        (changed("ratio_at_most = 0.7", "ratio_at_most = 0.7\nat_most = 3"), "and has 2"),
        (changed("ratio_at_most = 0.7", "at_most = 0.7"), "p50 cannot be held against at_most, but "),
        (changed("ratio_at_most = 0.7", "ratio_at_most = inf"), "ratio_at_most is inf, it must be a number"),
        (changed("ratio_at_most = 0.7", "ratio_at_most = 1.0"), "a ratio of 1 is no improvement"),
        (changed("expect = 0.5\n", ""), "(median) has no expect: without it nobody can tell how long the stage takes"),
        (changed("expect = 0.5", "expect = 0.7"), "what is expected (0.7) would not reach the goal (0.7)"),
        (changed("expect = 0.5", "expect = 0.5\nmax_days = 0"), "max_days is 0, it must be from 1 to 3650"),
        (changed("expect = 0.5", "expect = 0.5\nrequires = 'speed'"), "'speed', which is none of its guardrails"),
        (changed("expect = 0.5", "expect = 0.5\nabove = 3"), "share_above, and nothing else, needs one of 'above' and"),
        (
            changed(SPEED.format("ratio_at_most"), SPEED.replace("p50", "share_above").format("at_most")),
            "needs one of 'above' and",
        ),
        (changed('"job_success"', '"job_ms"'), "rate goes with measures of 0 and 1, which are cache_hit, "),
        (changed("at_least = 0.65", "rise_at_most = 0"), "without a margin it would hardly ever be held"),
        (changed("at_least = 0.65", "rise_at_most = 10"), "rise_at_most is 10, it must be a fraction between 0 and 1"),
        (changed(RATE, SPEED.format("ratio_at_most = 1.0")), "without a margin it would hardly ever be held"),
        (changed(SPEED.format("ratio_at_most = 0.7"), RATE.replace("at_least", "rise_at_most")), "is for guardrails"),
        (changed('name = "pilot"', 'name = " "'), "name is empty, and the command line asks for a stage by its name"),
        (changed("days = 28", "days = 1000000000000"), "stage 'pilot': days is 1e+12, it must be from 1 to 3650"),
        (changed("days = 28", "days = 28\nstart = 9999-12-31T00:00:00Z"), "start is in the year 9999, is that meant?"),
        (changed("days = 28", "days = 28\nstart = 0001-01-01T00:00:00Z"), "start is in the year 1, is that meant?"),
        (changed("expect = 0.5", "expect = -0.5"), "expect is -0.5, which no p50 can be"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    """The sentence says what is wrong, where it stands and what could stand there."""
    with pytest.raises(PlanError) as raised:
        read_plan(text)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (
            "measure = 'job_success'\nstatistic = 'rate'\nat_least = 65",
            "at_least is 65, it must be a fraction between 0",
        ),
        (
            "measure = 'inline_timeout'\nstatistic = 'rate'\nat_most = 85",
            "at_most is 85, it must be a fraction between",
        ),
        (
            "measure = 'inline_timeout'\nstatistic = 'rate'\nat_most = 1.0",
            "at_most is 1, it must be a fraction between",
        ),
        ("measure = 'job_success'\nstatistic = 'rate'\nat_least = 0.0", "at_least is 0, it must be a fraction between"),
        ("measure = 'job_failure'\nstatistic = 'rate'\nrise_at_most = 1.0", "rise_at_most is 1, it must be a fraction"),
        (
            "measure = 'job_ms'\nstatistic = 'share_above'\nabove = 9\nat_most = 5",
            "at_most is 5, it must be a fraction",
        ),
        (
            "measure = 'job_ms'\nstatistic = 'share_above'\nabove = -9\nat_most = 0.5",
            "above is -9, and job_ms is never",
        ),
        (
            "measure = 'job_ms'\nstatistic = 'share_above'\nabove_baseline_p95 = 85\nat_most = 0.05",
            "above_baseline_p95 is 85, it must be a part of the baseline's p95: 0.85 is 85 %",
        ),
        ("measure = 'job_ms'\nstatistic = 'rows'\nat_least = 0", "at_least is 0, and there are never fewer rows than"),
        (
            "measure = 'attempts_per_booking'\nstatistic = 'mean'\nat_least = 0",
            "is 0, and attempts_per_booking is never",
        ),
    ],
)
def test_a_bound_that_nothing_could_break_is_refused(claim: str, sentence: str) -> None:
    """Percents where a fraction belongs would let every stage pass, and nobody would see it."""
    with pytest.raises(PlanError) as raised:
        read_plan(f"{STAGE}[[stage.guardrail]]\nname = 'lax'\n{claim}\n")
    assert sentence in str(raised.value)


def test_an_unknown_stage_is_named_with_those_there_are() -> None:
    """A stage that does not exist is a usage error."""
    with pytest.raises(PlanError, match="there is no stage 'ramp' in the plan: it has pilot"):
        read_plan(WHOLE).stage("ramp")


def test_guardrails_can_be_those_of_an_earlier_stage() -> None:
    """Written once, they hold in later stages, beside their own."""
    later = STAGE.replace("pilot", "ramp") + 'guardrails_as = "pilot"\n' + GUARDRAIL.replace("success", "more", 1)
    first, second = read_plan(WHOLE + later.replace('measure = "job_more"', 'measure = "job_success"')).stages
    assert [one.name for one in second.guardrails] == ["success", "more"]
    assert second.guardrails[0] == first.guardrails[0]


def test_the_digest_is_of_what_the_plan_says() -> None:
    """Comments and the order of keys do not matter to it; any number does."""
    same = "# a remark\n" + changed("exposure = 0.5\ndays = 28", "days   = 28\nexposure = 0.50")
    assert read_plan(same).digest == read_plan(WHOLE).digest
    for other in (changed("0.7", "0.71"), changed("days = 28", "days = 27"), changed('"success"', '"succeeded"')):
        assert read_plan(other).digest != read_plan(WHOLE).digest


def test_a_stage_at_full_exposure_keeps_fixed_limits() -> None:
    """Without a hold-back nothing can be compared, but a fixed limit can be kept, and windows differ by their time."""
    assert read_plan(STAGE.replace("0.5", "1.0") + GUARDRAIL).stages[0].exposure == 1
    assert read_plan(STAGE.replace("0.5", "1.0").replace("restaurant-day", "window") + GOAL).stages


class TestTheDefaultPlan:
    """The plan that is shipped."""

    plan = read_plan(default_plan())

    def test_its_stages_are_the_teams(self) -> None:
        """In their order; where there is anything to compare a side stays off."""
        assert [(stage.name, stage.exposure) for stage in self.plan.stages] == [
            ("readiness", 0.0), ("staging", 1.0), ("pilot", 0.5),
            ("ramp-10", 0.1), ("ramp-50", 0.5), ("ramp-90", 0.9), ("proof", 0.9),
        ]  # fmt: skip
        assert sum(self.plan.stage(f"ramp-{share}").days for share in (10, 50, 90)) == 7

    def test_the_goals_are_the_contracts(self) -> None:
        """Each goal of §7 is decided after the ramp, with the contract's number."""
        goals = {goal.name: goal for goal in self.plan.stage("proof").goals}
        assert {name: goal.value for name, goal in goals.items() if goal.decides} == {
            "planner p95": 0.7, "planner p95, inline": 0.7, "planner calls per booking": 0.5, "inline within 2 s": 0.05,
            "job time": 0.5, "attempts p95": 0.05, "failures from the cache": 0.05,
        }  # fmt: skip
        assert (goals["inline within 2 s"].above, goals["attempts p95"].above_baseline_p95) == (2000, 0.85)
        assert goals["job time"].requires == "job success"

    def test_the_guardrails_are_the_contracts(self) -> None:
        """Each guardrail of §7 stands in every stage of production, those of staging with their milder numbers."""
        names = {one.name: one.value for one in self.plan.stage("pilot").guardrails}
        assert names == {
            "job success": 0.65, "failed jobs": 0.1, "average attempts": 2.5, "inline time-outs": 0.85,
            "rise of inline time-outs": 0.1, "cached answers": 0.3,
        }  # fmt: skip
        for stage in ("ramp-10", "ramp-50", "ramp-90", "proof"):
            assert self.plan.stage(stage).guardrails == self.plan.stage("pilot").guardrails
        staging = {one.name: one.value for one in self.plan.stage("staging").guardrails}
        assert staging == {"job success": 0.55, "average attempts": 3.0, "inline time-outs": 0.85}

    def test_the_pilot_decides_on_what_its_volume_can_carry(self) -> None:
        """The median and a share slower than a fixed limit; p95, p99 and calls are shown."""
        goals = self.plan.stage("pilot").goals
        assert {goal.name for goal in goals if goal.decides} == {"planner p50", "inline within 2 s"}
        assert {goal.statistic for goal in goals if not goal.decides} == {"p95", "p99", "mean"}

    def test_each_line_that_says_a_number_first_says_why(self) -> None:
        """A key's first appearance has a remark beside it or above it."""
        lines = default_plan().splitlines()
        seen: set[str] = set()
        for number, line in enumerate(lines):
            key = re.match(r"(\w+) = ", line)
            if key is None or key[1] in seen or key[1] in {"name", "measure"}:
                continue
            seen.add(key[1])
            assert "#" in line or lines[number - 1].startswith("#"), line
        assert set(tomllib.loads(default_plan())["stage"][0]) - {"goal", "name"} <= seen

    def test_looks_come_after_the_soak(self) -> None:
        """Staging and pilot run for two days at least."""
        assert all(
            timedelta(hours=self.plan.stage(name).soak_hours) >= timedelta(hours=48) for name in ("staging", "pilot")
        )
