"""The contract's §7 once more, row by row in Python: slow, and plain enough to be read beside the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from otel_auto_assign import semconv
from tests.analysis.rows import Row

Values = dict[tuple[str, str], tuple[float | None, int]]


def percentile(values: Sequence[float], share: float) -> float | None:
    """Give what percentile_cont gives: linear between the two nearest ranks, from 0."""
    if not values:
        return None
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (rank - low) * (ordered[high] - ordered[low])


def key(row: Row, name: str) -> Any:
    """Give a value of the context, None where there is none."""
    return row.context.get(name) if isinstance(row.context, dict) else None


def duration(row: Row, *names: str) -> float | None:
    """Give the first of the keys that is a number."""
    found = [key(row, name) for name in names]
    return next((float(n) for n in found if isinstance(n, (int, float)) and not isinstance(n, bool)), None)


def is_true(row: Row, name: str) -> bool:
    """Whether a key says true; a text that says so is taken at its word."""
    said = key(row, name)
    return said is True or said == "true"


def figures(rows: Sequence[Row]) -> Values:
    """Compute every metric of §7 by its definition; values are not rounded."""
    found: Values = {}

    def of(event_type: str) -> list[Row]:
        return [row for row in rows if row.event_type == event_type]

    def spread(metric: str, dimension: str, values: list[float], names: str, unit: str = "_ms") -> None:
        known = {
            "avg": sum(values) / len(values) if values else None,
            "max": max(values, default=None),
            **{name: percentile(values, int(name[1:]) / 100) for name in names.split() if name[0] == "p"},
        }
        for name in names.split():
            found[f"{metric}_{name}{unit}", dimension] = known[name], len(values)

    def share(metric: str, dimension: str, part: int, whole: int) -> None:
        found[metric, dimension] = (100 * part / whole if whole else None), whole

    def count(metric: str, rows: int, of_all: int) -> None:
        sample = max(rows, of_all)
        found[metric, "all"] = (rows if sample else None), sample

    asked = [(duration(row, "planner_duration_ms", "durationMs"), row) for row in of(semconv.EVENT_QUOTE)]
    calls = [(ms, row) for ms, row in asked if ms is not None]
    own = [ms for ms, row in calls if not is_true(row, "cache_hit")]
    spread("planner_duration", "all", [ms for ms, _ in calls], "p50 p90 p95 p99 avg max")
    spread("planner_duration", "cache_hits=excluded", own, "p50 p90 p95 p99 avg max")
    share("planner_cache_hit_pct", "all", len(calls) - len(own), len(calls))

    attempts = of(semconv.EVENT_ATTEMPT)
    bookings = Counter(
        booking
        for row in attempts
        if (booking := str(row.booking) if row.booking else key(row, "booking_ref")) is not None
    )
    spread("job_attempts", "all", [float(n) for n in bookings.values()], "avg p50 p90 p95 max", unit="")
    found["job_attempts_sample_size", "bookings"] = (len(bookings) or None), len(bookings)
    for code, n in Counter(key(row, "reasonCode") or "unknown" for row in attempts).items():
        share("reason_share_pct", code, n, len(attempts))

    results = of(semconv.EVENT_INLINE_QUOTE_RESULT)
    for dimension, kept in (("all", results), ("late=excluded", [r for r in results if not is_true(r, "late")])):
        lasted = [ms for row in kept if (ms := duration(row, "durationMs")) is not None]
        spread("inline_duration", dimension, lasted, "p50 p90 p95 avg")
        share("inline_success_rate_pct", dimension, sum(is_true(row, "hasHold") for row in kept), len(kept))
    ended = [row for row in rows if row.event_type in semconv.INLINE_TERMINALS and not is_true(row, "late")]
    seated = sum(row.event_type == semconv.EVENT_INLINE_SUCCEEDED for row in ended)
    timed_out = sum(row.event_type == semconv.EVENT_INLINE_TIMEOUT for row in ended)
    share("inline_success_rate_pct", "outcome=decided", seated, len(ended))
    share("inline_timeout_pct", "all", timed_out, timed_out + seated)
    count("inline_success_event_count", seated, len(ended))
    count("inline_timeout_event_count", timed_out, len(ended))

    started, succeeded, failed = (
        len(of(name)) for name in (semconv.EVENT_STARTED, semconv.EVENT_SUCCEEDED, semconv.EVENT_FAILED)
    )
    count("job_started_count", started, started)
    count("job_succeeded_count", succeeded, started)
    count("job_failed_count", failed, started)
    count("job_hard_stop_count", len(of(semconv.EVENT_HARD_STOP)), started)
    share("job_success_rate_pct", "all", succeeded, started)
    share("job_failure_rate_pct", "all", failed, started)
    said = [key(row, "result") for row in of(semconv.EVENT_SUMMARY)]
    decided = [word for word in said if word in semconv.RESULTS - {"skipped", "cancelled"}]
    lost = sum(word in {"exhausted", "cutoff", "error", "abandoned"} for word in decided)
    share("job_success_rate_pct", "outcome=decided", decided.count("succeeded"), len(decided))
    share("job_failure_rate_pct", "outcome=decided", lost, len(decided))
    jobs = [ms for row in of(semconv.EVENT_SUCCEEDED) if (ms := duration(row, "durationMs")) is not None]
    spread("job_success_duration", "all", jobs, "p50 p95 avg max")
    found["inline_email_duplicates", "all"] = None, 0
    return found
