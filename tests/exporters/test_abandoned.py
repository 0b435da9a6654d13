"""Tests of observability_events.abandoned: the rows of a dead job → its summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability_events import wire
from observability_events.abandoned import Abandoned, JobRow, abandoned, is_job
from observability_events.rows import Row
from otel_auto_assign import Flags, current_job, semconv, traced_job, traced_quote
from otel_auto_assign.testing import Recording
from tests.exporters.spans import BOOKING, RESTAURANT
from tests.test_contract import assert_keeps_the_promise

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACE, JOB = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
NOON_US = 1_762_430_400_000_000
FLAGS = {"retry_policy_v2": True, "planner_cache": False, "source": "env"}


def job_row(event_type: str, ms: float = 0, /, **context: Any) -> JobRow:
    """A row of the job, so many milliseconds after noon, that nothing else is known of."""
    booking, restaurant = context.pop("booking_id", None), context.pop("restaurant_id", None)
    return JobRow("n/a", NOON_US + round(ms * 1000), event_type, context, restaurant, booking)


def owed(rows: Iterable[JobRow]) -> Abandoned:
    """Give what the job is owed."""
    found = abandoned(TRACE, JOB, rows)
    assert found is not None
    return found


def read_back(row: Row) -> JobRow:
    """Give a row as it is read from the table."""
    ids = (None if found is None else str(found) for found in (row.restaurant_id, row.booking_id))
    return JobRow(str(row.id), row.time_us, row.event_type, row.context, *ids)


@traced_quote
def quote() -> Any:
    """Find nothing."""
    return {"hold": None, "reason": "No capacity"}


@traced_job(trigger="cron")
def job(booking_id: str) -> None:
    """Ask twice."""
    current_job().booking(restaurant_id=RESTAURANT, status="pending")
    quote()
    quote()


def test_the_summary_is_the_real_ones_twin() -> None:
    """Of the rows of a real job without its summary the same summary is made, but for the result and its time."""
    with Recording(flags=lambda: Flags(retry_policy_v2=True, planner_cache=False)) as recording:
        job(BOOKING)
    rows = recording.rows
    real = next(row for row in rows if row.event_type == semconv.EVENT_SUMMARY)
    started = next(row for row in rows if row.event_type == semconv.EVENT_STARTED)
    left = [row for row in rows if row.event_type not in {semconv.EVENT_SUMMARY, semconv.EVENT_FAILED}]

    found = abandoned(real.context["trace_id"], real.context["job_id"], map(read_back, left))
    assert found is not None
    assert found.started is None
    last_us = max(row.time_us for row in left)
    assert found.last_us == last_us
    assert found.summary == real._replace(
        time_us=started.time_us,
        context=real.context | {"result": "abandoned", "totalDurationMs": round((last_us - started.time_us) / 1000, 3)},
    )


def test_a_job_with_a_summary_is_owed_nothing() -> None:
    """Neither where its start is missing, nor where it has no row at all."""
    assert abandoned(TRACE, JOB, [job_row(semconv.EVENT_STARTED), job_row(semconv.EVENT_SUMMARY, 5)]) is None
    assert abandoned(TRACE, JOB, [job_row(semconv.EVENT_SUMMARY, 5)]) is None
    assert abandoned(TRACE, JOB, []) is None


def test_a_job_that_only_started() -> None:
    """It made no attempt, and took no time that anybody knows of."""
    found = owed([job_row(semconv.EVENT_STARTED, trigger="cron", service="tables", environment="pilot", flags=FLAGS)])
    assert_keeps_the_promise(found.summary)
    assert found.rows == [found.summary]
    assert found.summary.time_us == NOON_US
    assert found.summary.context == {
        "attemptsUsed": 0,
        "maxAttempts": None,
        "result": "abandoned",
        "totalDurationMs": 0.0,
        "trigger": "cron",
        "skippedInitialAttempt": False,
        "inlineSkipReason": None,
        "hardStopReason": None,
        "trace_id": TRACE,
        "span_id": JOB,
        "service": "tables",
        "environment": "pilot",
        "flags": FLAGS,
        "featureFlags": FLAGS,
        "job_id": JOB,
    }


def test_a_missing_start_is_written_at_the_first_row() -> None:
    """Both rows have the time of the first row that is there."""
    found = owed([job_row(semconv.EVENT_QUOTE, 20, trigger="cron"), job_row(semconv.EVENT_ATTEMPT, 70.5)])
    started = found.started
    assert started is not None
    assert_keeps_the_promise(started)
    assert found.rows == [started, found.summary]
    assert started.time_us == found.summary.time_us == NOON_US + 20_000
    assert [row.id.int >> 80 for row in found.rows] == [NOON_US // 1000 + 20] * 2
    assert started.context["trigger"] == "cron"
    assert found.summary.context["totalDurationMs"] == 50.5
    assert found.summary.context["attemptsUsed"] == 1


def test_attempts_are_counted_by_their_rows() -> None:
    """Those that ended by exception count, quotes do not."""
    names = (semconv.EVENT_QUOTE, semconv.EVENT_ATTEMPT, semconv.EVENT_QUOTE, semconv.EVENT_ATTEMPT_ERROR)
    found = owed(job_row(name, at) for at, name in enumerate((semconv.EVENT_STARTED, *names)))
    assert found.summary.context["attemptsUsed"] == 2


def test_late_rows_stand_outside() -> None:
    """What came after the job's end makes neither its duration nor its attempts."""
    late = [job_row(semconv.EVENT_QUOTE, 900, late=True), job_row(semconv.EVENT_ATTEMPT, 901, late=True)]
    found = owed([job_row(semconv.EVENT_STARTED), job_row(semconv.EVENT_QUOTE, 10), *late])
    assert (found.summary.context["totalDurationMs"], found.summary.context["attemptsUsed"]) == (10.0, 0)
    assert found.last_us == NOON_US + 901_000
    assert owed(late).summary.context["totalDurationMs"] == 0.0


def test_what_only_rows_of_the_end_tell() -> None:
    """Where the summary alone was lost, the rows beside it say what it would have said."""
    found = owed(
        [
            job_row(semconv.EVENT_STARTED),
            job_row(semconv.EVENT_HARD_STOP, 9, reason="No capacity", reasonCode="hard.no_capacity"),
            job_row(
                semconv.EVENT_INLINE_SKIP_ATTEMPT, 9,
                reason="No tables", reasonCode="hard.no_tables", inline_attempt_id="i-7", nextMaxAttempts=3,
            ),
            job_row(semconv.EVENT_CUTOFF_SKIPPED, 9, inline_reason="INLINE_TIMEOUT"),
        ]
    )  # fmt: skip
    assert_keeps_the_promise(found.summary)
    context = found.summary.context
    assert context["hardStopReason"] == "hard.no_capacity"
    assert (context["inlineSkipReason"], context["skippedInitialAttempt"]) == ("hard.no_tables", True)
    assert (context["inline_attempt_id"], context["inline_reason"]) == ("i-7", "INLINE_TIMEOUT")
    assert context["maxAttempts"] == 3


def test_the_most_attempts_are_known_from_an_adjustment() -> None:
    """It is the only row before the end that has them."""
    found = owed([job_row(semconv.EVENT_STARTED), job_row(semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, 1, maxAttempts=4)])
    assert found.summary.context["maxAttempts"] == 4


@pytest.mark.parametrize("column", ["booking", "restaurant"])
def test_ids_stay_where_the_jobs_rows_have_them(column: str) -> None:
    """In the column; else kept as a reference, even where it looks like an id the column could hold."""
    in_column = owed([job_row(semconv.EVENT_STARTED), job_row(semconv.EVENT_QUOTE, 1, **{f"{column}_id": BOOKING})])
    assert str(getattr(in_column.summary, f"{column}_id")) == BOOKING
    assert f"{column}_ref" not in in_column.summary.context

    for reference in (BOOKING, "b-17"):
        kept = owed([job_row(semconv.EVENT_QUOTE, **{f"{column}_ref": reference})])
        for row in kept.rows:
            assert getattr(row, f"{column}_id") is None
            assert row.context[f"{column}_ref"] == reference

    both = owed([job_row(semconv.EVENT_STARTED, **{f"{column}_ref": BOOKING, f"{column}_id": BOOKING})])
    assert f"{column}_ref" not in both.summary.context


def test_the_start_row_speaks_first() -> None:
    """What several rows say is taken from the one that knew it first."""
    found = owed([job_row(semconv.EVENT_STARTED, trigger="cron"), job_row(semconv.EVENT_QUOTE, 1, trigger="web")])
    assert found.summary.context["trigger"] == "cron"


def test_the_id_does_not_depend_on_the_columns_precision() -> None:
    """Where the column keeps whole seconds, the start's own id still has the milliseconds of the real summary's id."""
    with Recording(real_time=True) as recording:
        job(BOOKING)
    by_type = {row.event_type: row for row in recording.rows}
    real, started = by_type[semconv.EVENT_SUMMARY], read_back(by_type[semconv.EVENT_STARTED])
    rounded = started._replace(time_us=round(started.time_us, -6) + 1_000_000)

    found = abandoned(real.context["trace_id"], real.context["job_id"], [rounded])
    assert found is not None
    assert found.summary.key == real.key
    assert found.summary.time_us == rounded.time_us  # what the twins on a partitioned table must share


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("n/a"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["trigger", "service", "environment", "flags", "late", "reason", "reasonCode", "maxAttempts", "nextMaxAttempts",
     "inline_attempt_id", "inline_reason", "booking_ref", "restaurant_ref"]
)  # fmt: skip
ROWS = st.builds(
    JobRow,
    st.text(max_size=5) | st.uuids().map(str),
    st.integers(-210_866_803_200_000_000, 9_224_318_015_999_999_999),  # all that PostgreSQL has days for
    st.sampled_from([name for name in vars(semconv).values() if str(name).startswith("auto_assign.")] + ["?"]),
    JSON | st.dictionaries(KEYS, JSON),
    st.none() | st.just(BOOKING) | st.text(max_size=5),
    st.none() | st.just(BOOKING) | st.text(max_size=5),
)


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_values_of_any_type_keep_the_promise(rows: list[JobRow]) -> None:
    """Whatever other programs wrote under our names, the rows are as the contract says, and can be encoded."""
    found = abandoned(TRACE, JOB, rows)
    if found is None:
        assert semconv.EVENT_SUMMARY in {row.event_type for row in rows}
        return
    for row in found.rows:
        assert_keeps_the_promise(row)
        wire.encode(row)


@pytest.mark.parametrize("ids", [(TRACE.upper(), JOB), (TRACE, JOB[1:]), (TRACE, None), ("n/a", JOB), (TRACE, [JOB])])
def test_ids_of_other_programs_are_no_jobs(ids: tuple[object, object]) -> None:
    """Only 32 and 16 small hex digits are ours."""
    assert is_job(TRACE, JOB)
    assert not is_job(*ids)
