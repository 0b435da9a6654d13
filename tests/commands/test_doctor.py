"""``otel-auto-assign doctor`` as a person or a script runs it."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from observability_events.dead_letters import DeadLetters
from observability_events.folder import destination, make
from observability_events.rows import Row as WrittenRow
from otel_auto_assign.analysis.doctor import Finding, Verdict
from otel_auto_assign.cli import app
from otel_auto_assign.commands.health import exporter_health
from otel_auto_assign.settings import Settings
from tests.analysis.flows import inline, job, without
from tests.analysis.rows import Row, insert

Connection = psycopg.Connection[Any]
DAY = ("--from", "2026-11-01", "--to", "2026-11-02", "--as-of", "2026-11-03")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at no spool of this machine's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY", str(tmp_path / "spool"))


def run(dsn: str, *arguments: str) -> Result:
    """Run the command on a database."""
    return CliRunner().invoke(app, ["doctor", "--dsn", dsn, *arguments])


WARNED = [*job(), *(Row(r.event_type, r.context, r.at, r.source, r.booking) for r in inline())]


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(
    ("rows", "code", "conclusion"),
    [
        ([*job(), *inline()], 0, "These rows can be relied on. ("),
        (WARNED, 10, "These rows can be relied on, with the care that the warnings name. ("),
        ([], 11, "Whether these rows can be relied on cannot be told from here. ("),
        (without(job(), "auto_assign.attempt"), 20, "These rows cannot be relied on until what is wrong is mended. ("),
    ],
)
def test_the_worst_verdict_is_the_exit_code(
    conn: Connection, dsn: str, rows: list[Row], code: int, conclusion: str
) -> None:
    """All well, warnings, nothing to tell by, something wrong."""
    insert(conn, rows)
    done = run(dsn, *DAY)
    assert done.exit_code == code
    assert done.stdout.splitlines()[-1].startswith(conclusion)


@pytest.mark.usefixtures("events_table")
def test_each_finding_says_what_to_do(conn: Connection, dsn: str) -> None:
    """Verdict, check, counts, an example and the remedy below."""
    insert(conn, without(job(), "auto_assign.summary"))
    shown = " ".join(run(dsn, *DAY).stdout.split())
    assert (
        "wrong no_summary: 1 of 1 jobs have no summary: their process died, or their rows were lost "
        f"(for example {'a' * 16}) -> run `otel-auto-assign reconcile`"
    ) in shown


@pytest.mark.usefixtures("events_table")
def test_the_same_for_programs_and_pages(conn: Connection, dsn: str) -> None:
    """JSON and Markdown have every finding, and the same exit code."""
    insert(conn, without(job(), "auto_assign.summary"))
    told, page = run(dsn, *DAY, "--json"), run(dsn, *DAY, "--markdown")
    read = json.loads(told.stdout)

    assert (told.exit_code, page.exit_code, read["verdict"]) == (20, 20, "wrong")
    (lost,) = [finding for finding in read["findings"] if finding["check"] == "no_summary"]
    assert (lost["verdict"], lost["examples"]) == ("wrong", ["a" * 16])
    assert "| wrong | no_summary | 1 of 1 jobs have no summary" in page.stdout
    assert len(read["findings"]) == page.stdout.count("\n| ") - 2


@pytest.mark.usefixtures("events_table")
def test_limits_can_be_set(conn: Connection, dsn: str) -> None:
    """What is safe and how long jobs take is the user's to say."""
    insert(conn, job())
    assert run(dsn, *DAY, "--safe-rate", "3", "--job-limit", "1m").stdout.count("\n  warning  ") == 1
    done = run(dsn, *DAY, "--job-limit", "long")
    assert (done.exit_code, done.stderr) == (
        2,
        "otel-auto-assign: --job-limit 'long' is no span of time: write a number and m, h, d or w, as in 7d\n",
    )


def test_a_database_that_is_not_there_is_40() -> None:
    """Never a verdict."""
    assert run("host=/nowhere").exit_code == 40


def health(settings: Settings) -> dict[str, Finding]:
    """Give what is found by name."""
    return {finding.check: finding for finding in exporter_health(settings)}


def test_a_machine_without_a_spool_is_well() -> None:
    """Nothing waits where there is nothing, and nothing is made by looking."""
    settings = Settings.from_environment(dsn="host=db dbname=app")
    assert [finding.verdict for finding in health(settings).values()] == [Verdict.OK]
    assert not destination(settings).path.exists()


def test_dead_letters_are_counted() -> None:
    """Rows that the table refused are missing in it."""
    settings = Settings.from_environment(dsn="host=db dbname=app")
    found = destination(settings)
    make(found, settings)
    assert health(settings)["dead_letters"].verdict is Verdict.OK

    moment = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1_000_000)
    refused = WrittenRow(uuid.UUID(int=1).bytes, moment, "auto_assign", "auto_assign.quote", "info", {}, None, None)
    assert DeadLetters(found.path).add(refused, "refused", "23514", "violates check constraint")
    letters = health(settings)["dead_letters"]
    assert letters.verdict is Verdict.WARNING
    assert letters.evidence == "1 rows were refused by the table and are missing in it"


def test_processes_that_cannot_write_are_named() -> None:
    """By what they last said of themselves, as long as they live."""
    settings = Settings.from_environment(dsn="host=db dbname=app")
    found = destination(settings)
    make(found, settings)
    (found.path / "1-0000000a.lock").touch()
    status = {"circuit": "open", "last_error": "no route to host", "accounts": {"dropped": {"buffer_full": 3}}}
    (found.path / "1-0000000a.json").write_text(json.dumps(status))
    told = health(settings)

    assert told["dropped"].evidence.startswith("3 rows were dropped")
    assert "exporter" not in told  # it is dead, and its word with it
