"""The verdict on a stage."""

from __future__ import annotations

from itertools import product
from math import inf

import pytest

from otel_auto_assign.analysis.estimates import Estimate, Size
from otel_auto_assign.analysis.judging import Finding, Judgement
from otel_auto_assign.analysis.plans import Bound, Goal, Guardrail, PlanError
from otel_auto_assign.analysis.verdicts import EXIT_CODES, EXIT_CRASH, EXIT_USAGE, Cause, Outcome, decide

NOTHING_KNOWN = Estimate(None, -inf, inf, (-inf, inf), Size(0, 0, 0, 1.0, inf))


def found(finding: Finding, *, short: bool = False, decides: bool = True, without: Finding | None = None) -> Judgement:
    """A judgement of a goal, or of a guardrail where the finding is one of those."""
    is_goal = finding in {Finding.MET, Finding.MISSED} or (finding is Finding.UNDECIDED and short)
    claim = (
        Goal("a goal", "job_ms", "p50", Bound.RATIO_AT_MOST, 0.5, expect=0.4, decides=decides)
        if is_goal
        else Guardrail("a guardrail", "job_success", "rate", Bound.AT_LEAST, 0.65)
    )
    return Judgement(claim, NOTHING_KNOWN, finding, short, "the reason", without)


MET, MISSED, HELD = found(Finding.MET), found(Finding.MISSED), found(Finding.HELD)
BREACHED, BROKEN = found(Finding.BREACHED), found(Finding.BROKEN_BEFORE)
SHORT, OPEN = found(Finding.UNDECIDED, short=True), found(Finding.UNDECIDED)
LADDER = (
    (BREACHED, Outcome.FAIL), (MISSED, Outcome.FAIL), (SHORT, Outcome.INSUFFICIENT), (OPEN, Outcome.MARGINAL),
    (BROKEN, Outcome.HOLD), (MET, Outcome.PASS), (HELD, Outcome.PASS),
)  # fmt: skip
"""What each finding alone leads to, the worst first."""


@pytest.mark.parametrize(("first", "second"), list(product(range(len(LADDER)), repeat=2)))
def test_the_worst_finding_decides(first: int, second: int) -> None:
    """In either order."""
    judgements = [LADDER[first][0], LADDER[second][0]]
    assert decide(judgements, at_look=True).outcome is LADDER[min(first, second)][1]


@pytest.mark.parametrize(("judgement", "outcome"), LADDER)
def test_a_fault_stands_above_all_but_a_breached_guardrail(judgement: Judgement, outcome: Outcome) -> None:
    """What cannot be compared is neither met nor missed; harm is harm."""
    verdict = decide([judgement], faults=["the flags are unknown"], at_look=True)
    assert verdict.outcome is (Outcome.FAIL if judgement is BREACHED else Outcome.INVALID)
    if verdict.outcome is Outcome.INVALID:
        assert verdict.reasons == ("the flags are unknown",)


@pytest.mark.parametrize(("judgement", "outcome"), LADDER)
def test_before_the_look_there_is_only_fail_and_hold(judgement: Judgement, outcome: Outcome) -> None:
    """Looking daily until it passes would pass in 9 to 22 % of the cases where nothing is gained."""
    verdict = decide([judgement], at_look=False)
    assert verdict.outcome is (Outcome.FAIL if judgement is BREACHED else Outcome.HOLD)
    assert decide([judgement], faults=["x"], at_look=False).outcome is not Outcome.PASS


def test_the_cause_of_a_failure() -> None:
    """A guardrail's goes before a goal's; nothing else has one."""
    assert decide([MISSED, BREACHED], at_look=True).cause is Cause.GUARDRAIL
    assert decide([MISSED, HELD], at_look=True).cause is Cause.GOAL
    assert decide([OPEN], at_look=True).cause is None


def test_a_cap_keeps_from_passing() -> None:
    """And makes nothing better or worse than it is."""
    assert decide([MET], caps=["two windows"], at_look=True).outcome is Outcome.MARGINAL
    for judgement, outcome in LADDER[:4]:
        assert decide([judgement], caps=["two windows"], at_look=True).outcome is outcome


@pytest.mark.parametrize("pair", [(Finding.MET, Finding.MISSED), (Finding.MISSED, Finding.MET)])
def test_where_outliers_decide_it_is_marginal(pair: tuple[Finding, Finding]) -> None:
    """Met with them and missed without, or the other way round; met against undecided changes nothing."""
    assert decide([found(pair[0], without=pair[1])], at_look=True).outcome is Outcome.MARGINAL
    assert decide([found(Finding.MET, without=Finding.UNDECIDED)], at_look=True).outcome is Outcome.PASS


def test_what_is_only_shown_decides_nothing() -> None:
    """A goal that does not decide may be missed, and alone it is no stage."""
    shown = found(Finding.MISSED, decides=False)
    assert decide([shown, HELD], at_look=True).outcome is Outcome.PASS
    for nothing in ([], [shown]):
        with pytest.raises(PlanError, match="without goals or guardrails"):
            decide(nothing, at_look=True)


def test_the_reasons_name_what_decided() -> None:
    """The goal or guardrail, its finding, and why."""
    assert decide([MET, BREACHED, MISSED], at_look=True).reasons == ("a guardrail is breached: the reason",)
    assert decide([MET, HELD], at_look=True).reasons == (
        "a goal is met: the reason",
        "a guardrail is held: the reason",
    )


def test_the_exit_codes() -> None:
    """Only PASS is 0, none is 1, which a crash of the interpreter would be."""
    assert {outcome.value: code for outcome, code in EXIT_CODES.items()} == {
        "PASS": 0, "MARGINAL": 10, "HOLD": 10, "INSUFFICIENT": 11, "FAIL": 20, "INVALID": 30,
    }  # fmt: skip
    assert (EXIT_USAGE, EXIT_CRASH) == (2, 40)
    assert decide([MISSED], at_look=True).exit_code == 20
