"""Which span gives which row, and when: CONTRACT §4 as data.

``SPAN_ROWS`` says for a span's name which event types it gives, each under conditions that all must hold. A condition
is stated once, as what is looked at and as the words for it: ``rows`` asks it, ``explanation`` speaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from observability_events.facts import Facts
from otel_auto_assign import semconv


class Condition(NamedTuple):
    """Something that holds of a span, or does not.

    Attributes:
        holds: Looks at the span's facts.
        yes: Says in words that it holds; ``{f.…}`` in it stands for one of the facts.
        no: Says in words that it does not.
    """

    holds: Callable[[Facts], bool]
    yes: str
    no: str


def all_hold(conditions: tuple[Condition, ...]) -> Callable[[Facts], bool]:
    """Give one function for conditions that all must hold; the first that does not is the last one asked."""
    if not conditions:
        return lambda _: True
    first, rest = conditions[0].holds, conditions[1:]
    if not rest:
        return first
    others = all_hold(rest)
    return lambda f: first(f) and others(f)


def _result_is(result: str) -> Condition:
    return Condition(
        lambda f: f.result == result,
        f"the job came to {result!r}",
        f"the job came to {{f.result!r}}, not to {result!r} ({semconv.JOB_RESULT})",
    )


def _outcome_is(outcome: str) -> Condition:
    return Condition(
        lambda f: f.outcome == outcome,
        f"the inline run came to {outcome!r}",
        f"the inline run came to {{f.outcome!r}}, not to {outcome!r} ({semconv.INLINE_OUTCOME})",
    )


def _not(condition: Condition) -> Condition:
    holds = condition.holds
    return Condition(lambda f: not holds(f), condition.no, condition.yes)


def _over_threshold(f: Facts) -> bool:
    threshold_ms = f.ms(semconv.STAGE_THRESHOLD_MS)
    return threshold_ms is not None and f.duration_ms > threshold_ms


def _adjusted(f: Facts) -> bool:
    return (
        f.is_set(semconv.ADJUSTMENT_REQUIRE_ADJACENCY)
        or f.is_set(semconv.ADJUSTMENT_MAX_TABLES)
        or f.is_set(semconv.ADJUSTMENT_MAX_ATTEMPTS)
    )


LATE: Final = Condition(
    lambda f: f.late,
    f"it is late: it ended after its run ({semconv.LATE})",
    "it ended before its run",
)
IN_TIME: Final = Condition(lambda f: not f.late, LATE.no, LATE.yes)  # not _not(): asked of nearly every span
RAISED: Final = Condition(
    lambda f: f.raised,
    "it ended by an exception",
    f"it ended by no exception (status, {semconv.ERROR_TYPE})",
)
NOT_RAISED: Final = Condition(lambda f: not f.raised, RAISED.no, RAISED.yes)
CANCELLED: Final = Condition(
    lambda f: f.cancelled,
    f"it was cancelled ({semconv.CANCELLED})",
    f"it was not cancelled ({semconv.CANCELLED})",
)
SUCCESSFUL: Final = Condition(
    lambda f: f.success,
    f"it succeeded ({semconv.SUCCESS})",
    f"it did not succeed ({semconv.SUCCESS})",
)
OUTERMOST: Final = Condition(
    lambda f: not f.is_true(semconv.NESTED),
    "it ran inside no other quote",
    f"it ran inside another quote, whose rows are the ones that count ({semconv.NESTED})",
)
CACHE_HIT: Final = Condition(
    lambda f: f.is_true(semconv.CACHE_HIT),
    f"the planner answered from its cache ({semconv.CACHE_HIT})",
    f"the planner did not answer from its cache ({semconv.CACHE_HIT})",
)
ASKED: Final = Condition(
    lambda f: f.whole(semconv.ATTEMPT_INDEX) is not None,
    "it asked the planner, or raised",
    f"it neither asked the planner nor raised, so it has no index ({semconv.ATTEMPT_INDEX})",
)
ADJUSTED: Final = Condition(
    _adjusted,
    "it was adjusted",
    f"nothing adjusted it ({semconv.ADJUSTMENT_REQUIRE_ADJACENCY}, …)",
)
HARD_STOP: Final = Condition(
    lambda f: f.is_set(semconv.JOB_HARD_STOP_REASON_CODE),
    "the job was stopped hard",
    f"no hard stop was told ({semconv.JOB_HARD_STOP_REASON_CODE})",
)
SKIPPED_INITIAL: Final = Condition(
    lambda f: f.is_set(semconv.INLINE_SKIP_REASON_CODE),
    "the job skipped its initial attempt for a hint of the inline run",
    f"no initial attempt was skipped for a hint of the inline run ({semconv.INLINE_SKIP_REASON_CODE})",
)
SLOW: Final = Condition(
    _over_threshold,
    "it took {f.duration_ms} ms, over its threshold",
    f"it took {{f.duration_ms}} ms, not over its threshold ({semconv.STAGE_THRESHOLD_MS})",
)

SPAN_ROWS: Final[Mapping[str, tuple[tuple[str, tuple[Condition, ...]], ...]]] = {
    semconv.SPAN_JOB: (
        (semconv.EVENT_SUMMARY, ()),
        (semconv.EVENT_SUCCEEDED, (_result_is(semconv.RESULT_SUCCEEDED),)),
        (semconv.EVENT_FAILED, (_result_is(semconv.RESULT_EXHAUSTED),)),
        (semconv.EVENT_CUTOFF_SKIPPED, (_result_is(semconv.RESULT_CUTOFF),)),
        (semconv.EVENT_EXITED_ALREADY_CONFIRMED, (_result_is(semconv.RESULT_ALREADY_CONFIRMED),)),
        (semconv.EVENT_HARD_STOP, (HARD_STOP,)),
        (semconv.EVENT_INLINE_SKIP_ATTEMPT, (SKIPPED_INITIAL,)),
    ),
    semconv.SPAN_ATTEMPT: (
        (semconv.EVENT_ATTEMPT, (IN_TIME, ASKED, NOT_RAISED)),
        (semconv.EVENT_ATTEMPT_ERROR, (RAISED, IN_TIME, ASKED)),
        (semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, (ADJUSTED, IN_TIME, ASKED)),
    ),
    semconv.SPAN_QUOTE: (
        (semconv.EVENT_QUOTE, (OUTERMOST,)),
        (semconv.EVENT_PLANNER_CACHE_HIT, (CACHE_HIT, IN_TIME, OUTERMOST)),
        (semconv.EVENT_INLINE_QUOTE_RESULT, (NOT_RAISED, OUTERMOST)),
        (semconv.EVENT_INLINE_QUOTE_ERROR, (LATE, RAISED, _not(CANCELLED), OUTERMOST)),
        (semconv.EVENT_INLINE_OPERATION_ABORTED, (LATE, CANCELLED, OUTERMOST)),
    ),
    semconv.SPAN_CONFIRM: (
        (semconv.EVENT_INLINE_CONFIRM_SUCCEEDED, (SUCCESSFUL,)),
        (semconv.EVENT_INLINE_CONFIRM_FAILED, (LATE, _not(SUCCESSFUL), _not(CANCELLED))),
        (semconv.EVENT_INLINE_OPERATION_ABORTED, (LATE, CANCELLED)),
    ),
    semconv.SPAN_INLINE: (
        (semconv.EVENT_INLINE_SUCCEEDED, (_outcome_is(semconv.INLINE_SUCCEEDED),)),
        (semconv.EVENT_INLINE_NO_HOLD, (_outcome_is(semconv.INLINE_NO_HOLD),)),
        (semconv.EVENT_INLINE_QUOTE_ERROR, (_outcome_is(semconv.INLINE_QUOTE_ERROR),)),
        (semconv.EVENT_INLINE_CONFIRM_FAILED, (_outcome_is(semconv.INLINE_CONFIRM_FAILED),)),
        (semconv.EVENT_INLINE_TIMEOUT, (_outcome_is(semconv.INLINE_TIMEOUT),)),
        (semconv.EVENT_INLINE_OPERATION_ABORTED, (_outcome_is(semconv.INLINE_OPERATION_ABORTED),)),
    ),
    semconv.SPAN_STAGE: (
        (semconv.EVENT_STAGE_SLOW, (SLOW, IN_TIME)),
        (semconv.EVENT_INLINE_STAGE_SLOW, (SLOW,)),
    ),
}
"""What an ended span gives; a job's ``started`` is made from its start. Conditions are asked of an event's own flow."""

SOURCES: Final = {
    semconv.FLOW_JOB: semconv.SOURCE_JOB,
    semconv.FLOW_INLINE: semconv.SOURCE_INLINE,
    semconv.FLOW_DIRECT: None,
}
"""Flow → the source whose event types its spans give, beside those of any source."""
