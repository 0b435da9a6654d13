"""The verdict on a stage: what a pipeline stops or goes on by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from otel_auto_assign.analysis.judging import Finding, Judgement
from otel_auto_assign.analysis.plans import Goal, PlanError


class Outcome(StrEnum):
    """The verdicts, the first that applies being the one: so none hides behind a milder one."""

    FAIL = "FAIL"
    INVALID = "INVALID"
    INSUFFICIENT = "INSUFFICIENT"
    MARGINAL = "MARGINAL"
    HOLD = "HOLD"
    PASS = "PASS"  # noqa: S105 - a verdict, no password


EXIT_CODES: Final = {
    Outcome.PASS: 0,
    Outcome.MARGINAL: 10,
    Outcome.HOLD: 10,
    Outcome.INSUFFICIENT: 11,
    Outcome.FAIL: 20,
    Outcome.INVALID: 30,
}
"""What the command exits with."""
EXIT_USAGE: Final = 2
"""A plan or an argument that cannot be followed."""
EXIT_CRASH: Final = 40
"""The database could not be reached, or the gate itself failed: never 0 or 1 by accident."""


class Cause(StrEnum):
    """Why a stage failed. Only a breached guardrail is a reason to turn anything off by itself."""

    GUARDRAIL = "guardrail"
    GOAL = "goal"


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        outcome: The verdict.
        reasons: Each a sentence.
        cause: Of FAIL only.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    cause: Cause | None = None

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.outcome]


def decide(
    judgements: Sequence[Judgement], *, faults: Sequence[str] = (), caps: Sequence[str] = (), at_look: bool
) -> Verdict:
    """Put the findings together: FAIL for a guardrail, INVALID, FAIL for a goal, INSUFFICIENT, MARGINAL, HOLD, PASS.

    Args:
        judgements: Of every goal and guardrail; a goal that does not decide is passed over.
        faults: Why the two sides cannot be compared, or the plan was not kept.
        caps: Why the comparison is sound enough to hold, and not to pass.
        at_look: Whether this is the stage's one look. Any other can only fail for a guardrail, be invalid, or hold.

    Raises:
        PlanError: if there is nothing that decides.
    """
    deciding = [one for one in judgements if not isinstance(one.claim, Goal) or one.claim.decides]
    if not deciding:
        raise PlanError("a stage without goals or guardrails cannot be judged")
    missed = tuple(one for one in deciding if one.finding is Finding.MISSED and not one.depends_on_outliers)
    short = tuple(_said(one) for one in deciding if one.for_want_of_data)
    unclear = _named(deciding, Finding.UNDECIDED)
    shaky = tuple(
        f"{one.claim.name}: outliers decide whether it is {one.finding}" for one in deciding if one.depends_on_outliers
    )
    early = () if at_look else ("no guardrail is breached, and this is not the one look at the stage",)
    rules: tuple[tuple[Outcome, tuple[str, ...], Cause | None], ...] = (
        (Outcome.FAIL, _named(deciding, Finding.BREACHED), Cause.GUARDRAIL),
        (Outcome.INVALID, tuple(faults), None),
        (Outcome.HOLD, early, None),
        (Outcome.FAIL, _named(missed, Finding.MISSED), Cause.GOAL),
        (Outcome.INSUFFICIENT, short, None),
        (Outcome.MARGINAL, (*unclear, *shaky, *caps), None),
        (Outcome.HOLD, _named(deciding, Finding.BROKEN_BEFORE), None),
        (Outcome.PASS, tuple(_said(one) for one in deciding), None),
    )
    return next(Verdict(outcome, reasons, cause) for outcome, reasons, cause in rules if reasons)


def _named(judgements: Sequence[Judgement], finding: Finding) -> tuple[str, ...]:
    return tuple(_said(one) for one in judgements if one.finding is finding)


def _said(judgement: Judgement) -> str:
    return f"{judgement.claim.name} is {judgement.finding.value}: {judgement.why}"
