"""What was found when something was looked at before it is needed, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether something will do."""

    OK = "ok"
    WARNING = "warning"  # rows are written, with less in them or at a risk
    WRONG = "wrong"  # no rows are written


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at, in a word or two.
        verdict: Whether it will do.
        evidence: What was seen, without secrets.
        remedy: What to do, SQL where it can be pasted; empty where nothing need be done.
    """

    subject: str
    verdict: Verdict
    evidence: str
    remedy: str = ""

    def __str__(self) -> str:
        """Give evidence and remedy as one line for a log."""
        return f"{self.evidence}: {self.remedy}" if self.remedy else self.evidence
