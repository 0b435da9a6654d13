"""The catalogue of CONTRACT §3, as data: what a row of each event type looks like.

A test lays it beside the contract's table. Which span gives which event type is said in ``rows``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from observability_events.facts import Facts
from otel_auto_assign import reasons, semconv
from otel_auto_assign.values import safe_json

STAGE_UNKNOWN: Final = "unknown"
_CODES_REMEMBERED: Final = 256
ABSENT: Final = object()
"""The value of an optional key that a row does not have."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event type.

    Attributes:
        source: ``None`` where the flow decides.
        severity: ``None`` where it is a warning exactly when the span raised.
        context: its own keys with their values, as one dictionary display: a call a key costs three times as much.
            Those that every row has are added in ``rows``.
        optional: the keys that are left out when their value is ``ABSENT``.
        at_start: the row's ``created_at`` is the span's start, not its end.
        id_at_start: the time in the row's id is the span's start, too.
    """

    name: str
    source: str | None
    severity: str | None
    context: Callable[[Facts], dict[str, Any]]
    optional: tuple[str, ...] = ()
    at_start: bool = False
    id_at_start: bool = False


# -- values that take more than one attribute, or a parse ---------------------------------------------------------


def attempt_id(f: Facts) -> str:
    """Give the id of the inline run: the application's, else the span's own."""
    return f.id(semconv.INLINE_ATTEMPT_ID) or f.span_id


def _strategy(f: Facts) -> dict[str, Any]:
    return {
        "requireAdjacency": f.boolean(semconv.STRATEGY_REQUIRE_ADJACENCY),
        "maxTables": f.whole(semconv.STRATEGY_MAX_TABLES),
    }


def _planner_internal(f: Facts) -> Any:
    if semconv.PLANNER_INTERNAL not in f.given:
        return ABSENT
    try:
        parsed = json.loads(f.given[semconv.PLANNER_INTERNAL])
        return json.loads(safe_json(parsed) or "null") if type(parsed) is dict else None
    except (TypeError, ValueError, RecursionError):
        return None


def _timeout_ms(f: Facts) -> float | None:
    return f.ms(semconv.INLINE_TIMEOUT_MS)


def _timeout_or_elapsed_ms(f: Facts) -> float:
    limit = _timeout_ms(f)
    return f.duration_ms if limit is None else limit


def _hard_stop_code(f: Facts) -> str | None:
    return f.code_of(semconv.JOB_HARD_STOP_REASON_CODE, semconv.JOB_HARD_STOP_REASON)


def _skip_code(f: Facts) -> str | None:
    return f.code_of(semconv.INLINE_SKIP_REASON_CODE, semconv.INLINE_SKIP_REASON)


def _inline_reason(f: Facts) -> Any:
    return f.explained(semconv.INLINE_REASON)[0] if f.is_set(semconv.INLINE_REASON) else ABSENT


# -- the event types ----------------------------------------------------------------------------------------------

_JOB, _INLINE = semconv.SOURCE_JOB, semconv.SOURCE_INLINE
_INFO, _WARNING, _ERROR = semconv.SEVERITY_INFO, semconv.SEVERITY_WARNING, semconv.SEVERITY_ERROR


_category = lru_cache(maxsize=_CODES_REMEMBERED)(reasons.category)


def _quote(f: Facts) -> dict[str, Any]:
    duration_ms, success, reason, code = f.duration_ms, f.success, f.reason, f.code
    category, strategy = _category(code), _strategy(f)
    index = None if f.flow == semconv.FLOW_INLINE else f.whole(semconv.ATTEMPT_INDEX) or 0
    return {
        "planner_duration_ms": duration_ms,
        "durationMs": duration_ms,
        "success": success,
        "planner_success": success,
        "reason": reason,
        "planner_reason": reason,
        "reasonCode": code,
        "planner_reason_code": code,
        "reasonCategory": category,
        "planner_reason_category": category,
        "strategy": strategy,
        "planner_strategy": strategy,
        "trigger": f.trigger,
        "attempt_index": index,
        "attemptIndex": index,
        "cache_hit": f.is_true(semconv.CACHE_HIT),
        "flow": f.flow,
        "planner_error": f.error if f.raised else ABSENT,
        "planner_internal": _planner_internal(f),
    }


def _stage_slow(f: Facts) -> dict[str, Any]:
    return {
        "stage": f.word(semconv.STAGE_NAME) or STAGE_UNKNOWN,
        "durationMs": f.duration_ms,
        "thresholdMs": f.ms(semconv.STAGE_THRESHOLD_MS),
    }


_EVENTS: Final = (
    Event(
        semconv.EVENT_STARTED, _JOB, _INFO,
        lambda f: {"status": f.word(semconv.BOOKING_STATUS), "trigger": f.trigger},
        at_start=True,
        id_at_start=True,
    ),
    Event(semconv.EVENT_QUOTE, None, None, _quote, optional=("planner_error", "planner_internal")),
    Event(
        semconv.EVENT_ATTEMPT, _JOB, _INFO,
        lambda f: {
            "attempt_index": f.whole(semconv.ATTEMPT_INDEX) or 0,
            "success": f.success,
            "reason": f.reason,
            "reasonCode": f.code,
            "alternates": f.whole(semconv.ALTERNATES),
            "trigger": f.trigger,
            "cache_hit": f.is_true(semconv.CACHE_HIT),
            "planner_calls": f.whole(semconv.ATTEMPT_PLANNER_CALLS) or 0,
        },
    ),
    Event(
        semconv.EVENT_ATTEMPT_ERROR, _JOB, _WARNING,
        lambda f: {
            "attempt_index": f.whole(semconv.ATTEMPT_INDEX) or 0,
            "error": f.error,
            "reasonCode": f.code,
            "trigger": f.trigger,
            "planner_calls": f.whole(semconv.ATTEMPT_PLANNER_CALLS) or 0,
        },
    ),
    Event(
        semconv.EVENT_PLANNER_CACHE_HIT, _JOB, _INFO,
        lambda f: {
            "attempt_index": f.whole(semconv.ATTEMPT_INDEX) or 0,
            "cache_status": f.word(semconv.CACHE_STATUS),
            "reason": f.reason,
            "reasonCode": f.code,
            "trigger": f.trigger,
            "cache_hit": f.is_true(semconv.CACHE_HIT),
        },
    ),
    Event(
        semconv.EVENT_HARD_STOP, _JOB, _INFO,
        lambda f: {
            "attempt_index": f.whole(semconv.JOB_LAST_ATTEMPT_INDEX) or 0,
            "reason": f.explained(semconv.JOB_HARD_STOP_REASON)[0],
            "reasonCode": _hard_stop_code(f),
            "trigger": f.trigger,
        },
    ),
    Event(
        semconv.EVENT_INLINE_SKIP_ATTEMPT, _JOB, _INFO,
        lambda f: {
            "inline_attempt_id": f.id(semconv.INLINE_ATTEMPT_ID),
            "reason": f.explained(semconv.INLINE_SKIP_REASON)[0],
            "reasonCode": _skip_code(f),
            "previousMaxAttempts": f.whole(semconv.INLINE_SKIP_PREVIOUS_MAX_ATTEMPTS),
            "nextMaxAttempts": f.whole(semconv.INLINE_SKIP_NEXT_MAX_ATTEMPTS),
            "trigger": f.trigger,
        },
    ),
    Event(
        semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, _JOB, _INFO,
        lambda f: {
            "attempt_index": f.whole(semconv.ATTEMPT_INDEX) or 0,
            "adjustedRequireAdjacency": f.boolean(semconv.ADJUSTMENT_REQUIRE_ADJACENCY),
            "adjustedMaxTables": f.whole(semconv.ADJUSTMENT_MAX_TABLES),
            "maxAttempts": f.whole(semconv.ADJUSTMENT_MAX_ATTEMPTS),
        },
    ),
    Event(
        semconv.EVENT_CUTOFF_SKIPPED, _JOB, _INFO,
        lambda f: {
            "attempt_index": f.whole(semconv.JOB_LAST_ATTEMPT_INDEX) or 0,
            "cutoffMinutes": f.number(semconv.JOB_CUTOFF_MINUTES),
            "inline_reason": _inline_reason(f),
        },
        optional=("inline_reason",),
    ),
    Event(
        semconv.EVENT_EXITED_ALREADY_CONFIRMED, _JOB, _INFO,
        lambda f: {"attempt_index": f.whole(semconv.JOB_LAST_ATTEMPT_INDEX) or 0, "trigger": f.trigger},
    ),
    Event(
        semconv.EVENT_SUCCEEDED, _JOB, _INFO,
        lambda f: {
            "attempt_index": f.whole(semconv.JOB_LAST_ATTEMPT_INDEX) or 0,
            "durationMs": f.duration_ms,
            "trigger": f.trigger,
        },
    ),
    Event(
        semconv.EVENT_FAILED, _JOB, _WARNING,
        lambda f: {
            "attempts": f.whole(semconv.JOB_ATTEMPTS_USED) or 0,
            "trigger": f.trigger,
            "hardStopReason": _hard_stop_code(f),
        },
    ),
    Event(semconv.EVENT_STAGE_SLOW, _JOB, _WARNING, _stage_slow),
    Event(
        semconv.EVENT_SUMMARY, _JOB, _INFO,
        lambda f: {
            "attemptsUsed": f.whole(semconv.JOB_ATTEMPTS_USED) or 0,
            "maxAttempts": f.whole(semconv.JOB_MAX_ATTEMPTS),
            "result": f.result,
            "totalDurationMs": f.duration_ms,
            "trigger": f.trigger,
            "skippedInitialAttempt": f.is_true(semconv.JOB_SKIPPED_INITIAL_ATTEMPT),
            "inlineSkipReason": _skip_code(f),
            "hardStopReason": _hard_stop_code(f),
            "inline_attempt_id": f.id(semconv.INLINE_ATTEMPT_ID) if f.is_set(semconv.INLINE_ATTEMPT_ID) else ABSENT,
            "inline_reason": _inline_reason(f),
            "inline_trigger": f.word(semconv.INLINE_TRIGGER) if f.is_set(semconv.INLINE_TRIGGER) else ABSENT,
        },
        optional=("inline_attempt_id", "inline_reason", "inline_trigger"),
        id_at_start=True,
    ),
    Event(
        semconv.EVENT_INLINE_QUOTE_RESULT, _INLINE, _INFO,
        lambda f: {
            "durationMs": f.duration_ms,
            "hasHold": f.success,
            "reason": f.reason,
            "reasonCode": f.code,
            "strategy": _strategy(f),
            "alternates": f.whole(semconv.ALTERNATES),
            "attemptId": attempt_id(f),
            "cache_hit": f.is_true(semconv.CACHE_HIT),
        },
    ),
    Event(
        semconv.EVENT_INLINE_QUOTE_ERROR, _INLINE, _WARNING,
        lambda f: {"durationMs": f.duration_ms, "attemptId": attempt_id(f), "error": f.error},
    ),
    Event(
        semconv.EVENT_INLINE_NO_HOLD, _INLINE, _INFO,
        lambda f: {
            "reason": f.reason,
            "reasonCode": f.code,
            "alternates": f.whole(semconv.ALTERNATES),
            "durationMs": f.duration_ms,
            "attemptId": attempt_id(f),
        },
    ),
    Event(
        semconv.EVENT_INLINE_CONFIRM_SUCCEEDED, _INLINE, _INFO,
        lambda f: {"attemptId": attempt_id(f), "holdId": f.id(semconv.HOLD_ID), "durationMs": f.duration_ms},
    ),
    Event(
        semconv.EVENT_INLINE_CONFIRM_FAILED, _INLINE, _ERROR,
        lambda f: {
            "attemptId": attempt_id(f),
            "holdId": f.id(semconv.HOLD_ID),
            "durationMs": f.duration_ms,
            "error": f.error,
        },
    ),
    Event(
        semconv.EVENT_INLINE_SUCCEEDED, _INLINE, _INFO,
        lambda f: {
            "attemptId": attempt_id(f),
            "holdId": f.id(semconv.HOLD_ID),
            "idempotencyKey": f.id(semconv.INLINE_IDEMPOTENCY_KEY),
            "quoteDurationMs": f.ms(semconv.INLINE_QUOTE_DURATION_MS),
            "confirmDurationMs": f.ms(semconv.INLINE_CONFIRM_DURATION_MS),
            "durationMs": f.duration_ms,
        },
    ),
    Event(
        semconv.EVENT_INLINE_TIMEOUT, _INLINE, _WARNING,
        lambda f: {
            "attemptId": attempt_id(f),
            "timeoutMs": _timeout_or_elapsed_ms(f),
            "elapsedMs": f.duration_ms,
            "durationMs": f.duration_ms,
        },
    ),
    Event(
        semconv.EVENT_INLINE_OPERATION_ABORTED, _INLINE, _WARNING,
        lambda f: {"attemptId": attempt_id(f), "durationMs": f.duration_ms, "timeoutMs": _timeout_ms(f)},
    ),
    Event(semconv.EVENT_INLINE_STAGE_SLOW, _INLINE, _WARNING, _stage_slow),
)  # fmt: skip
CATALOGUE: Final[Mapping[str, Event]] = {event.name: event for event in _EVENTS}
