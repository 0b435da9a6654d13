"""Checks of what arrives: which event types, how many rows an hour, and who writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_auto_assign import semconv
from otel_auto_assign.analysis.doctor.findings import Finding, Verdict
from otel_auto_assign.analysis.doctor.looking import PROGRAM, SINK, Looking

TIMES_BEFORE: Final = 4
"""So many windows' lengths before it are looked at for what used to come."""
NOTICEABLE: Final = 5.0
"""Rows that should have come before their absence says something: none, by chance, less than once in a hundred."""
TOGETHER: Final = (
    (semconv.EVENT_STARTED, semconv.EVENT_SUMMARY, "jobs"),
    (semconv.EVENT_SUMMARY, semconv.EVENT_STARTED, "jobs"),
    (semconv.EVENT_ATTEMPT, semconv.EVENT_QUOTE, "planner calls"),
    (semconv.EVENT_INLINE_QUOTE_RESULT, semconv.EVENT_QUOTE, "planner calls"),
    (semconv.EVENT_SUCCEEDED, semconv.EVENT_ATTEMPT, "attempts"),
)
"""Where the first is, the second must be; what is missing without it."""


def about_types(look: Looking) -> Iterator[Finding]:
    """Are event types missing that were there before, or that others imply?"""
    found = {one["event_type"]: one for one in look.ask("doctor_types", before=look.window.length * TIMES_BEFORE)}
    rows = {name: one["rows"] for name, one in found.items() if one["rows"]}
    total = sum(rows.values())
    if not total:
        before = sum(one["earlier"] for one in found.values())
        evidence = f"no row of auto-assign is in the window; {before:,} in the {TIMES_BEFORE} windows before it"
        remedy = (
            "see that OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN is set where jobs run, and run `otel-auto-assign check`"
        )
        yield Finding("event_types", Verdict.WRONG if before else Verdict.CANNOT_TELL, evidence, remedy)
        return
    gone = [name for name, one in found.items() if not one["rows"] and one["earlier"] / TIMES_BEFORE >= NOTICEABLE]
    without = [
        f"{needed} (there is {name}, so {what} are missing)"
        for name, needed, what in TOGETHER
        if name in rows and needed not in rows
    ]
    never = len(semconv.EVENTS) - len(found)
    seen = f"{total:,} rows of {len(rows)} of the {len(semconv.EVENTS)} event types; {never} were not seen at all"
    if without:
        remedy = "see that every call is traced; where rows were filtered out, let them in"
        yield Finding("event_types", Verdict.WRONG, f"{seen}; never seen: {', '.join(without)}", remedy)
    elif gone:
        remedy = "see what was changed at the beginning of the window"
        yield Finding("event_types", Verdict.WARNING, f"{seen}; no longer seen: {', '.join(sorted(gone))}", remedy)
    else:
        yield Finding("event_types", Verdict.OK, seen)


def about_hours(look: Looking) -> Iterator[Finding]:
    """Do more rows come an hour than the table is known to take?"""
    (found,) = look.ask("doctor_hours")
    if not found["hours"]:
        yield Finding("ingest_rate", Verdict.OK, "no row came")
    elif found["above"]:
        evidence = (
            f"more than {look.limits.safe_hour:,} rows came in {found['above']:,} hours, "
            f"most of them ({found['most']:,}) from {found['at']:%Y-%m-%d %H:%M} UTC on"
        )
        remedy = "see that the database is well, then raise --safe-rate; else thin out what is traced"
        yield Finding("ingest_rate", Verdict.WARNING, evidence, remedy)
    else:
        evidence = f"at most {found['most']:,} rows an hour; {look.limits.safe_hour:,} are known to be safe"
        yield Finding("ingest_rate", Verdict.OK, evidence)


def about_writers(look: Looking) -> Iterator[Finding]:
    """Are rows written in the process and behind a collector at the same time?"""
    found = {one["program"]: one["connections"] for one in look.ask("doctor_writers")}
    said = ", ".join(f"{connections} as {program}" for program, connections in sorted(found.items()))
    if {PROGRAM, SINK} <= found.keys():
        remedy = (
            "turn one of the two off: the same rows have the same ids and are there once, but flags, environment and "
            "`late` may differ between them"
        )
        yield Finding("writers", Verdict.WARNING, f"rows come from the process and from a sink: {said}", remedy)
    elif found:
        yield Finding("writers", Verdict.OK, f"connected now: {said}")
    else:
        yield Finding("writers", Verdict.OK, "no writer of ours is connected just now")
