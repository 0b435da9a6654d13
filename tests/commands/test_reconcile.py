"""Tests of ``otel-auto-assign reconcile``: what it prints, how it leaves, whose database it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import typer
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from otel_auto_assign import semconv
from otel_auto_assign.cli import app
from otel_auto_assign.commands.reconcile import duration
from tests.exporters.dead_jobs import Job, put
from tests.exporters.support import add_parent, count, locked, until

if TYPE_CHECKING:
    from tests.postgres import Connection

HOUR = timedelta(hours=1)
COMMAND = [sys.executable, "-m", "otel_auto_assign.cli", "reconcile"]


def run(*arguments: str, **environ: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["reconcile", *arguments], env=environ)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), (" 2H ", 7200), ("1.5d", 129_600), ("0s", 0), ("36500d", 3153600000)],
)
def test_time_spans(text: str, seconds: float) -> None:
    """A number and its unit."""
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2w", "2h30m", "1e3s", "nan", "36501d", "999999999d", "٢h"])
def test_what_is_no_time_span(text: str) -> None:
    """It is named, with examples of what is one."""
    with pytest.raises(typer.BadParameter, match="is no time span such as 45s, 90m, 2h or 7d"):
        duration(text)
    assert run(f"--older-than={text}", "--dsn", "host=/nowhere").exit_code == 2


def test_a_table_for_people(dsn: str, conn: Connection, events_table: str) -> None:
    """A line a job, and what was done and left alone in a few sentences."""
    job = Job(conn)
    job.booking_id = add_parent(conn)
    job.put().put(semconv.EVENT_ATTEMPT, 60)
    Job(conn, HOUR).put()
    Job(conn).put(semconv.EVENT_SUMMARY, 2)
    put(conn, semconv.EVENT_ATTEMPT, "2019-01-01Z", {})

    done = run("--dsn", dsn)
    header, line, *sentences = done.stdout.splitlines()
    assert done.exit_code == 0
    assert header.split() == ["job", "booking", "service", "started", "last", "row", "attempts", "rows"]
    times = [at.isoformat()[:19] for at in (job.start, job.start + timedelta(seconds=60))]
    assert line.split() == [job.job_id, str(job.booking_id), "tables", *times, "1", "summary"]
    assert sentences == [
        "1 job abandoned (silent for 2:00:00 or longer), 1 row written",
        "1 job without a summary, not old enough",
        "1 job with a summary and no start, left alone",
        "1 row of other programs, left alone",
    ]


def test_a_dry_run_shows_what_it_would_write(dsn: str, conn: Connection, events_table: str) -> None:
    """And writes nothing."""
    Job(conn).put(semconv.EVENT_QUOTE)
    done = run("--dsn", dsn, "--dry-run")
    assert done.exit_code == 0
    assert "started, summary" in done.stdout
    assert "1 job abandoned (silent for 2:00:00 or longer), 2 rows would be written" in done.stdout
    assert count(conn) == 1


def test_a_document_for_programs(dsn: str, conn: Connection, events_table: str) -> None:
    """All that the table has, and the counts."""
    job = Job(conn).put().put(semconv.EVENT_ATTEMPT, 60, booking_ref="b-17")
    done = run("--dsn", dsn, "--json", "--older-than", "90m")
    found = json.loads(done.stdout)
    assert found.pop("jobs") == [
        {
            "trace_id": job.trace_id,
            "job_id": job.job_id,
            "summary_id": str(job.summary_id),
            "started_at": job.start.isoformat(),
            "last_row_at": (job.start + timedelta(seconds=60)).isoformat(),
            "attempts_used": 1,
            "total_duration_ms": 60_000,
            "trigger": "cron",
            "service": "tables",
            "environment": "test",
            "booking_id": "b-17",
            "restaurant_id": None,
            "started_missing": False,
        }
    ]
    assert found == {
        "dry_run": False, "older_than_seconds": 5400, "longest_job_seconds": None, "abandoned": 1, "without_started": 0,
        "rows_written": 1, "rows_already_present": 0, "left_locked": 0, "refused": 0, "live": 0,
        "only_started_missing": 0, "foreign_rows": 0,
    }  # fmt: skip


def test_nothing_to_do(dsn: str, events_table: str) -> None:
    """That is well."""
    done = run("--dsn", dsn)
    assert (done.exit_code, done.stdout) == (0, "0 jobs abandoned (silent for 2:00:00 or longer), 0 rows written\n")


def test_whose_database(dsn: str, conn: Connection, events_table: str) -> None:
    """The option's, else the command's own variable's, else the exporter's; without any it is asked for."""
    good, bad = dsn, make_conninfo(dsn, dbname="nowhere")
    own, exporters = "OTEL_AUTO_ASSIGN_RECONCILE_DSN", "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN"
    assert run("--dsn", good, **{own: bad, exporters: bad}).exit_code == 0
    assert run(**{own: good, exporters: bad}).exit_code == 0
    assert run(**{own: "", exporters: good}).exit_code == 0
    assert run(**{own: bad, exporters: good}).exit_code == 40
    assert run(**{own: "", exporters: "", "SUPABASE_DB_URL": ""}).exit_code == 2


def test_a_database_that_cannot_be_reached() -> None:
    """One sentence, without the password, and exit code 40."""
    done = run("--dsn", "postgresql://ann:geheim@localhost:1/app")
    assert (done.exit_code, done.stdout) == (40, "")
    assert done.stderr.startswith("otel-auto-assign: the database: ")
    assert "geheim" not in done.output


def test_a_table_that_is_not_there(dsn: str) -> None:
    """One sentence that says what to do, and exit code 40."""
    done = run("--dsn", dsn, "--table", "nowhere")
    assert done.exit_code == 40
    assert "table nowhere does not exist" in done.stderr


def test_a_lock_is_a_reason_to_come_back(dsn: str, conn: Connection, events_table: str) -> None:
    """What a host's lock keeps out is left for the next run, and exit code 10 says so."""
    job = Job(conn)
    job.booking_id = add_parent(conn)
    job.put()
    with locked(dsn, "SELECT FROM bookings FOR UPDATE"):
        done = run("--dsn", dsn)
    assert (done.exit_code, done.stderr) == (
        10,
        "otel-auto-assign: 1 job left for the next run: somebody has locked a booking or the table\n",
    )


def test_a_row_that_is_refused_is_wrong(dsn: str, conn: Connection, events_table: str) -> None:
    """Running it again would not help, and exit code 20 says so."""
    Job(conn).put()
    conn.execute("ALTER TABLE observability_events ADD CHECK (event_type <> 'auto_assign.summary')")
    done = run("--dsn", dsn)
    assert done.exit_code == 20
    assert "rows of 1 job are refused by the database: " in done.stderr


def test_two_at_once(dsn: str, conn: Connection, events_table: str) -> None:
    """Of two processes one does the work, the other leaves with 10."""
    job = Job(conn).put()
    with locked(dsn, "LOCK TABLE observability_events"):
        first = subprocess.Popen([*COMMAND, "--dsn", dsn], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
        until(lambda: conn.execute(held).rowcount == 1)
        second = subprocess.run([*COMMAND, "--dsn", dsn], capture_output=True, text=True, check=False)
    output, errors = first.communicate(timeout=30)
    assert (first.returncode, errors) == (0, "")
    assert "1 job abandoned (silent for 2:00:00 or longer), 1 row written" in output
    assert (second.returncode, second.stdout) == (10, "")
    assert "another reconcile is at work on observability_events: nothing was done" in second.stderr
    assert len(job.rows()) == 1
