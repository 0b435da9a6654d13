"""What the demo promises to show, looked up where it must have left a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from examples.restaurant.phases import PhaseRun
from examples.restaurant.questions import Verdict

EXCLUSION_VIOLATION: Final = "23P01"

_LATE_RESULTS: Final = (
    "SELECT count(DISTINCT t.id) FROM observability_events t JOIN observability_events q "
    "ON q.context->>'attemptId' = t.context->>'attemptId' WHERE t.event_type = 'inline_auto_assign.timeout' "
    "AND q.event_type = 'inline_auto_assign.quote_result' AND q.context->'late' = 'true'"
)
_EVENTS: Final = (
    ("a planner cache hit", "auto_assign.planner_cache_hit"),
    ("a hard stop", "auto_assign.hard_stop"),
    ("a skipped initial attempt", "auto_assign.inline_skip_attempt"),
)


@dataclass(frozen=True)
class Evidence:
    """Something that must occur, and how often it did."""

    what: str
    times: int


def gather(conn: psycopg.Connection[Any], runs: list[PhaseRun]) -> list[Evidence]:
    """Count what must have occurred in the two phases together."""
    conflicts = sum(run.refusals[EXCLUSION_VIOLATION] for run in runs)
    return [
        Evidence("a conflict of two planners (SQLSTATE 23P01)", conflicts),
        Evidence("an inline time-out with a late result", _count(conn, _LATE_RESULTS)),
        *(
            Evidence(what, _count(conn, f"SELECT count(*) FROM observability_events WHERE event_type = '{event}'"))
            for what, event in _EVENTS
        ),
    ]


def shortcomings(demanded: Sequence[Evidence], verdicts: Sequence[Verdict], *, written: int, lost: int) -> list[str]:
    """Say what is wrong with a run: what did not occur, which invariants are violated, how many rows were lost."""
    rows = [f"{lost} rows were not written"] if lost else []
    if not written:  # then no invariant can be violated, and that proves nothing
        rows.append("no row was written")
    missing = [f"did not occur: {item.what}" for item in demanded if not item.times]
    return rows + missing + [f"violated: {verdict.title}" for verdict in verdicts if verdict.violations]


def _count(conn: psycopg.Connection[Any], statement: str) -> int:
    row = conn.execute(statement.encode()).fetchone()
    return int(row[0]) if row else 0
