"""What was looked at, and whether it will do: what doctor says of the telemetry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """Whether conclusions can be drawn."""

    OK = "ok"
    WARNING = "warning"  # they can, with care: the evidence says for what
    CANNOT_TELL = "cannot tell"  # the rows do not say it
    WRONG = "wrong"  # they cannot, until it is mended


_FROM_WORST: Final = (Verdict.WRONG, Verdict.CANNOT_TELL, Verdict.WARNING)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: Its name, for programs.
        verdict: Whether it will do.
        evidence: What was seen: counts, in a sentence.
        remedy: What to do; empty where nothing need be done.
        examples: Ids of some that are not as they should be.
        traces: Where the traces of these are shown, by id; see `traces`.
    """

    check: str
    verdict: Verdict
    evidence: str
    remedy: str = ""
    examples: tuple[str, ...] = ()
    traces: Mapping[str, str] = field(default_factory=dict)


def worst(findings: Iterable[Finding]) -> Verdict:
    """Give the verdict on all of them.

    >>> worst([Finding("a", Verdict.OK, ""), Finding("b", Verdict.WARNING, "")])
    <Verdict.WARNING: 'warning'>
    """
    verdicts = {finding.verdict for finding in findings}
    return next((verdict for verdict in _FROM_WORST if verdict in verdicts), Verdict.OK)
