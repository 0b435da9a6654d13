"""Rows → cohort → samples: each measure of plans on a small window that can be reckoned by hand."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest

from otel_auto_assign import semconv
from otel_auto_assign.analysis import loading
from otel_auto_assign.analysis.cohorts import NO_RUN_ID, OFF, ON, UNKNOWN, Cohort
from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.loading import load
from otel_auto_assign.analysis.measures import overlap, samples, side
from otel_auto_assign.analysis.plans import MEASURES, Unit
from otel_auto_assign.analysis.samples import Sample
from otel_auto_assign.analysis.validity import Exposure
from otel_auto_assign.analysis.windows import Window
from tests.analysis.flows import BOOKING, RESTAURANT, changed, flags, inline, job, row, stripped, without
from tests.analysis.rows import NOON, Row, insert

Connection = psycopg.Connection[Any]
WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
NOW = datetime(2026, 11, 3, tzinfo=UTC)
DAY = date(2026, 11, 1).toordinal()

pytestmark = pytest.mark.usefixtures("events_table")


def loaded(conn: Connection, rows: list[Row], **options: Any) -> Cohort:
    """Insert rows and load the window."""
    insert(conn, rows)
    return load(conn, WINDOW, **{"now": NOW, **options})


def measured(conn: Connection, rows: list[Row], unit: Unit = Unit.RESTAURANT_DAY, **options: Any) -> dict[str, Sample]:
    """Give the samples of a window."""
    return samples(loaded(conn, rows, **options), unit)


def values(sample: Sample | None) -> list[float]:
    """Give the values in order."""
    return [] if sample is None else sorted(sample.values.tolist())


def test_a_job_and_an_inline_run_of_one_booking(conn: Connection) -> None:
    """Every measure that they have, and whom they are of."""
    found = measured(conn, [*job(), *inline()])

    assert {name: values(sample) for name, sample in found.items()} == {
        "planner_job_ms": [900.5],
        "planner_inline_ms": [14_000.5],
        "planner_calls_ms": [900.5, 14_000.5],
        "calls_per_booking": [2],
        "attempts_per_booking": [2],
        "job_ms": [10_000],
        "job_success_ms": [10_000],
        "inline_ms": [12_000],
        "inline_timeout": [1],
        "job_success": [1],
        "job_failure": [0],
        "cache_hit": [0, 0, 1],
        "cache_hit_failures": [0],
    }
    assert [name for name, sample in found.items() if sample.beyond.any()] == ["inline_ms"]
    assert found["inline_ms"].limit == 12_000
    assert found["job_ms"].days is not None
    assert found["job_ms"].days.tolist() == [DAY]


def test_every_measure_of_plans_is_made(conn: Connection) -> None:
    """A plan cannot speak of what nobody makes."""
    assert measured(conn, [*job(), *inline()]).keys() == MEASURES.keys()


@pytest.mark.parametrize(
    ("result", "timed", "beyond", "success", "failure"),
    [
        ("succeeded", [10_000], [False], [1], [0]),
        ("exhausted", [10_000], [True], [0], [1]),
        ("cutoff", [10_000], [True], [0], [1]),
        ("error", [10_000], [True], [0], [1]),
        ("already_confirmed", [], [], [0], [0]),
        ("skipped", [], [], [], []),
        ("cancelled", [], [], [], []),
    ],
)
def test_what_results_count_for(
    conn: Connection, result: str, timed: list[float], beyond: list[bool], success: list[float], failure: list[float]
) -> None:
    """A job without success never succeeds; what decided nothing is neither timed nor a failure."""
    found = measured(conn, changed(job(), semconv.EVENT_SUMMARY, result=result))
    assert values(found.get("job_ms")) == timed
    assert ([] if "job_success_ms" not in found else found["job_success_ms"].beyond.tolist()) == beyond
    assert (values(found.get("job_success")), values(found.get("job_failure"))) == (success, failure)


def test_what_has_not_ended_takes_longer_than_its_age(conn: Connection) -> None:
    """A job that runs is no failure yet; one that is silent or was given up is, and both are as old as they are."""
    running = without(job("1" * 16), semconv.EVENT_SUMMARY, semconv.EVENT_SUCCEEDED)
    abandoned = changed(job("2" * 16), semconv.EVENT_SUMMARY, result="abandoned", totalDurationMs=9000)
    insert(conn, [*running, *without(abandoned, semconv.EVENT_SUCCEEDED)])

    soon = samples(load(conn, WINDOW, now=NOON + timedelta(minutes=1)), Unit.BOOKING)
    assert values(soon["job_ms"]) == [60_000, 60_000]
    assert soon["job_ms"].beyond.all()
    assert values(soon["job_success"]) == [0]  # the abandoned one

    later = samples(load(conn, WINDOW, now=NOON + timedelta(hours=3)), Unit.BOOKING)
    assert values(later["job_ms"]) == [10_800_000, 10_800_000]
    assert values(later["job_success"]) == [0, 0]


def test_the_real_summary_comes_before_an_abandoned_twin(conn: Connection) -> None:
    """A job that went on after it was given up is what it says of itself."""
    twin = changed(job()[-1:], semconv.EVENT_SUMMARY, result="abandoned", totalDurationMs=0)
    found = measured(conn, [*job(), *(replace(row, at=NOON) for row in twin)])
    assert (values(found["job_ms"]), values(found["job_success"])) == ([10_000], [1])


def test_only_the_first_uncached_call_of_a_run_is_speed(conn: Connection) -> None:
    """Repeats stand in planner_calls_ms; an answer from the cache is no call."""
    rows = job()
    again = replace(rows[1], at=rows[1].at + timedelta(seconds=5), context={**rows[1].context, "durationMs": 5,
                    "planner_duration_ms": 5})  # fmt: skip
    early_hit = replace(rows[3], at=NOON + timedelta(milliseconds=950))
    found = measured(conn, [*rows, again, early_hit])

    assert values(found["planner_job_ms"]) == [900.5]
    assert values(found["planner_calls_ms"]) == [5, 900.5]
    assert values(found["calls_per_booking"]) == [2]


def test_bookings_without_calls_count_as_zero(conn: Connection) -> None:
    """And calls outside any flow count for their booking, if it has a run at all."""
    quiet, other = uuid.UUID(int=2), uuid.UUID(int=3)
    direct = row(semconv.EVENT_QUOTE, NOON, BOOKING, semconv.SOURCE_JOB, flow="direct", durationMs=7)
    rows = [*job(), *without(job("2" * 16, booking=quiet), semconv.EVENT_QUOTE), direct, replace(direct, booking=other)]
    found = measured(conn, rows)

    assert values(found["calls_per_booking"]) == [0, 2]
    assert values(found["planner_calls_ms"]) == [7, 7, 900.5]


def test_runs_without_a_booking_are_in_no_figure_of_bookings(conn: Connection) -> None:
    """Each is a cluster of its own elsewhere."""
    found = measured(conn, [*job("1" * 16, booking=None), *job("2" * 16, booking=None)], Unit.BOOKING)
    assert "attempts_per_booking" not in found
    assert "calls_per_booking" not in found
    assert found["job_ms"].count_bookings == 2


def test_a_run_counts_where_it_began(conn: Connection) -> None:
    """With its end beyond the window; one that began before it is left to the window before."""
    before, last = WINDOW.start - timedelta(seconds=5), WINDOW.end - timedelta(seconds=5)
    after = [*job("5" * 16, at=WINDOW.end), *stripped(job("6" * 16, at=WINDOW.end, booking=None), "job_id")]
    cohort = loaded(
        conn,
        [
            *job("1" * 16, at=before),
            *job("2" * 16, at=last),
            *inline("3" * 16, at=last),
            *inline("4" * 16, at=before),
            *after,
        ],
    )
    assert cohort.jobs.names.tolist() == ["2" * 16]
    assert cohort.jobs.ms.tolist() == [10_000]
    assert cohort.inline.names.tolist() == ["3" * 16]
    assert len(cohort.calls) == 3
    assert cohort.unreadable == {loading.OF_OTHERS: 1}  # of the others' calls, the one that began in the window


def test_days_are_those_of_the_restaurants_clock(conn: Connection) -> None:
    """At half past eleven at night in UTC it is the next day in Berlin."""
    rows = job(at=datetime(2026, 11, 1, 23, 30, tzinfo=UTC))
    assert loaded(conn, rows).jobs.days.tolist() == [DAY]
    assert load(conn, WINDOW, now=NOW, zone=ZoneInfo("Europe/Berlin")).jobs.days.tolist() == [DAY + 1]


def test_flags_are_those_of_the_start(conn: Connection) -> None:
    """On, off, unknown where nobody said or it is a default only; a change is noted."""
    bookings = [uuid.UUID(int=n) for n in range(1, 6)]
    on, half = flags(on=True), {**flags(on=True), "planner_cache": False}
    said = {"1": on, "2": flags(), "3": flags(source="default"), "4": {}, "5": half}
    jobs = [job(n * 16, booking=b, flags=f) for (n, f), b in zip(said.items(), bookings, strict=True)]
    changing = changed(job("6" * 16), semconv.EVENT_SUMMARY, flags=on)
    cohort = loaded(conn, [row for rows in jobs for row in rows] + changing)
    by_name = dict(zip(cohort.jobs.names.tolist(), cohort.jobs.exposed.tolist(), strict=True))

    assert {name[0]: state for name, state in by_name.items()} == {
        "1": ON, "2": OFF, "3": UNKNOWN, "4": UNKNOWN, "5": UNKNOWN, "6": OFF,
    }  # fmt: skip
    assert side(cohort, Unit.BOOKING).mixed_runs == 1
    post, baseline = cohort.exposed(ON), cohort.exposed(OFF)
    assert post.jobs.names.tolist() == ["1" * 16]
    assert (len(post.calls), len(baseline.calls)) == (2, 4)
    assert set(post.calls.jobs.tolist()) == {0}


def test_who_is_on_a_side(conn: Connection) -> None:
    """Bookings, runs, restaurants and days, exposure and units."""
    other = uuid.UUID(int=2)
    cohort = loaded(conn, [*job(), *inline(), *job("2" * 16, booking=other)])
    found = side(cohort, Unit.RESTAURANT_DAY)

    assert found.bookings == {str(BOOKING), str(other)}
    assert found.runs == {"a" * 16, "b" * 16, "2" * 16}
    assert found.restaurant_days == {(str(RESTAURANT), DAY)}
    assert found.exposure == Exposure(off=3)
    assert (found.units, side(cohort, Unit.BOOKING).units) == (1, 2)


def test_jobs_that_ran_at_the_same_time(conn: Connection) -> None:
    """Beside one of the other side's at the same restaurant, they compete for its tables."""
    rows = [
        *job("1" * 16, flags=flags(on=True)),
        *job("2" * 16, at=NOON + timedelta(seconds=5)),
        *job("3" * 16, at=NOON + timedelta(hours=5)),
    ]
    cohort = loaded(conn, rows)
    assert overlap(cohort.exposed(ON), cohort.exposed(OFF)) == pytest.approx(2 / 3)


def test_time_outs_of_different_limits_are_cut_at_the_smaller(conn: Connection) -> None:
    """What took longer than the smaller one is only known to have."""
    longer = changed(inline("2" * 16), semconv.EVENT_INLINE_TIMEOUT, timeoutMs=20_000, durationMs=20_000)
    seated = [replace(r, event_type=semconv.EVENT_INLINE_SUCCEEDED) for r in inline("3" * 16)[:1]]
    slow = changed(seated, semconv.EVENT_INLINE_SUCCEEDED, durationMs=15_000)
    sample = measured(conn, [*inline(), *longer, *slow])["inline_ms"]

    assert sample.limit == 12_000
    assert values(sample) == [12_000] * 3
    assert sample.beyond.all()


def test_what_cannot_be_read_is_counted(conn: Connection) -> None:
    """Texts where numbers belong, calls that name no run, terminals without a duration."""
    rows = [
        *changed(job(), semconv.EVENT_QUOTE, durationMs="12.5", planner_duration_ms="n/a"),
        *changed(inline(), semconv.EVENT_INLINE_TIMEOUT, durationMs="12000"),
        row(semconv.EVENT_QUOTE, NOON, BOOKING, semconv.SOURCE_JOB, flow="job", durationMs=7),
        Row(semconv.EVENT_QUOTE, None, source=semconv.SOURCE_JOB),
        Row(semconv.EVENT_SUMMARY, ["job_id"], source=semconv.SOURCE_JOB),
        Row("capacity.hold.created", {"job_id": "x"}, source=semconv.SOURCE_JOB),
    ]
    cohort = loaded(conn, rows)

    assert cohort.unreadable == {loading.NO_DURATION: 2, NO_RUN_ID: 2, loading.NO_END_DURATION: 1}
    found = samples(cohort, Unit.BOOKING)
    assert "planner_job_ms" not in found
    assert values(found["calls_per_booking"]) == [2]
    assert "inline_ms" not in found


OURS = ("job_id", "flags", "environment", "service", "flow", "planner_calls")
"""What telemetry before ours did not write."""


def test_jobs_without_an_id_are_told_by_booking_and_start(conn: Connection) -> None:
    """As telemetry before ours wrote them: two jobs of a booking, one of another beside them, all that they have."""
    other = uuid.UUID(int=2)
    rows = [
        *job("1" * 16),
        *changed(job("2" * 16, at=NOON + timedelta(hours=1)), semconv.EVENT_SUMMARY, result="exhausted"),
        *job("3" * 16, at=NOON + timedelta(seconds=3), booking=other),
    ]
    old = loaded(conn, stripped(rows, *OURS))
    conn.execute("TRUNCATE observability_events")
    new = loaded(conn, rows)

    assert old.jobs.names.tolist() == [f"{BOOKING}, job 1", f"{BOOKING}, job 2", f"{other}, job 1"]
    assert old.unreadable == {}
    assert {name: values(sample) for name, sample in samples(old, Unit.BOOKING).items()} == {
        name: values(sample) for name, sample in samples(new, Unit.BOOKING).items()
    }
    assert old.jobs.exposed.tolist() == [UNKNOWN] * 3


def test_what_nobody_can_tell_is_counted(conn: Connection) -> None:
    """Jobs without id and booking, inline runs without theirs, calls of a job that began before the window."""
    early = without(job(at=WINDOW.start), semconv.EVENT_STARTED)
    rows = [*job(booking=None), *inline(), *early, *job("9" * 16, booking=uuid.UUID(int=9))]
    cohort = loaded(conn, [*stripped(rows[:-8], *OURS, "attemptId"), *rows[-8:]])
    assert cohort.jobs.names.tolist() == ["9" * 16]
    assert cohort.unreadable == {loading.NO_JOB_ID: 1, loading.NO_ATTEMPT_ID: 1, NO_RUN_ID: 5}


def test_rows_without_an_environment_can_be_asked_for(conn: Connection) -> None:
    """By its empty name, beside those of another."""
    rows = [*job("1" * 16), *stripped(job("2" * 16), "environment"), *job("3" * 16, environment="staging")]
    insert(conn, rows)
    found = {
        asked: load(conn, WINDOW, now=NOW, filters=Filters(asked)).jobs.names.tolist()
        for asked in (("production",), ("production", ""), ("",))
    }
    assert [[name[0] for name in names] for names in found.values()] == [["1"], ["1", "2"], ["2"]]


def test_an_empty_table_is_an_empty_cohort(conn: Connection) -> None:
    """No samples, nobody on its side, and nothing that fails."""
    cohort = loaded(conn, [])
    assert samples(cohort, Unit.RESTAURANT_DAY) == {}
    assert side(cohort, Unit.RESTAURANT_DAY).exposure.runs == 0
    assert overlap(cohort, cohort) == 0
    assert samples(cohort.exposed(ON).at(["nowhere"]), Unit.BOOKING) == {}


def test_restaurants_can_be_chosen_afterwards(conn: Connection) -> None:
    """With all of a job's rows, although its first ones did not name the restaurant yet."""
    rows = job()
    cohort = loaded(conn, [replace(rows[0], restaurant=None), *rows[1:]])
    chosen = cohort.at([str(RESTAURANT)])
    assert (len(chosen.jobs), len(chosen.calls)) == (1, 2)
    assert len(cohort.at([]).jobs) == 0


def test_portions_make_one_whole(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are."""
    rows = [one for n in range(7) for one in [*job(f"{n:016x}"), *inline(f"r{n}")]]
    whole = loaded(conn, rows)
    monkeypatch.setattr(loading, "PORTION", 3)
    parts = load(conn, WINDOW, now=NOW)

    assert parts.jobs.names.tolist() == whole.jobs.names.tolist()
    assert sorted(parts.calls.ms.tolist()) == sorted(whole.calls.ms.tolist())
    assert np.bincount(parts.calls.jobs[parts.calls.jobs >= 0]).tolist() == [2] * 7
