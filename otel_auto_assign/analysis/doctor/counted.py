"""Checks that count: so many rows, jobs or runs could be judged, so many are not as they should be.

Each is a line of a table here; a statement of ``sql/`` counts for a whole family of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from otel_auto_assign.analysis.doctor.findings import Finding, Verdict
from otel_auto_assign.analysis.doctor.looking import Looking
from otel_auto_assign.analysis.figures import Fault

WRONG, WARNING = Verdict.WRONG, Verdict.WARNING
TOLERABLE: Final = 0.01
"""A share of lost rows that no figure of ours would notice: of a hundred jobs, one."""


EXAMPLES: Final = 3


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: For programs, and in the statement.
        of: What is counted, in the plural.
        fault: What is said of those that are not as they should be.
        remedy: What to do about them.
        verdict: On a single one.
        tolerable: Up to this share it is a warning only.
    """

    name: str
    of: str
    fault: str
    remedy: str
    verdict: Verdict = WRONG
    tolerable: float = TOLERABLE

    def judge(self, examined: int, violations: int, examples: list[str]) -> Finding:
        """Give the finding for what was counted."""
        if not examined:
            return Finding(self.name, Verdict.OK, f"no {self.of} to be judged")
        if not violations:
            return Finding(self.name, Verdict.OK, f"none of {examined:,} {self.of}")
        verdict = Verdict.WARNING if violations <= self.tolerable * examined else self.verdict
        evidence = f"{violations:,} of {examined:,} {self.of} {self.fault}"
        return Finding(self.name, verdict, evidence, self.remedy, tuple(examples))


_INSTRUMENT: Final = "see that every way of writing rows is instrumented by one and the same version"
JOBS: Final = (
    Check("no_summary", "jobs", "have no summary: their process died, or their rows were lost",
          "run `otel-auto-assign reconcile`; if the processes did not die, look at the spool and the dead letters"),
    Check("many_summaries", "jobs", "have more than one summary",
          "find what else writes summaries: rows of ours have ids that cannot be there twice", tolerable=0),
    Check("twins", "jobs", "have an abandoned pair beside their own rows, which came after `reconcile` had run",
          "delete their summary with result = 'abandoned' and, of two started rows, the later one; give "
          "`reconcile --older-than` more time", WARNING),
    Check("no_start", "jobs", "have no started row",
          "rows are missing from their beginning: look at the spool and the dead letters, then `reconcile`"),
    Check("attempts", "jobs", "say another number in attemptsUsed than they have attempt rows",
          "attempt rows are missing: look at the spool and the dead letters; attempts of these jobs count too low"),
    Check("planner_calls", "jobs", "called the planner more often than they have quote rows",
          "quote rows are missing: planner figures and calls a booking are too low"),
    Check("cache_hits", "jobs", "have other numbers of quotes from the cache than of planner_cache_hit rows",
          "see that the planner's answer says `cache_hit`, and which of the two rows is missing"),
    Check("results", "jobs", "have a summary with another result than their other rows", _INSTRUMENT),
    Check("mixed_flags", "jobs", "saw the flags change while they ran",
          "leave these jobs out; let the flag provider decide once a job, before it starts", tolerable=0),
    Check("long_jobs", "jobs", "took longer than the limit of jobs",
          "look at the traces of these jobs; say what is normal by --job-limit", WARNING),
    Check("job_clock", "jobs", "say another duration than lies between their start and their summary",
          "a clock was set, or two machines wrote one job: see that they keep time (NTP)", WARNING),
)  # fmt: skip
RUNS: Final = (
    Check("no_terminal", "inline runs", "have no terminal: nobody knows what they came to",
          "see that the traced function is the whole inline run, and look at the spool and the dead letters"),
    Check("many_terminals", "inline runs", "have more than one terminal that is not late",
          "rows of older telemetry go on after a time-out: count terminals with `late` excluded, and renew the writer"),
    Check("held_yet_timed_out", "inline runs that timed out", "have a hold from after it that is not marked late",
          "success by hasHold is too high: read inline_success_rate_pct with outcome=decided"),
    Check("inline_quotes", "inline runs", "have other numbers of quote and of quote_result rows", _INSTRUMENT),
    Check("mixed_run_flags", "inline runs", "saw the flags change while they ran",
          "leave these runs out; let the flag provider decide once a run, before it starts", tolerable=0),
)  # fmt: skip
ROWS: Final = (
    Check("no_flags", "rows", "do not say which flags were in force: unknown is neither on nor off",
          "renew the writer, or pass a flag provider; these rows cannot be compared by flag"),
    Check("default_flags", "rows with flags", "have them by default only: nobody had set them, which is not off",
          "set the variables in every process (false for off), or pass a flag provider"),
    Check("no_environment", "rows", "name no environment",
          "set deployment.environment.name in OTEL_RESOURCE_ATTRIBUTES of every process"),
    Check("no_restaurant", "rows", "name no restaurant, and count in none",
          "pass the restaurant's id to traced_job, or say it by current_job().booking(restaurant_id=…)", WARNING),
    Check("no_booking", "rows", "name no booking: it was deleted, or never said",
          "pass the booking's id to the traced function; what was deleted counts in no figure by booking", WARNING),
    Check("no_job_id", "rows of the job flow", "have no job_id: jobs cannot be told from each other for sure",
          "older telemetry wrote none: figures tell its jobs by booking and start, and these checks leave them out; "
          "start the window after the writer was renewed"),
    Check("no_attempt_id", "rows of the inline flow", "have no attemptId: runs cannot be told from each other",
          "older telemetry wrote none: start the window after the writer was renewed"),
    Check("strange_source", "rows", "have our event types under another source",
          "leave them out by --exclude-source if they are another tool's", WARNING),
    Check("future", "rows", "are from the future",
          "a writer's clock is wrong: see that it keeps time (NTP)", WARNING),
    Check("negative", "durations", "are negative", "renew the writer: its clock ran backwards", WARNING),
)  # fmt: skip
UNREADABLE: Final = Check(
    "unreadable", "rows", "cannot be read", "see the contract's §3 for what each key is; figures leave these rows out",
)  # fmt: skip


def about_jobs(look: Looking) -> Iterator[Finding]:
    """Do jobs contradict themselves?"""
    yield from _judged(JOBS, look.ask("doctor_jobs", before=look.limits.silence, after=look.limits.silence))


def about_runs(look: Looking) -> Iterator[Finding]:
    """Do inline runs?"""
    yield from _judged(RUNS, look.ask("doctor_runs", before=look.limits.silence, after=look.limits.silence))


def about_rows(look: Looking) -> Iterator[Finding]:
    """Do rows say what conclusions are drawn by?"""
    counted = look.ask("doctor_rows")
    yield from _judged(ROWS, counted)
    faults = [Fault(**found) for found in look.ask("unreadable")]
    said = "; ".join(f"{fault.event_type}: {fault.what} ({fault.rows:,})" for fault in faults)
    finding = UNREADABLE.judge(
        max((found["examined"] for found in counted), default=0),
        sum(fault.rows for fault in faults),
        [fault.example for fault in faults[:EXAMPLES]],
    )
    yield replace(finding, evidence=f"{finding.evidence}: {said}") if said else finding


def _judged(checks: tuple[Check, ...], counted: list[dict[str, Any]]) -> Iterator[Finding]:
    by_name = {found["check"]: found for found in counted}
    for check in checks:
        found = by_name.get(check.name, {"examined": 0, "violations": 0, "examples": []})
        yield check.judge(found["examined"], found["violations"], found["examples"])
