"""Tests of observability_events.reconcile, and of the questions it asks, on a real table: which jobs are given up."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from observability_events import reconcile as reconciling
from observability_events.connection import connect
from observability_events.failures import TableUnfitError
from observability_events.probe import probe
from observability_events.reconcile import Report, reconcile
from observability_events.unfinished import UnfinishedJobs
from otel_auto_assign import semconv
from tests.exporters.dead_jobs import Job, put, summarised
from tests.exporters.support import count, settings
from tests.postgres import create_events_table

if TYPE_CHECKING:
    from tests.postgres import Connection

HOUR = timedelta(hours=1)


def test_a_dead_job_gets_its_summary(dsn: str, conn: Connection, events_table: str) -> None:
    """One row, under the real one's id, at the job's start; nothing of it is written a second time."""
    job = Job(conn).put()
    job.put(semconv.EVENT_QUOTE, 10).put(semconv.EVENT_ATTEMPT, 10.5).put(semconv.EVENT_ATTEMPT_ERROR, 20.25)
    first, second = reconcile(settings(dsn)), reconcile(settings(dsn))

    (row,) = job.rows()
    assert row[:2] == (job.summary_id, job.start)
    assert (row[2]["result"], row[2]["attemptsUsed"], row[2]["totalDurationMs"]) == ("abandoned", 2, 20250)
    assert (first.abandoned, first.written, first.already_present) == (1, 1, 0)
    assert (second.abandoned, second.written) == (0, 0)


def test_a_missing_start_is_written_with_it(dsn: str, conn: Connection, events_table: str) -> None:
    """Both at the time of the first row; the next run finds a whole job."""
    job = Job(conn).put(semconv.EVENT_ATTEMPT, 7)
    report = reconcile(settings(dsn))
    (started,), (summary,) = job.rows(semconv.EVENT_STARTED), job.rows()
    assert started[1] == summary[1] == job.start + timedelta(seconds=7)
    assert (report.abandoned, report.without_started, report.written) == (1, 1, 2)
    assert reconcile(settings(dsn)) == Report()


def test_rows_from_before_the_start(dsn: str, conn: Connection, events_table: str) -> None:
    """A job starts when its start says; what another clock put before it changes nothing."""
    job = Job(conn).put(semconv.EVENT_QUOTE, -3).put().put(semconv.EVENT_ATTEMPT, 2)
    assert reconcile(settings(dsn)).written == 1
    assert [(row[:2], row[2]["totalDurationMs"]) for row in job.rows()] == [((job.summary_id, job.start), 2000)]


def test_live_jobs_are_left_alone(dsn: str, conn: Connection, events_table: str) -> None:
    """A job's age is that of its last row: one that started long ago and has just said something lives."""
    live = Job(conn, 9 * HOUR).put().put(semconv.EVENT_QUOTE, 7.5 * 3600)
    skewed = Job(conn, -HOUR).put()  # by a clock that is ahead of the database's
    dead = Job(conn, 9 * HOUR).put().put(semconv.EVENT_QUOTE, 6.5 * 3600)
    report = reconcile(settings(dsn))
    assert (report.abandoned, report.live) == (1, 2)
    assert [len(job.rows()) for job in (live, skewed, dead)] == [0, 0, 1]


def test_the_longest_job_seen_sets_the_age(dsn: str, conn: Connection, events_table: str) -> None:
    """Three times as long as it took, if that is more than two hours; jobs that were abandoned do not count."""
    Job(conn, 90 * HOUR).put().put(semconv.EVENT_SUMMARY, 1, result="exhausted", totalDurationMs=3_600_000)
    Job(conn, 90 * HOUR).put().put(semconv.EVENT_SUMMARY, 1, result="abandoned", totalDurationMs=36_000_000)
    for odd in ("n/a", None, [1], {"a": 1}, True, "36000000"):
        Job(conn, 90 * HOUR).put().put(semconv.EVENT_SUMMARY, 1, result="error", totalDurationMs=odd)
    Job(conn, 2.9 * HOUR).put()
    Job(conn, 3.1 * HOUR).put()
    report = reconcile(settings(dsn))
    assert (report.longest, report.older_than) == (HOUR, 3 * HOUR)
    assert (report.abandoned, report.live) == (1, 1)

    Job(conn, 90 * HOUR).put().put(semconv.EVENT_SUMMARY, 1, result="exhausted", totalDurationMs=10**400)
    assert reconcile(settings(dsn)).live == 1  # beyond all times, and no fault


def test_the_age_can_be_said(dsn: str, conn: Connection, events_table: str) -> None:
    """It then takes the place of the default, shorter or longer."""
    job = Job(conn, HOUR).put()
    assert reconcile(settings(dsn), older_than=1.1 * HOUR).live == 1
    assert reconcile(settings(dsn), older_than=timedelta(days=40_000)).live == 1
    assert reconcile(settings(dsn), older_than=0.9 * HOUR).written == 1
    assert len(job.rows()) == 1


def test_the_sessions_time_zone_does_not_matter(dsn: str, conn: Connection, events_table: str) -> None:
    """Times are points in time."""
    job, live = Job(conn).put(), Job(conn, HOUR).put()
    there = make_conninfo(dsn, options=f"{conninfo_to_dict(dsn)['options']} -ctimezone=Pacific/Apia")
    assert reconcile(settings(there)).written == 1
    assert [found[1] for found in job.rows()] == [job.start]
    assert live.rows() == []


def test_rows_of_others_are_left_alone(dsn: str, conn: Connection, events_table: str) -> None:
    """Rows without our ids, of years before us, are counted; whatever their values are, nothing fails."""
    old = "2019-01-01Z"
    odd: list[Any] = [None, 7, "n/a", [], [{"job_id": "x"}], {}, {"job_id": None}, {"trace_id": "n/a", "job_id": ["x"]}]
    odd += [{"job_id": "0123456789abcdef"}, {"trace_id": "0" * 32}, {"trace_id": "A" * 32, "job_id": "0" * 16}]
    odd += [{"trace_id": {"a": 1}, "job_id": {"b": 2}}, {"trace_id": "0" * 32, "job_id": "n/a", "flow": 7}]
    for context in odd:
        put(conn, semconv.EVENT_ATTEMPT, old, context)
    put(conn, semconv.EVENT_QUOTE, old, {"flow": "direct", "trace_id": "0" * 32})  # ours, and no job's
    put(conn, "capacity.selector.x", old, {"trace_id": "0" * 32, "job_id": "0" * 16})
    put(conn, semconv.EVENT_STARTED, "infinity", {"trace_id": "0" * 32, "job_id": "0" * 16})
    before = count(conn)
    report = reconcile(settings(dsn))
    assert (report.foreign_rows, report.abandoned, report.written) == (len(odd), 0, 0)
    assert count(conn) == before


def test_values_of_any_type_are_no_fault(dsn: str, conn: Connection, events_table: str) -> None:
    """A job of which other programs wrote rows under our ids gets its summary all the same."""
    job = Job(conn)
    values: tuple[Any, ...] = ("n/a", [], {}, 10**400, None, True)
    for number, odd in enumerate(values):
        keys = ("service", "environment", "trigger", "flags", "featureFlags", "late", "booking_ref", "maxAttempts")
        given = dict.fromkeys((*keys, "reason", "reasonCode", "flow"), odd)
        job.put(semconv.EVENT_INLINE_TIMEOUT_ADJUSTMENT, number, **given).put(semconv.EVENT_HARD_STOP, number, **given)
    assert reconcile(settings(dsn)).written == 2
    (row,) = job.rows()
    assert row[2]["flags"] == {"retry_policy_v2": False, "planner_cache": False, "source": "default"}


def test_the_same_job_id_in_two_traces_is_two_jobs(dsn: str, conn: Connection, events_table: str) -> None:
    """The one that ended does not speak for the other."""
    ended, dead = Job(conn).put().put(semconv.EVENT_SUMMARY, 1), Job(conn).put()
    dead.job_id = ended.job_id
    dead.put(semconv.EVENT_QUOTE, 2)
    report = reconcile(settings(dsn))
    assert report.abandoned == 2  # the row under the other id is a job without a start
    assert [found[2]["result"] for found in dead.rows()] == ["abandoned"]
    assert len(ended.rows()) == 1


def test_a_job_that_only_lacks_its_start(dsn: str, conn: Connection, events_table: str) -> None:
    """It has its summary: nothing is done, and it is counted."""
    job = Job(conn).put(semconv.EVENT_ATTEMPT, 1).put(semconv.EVENT_SUMMARY, 2)
    report = reconcile(settings(dsn))
    assert (report.only_started_missing, report.written) == (1, 0)
    assert job.rows(semconv.EVENT_STARTED) == []


def test_a_window_sees_whole_jobs(dsn: str, conn: Connection, events_table: str) -> None:
    """Only jobs that began in it; those that began before and reach into it are not taken for jobs without a start."""
    before = Job(conn, 26 * HOUR).put().put(semconv.EVENT_QUOTE, 10 * 3600)
    ended = Job(conn, 26 * HOUR).put().put(semconv.EVENT_SUMMARY, 10 * 3600, result="error", totalDurationMs=36_000_000)
    inside = Job(conn, 23 * HOUR).put()
    report = reconcile(settings(dsn), within=24 * HOUR, older_than=2 * HOUR)
    assert (report.abandoned, report.written, report.only_started_missing) == (1, 1, 0)
    assert [len(job.rows()) for job in (before, ended, inside)] == [0, 1, 1]
    assert reconcile(settings(dsn), within=timedelta(days=999_999), older_than=2 * HOUR).written == 1
    assert len(before.rows()) == 1


@pytest.mark.parametrize(
    ("within", "older_than", "start", "row"),
    [
        (24 * HOUR, 2 * HOUR, 44 * HOUR, 20 * HOUR),  # its start is a day before the window
        (96 * HOUR, 72 * HOUR, 164 * HOUR, 84 * HOUR),  # as long before it as a job may be silent
    ],
)
def test_a_window_looks_back_for_starts(
    within: timedelta, older_than: timedelta, start: timedelta, row: timedelta, dsn: str, conn: Connection,
    events_table: str,
) -> None:  # fmt: skip
    """By a day, or by the silence after which a job is dead: who began before it is not taken for one without start."""
    job = Job(conn, start).put().put(semconv.EVENT_QUOTE, (start - row).total_seconds())
    assert reconcile(settings(dsn), within=within, older_than=older_than) == Report(older_than=older_than)
    assert job.rows() == []


def test_a_window_uses_the_index_of_times(dsn: str, conn: Connection, events_table: str) -> None:
    """Neither looking for jobs nor reading their rows goes through the whole table."""
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context) SELECT now() - n * interval '1 m', "
        "'auto_assign', 'auto_assign.quote', '{}' FROM generate_series(1, 20000) n"
    )
    conn.execute("ANALYZE observability_events")
    with connect(settings(dsn)) as reader:
        table = UnfinishedJobs(reader, "observability_events", probe(reader, "observability_events"))
        now_us = round(table.now().timestamp() * 1e6)
        times = {"since": table.now() - HOUR, "first_us": now_us - 3_600_000_000, "last_us": now_us}
        for question in ("unfinished_jobs", "rows_of_jobs", "longest_job"):
            asked = b"EXPLAIN " + table._statement(question).as_bytes(reader)
            plan = reader.execute(asked, times | {"trace_ids": ["x"], "job_ids": ["y"]}).fetchall()
            assert any("created_at" in line and "Index Cond" in line for (line,) in plan), plan


def test_many_jobs_are_done_in_portions(
    dsn: str, conn: Connection, events_table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are written and counted; the report names no more than it may."""
    monkeypatch.setattr(reconciling, "PORTION_JOBS", 7)
    monkeypatch.setattr(reconciling, "LISTED_JOBS", 10)
    for number in range(24):
        Job(conn, 5 * HOUR + number * timedelta(minutes=1)).put()
    report = reconcile(settings(dsn))
    assert (report.abandoned, report.written, len(report.jobs)) == (24, 24, 10)
    times = [job.summary.time_us for job in report.jobs]
    assert times == sorted(times)
    assert summarised(conn) == 24


def test_a_dry_run_writes_nothing(dsn: str, conn: Connection, events_table: str) -> None:
    """It finds the same."""
    Job(conn).put(semconv.EVENT_QUOTE, 1)
    dry = reconcile(settings(dsn), dry_run=True)
    assert (dry.abandoned, dry.without_started, dry.written, count(conn)) == (1, 1, 0, 1)
    assert dry.jobs == reconcile(settings(dsn)).jobs


def test_a_table_of_other_types(dsn: str, conn: Connection) -> None:
    """Times without a zone are UTC, JSON may be text, columns for ids may be missing, and names may need quotes."""
    create_events_table(conn, name='"Events"', missing=("booking_id", "restaurant_id", "severity"), foreign_keys=False)
    conn.execute('ALTER TABLE "Events" ALTER context TYPE text, ALTER id TYPE text, ALTER created_at TYPE timestamp')
    conn.execute('ALTER TABLE "Events" ALTER created_at DROP DEFAULT')
    at, ids = "2026-01-02 03:04:05.678901", {"trace_id": "0" * 31 + "1", "job_id": "0" * 15 + "2"}
    conn.execute(
        'INSERT INTO "Events" (created_at, source, event_type, context) VALUES (%s, %s, %s, %s)',
        (at, "auto_assign", "auto_assign.started", json.dumps(ids)),
    )
    there = make_conninfo(dsn, options=f"{conninfo_to_dict(dsn)['options']} -ctimezone=Asia/Kathmandu")
    assert reconcile(settings(there, table='"Events"')).written == 1
    found = conn.execute("SELECT created_at::text FROM \"Events\" WHERE event_type = 'auto_assign.summary'").fetchall()
    assert found == [(at,)]
    assert reconcile(settings(there, table='"Events"')).abandoned == 0


def test_a_table_without_context(dsn: str, conn: Connection) -> None:
    """Nothing in it says which job a row belongs to."""
    create_events_table(conn, missing=("context",))
    with pytest.raises(TableUnfitError, match="no column context"):
        reconcile(settings(dsn))
