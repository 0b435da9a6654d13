"""Watching, planning, and what cannot be followed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from otel_auto_assign.cli import app
from tests.analysis.flows import stripped
from tests.analysis.pilot import Pilot
from tests.analysis.rows import insert
from tests.commands.gate.support import HARMFUL, PLAN, run, told, write_down

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")


def test_a_watch_ends_with_the_first_breach(
    conn: Connection, dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then it waits and looks again; every look is remembered."""
    (folder / "plan.toml").write_text(PLAN.replace("start = 2026-09-01T00:00:00Z\n", ""))
    waited: list[float] = []

    def harm(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            days = 10
            recent = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            insert(conn, replace(HARMFUL, days=days, start=recent - timedelta(days=days)).rows())

    monkeypatch.setattr("time.sleep", harm)
    started = datetime.now(UTC) - timedelta(days=12)
    run(dsn, folder, "--as-of", started.isoformat())
    done = run(dsn, folder, "--watch", "15m", "--on-fail", write_down(folder))
    assert done.exit_code == 20, done.output
    assert waited == [900.0, 900.0]
    assert (folder / "out").exists()
    assert len((folder / "gate.ndjson").read_text().splitlines()) == 4


def test_a_watch_never_passes(conn: Connection, dsn: str, folder: Path) -> None:
    """When the date has come it ends with HOLD, and leaves the one look to be taken."""
    insert(conn, Pilot().rows())
    done = run(dsn, folder, "--watch", "1h")
    assert done.exit_code == 10
    assert "The date of the one look has come: run the gate without --watch." in done.stdout
    assert told(dsn, folder)["verdict"] == "PASS"


def test_the_plan_says_how_long_it_takes(conn: Connection, dsn: str, folder: Path) -> None:
    """From the baseline's spread and what is expected, in days and in words."""
    insert(conn, Pilot(switch=lambda *_: False).rows())
    options = ("--plan", "--from", "2026-09-01", "--to", "2026-09-29")
    done = run(dsn, folder, *options, "--json")
    found = json.loads(done.stdout)
    first = found["prospects"][0]
    assert found["baseline"] == {"bookings": 560, "days": 28, "runs_without_flags": 0}
    assert first["name"] == "planner p50"
    assert first["decidable"]
    assert first["days"] <= 28
    assert first["chance_at_look"] > 0.8
    assert done.exit_code == 0
    assert not (folder / "gate.ndjson").exists()


def test_a_look_says_how_much_longer(conn: Connection, dsn: str, folder: Path) -> None:
    """Of twenty jobs a day ten are with the flags on, so that a thousand take a hundred days."""
    goal = '[[stage.goal]]\nname = "enough"\nmeasure = "job_ms"\nstatistic = "rows"\nat_least = 1000\n'
    (folder / "plan.toml").write_text(PLAN + goal)
    insert(conn, Pilot(days=14).rows())
    found = told(dsn, folder, "--as-of", "2026-09-15")
    (enough,) = [one for one in found["outlook"] if one["name"] == "enough"]
    assert (enough["days"], enough["in_words"]) == (
        100,
        "enough: not decidable at this volume within 56 days; 2 times the restaurants",
    )


def test_the_plan_is_reckoned_from_rows_of_the_years_before(conn: Connection, dsn: str, folder: Path) -> None:
    """Which name no job, no flags and no environment: it says by what it takes them."""
    before = stripped(Pilot(switch=lambda *_: False).rows(), "job_id", "flags", "environment", "flow", "planner_calls")
    insert(conn, before)
    done = run(dsn, folder, "--plan", "--from", "2026-09-01", "--to", "2026-09-29")
    assert "From 560 bookings in 28 days: " in done.stdout
    assert (
        "1120 runs do not say their flags; for planning they are taken for off, and rows that name no environment "
        "for production's."
    ) in done.stdout
    assert "planner p50" in done.stdout
    assert done.exit_code == 0


def test_a_plan_without_a_baseline_cannot_tell(dsn: str, folder: Path) -> None:
    """No rows are no outlook."""
    done = run(dsn, folder, "--plan")
    assert done.exit_code == 11
    assert "There is nothing to reckon from: no booking with the flags off in " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--as-of", "2999-01-01"), "--as-of 2999-01-01: that is still to come, and a look is at what there is"),
        (("--since", "7d"), "--since, --from and --to go with --plan: a look begins where the stage began"),
        (("--watch", "often"), "--watch 'often' is no span of time: write a number and m, h, d or w, as in 7d"),
        (("--watch", "1h", "--as-of", "2026-09-01"), "--watch goes without --as-of: what is past does not change"),
        (("--plan", "--on-fail", "true"), "--plan goes without --watch and --on-fail: nothing has started yet"),
        (("--on-fail", "no-such-program x"), "--on-fail: there is no program 'no-such-program' that can be run, and"),
        (("--on-fail", "echo 'a"), '--on-fail "echo \'a": no closing quotation'),
        (("--stage", "moon"), "--stage: there is no stage 'moon' in the plan: it has pilot"),
        (("--stage", ""), "--stage: name one of pilot"),
        (("--json", "--markdown"), "--markdown and --json: give one of them"),
    ],
)
def test_wrong_usage_is_one_sentence(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    """On the standard error, with 2, before the database is asked or anything is written."""
    done = run("host=/nowhere", folder, *arguments)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"otel-auto-assign: {message}")
    assert not (folder / "gate.ndjson").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[stage]]\nname = ", "the plan is not TOML: "),
        ("", "the plan has no stages: write at least one [[stage]]"),
        (PLAN.replace("soak", "s") + "\nsock = 1", "stage 'pilot', guardrail 2: there is no key 'sock', there are"),
        (
            PLAN.split("[[stage.goal]]", maxsplit=1)[0],
            "stage 'pilot' has no goal that decides and no guardrail: it could not but pass",
        ),
    ],
    ids=["no TOML", "empty", "unknown key", "nothing to judge"],
)
def test_a_plan_that_cannot_be_followed_is_refused(folder: Path, text: str, message: str) -> None:
    """With the file's name and what is wrong in it."""
    (folder / "plan.toml").write_text(text)
    done = run("host=/nowhere", folder)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"otel-auto-assign: {folder / 'plan.toml'}: {message}")


def test_a_database_that_cannot_be_reached_is_40(folder: Path) -> None:
    """Never 0 or 1, and nothing is remembered."""
    done = run("host=/nowhere", folder)
    assert done.exit_code == 40
    assert (folder / "gate.ndjson").read_text() == ""


def test_the_shipped_plan_can_be_copied() -> None:
    """What is printed is a plan."""
    done = CliRunner().invoke(app, ["gate", "--show-plan"])
    assert done.exit_code == 0
    assert done.stdout.startswith("# The rollout of retry policy v2 and the planner cache")
