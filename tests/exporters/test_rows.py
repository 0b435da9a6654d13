"""Span → rows: which, with what in them, and when."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from observability_events.rows import all_rows_of, is_ours, row_id, rows_of, started_row
from otel_auto_assign import semconv
from tests.exporters.spans import (
    ATTEMPT,
    ATTEMPT_ID,
    BOOKING,
    CONFIRM,
    EVERY,
    INLINE_QUOTE,
    JOB,
    JOB_ID,
    QUOTE,
    RESTAURANT,
    STAGE,
    START_NS,
    Recipe,
    foreign,
)

START = datetime(2025, 11, 5, 19, 10, tzinfo=UTC)
ENDED_MS = START_NS // 1_000_000 + 12
RAISED_QUOTE = dataclasses.replace(QUOTE, error="boom")
RAISED_INLINE_QUOTE = dataclasses.replace(INLINE_QUOTE, error="boom")
RAISED_CONFIRM = dataclasses.replace(CONFIRM, error="boom")
DIRECT_QUOTE = Recipe(semconv.SPAN_QUOTE, {semconv.FLOW: semconv.FLOW_DIRECT, semconv.SUCCESS: True})
INLINE_STAGE = EVERY[semconv.EVENT_INLINE_STAGE_SLOW]


def types(recipe: Recipe, **more: Any) -> list[str]:
    """Give the event types that the span gives, each with ``late`` behind it where the row says so."""
    return [
        row.event_type + (" late" if row.context.get("late") else "")
        for row in rows_of(recipe.span(**more))
    ]  # fmt: skip


def only(recipe: Recipe, event_type: str, **more: Any) -> dict[str, Any]:
    """Give the context of the one row of this type."""
    (row,) = (row for row in all_rows_of(recipe.span(**more)) if row.event_type == event_type)
    return row.context


CASES: Final[list[tuple[Recipe, dict[str, Any], list[str]]]] = [
    (JOB, {}, ["summary", "succeeded"]),
    (JOB, {"JOB_RESULT": "exhausted"}, ["summary", "failed"]),
    (JOB, {"JOB_RESULT": "cutoff"}, ["summary", "cutoff_skipped"]),
    (JOB, {"JOB_RESULT": "already_confirmed"}, ["summary", "exited_already_confirmed"]),
    (JOB, {"JOB_RESULT": "error"}, ["summary"]),
    (JOB, {"JOB_RESULT": "skipped"}, ["summary"]),
    (JOB, {"JOB_RESULT": "cancelled"}, ["summary"]),
    (JOB, {"JOB_RESULT": "abandoned"}, ["summary"]),
    (JOB, {"JOB_RESULT": "no such word"}, ["summary"]),
    (JOB, {"JOB_RESULT": None}, ["summary"]),
    (JOB, {"JOB_RESULT": "exhausted", "JOB_HARD_STOP_REASON_CODE": "hard.no_capacity"},
     ["summary", "failed", "hard_stop"]),
    (JOB, {"JOB_RESULT": "skipped", "INLINE_SKIP_REASON_CODE": "hard.no_capacity"},
     ["summary", "inline_skip_attempt"]),
    (JOB, {"INLINE_ATTEMPT_ID": "a", "INLINE_REASON": "no capacity"}, ["summary", "succeeded"]),
    (ATTEMPT, {}, ["attempt"]),
    (ATTEMPT, {"SUCCESS": True}, ["attempt"]),
    (ATTEMPT, {"ERROR_TYPE": "ValueError"}, ["attempt_error"]),
    (ATTEMPT, {"ATTEMPT_INDEX": None}, []),
    (ATTEMPT, {"ATTEMPT_INDEX": None, "ADJUSTMENT_MAX_TABLES": 3}, []),
    (ATTEMPT, {"ATTEMPT_INDEX": 0}, ["attempt"]),
    (ATTEMPT, {"LATE": True}, []),
    (ATTEMPT, {"FLOW": "direct"}, []),
    (ATTEMPT, {"FLOW": "inline"}, []),
    (ATTEMPT, {"ADJUSTMENT_REQUIRE_ADJACENCY": False}, ["attempt", "inline_timeout_adjustment"]),
    (ATTEMPT, {"ADJUSTMENT_MAX_TABLES": 3, "ERROR_TYPE": "X"}, ["attempt_error", "inline_timeout_adjustment"]),
    (QUOTE, {}, ["quote"]),
    (QUOTE, {"CACHE_HIT": True}, ["quote", "planner_cache_hit"]),
    (QUOTE, {"NESTED": True, "CACHE_HIT": True}, []),
    (QUOTE, {"LATE": True, "CACHE_HIT": True}, ["quote late"]),
    (RAISED_QUOTE, {"CACHE_HIT": True}, ["quote", "planner_cache_hit"]),
    (RAISED_QUOTE, {"LATE": True}, ["quote late"]),
    (RAISED_QUOTE, {"LATE": True, "CANCELLED": True}, ["quote late"]),
    (DIRECT_QUOTE, {"CACHE_HIT": True}, ["quote"]),
    (DIRECT_QUOTE, {"LATE": True, "ERROR_TYPE": "X"}, ["quote late"]),
    (INLINE_QUOTE, {"CACHE_HIT": True}, ["quote", "inline quote_result"]),
    (INLINE_QUOTE, {"NESTED": True}, []),
    (RAISED_INLINE_QUOTE, {}, ["quote"]),
    (RAISED_INLINE_QUOTE, {"CANCELLED": True}, ["quote"]),
    (RAISED_INLINE_QUOTE, {"NESTED": True, "LATE": True}, []),
    (INLINE_QUOTE, {"LATE": True}, ["quote late", "inline quote_result late"]),
    (RAISED_INLINE_QUOTE, {"LATE": True}, ["quote late", "inline quote_error late"]),
    (RAISED_INLINE_QUOTE, {"LATE": True, "CANCELLED": True}, ["quote late", "inline operation_aborted late"]),
    (CONFIRM, {}, ["inline confirm_succeeded"]),
    (CONFIRM, {"SUCCESS": False}, []),
    (CONFIRM, {"LATE": True}, ["inline confirm_succeeded late"]),
    (CONFIRM, {"LATE": True, "SUCCESS": False}, ["inline confirm_failed late"]),
    (RAISED_CONFIRM, {}, []),
    (RAISED_CONFIRM, {"LATE": True}, ["inline confirm_failed late"]),
    (RAISED_CONFIRM, {"LATE": True, "CANCELLED": True}, ["inline operation_aborted late"]),
    (CONFIRM, {"FLOW": "job", "JOB_ID": JOB_ID}, []),
    (CONFIRM, {"FLOW": "job", "JOB_ID": JOB_ID, "LATE": True, "SUCCESS": False}, []),
    (STAGE, {}, ["stage_slow"]),
    (STAGE, {"STAGE_THRESHOLD_MS": 12.5}, []),
    (STAGE, {"STAGE_THRESHOLD_MS": 13}, []),
    (STAGE, {"STAGE_THRESHOLD_MS": None}, []),
    (STAGE, {"LATE": True}, []),
    (STAGE, {"FLOW": "direct"}, []),
    (INLINE_STAGE, {}, ["inline stage_slow"]),
    (INLINE_STAGE, {"LATE": True}, ["inline stage_slow late"]),
    (Recipe("GET /bookings"), {}, []),
    (Recipe("auto_assign.other"), {"FLOW": "job"}, []),
]  # fmt: skip
"""Every shape of span that the contract tells apart, and the rows it gives."""


@pytest.mark.parametrize(("recipe", "more", "expected"), CASES)
def test_which_rows(recipe: Recipe, more: dict[str, Any], expected: list[str]) -> None:
    """§4's table, case by case: a span gives these rows and no other."""
    full = [("inline_auto_assign." + name[7:]) if name[:7] == "inline " else "auto_assign." + name for name in expected]
    assert full == types(recipe, **more)


@pytest.mark.parametrize("outcome", sorted(semconv.INLINE_OUTCOMES))
def test_one_terminal(outcome: str) -> None:
    """An inline run gives its one terminal."""
    assert types(EVERY[semconv.EVENT_INLINE_SUCCEEDED], INLINE_OUTCOME=outcome) == [f"inline_auto_assign.{outcome}"]


@pytest.mark.parametrize("outcome", [None, "no such word", 7])
def test_a_run_without_an_outcome_has_a_terminal_all_the_same(outcome: Any) -> None:
    """Every inline run has exactly one, even a run whose instrumentation forgot to say which."""
    assert types(EVERY[semconv.EVENT_INLINE_SUCCEEDED], INLINE_OUTCOME=outcome) == [
        semconv.EVENT_INLINE_OPERATION_ABORTED
    ]


def test_a_quote_in_full() -> None:
    """Everything that a row says, once spelled out."""
    (row,) = rows_of(QUOTE.span())
    context = row.context
    trace_id, span_id = context.pop("trace_id"), context.pop("span_id")

    assert (len(trace_id), len(span_id)) == (32, 16)
    assert row.id == row_id(semconv.EVENT_QUOTE, int(trace_id, 16), int(span_id, 16), START_NS + 12_500_000)
    assert row.created_at == START + timedelta(milliseconds=12, microseconds=500)
    assert (row.source, row.event_type, row.severity) == ("auto_assign", "auto_assign.quote", "info")
    assert (str(row.booking_id), str(row.restaurant_id)) == (BOOKING, RESTAURANT)
    flags = {"retry_policy_v2": True, "planner_cache": False, "source": "env"}
    strategy = {"requireAdjacency": True, "maxTables": 2}
    assert context == {
        "planner_duration_ms": 12.5,
        "durationMs": 12.5,
        "success": False,
        "planner_success": False,
        "reason": "Hold conflicts prevented all candidates",
        "planner_reason": "Hold conflicts prevented all candidates",
        "reasonCode": "transient.hold_conflict",
        "planner_reason_code": "transient.hold_conflict",
        "reasonCategory": "transient",
        "planner_reason_category": "transient",
        "strategy": strategy,
        "planner_strategy": strategy,
        "trigger": "cron",
        "attempt_index": 1,
        "attemptIndex": 1,
        "cache_hit": False,
        "flow": "job",
        "service": "tables",
        "environment": "pilot",
        "flags": flags,
        "featureFlags": flags,
        "job_id": JOB_ID,
    }


def test_a_summary_in_full() -> None:
    """What a summary says of a job that an inline run left a hint for."""
    recipe = EVERY[semconv.EVENT_INLINE_SKIP_ATTEMPT]
    context = only(recipe, semconv.EVENT_SUMMARY, JOB_MAX_ATTEMPTS=0, JOB_SKIPPED_INITIAL_ATTEMPT=True)
    own = {key: context[key] for key in list(context) if key not in {"trace_id", "service", "environment"}}
    assert own.pop("job_id") == own.pop("span_id")
    assert own.pop("flags") == own.pop("featureFlags")
    assert own == {
        "attemptsUsed": 0,
        "maxAttempts": 0,
        "result": "skipped",
        "totalDurationMs": 12.5,
        "trigger": "cron",
        "skippedInitialAttempt": True,
        "inlineSkipReason": "hard.no_capacity",
        "hardStopReason": None,
        "inline_attempt_id": ATTEMPT_ID,
        "inline_reason": "INLINE_TIMEOUT",
        "inline_trigger": "inline",
    }


@pytest.mark.parametrize(
    ("event_type", "key", "expected"),
    [
        (semconv.EVENT_STARTED, "status", "pending"),
        (semconv.EVENT_SUCCEEDED, "attempt_index", 1),
        (semconv.EVENT_SUCCEEDED, "durationMs", 12.5),
        (semconv.EVENT_FAILED, "attempts", 5),
        (semconv.EVENT_FAILED, "hardStopReason", None),
        (semconv.EVENT_HARD_STOP, "reason", "No suitable tables"),
        (semconv.EVENT_HARD_STOP, "reasonCode", "hard.no_suitable_tables"),
        (semconv.EVENT_HARD_STOP, "attempt_index", 1),
        (semconv.EVENT_INLINE_SKIP_ATTEMPT, "reason", "no capacity"),
        (semconv.EVENT_INLINE_SKIP_ATTEMPT, "reasonCode", "hard.no_capacity"),
        (semconv.EVENT_INLINE_SKIP_ATTEMPT, "inline_attempt_id", ATTEMPT_ID),
        (semconv.EVENT_INLINE_SKIP_ATTEMPT, "previousMaxAttempts", 5),
        (semconv.EVENT_INLINE_SKIP_ATTEMPT, "nextMaxAttempts", 0),
        (semconv.EVENT_CUTOFF_SKIPPED, "cutoffMinutes", 7.5),
        (semconv.EVENT_CUTOFF_SKIPPED, "inline_reason", "INLINE_TIMEOUT"),
        (semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, "adjustedRequireAdjacency", False),
        (semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, "adjustedMaxTables", 4),
        (semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, "maxAttempts", 2),
        (semconv.EVENT_ATTEMPT, "planner_calls", 2),
        (semconv.EVENT_ATTEMPT, "alternates", 3),
        (semconv.EVENT_ATTEMPT_ERROR, "error", "boom"),
        (semconv.EVENT_PLANNER_CACHE_HIT, "cache_status", "hit"),
        (semconv.EVENT_PLANNER_CACHE_HIT, "cache_hit", True),
        (semconv.EVENT_STAGE_SLOW, "stage", "load"),
        (semconv.EVENT_STAGE_SLOW, "thresholdMs", 12.0),
        (semconv.EVENT_INLINE_QUOTE_RESULT, "hasHold", False),
        (semconv.EVENT_INLINE_QUOTE_RESULT, "attemptId", ATTEMPT_ID),
        (semconv.EVENT_INLINE_NO_HOLD, "reasonCode", "hard.no_capacity"),
        (semconv.EVENT_INLINE_CONFIRM_FAILED, "error", "refused"),
        (semconv.EVENT_INLINE_CONFIRM_FAILED, "holdId", "hold-1"),
        (semconv.EVENT_INLINE_SUCCEEDED, "idempotencyKey", "key-1"),
        (semconv.EVENT_INLINE_SUCCEEDED, "quoteDurationMs", 7.25),
        (semconv.EVENT_INLINE_SUCCEEDED, "confirmDurationMs", 3.5),
        (semconv.EVENT_INLINE_TIMEOUT, "timeoutMs", 12_000.0),
        (semconv.EVENT_INLINE_TIMEOUT, "elapsedMs", 12.5),
        (semconv.EVENT_INLINE_OPERATION_ABORTED, "timeoutMs", 12_000.0),
    ],
)  # fmt: skip
def test_where_a_value_comes_from(event_type: str, key: str, expected: object) -> None:
    """Each of the less obvious keys says what its attribute said."""
    assert expected == only(EVERY[event_type], event_type)[key]


@pytest.mark.parametrize(
    ("recipe", "more", "expected"),
    [
        (RAISED_QUOTE, {"ERROR_TYPE": "builtins.X"}, "boom"),
        (dataclasses.replace(QUOTE, error=""), {"ERROR_TYPE": "X"}, "X"),
        (dataclasses.replace(QUOTE, error="mail ann@example.org, +44 20 7946 0958"), {}, "mail [e-mail], [phone]"),
        (dataclasses.replace(QUOTE, error="x" * 600), {}, "x" * 500),
        (dataclasses.replace(QUOTE, error=""), {}, "Hold conflicts prevented all candidates"),
        (dataclasses.replace(QUOTE, error=""), {"REASON": None}, "_OTHER"),
    ],
)
def test_the_error_is_the_first_thing_known(recipe: Recipe, more: dict[str, Any], expected: str) -> None:
    """The status message, else the error's type, else the reason, and never nothing."""
    context = only(recipe, semconv.EVENT_QUOTE, **more)
    assert expected == context["planner_error"]
    assert context["success"] is False
    (row,) = rows_of(recipe.span(**more))
    assert row.severity == "warning"


def test_a_confirm_that_said_no_late_names_its_reason() -> None:
    """No exception, hence no message and no type: the reason is what went wrong."""
    context = only(CONFIRM, semconv.EVENT_INLINE_CONFIRM_FAILED, LATE=True, SUCCESS=False, REASON="slot taken")
    assert context["error"] == "slot taken"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"SUCCESS": True}, "success"),
        ({"SUCCESS": True, "ERROR_TYPE": "X"}, "transient.hold_conflict"),
        ({"REASON_CODE": "success"}, "transient.hold_conflict"),
        ({"REASON_CODE": "Hard Luck 7"}, "transient.hold_conflict"),
        ({"REASON_CODE": "hard.of_the_host"}, "hard.of_the_host"),
        ({"REASON_CODE": None}, "transient.hold_conflict"),
        ({"REASON_CODE": None, "REASON": None}, "unknown"),
        ({"REASON_CODE": None, "REASON": "x" * 50}, "unknown"),
        ({"SUCCESS": "yes"}, "transient.hold_conflict"),
    ],
)
def test_code_and_success_agree(more: dict[str, Any], code: str) -> None:
    """``success`` is the code exactly when it succeeded; a code that is none is made anew from the reason."""
    context = only(QUOTE, semconv.EVENT_QUOTE, **more)
    assert code == context["reasonCode"]
    assert context["success"] is (code == "success")


def test_an_error_without_a_reason_is_classified_by_its_message() -> None:
    """What raised and carries neither code nor reason has the message left."""
    recipe = dataclasses.replace(QUOTE, error="canceling statement due to lock timeout")
    assert only(recipe, semconv.EVENT_QUOTE, REASON=None, REASON_CODE=None)["reasonCode"] == "transient.lock_wait"


@pytest.mark.parametrize(
    ("recipe", "expected"), [(QUOTE, 1), (INLINE_QUOTE, None), (DIRECT_QUOTE, 0)], ids=["job", "inline", "direct"]
)
def test_the_index_of_a_quote(recipe: Recipe, expected: int | None) -> None:
    """The attempt's, null on inline quotes, else 0."""
    context = only(recipe, semconv.EVENT_QUOTE)
    assert context["attempt_index"] == context["attemptIndex"] == expected


def test_the_flow_decides_about_source_and_run() -> None:
    """Job rows name their job, inline rows their attempt, direct quotes neither."""
    job, inline, direct = (rows_of(recipe.span())[0] for recipe in (QUOTE, INLINE_QUOTE, DIRECT_QUOTE))
    assert [row.source for row in (job, inline, direct)] == [
        "auto_assign", "bookings.inline_auto_assign", "auto_assign",
    ]  # fmt: skip
    assert [row.context.get("job_id") for row in (job, inline, direct)] == [JOB_ID, None, None]
    assert [row.context.get("attemptId") for row in (job, inline, direct)] == [None, ATTEMPT_ID, None]


def test_a_child_that_names_no_job_belongs_to_none() -> None:
    """A row must not claim a job that no reader could find."""
    assert types(QUOTE, JOB_ID=None, CACHE_HIT=True) == [semconv.EVENT_QUOTE]
    context = only(QUOTE, semconv.EVENT_QUOTE, JOB_ID=None)
    assert context["flow"] == "direct"
    assert "job_id" not in context
    assert types(ATTEMPT, JOB_ID=None) == []


@pytest.mark.parametrize("job_id", ["", float("nan"), ["a"], True])
def test_a_quote_whose_job_id_is_none_is_direct(job_id: object) -> None:
    """A row of the job flow names a job that readers can find."""
    (made,) = rows_of(QUOTE.span(JOB_ID=job_id))

    assert made.context["flow"] == "direct"
    assert "job_id" not in made.context


def test_an_inline_run_without_an_id_goes_by_its_span() -> None:
    """The application may not number its inline attempts."""
    context = only(EVERY[semconv.EVENT_INLINE_NO_HOLD], semconv.EVENT_INLINE_NO_HOLD, INLINE_ATTEMPT_ID=None)
    assert context["attemptId"] == context["span_id"]


def test_a_time_out_without_a_limit_says_how_long_it_took() -> None:
    """``timeoutMs`` is a number on every time-out; elsewhere it may be unknown."""
    more = {"INLINE_TIMEOUT_MS": None}
    assert only(EVERY[semconv.EVENT_INLINE_TIMEOUT], semconv.EVENT_INLINE_TIMEOUT, **more)["timeoutMs"] == 12.5
    aborted = EVERY[semconv.EVENT_INLINE_OPERATION_ABORTED]
    assert only(aborted, semconv.EVENT_INLINE_OPERATION_ABORTED, **more)["timeoutMs"] is None


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ('{"candidates": 3}', {"candidates": 3}),
        ('{"share": NaN, "big": 1180591620717411303424, "who": "ann@example.org", "bad": "\\ud800"}',
         {"share": None, "big": None, "who": "[e-mail]", "bad": "\ufffd"}),
        ("[1]", None),
        ("no json", None),
        ("[" * 100_000, None),
        (7, None),
    ],
    ids=["object", "unsafe values", "list", "nonsense", "deep", "number"],
)  # fmt: skip
def test_planner_internal(given_text: Any, expected: object) -> None:
    """The planner's statistics as an object that the database can hold, and nothing else."""
    assert expected == only(QUOTE, semconv.EVENT_QUOTE, PLANNER_INTERNAL=given_text)["planner_internal"]


def test_an_id_that_is_no_uuid_is_kept_in_the_context() -> None:
    """The columns hold UUIDs; other ids must not be lost, and neither must the row."""
    (row,) = rows_of(QUOTE.span(BOOKING_ID="B-17", RESTAURANT_ID=42))
    assert (row.booking_id, row.restaurant_id) == (None, None)
    assert (row.context["booking_ref"], row.context["restaurant_ref"]) == ("B-17", "42")


@given(text=st.text() | st.from_regex(r"\{?[0-9a-f_-]{30,40}\}?", fullmatch=True))
def test_only_uuids_are_uuids(text: str) -> None:
    """Python's constructor reads more than UUIDs; what is another text is another id."""
    (row,) = rows_of(foreign(semconv.SPAN_QUOTE, {semconv.BOOKING_ID: text}))
    if row.booking_id is not None:
        assert row.booking_id.hex == text.replace("-", "")
        assert "booking_ref" not in row.context


@pytest.mark.parametrize("text", [BOOKING, BOOKING.upper(), BOOKING.replace("-", "")])
def test_ways_to_write_a_uuid(text: str) -> None:
    """Capitals and missing hyphens are the same id."""
    (row,) = rows_of(QUOTE.span(BOOKING_ID=text))
    assert row.booking_id == uuid.UUID(BOOKING)


def test_a_job_that_learns_its_restaurant_later() -> None:
    """What was given at the start counts first; the row of the start cannot know what came later."""
    learned = str(uuid.UUID(int=9))
    started, *ended = all_rows_of(JOB.span(RESTAURANT_ID=None, JOB_RESTAURANT_ID=learned))
    assert started.restaurant_id is None
    assert {str(row.restaurant_id) for row in ended} == {learned}
    assert {str(row.restaurant_id) for row in all_rows_of(JOB.span(JOB_RESTAURANT_ID=learned))} == {RESTAURANT}


def test_the_start_of_a_job_seen_at_its_start_or_after_its_end() -> None:
    """A snapshot of the start attributes gives the very row that the ended span gives."""
    ended = JOB.span(JOB_RESTAURANT_ID=RESTAURANT, JOB_BOOKING_STATUS="confirmed")
    at_start = {name: value for name, value in (ended.attributes or {}).items() if ".job." not in name}
    snapshot = SimpleNamespace(
        name=ended.name, attributes=at_start, start_time=START_NS, end_time=None,
        status=ended.status, context=ended.context, resource=ended.resource,
    )  # fmt: skip
    row = started_row(snapshot)
    assert row == all_rows_of(ended)[0]
    assert row.created_at == START
    assert row.id.int >> 80 == START_NS // 1_000_000


def test_ids_of_a_job() -> None:
    """A summary's id takes the job's start, the other rows' their own time: each its floor."""
    milliseconds = {row.event_type: row.id.int >> 80 for row in all_rows_of(JOB.span())}
    assert milliseconds == {
        semconv.EVENT_STARTED: START_NS // 1_000_000,
        semconv.EVENT_SUMMARY: START_NS // 1_000_000,
        semconv.EVENT_SUCCEEDED: ENDED_MS,
    }


def test_the_same_span_gives_the_same_rows() -> None:
    """Writing twice changes nothing."""
    for recipe in EVERY.values():
        span = recipe.span()
        assert all_rows_of(span) == all_rows_of(span)


@pytest.mark.parametrize(
    ("start", "end"),
    [(START_NS, START_NS - 5_000_000), (START_NS, None), (None, START_NS), (0, START_NS), (START_NS, 0)],
)
def test_no_time_passes_backwards(start: int | None, end: int | None) -> None:
    """A clock that stepped back, or a time that is missing: a duration of zero, and never a row before its start."""
    started, *ended = all_rows_of(foreign(semconv.SPAN_JOB, {}, start_time=start, end_time=end))
    assert [row.created_at for row in ended] == [started.created_at]
    assert ended[0].context["totalDurationMs"] == 0.0


@given(start=st.integers(0, 2**62), length=st.integers(0, 10**16))
def test_the_total_is_the_time_between_start_and_summary(start: int, length: int) -> None:
    """Flooring both moments and rounding the duration cannot drive them apart."""
    started, *ended = all_rows_of(foreign(semconv.SPAN_JOB, {}, start_time=start, end_time=start + length))
    between_ms = (ended[0].created_at - started.created_at) / timedelta(milliseconds=1)
    assert abs(ended[0].context["totalDurationMs"] - between_ms) < 0.01


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"retry_policy_v2": True, "planner_cache": False, "source": "env"}),
        ({"FLAG_PLANNER_CACHE": True}, {"retry_policy_v2": True, "planner_cache": True, "source": "env"}),
        ({"FLAG_PLANNER_CACHE": True, "FLAG_RETRY_POLICY_V2": False},
         {"retry_policy_v2": False, "planner_cache": False, "source": "env"}),
        ({"FLAG_RETRY_POLICY_V2": None, "FLAG_SOURCE": "nobody"},
         {"retry_policy_v2": False, "planner_cache": False, "source": "default"}),
    ],
)  # fmt: skip
def test_flags(more: dict[str, Any], expected: dict[str, Any]) -> None:
    """The cache is effective under retry policy v2 only; what is not said is off, by default."""
    context = only(QUOTE, semconv.EVENT_QUOTE, **more)
    assert context["flags"] == context["featureFlags"] == expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (Resource({}), ("unknown_service", "unknown")),
        (Resource({semconv.SERVICE_NAME: "a", semconv.DEPLOYMENT_ENVIRONMENT: "old"}), ("a", "old")),
        (Resource({semconv.DEPLOYMENT_ENVIRONMENT: "old", semconv.DEPLOYMENT_ENVIRONMENT_NAME: "new"}),
         ("unknown_service", "new")),
    ],
    ids=["nothing", "older name", "both names"],
)  # fmt: skip
def test_service_and_environment(resource: Resource, expected: tuple[str, str]) -> None:
    """From the resource, never null, whichever resource came before."""
    for span_resource, names in ((resource, expected), (QUOTE.span().resource, ("tables", "pilot"))) * 2:
        span = ReadableSpan(semconv.SPAN_QUOTE, context=QUOTE.span().context, resource=span_resource)
        context = rows_of(span)[0].context
        assert (context["service"], context["environment"]) == names


def test_attributes_of_any_mapping() -> None:
    """The SDK's own mapping, a plain one, and none at all."""
    given_attributes = dict(QUOTE.span().attributes or {})
    plain = rows_of(foreign(semconv.SPAN_QUOTE, given_attributes))
    stub = SimpleNamespace(
        name=semconv.SPAN_QUOTE, attributes=MappingProxyType(given_attributes), start_time=None, end_time=None,
        status=SimpleNamespace(status_code=0, description=""), context=foreign("", None).context,
        resource=QUOTE.span().resource,
    )  # fmt: skip
    assert plain == rows_of(stub)
    stub.attributes = None
    assert rows_of(stub)[0].context["trigger"] == "unknown"


def test_the_status_of_a_span_that_was_not_the_sdks() -> None:
    """OTLP says 2 where the SDK has an enumeration."""
    stub = SimpleNamespace(
        name=semconv.SPAN_QUOTE, attributes={}, start_time=1, end_time=2,
        status=SimpleNamespace(status_code=2, description="boom"), context=foreign("", None).context,
        resource=QUOTE.span().resource,
    )  # fmt: skip
    assert rows_of(stub)[0].context["planner_error"] == "boom"


def test_a_row_does_not_follow_its_span() -> None:
    """A row's context is its own: what is done to one row shows in no other."""
    span = EVERY[semconv.EVENT_PLANNER_CACHE_HIT].span()
    first, second = rows_of(span)
    first.context["trace_id"] = "changed"
    assert second.context["trace_id"] != "changed"
    assert rows_of(span)[0].context["trace_id"] == second.context["trace_id"]


def test_our_names() -> None:
    """Exactly the six spans of the contract are looked into."""
    assert {name for name in (*semconv.SPANS, "GET /", "", semconv.EVENT_SUMMARY) if is_ours(name)} == semconv.SPANS
