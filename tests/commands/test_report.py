"""``otel-auto-assign report`` as a person or a script runs it."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from otel_auto_assign import semconv
from otel_auto_assign.analysis.figures import CSV_HEADER
from otel_auto_assign.cli import app
from otel_auto_assign.commands.progress import progress
from tests.analysis.rows import NOON, Row, insert
from tests.postgres import insert_only_role

Connection = psycopg.Connection[Any]
DAY = ("--from", "2026-11-01", "--to", "2026-11-02")


def run(dsn: str, *arguments: str) -> Result:
    """Run the command on a database."""
    return CliRunner().invoke(app, ["report", "--dsn", dsn, *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def day(conn: Connection, events_table: str) -> str:
    """A day with calls in two environments, one of them from the cache, an odd row and another tool's."""
    insert(
        conn,
        [
            Row(semconv.EVENT_QUOTE, {"durationMs": 100, "environment": "production", "flow": "job"}, source="a"),
            Row(semconv.EVENT_QUOTE, {"durationMs": 1, "environment": "production", "cache_hit": True}, source="a"),
            Row(semconv.EVENT_QUOTE, {"durationMs": 300, "environment": "staging"}, source="b"),
            Row(semconv.EVENT_QUOTE, {"durationMs": "12.5", "environment": "staging"}, source="b"),
            Row(semconv.EVENT_QUOTE, {"durationMs": 9999}, at=NOON + timedelta(days=1)),
            Row("capacity.hold.created", {"durationMs": 9999}),
        ],
    )
    return events_table


@pytest.mark.usefixtures("day")
def test_the_terminal_shows_the_better_definition_first(dsn: str) -> None:
    """Above today's; and what was read, left alone and unreadable is said."""
    done = run(dsn, *DAY)
    calls = [line.split() for line in done.stdout.splitlines() if line.startswith("planner_duration")]

    assert done.exit_code == 0
    assert [line[1:4] for line in calls] == [["cache_hits=excluded", "200.00", "ms"], ["as", "today", "100.00"]]
    assert "4 rows of auto-assign, 1 row of other tools left alone." in done.stdout
    assert "Unreadable: 1 row of auto_assign.quote, a duration that is no number (for example " in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.usefixtures("day")
def test_the_csv_is_the_artefact_and_nothing_else(dsn: str) -> None:
    """Remarks go to the standard error, so that the file stays what its readers know."""
    done = run(dsn, *DAY, "--csv", "--by", "environment")
    rows = list(csv.reader(io.StringIO(done.stdout)))

    assert tuple(rows[0]) == CSV_HEADER
    p50 = [row[3:7] for row in rows if row[2] == "planner_duration_p50_ms"]
    assert p50 == [
        ["all", "100.00", "ms", "3"],
        ["cache_hits=excluded", "200.00", "ms", "2"],
        ["cache_hits=excluded;environment=production", "100.00", "ms", "1"],
        ["cache_hits=excluded;environment=staging", "300.00", "ms", "1"],
        ["environment=production", "50.50", "ms", "2"],
        ["environment=staging", "300.00", "ms", "1"],
    ]
    assert "Unreadable: 1 row" in done.stderr


@pytest.mark.usefixtures("day")
def test_json_has_everything(dsn: str) -> None:
    """Window, filters, rows, figures as numbers, and what is unreadable."""
    done = run(dsn, *DAY, "--json", "--environment", "staging", "--exclude-source", "c")
    told = json.loads(done.stdout)

    assert told["window"] == {"start": "2026-11-01T00:00:00+00:00", "end": "2026-11-02T00:00:00+00:00"}
    assert told["filters"] == {"environments": ["staging"], "restaurants": [], "without_sources": ["c"]}
    assert told["rows"] == {"auto_assign.quote": 2}
    (found,) = [f for f in told["figures"] if f["metric"] == "planner_duration_max_ms" and f["dimension"] == "all"]
    assert (found["value"], found["sample_size"]) == (300.0, 1)
    assert [fault["rows"] for fault in told["unreadable"]] == [1]


@pytest.mark.usefixtures("day")
def test_markdown_is_a_page(dsn: str) -> None:
    """Tables and remarks, with the parts that were asked for."""
    done = run(dsn, *DAY, "--markdown", "--by", "flow")
    assert done.stdout.startswith("# Auto-assign, 2026-11-01 00:00:00 to 2026-11-02 00:00:00 UTC\n\n## How long")
    assert "| planner_duration | cache_hits=excluded | job | 100.00 ms |" in done.stdout
    assert done.stdout.endswith(").\n")


@pytest.mark.usefixtures("events_table")
def test_an_empty_table_is_said(dsn: str) -> None:
    """No rows are not zero calls: the values stay empty, and the exit code says that there was nothing."""
    done = run(dsn, "--since", "1d")
    assert done.exit_code == 11
    assert "There is nothing to report: no row of auto-assign is in this window." in done.stdout
    assert "0.00" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "soon"), "--since 'soon' is no span of time: write a number and m, h, d or w, as in 7d"),
        (("--by", "weather"), "--by weather: figures are split by environment, restaurant, flow, strategy, reason"),
        (("--csv", "--json"), "--csv and --json: give one of them"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    """On the standard error, with 2, before the database is asked."""
    done = run("host=/nowhere", *arguments)
    assert (done.exit_code, done.stderr) == (2, f"otel-auto-assign: {message}\n")


def test_a_table_that_is_not_there_is_named(dsn: str) -> None:
    """With the remedy, and the code of what cannot be read."""
    done = run(dsn, "--table", "events_of_ours")
    assert done.exit_code == 40
    assert done.stderr.startswith("otel-auto-assign: there is no table events_of_ours, or this role may not use its")


@pytest.mark.usefixtures("events_table")
def test_a_role_that_may_only_write_is_told(dsn: str, schema: str) -> None:
    """The server's own sentence, without a traceback."""
    with insert_only_role(dsn, schema) as (writer, _):
        done = run(writer)
    assert done.exit_code == 40
    assert done.stderr.startswith("otel-auto-assign: the database: permission denied for table observability_events")


@pytest.mark.usefixtures("events_table")
def test_a_database_that_does_not_answer_is_given_up(conn: Connection, dsn: str) -> None:
    """A lock held by a migration ends the wait, not the reader's patience for ever."""
    with conn.transaction():
        conn.execute("LOCK TABLE observability_events IN ACCESS EXCLUSIVE MODE")
        done = run(dsn, "--patience", "1")
    assert done.exit_code == 40
    assert done.stderr.startswith("otel-auto-assign: the database: ")


@pytest.mark.usefixtures("day")
def test_nothing_can_be_changed_while_it_reads(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction is read-only, and is known to the server by a name of its own."""
    seen = {}

    def look(connection: Connection, *_arguments: object, **_options: object) -> None:
        seen["name"] = connection.info.parameter_status("application_name")
        connection.execute("INSERT INTO observability_events (source, event_type) VALUES ('x', 'y')")

    monkeypatch.setattr("otel_auto_assign.commands.report.figures.report", look)
    done = run(dsn, *DAY)
    assert "cannot execute INSERT in a read-only transaction" in done.stderr
    assert seen == {"name": "otel-auto-assign-reader"}


def test_progress_is_said_only_where_it_takes_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal: nothing for quick questions, then a line a question."""
    times = iter([0.0, 1.0, 7.5])
    with progress(lambda: next(times)) as asking:
        asking("durations")
        asking("outcomes")
    assert capsys.readouterr().err == "otel-auto-assign: reading outcomes, after 8 s\n"
