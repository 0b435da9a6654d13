"""Tests of observability_events.reconcile, and of the questions it asks, on a real table."""

from __future__ import annotations

import json
import os
import uuid
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from opentelemetry.sdk.trace import TracerProvider
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.testing import CliRunner

from observability_events import ObservabilityEventsProcessor, folder, segment
from observability_events import reconcile as reconciling
from observability_events.connection import connect
from observability_events.failures import TableUnfitError
from observability_events.postgres import PostgresWriter
from observability_events.probe import probe
from observability_events.reconcile import HeldError, Report, reconcile
from observability_events.unfinished import UnfinishedJobs
from otel_auto_assign import Settings, configure, semconv, traced_job, traced_quote
from otel_auto_assign.cli import app
from tests.exporters.dead_jobs import Job, put
from tests.exporters.support import add_parent, count, locked, settings
from tests.postgres import create_events_table, insert_only_role
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from observability_events.wire import EncodedRow
    from tests.postgres import Connection

HOUR = timedelta(hours=1)
NOW = timedelta(0)


def summarised(conn: Connection) -> int:
    """Give the number of summaries in the table."""
    found = conn.execute("SELECT count(*) FROM observability_events WHERE event_type = %s", (semconv.EVENT_SUMMARY,))
    return int(str(found.fetchall()[0][0]))


# -- which jobs -----------------------------------------------------------------------------------------------------


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


# -- beside the real summary ----------------------------------------------------------------------------------------


class Ending:
    """A real job that asks, waits until it is told to end, and then ends."""

    def __init__(self, dsn: str) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        self._processor = ObservabilityEventsProcessor(settings(dsn))
        provider.add_span_processor(self._processor)
        configure(tracer_provider=provider)

        @traced_quote
        def quote() -> dict[str, str]:
            return {"reason": "No capacity"}

        @traced_job(trigger="test")
        def job(booking_id: str) -> Iterator[None]:
            quote()
            yield

        self._job = job("b-17")
        next(self._job)
        self.flush()

    def flush(self) -> None:
        """Have all rows that there are written."""
        assert self._processor.force_flush()

    def end(self) -> None:
        """End the job, and have its summary written."""
        assert list(self._job) == []
        self.flush()
        self._processor.shutdown()


def twins(dsn: str) -> int:
    """Give in how many jobs doctor sees an abandoned pair, or summary, beside the job's own."""
    return len(said_of_twins(dsn)["examples"])


def said_of_twins(dsn: str) -> dict[str, Any]:
    """Give what doctor says of them."""
    done = CliRunner().invoke(app, ["doctor", "--dsn", dsn, "--since", "1d", "--json"])
    (found,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "twins"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.parametrize("precision", ["", "(3)"])
def test_the_real_summary_comes_first(dsn: str, conn: Connection, *, partitioned: bool, precision: str) -> None:
    """Then nothing is abandoned."""
    create_events_table(conn, partitioned=partitioned)
    if not partitioned:
        conn.execute(f"ALTER TABLE observability_events ALTER created_at TYPE timestamptz{precision}".encode())
    Ending(dsn).end()
    assert reconcile(settings(dsn), older_than=NOW).abandoned == 0
    assert summarised(conn) == 1


@pytest.mark.parametrize("precision", ["", "(3)", "(0)"])
def test_the_real_summary_comes_later(dsn: str, conn: Connection, events_table: str, precision: str) -> None:
    """Then it is superseded: there is one row, and the first one stays. The column's precision does not matter."""
    conn.execute(f"ALTER TABLE observability_events ALTER created_at TYPE timestamptz{precision}".encode())
    job = Ending(dsn)
    assert reconcile(settings(dsn), older_than=timedelta(seconds=-60)).written == 1
    job.end()
    found = conn.execute("SELECT context->>'result' FROM observability_events WHERE event_type = 'auto_assign.summary'")
    assert found.fetchall() == [("abandoned",)]


@pytest.mark.parametrize("unique", [False, True])
def test_the_real_summary_comes_later_into_partitions(dsn: str, conn: Connection, *, unique: bool) -> None:
    """Their key has the time beside the id, and the real one's is its end: it stands beside the first; doctor lists it.

    A unique index on the id alone, in the partition that has both, makes them one.
    """
    create_events_table(conn, partitioned=True)
    if unique:
        parts = conn.execute("SELECT relid::regclass::text FROM pg_partition_tree('observability_events') WHERE isleaf")
        for (part,) in parts.fetchall():
            conn.execute(f"CREATE UNIQUE INDEX ON {part} (id)".encode())
    job = Ending(dsn)
    assert reconcile(settings(dsn), older_than=timedelta(seconds=-60)).written == 1
    job.end()
    assert summarised(conn) == (1 if unique else 2)
    assert reconcile(settings(dsn), older_than=timedelta(seconds=-60)).abandoned == 0
    assert twins(dsn) == (0 if unique else 1)


def test_a_real_pair_that_comes_later_is_listed(dsn: str, conn: Connection, events_table: str) -> None:
    """Where the start was missing, the pair stands beside the real one for good; doctor says of which job."""
    job = Job(conn).put(semconv.EVENT_ATTEMPT, 7)
    assert reconcile(settings(dsn)).written == 2
    assert twins(dsn) == 0
    job.put().put(semconv.EVENT_SUMMARY, 9, result="exhausted", attemptsUsed=1)
    assert twins(dsn) == 1

    remedy = "delete their summary with result = 'abandoned' and, of two started rows, the later one"
    assert said_of_twins(dsn)["remedy"].startswith(remedy)
    table = "DELETE FROM observability_events"
    conn.execute(f"{table} WHERE context->>'result' = 'abandoned'".encode())
    later = "SELECT max(created_at) FROM observability_events WHERE event_type = 'auto_assign.started'"
    conn.execute(f"{table} WHERE event_type = 'auto_assign.started' AND created_at = ({later})".encode())
    assert twins(dsn) == 0
    left = conn.execute("SELECT event_type, context->>'result' FROM observability_events ORDER BY created_at")
    assert left.fetchall() == [
        (semconv.EVENT_STARTED, None),
        (semconv.EVENT_ATTEMPT, None),
        (semconv.EVENT_SUMMARY, "exhausted"),
    ]


@pytest.mark.parametrize("partitioned", [False, True])
def test_two_runs_that_saw_different_rows_write_it_once(dsn: str, conn: Connection, *, partitioned: bool) -> None:
    """Even without the lock: the summary of the one that saw fewer rows is the other's, in partitions, too."""
    create_events_table(conn, partitioned=partitioned)
    job = Job(conn).put()
    seen_before = reconcile(settings(dsn), dry_run=True).jobs
    job.put(semconv.EVENT_ATTEMPT, 60)
    assert reconcile(settings(dsn)).written == 1

    writer, report = PostgresWriter(settings(dsn)), Report()
    reconciling._write(writer, seen_before, report)
    writer.disconnect()
    assert (report.written, report.already_present, summarised(conn)) == (0, 1, 1)


# -- what stands in the way -----------------------------------------------------------------------------------------


def test_a_run_at_a_time(dsn: str, conn: Connection, events_table: str) -> None:
    """Another run on the same table refuses, one on another table does not, and none after the end of the first."""
    create_events_table(conn, name="other")
    Job(conn).put()
    with connect(settings(dsn)) as first, first.transaction():
        assert UnfinishedJobs(first, "observability_events", probe(first, "observability_events")).lock()
        with pytest.raises(HeldError, match="another reconcile is at work on observability_events"):
            reconcile(settings(dsn))
        assert reconcile(settings(dsn), dry_run=True).abandoned == 1
        assert reconcile(settings(dsn, table="other")) == Report()
    assert reconcile(settings(dsn)).written == 1


def test_a_hosts_lock_keeps_one_job_out(dsn: str, conn: Connection, events_table: str) -> None:
    """The others are written; the next run writes what was left."""
    jobs = [Job(conn) for _ in range(5)]
    for job in jobs:
        job.booking_id = add_parent(conn)
        job.put()
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", jobs[2].booking_id):
        report = reconcile(settings(dsn))
        assert (report.abandoned, report.written, report.left) == (5, 4, 1)
        assert jobs[2].rows() == []
    assert reconcile(settings(dsn)).written == 1


def test_a_locked_table_is_left_to_the_next_run(
    dsn: str, conn: Connection, events_table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody alters it: it is tried once, not once for each job, and the jobs are counted as left."""
    for _ in range(5):
        Job(conn).put()
    tries: list[int] = []
    insert = PostgresWriter.insert

    def counted(writer: PostgresWriter, rows: Sequence[EncodedRow]) -> int:
        tries.append(len(rows))
        return insert(writer, rows)

    monkeypatch.setattr(PostgresWriter, "insert", counted)
    with locked(dsn, "LOCK TABLE observability_events IN SHARE MODE"):
        report = reconcile(settings(dsn))
    assert (report.abandoned, report.written, report.left, tries) == (5, 0, 5, [5])
    assert reconcile(settings(dsn)).written == 5


def test_a_row_that_the_database_refuses_is_told(dsn: str, conn: Connection, events_table: str) -> None:
    """The others are written."""
    bad, good = Job(conn).put(semconv.EVENT_QUOTE, service="bad"), Job(conn).put()
    check = "CHECK (event_type <> 'auto_assign.summary' OR context->>'service' <> 'bad')"
    conn.execute(f"ALTER TABLE observability_events ADD {check}".encode())
    report = reconcile(settings(dsn))
    assert (report.written, report.refused, len(good.rows()), len(bad.rows())) == (1, 1, 1, 0)
    assert "violates check constraint" in report.refusal


@pytest.mark.parametrize("sees_parents", [False, True])
def test_a_booking_that_is_gone(dsn: str, schema: str, conn: Connection, *, sees_parents: bool) -> None:
    """The summary is written without it, and the id is kept in its context, whether we may look for it or not."""
    create_events_table(conn, foreign_keys=False)
    gone, there = Job(conn), Job(conn)
    gone.booking_id, there.booking_id = uuid.uuid4(), add_parent(conn)
    gone.put(), there.put()
    conn.execute("ALTER TABLE observability_events ADD FOREIGN KEY (booking_id) REFERENCES bookings (id) NOT VALID")
    with reconciler_role(dsn, schema) as (role_dsn, role):
        if sees_parents:
            conn.execute(f"GRANT SELECT ON bookings TO {role}".encode())
        assert reconcile(settings(role_dsn)).written == 2
    found = conn.execute(
        "SELECT booking_id, context->>'booking_ref' FROM observability_events WHERE event_type = 'auto_assign.summary'"
    )
    assert set(found.fetchall()) == {(None, str(gone.booking_id)), (there.booking_id, None)}


def test_references_of_the_jobs_rows_are_kept(dsn: str, conn: Connection, events_table: str) -> None:
    """An id that was dangling when the job's rows were written is none for the column now."""
    ref = str(uuid.uuid4())
    job = Job(conn).put(booking_ref=ref, restaurant_ref="r-1")
    reconcile(settings(dsn))
    assert [(row[2]["booking_ref"], row[2]["restaurant_ref"]) for row in job.rows()] == [(ref, "r-1")]


# -- roles ----------------------------------------------------------------------------------------------------------


@contextmanager
def reconciler_role(dsn: str, schema: str) -> Iterator[tuple[str, str]]:
    """The role of docs/reconcile.md, made by the statements that stand there, on a table with row-level security."""
    page = (ROOT / "docs" / "reconcile.md").read_text(encoding="utf-8")
    role = f"reconciler_{uuid.uuid4().hex[:12]}"
    statements = page.split("```sql")[1].split("```")[0].replace("reconciler", role).replace("public", schema)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(statements.encode())
        conn.execute("ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY")
        try:
            yield make_conninfo(dsn, options=f"-csearch_path={schema},public -crole={role}"), role
        finally:
            conn.execute(f"DROP OWNED BY {role}".encode())
            conn.execute(f"DROP ROLE {role}".encode())


def test_a_role_that_may_insert_and_select(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """Under row-level security these two are enough."""
    job = Job(conn).put()
    with reconciler_role(dsn, schema) as (role_dsn, _):
        report = reconcile(settings(role_dsn))
    assert (report.written, report.hidden_by, len(job.rows())) == (1, [], 1)


def test_a_role_that_may_not_select(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """It is told what is missing."""
    with (
        insert_only_role(dsn, schema) as (role_dsn, role),
        pytest.raises(TableUnfitError, match=f'may not read observability_events: GRANT SELECT .* TO "{role}"'),
    ):
        reconcile(settings(role_dsn))


def test_a_role_to_which_no_row_is_shown(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """A table that looks empty is not taken for one: the policy that is missing is told."""
    Job(conn).put()
    with insert_only_role(dsn, schema) as (role_dsn, role):
        conn.execute(f"GRANT SELECT ON observability_events TO {role}".encode())
        with pytest.raises(TableUnfitError, match=f'CREATE POLICY … ON observability_events FOR SELECT TO "{role}"'):
            reconcile(settings(role_dsn))


def test_policies_that_hide_rows_are_told(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """A summary that is hidden would be missed."""
    with reconciler_role(dsn, schema) as (role_dsn, role):
        for policy in (
            "mine AS RESTRICTIVE FOR SELECT TO {} USING (source = 'auto_assign')",
            "x FOR ALL USING (false)",
        ):
            named = policy.replace(" ", " ON observability_events ", 1).format(role)
            conn.execute(f"CREATE POLICY {named}".encode())
        assert reconcile(settings(role_dsn)).hidden_by == ["(source = 'auto_assign'::text)"]
        conn.execute(f"DROP POLICY {role}_reads ON observability_events".encode())
        assert reconcile(settings(role_dsn)).hidden_by == ["false", "(source = 'auto_assign'::text)"]


# -- other tables ---------------------------------------------------------------------------------------------------


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


# -- the spool ------------------------------------------------------------------------------------------------------


def spooled(given: Settings, *records: bytes, owner: str = "17-0123abcd", about: dict[str, Any] | None = None) -> Path:
    """Leave a segment with ``records`` in the spool of ``given``, as a process that died does."""
    place = folder.destination(given)
    folder.make(place, given)
    data = segment.header({}) + b"".join(segment.record(1, number, each) for number, each in enumerate(records))
    path = place.path / f"{owner}-000001.segment"
    path.write_bytes(data)
    if about is not None:
        (place.path / f"{owner}.json").write_text(json.dumps(about))
    return path


def test_rows_in_a_spool_are_waited_for(dsn: str, conn: Connection, events_table: str) -> None:
    """They may be the summary; when they have been delivered, the run goes on."""
    Job(conn).put()
    path = spooled(settings(dsn), b"{}")
    for dry_run in (True, False):
        with pytest.raises(HeldError, match=f"rows wait in {path.parent}"):
            reconcile(settings(dsn), dry_run=dry_run)
    spooled(settings(dsn))
    assert reconcile(settings(dsn)).written == 1


def test_another_way_to_the_database_is_the_same_spool(dsn: str, conn: Connection, events_table: str) -> None:
    """The exporter may know the database and the table by other names; another table's rows do not matter."""
    path = spooled(Settings(dsn="host=pooler dbname=app", table="other"), b"{}")
    assert reconcile(settings(dsn)) == Report()
    path.unlink()
    path = spooled(Settings(dsn="host=pooler dbname=app", table='public."observability_events"'), b"{}")
    with pytest.raises(HeldError):
        reconcile(settings(dsn))
    (path.parent / folder.DESCRIPTION).write_text("{}")  # it says of no table
    with pytest.raises(HeldError):
        reconcile(settings(dsn))


def test_a_segment_that_nobody_can_read_is_waited_for(dsn: str, conn: Connection, events_table: str) -> None:
    """A later version may have written it."""
    spooled(settings(dsn), b"{}").write_bytes(b"what is this")
    with pytest.raises(HeldError):
        reconcile(settings(dsn))


def test_a_living_process_says_what_waits(dsn: str, conn: Connection, events_table: str) -> None:
    """Its newest segment has rows that are written already, too."""
    place = spooled(settings(dsn), b"{}", about={"accounts": {"pending_disk": 0}}).parent
    descriptor = folder.lock(place, "17-0123abcd")
    assert descriptor is not None
    assert reconcile(settings(dsn)) == Report()
    spooled(settings(dsn), b"{}", about={"accounts": {"pending_disk": 3}})
    with pytest.raises(HeldError):
        reconcile(settings(dsn))
    spooled(settings(dsn), b"{}", about={"accounts": {"pending_disk": 0}})
    os.close(descriptor)  # now it is dead
    with pytest.raises(HeldError):
        reconcile(settings(dsn))
