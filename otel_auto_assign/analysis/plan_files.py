"""Plans as people write them: TOML, read strictly: a misspelled key must not loosen a gate in silence."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from math import isfinite
from typing import Any, Final, TypeVar

from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.plans import (
    ALLOWED,
    COUNTS,
    MEASURES,
    RATES,
    Bound,
    Claim,
    Goal,
    Guardrail,
    Plan,
    PlanError,
    Stage,
    Unit,
    listed,
)

C = TypeVar("C", Goal, Guardrail)

_LONGEST_DAYS: Final = 3650
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
"""So that no date of a look, or of a baseline before the start, lies outside the calendar."""
_MOST_OF_BASELINE: Final = 10.0
"""A guardrail may allow more than the baseline's p95; beyond ten times of it percents were meant."""


def default_plan() -> str:
    """The text of the plan that is shipped, with the goals of the contract's §7."""
    return files(__package__).joinpath("rollout.toml").read_text(encoding="utf-8")


def read_plan(text: str) -> Plan:
    """Read a plan from TOML.

    Raises:
        PlanError: if it is not TOML, names something unknown, lacks something, or contradicts itself.

    >>> read_plan(default_plan()).stages[0].name
    'readiness'
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"the plan is not TOML: {error}") from None
    known = _known(table, {"correlation": float, "stage": list}, "the plan")
    stages: list[Stage] = []
    for place, one in enumerate(known.get("stage", []), 1):
        stages.append(_stage(one, f"stage {place}", stages))
    if not stages:
        raise PlanError("the plan has no stages: write at least one [[stage]]")
    _unique([stage.name for stage in stages], "the plan", "stages")
    correlation = known.get("correlation", DEFAULT_CORRELATION)
    _within(correlation, 0, 1, "the plan: correlation")
    return Plan(tuple(stages), correlation)


_STAGE_KEYS: Final[Mapping[str, type]] = {
    "name": str, "unit": str, "exposure": float, "days": int, "soak_hours": float, "start": datetime,
    "environment": str, "restaurants": list, "goal": list, "guardrail": list, "guardrails_as": str,
}  # fmt: skip
_CLAIM_KEYS: Final[Mapping[str, type]] = {
    "name": str, "measure": str, "statistic": str, "above": float, "above_baseline_p95": float,
    **dict.fromkeys(Bound, float),
}  # fmt: skip
_GOAL_KEYS: Final[Mapping[str, type]] = {"expect": float, "max_days": int, "decides": bool, "requires": str}


def _stage(table: Any, where: str, earlier: list[Stage]) -> Stage:
    known = _known(table, _STAGE_KEYS, where)
    where = f"stage {known['name']!r}" if "name" in known else where
    for key in ("name", "unit", "exposure", "days"):
        if key not in known:
            raise PlanError(f"{where} has no {key}")
    if not known["name"].strip():
        raise PlanError(f"{where}: name is empty, and the command line asks for a stage by its name")
    if known["unit"] not in set(Unit):
        raise PlanError(f"{where}: unit is {known['unit']!r}, it can be {listed(Unit)}")
    start = known.get("start")
    if start is not None and start.tzinfo is None:
        raise PlanError(f"{where}: start has no time zone, write {start.isoformat()}Z if it is UTC")
    if not all(isinstance(one, str) for one in known.get("restaurants", [])):
        raise PlanError(f"{where}: restaurants are a list of ids in quotes")
    stage = Stage(
        name=known["name"],
        unit=Unit(known["unit"]),
        exposure=known["exposure"],
        days=known["days"],
        soak_hours=known.get("soak_hours", 0.0),
        start=None if start is None else start.astimezone(UTC),
        environment=known.get("environment", ""),
        restaurants=tuple(known.get("restaurants", ())),
        goals=tuple(_claim(Goal, one, f"{where}, goal {at}") for at, one in enumerate(known.get("goal", []), 1)),
        guardrails=(
            *_guardrails_as(known.get("guardrails_as"), earlier, where),
            *(
                _claim(Guardrail, one, f"{where}, guardrail {at}")
                for at, one in enumerate(known.get("guardrail", []), 1)
            ),
        ),
    )
    _check_stage(stage, where)
    return stage


def _guardrails_as(name: str | None, earlier: list[Stage], where: str) -> tuple[Guardrail, ...]:
    for stage in earlier:
        if stage.name == name:
            return stage.guardrails
    if name is not None:
        raise PlanError(f"{where}: guardrails_as is {name!r}, which is no stage before it")
    return ()


def _check_stage(stage: Stage, where: str) -> None:
    claims = (*stage.goals, *stage.guardrails)
    if not [goal for goal in stage.goals if goal.decides] and not stage.guardrails:
        raise PlanError(f"{where} has no goal that decides and no guardrail: it could not but pass")
    _within(stage.exposure, 0, 1, f"{where}: exposure")
    _within(stage.days, 1, _LONGEST_DAYS, f"{where}: days")
    if stage.start is not None and not _FIRST_YEAR <= stage.start.year <= _LAST_YEAR:
        raise PlanError(f"{where}: start is in the year {stage.start.year}, is that meant?")
    if stage.soak_hours < 0 or stage.soak_hours > stage.days * 24:
        raise PlanError(f"{where}: the look after {stage.days} days must come after {stage.soak_hours:g} hours of soak")
    _unique([claim.name for claim in claims], where, "goals and guardrails")
    for claim in claims:
        if claim.relative and stage.exposure in {0, 1} and stage.unit is not Unit.WINDOW:
            raise PlanError(
                f"{where}, {claim.name!r}: no comparison possible at exposure {stage.exposure:g}: "
                "keep a hold-back (0.9), or bound the figure itself"
            )
    for goal in stage.goals:
        if goal.requires and goal.requires not in {guardrail.name for guardrail in stage.guardrails}:
            raise PlanError(f"{where}, {goal.name!r}: requires {goal.requires!r}, which is none of its guardrails")


def _claim(kind: type[C], table: Any, where: str) -> C:
    known = _known(table, {**_CLAIM_KEYS, **_GOAL_KEYS} if kind is Goal else _CLAIM_KEYS, where)
    for key in ("name", "measure", "statistic"):
        if key not in known:
            raise PlanError(f"{where} has no {key}")
    where = f"{where} ({known['name']})"
    if known["measure"] not in MEASURES:
        raise PlanError(f"{where}: there is no measure {known['measure']!r}, there are {listed(MEASURES)}")
    if known["statistic"] not in ALLOWED:
        raise PlanError(f"{where}: there is no statistic {known['statistic']!r}, there are {listed(ALLOWED)}")
    bounds = [bound for bound in Bound if bound in known]
    if len(bounds) != 1:
        raise PlanError(f"{where} needs one of {listed(Bound)}, and has {len(bounds) or 'none'}")
    claim = kind(
        **{key: value for key, value in known.items() if key not in bounds}, bound=bounds[0], value=known[bounds[0]]
    )
    _check_claim(claim, where)
    return claim


def _check_claim(claim: Claim, where: str) -> None:
    if claim.bound not in ALLOWED[claim.statistic]:
        allowed = listed(sorted(ALLOWED[claim.statistic]))
        raise PlanError(f"{where}: {claim.statistic} cannot be held against {claim.bound.value}, but against {allowed}")
    if (claim.statistic == "rate") != (claim.measure in RATES) and claim.statistic not in COUNTS:
        raise PlanError(f"{where}: the statistic rate goes with measures of 0 and 1, which are {listed(sorted(RATES))}")
    limits = [limit for limit in (claim.above, claim.above_baseline_p95) if limit is not None]
    if len(limits) != (claim.statistic == "share_above"):
        raise PlanError(f"{where}: share_above, and nothing else, needs one of 'above' and 'above_baseline_p95'")
    unchanged = 1 if claim.bound is Bound.RATIO_AT_MOST else 0
    if isinstance(claim, Guardrail) and claim.relative and claim.value <= unchanged:
        raise PlanError(f"{where}: without a margin it would hardly ever be held, though nothing had changed")
    _check_bound(claim, where)
    if isinstance(claim, Goal):
        _check_goal(claim, where)


def _check_bound(claim: Claim, where: str) -> None:
    """Refuse a bound that nothing could break, or nothing keep: 85 where 0.85 was meant would let anything pass."""
    said = f"{where}: {claim.bound.value} is {claim.value:g}"
    if claim.statistic in {"rate", "share_above"} and not 0 < claim.value < 1:
        raise PlanError(f"{said}, it must be a fraction between 0 and 1: 0.85 is 85 %")
    if claim.statistic in COUNTS and claim.value < 1:
        raise PlanError(f"{said}, and there are never fewer rows than none: write at least 1")
    if claim.value <= 0 and claim.statistic not in {*COUNTS, "rate", "share_above"}:
        raise PlanError(f"{said}, and {claim.measure} is never below 0")
    if claim.above is not None and claim.above < 0:
        raise PlanError(f"{where}: above is {claim.above:g}, and {claim.measure} is never below 0")
    most = 1.0 if isinstance(claim, Goal) else _MOST_OF_BASELINE
    if claim.above_baseline_p95 is not None and not 0 < claim.above_baseline_p95 <= most:
        raise PlanError(
            f"{where}: above_baseline_p95 is {claim.above_baseline_p95:g}, it must be a part of the baseline's p95: "
            "0.85 is 85 %"
        )


def _check_goal(goal: Goal, where: str) -> None:
    if goal.bound is Bound.RATIO_AT_MOST and not 0 < goal.value < 1:
        raise PlanError(f"{where}: a ratio of {goal.value:g} is no improvement, write one between 0 and 1")
    if goal.bound in {Bound.RISE_AT_MOST, Bound.FALL_AT_MOST}:
        raise PlanError(f"{where}: {goal.bound.value} is for guardrails: a goal says what improves")
    _within(goal.max_days, 1, _LONGEST_DAYS, f"{where}: max_days")
    if goal.expect is None:
        if goal.statistic not in COUNTS:
            raise PlanError(f"{where} has no expect: without it nobody can tell how long the stage takes")
    elif goal.expect >= goal.value if goal.bound is not Bound.AT_LEAST else goal.expect <= goal.value:
        raise PlanError(f"{where}: what is expected ({goal.expect:g}) would not reach the goal ({goal.value:g})")
    elif goal.expect < 0 or (goal.statistic in {"rate", "share_above"} and goal.expect > 1):
        raise PlanError(f"{where}: expect is {goal.expect:g}, which no {goal.statistic} can be")


def _known(table: Any, keys: Mapping[str, type], where: str) -> dict[str, Any]:
    """The table with its values in their types.

    Raises:
        PlanError: if it has another key, or a value of another type.
    """
    if not isinstance(table, dict):
        raise PlanError(f"{where} must be a table")
    found = {}
    for key, value in table.items():
        if key not in keys:
            raise PlanError(f"{where}: there is no key {key!r}, there are {listed(sorted(keys))}")
        wanted = keys[key]
        number = float(value) if wanted is float and type(value) is int else value
        endless = isinstance(number, float) and not isfinite(number)
        if type(number) is not wanted or endless:
            raise PlanError(f"{where}: {key} is {value!r}, it must be {_TYPES[wanted]}")
        found[str(key)] = number
    return found


_TYPES: Final[Mapping[type, str]] = {
    float: "a number", int: "a whole number", str: "text in quotes", bool: "true or false",
    list: "a list", datetime: "a date with time and zone",
}  # fmt: skip


def _within(value: float, low: float, high: float, where: str) -> None:
    if not low <= value <= high:
        raise PlanError(f"{where} is {value:g}, it must be from {low} to {high}")


def _unique(names: list[str], where: str, what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PlanError(f"{where}: {what} need names of their own, and {listed(twice)} comes twice")
