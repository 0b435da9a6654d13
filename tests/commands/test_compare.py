"""``otel-auto-assign compare`` as a person or a script runs it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from otel_auto_assign.cli import app
from otel_auto_assign.commands.compare import NO_GATE
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import insert

Connection = psycopg.Connection[Any]
FOUR_WEEKS = ("--from", "2026-09-01", "--to", "2026-09-29")


def run(dsn: str, *arguments: str) -> Result:
    """Run the command on a database."""
    return CliRunner().invoke(app, ["compare", "--dsn", dsn, *arguments], env={"COLUMNS": "200"})


def told(dsn: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Give its exit code, and what it says in JSON."""
    done = run(dsn, *arguments, "--json")
    return done.exit_code, json.loads(done.stdout)


pytestmark = pytest.mark.usefixtures("events_table")


def test_the_template_is_filled_in(conn: Connection, dsn: str) -> None:
    """Every line of the team's template, of both sides, with interval, n, effective n and what was needed."""
    insert(conn, Pilot().rows())
    code, found = told(dsn, *FOUR_WEEKS)
    lines = {line["figure"]: line for line in found["template"]}

    assert list(lines)[:8] == [
        "planner p95", "planner p99", "average attempts per booking", "attempts p95", "inline time-outs",
        "background job p95", "cache hits of hard failures", "job success",
    ]  # fmt: skip
    p95 = lines["planner p95"]
    assert p95["post"] / p95["baseline"] == pytest.approx(p95["delta"]["value"])
    assert p95["delta"]["interval"][0] < 0.3 < p95["delta"]["interval"][1] < 0.7
    assert (p95["delta"]["baseline"]["rows"], p95["delta"]["post"]["rows"], p95["delta"]["needed"]) == (280, 280, 59)
    assert 0 < p95["delta"]["post"]["effective_rows"] <= 280
    assert lines["average attempts per booking"]["delta"]["value"] == pytest.approx(0.5)
    assert lines["planner p99"]["delta"]["interval"][1] is None
    assert found["faults"] == found["caps"] == []
    assert found["sides"]["post"]["flags"] == {"on": 560, "off": 0, "unknown": 0}
    findings = {one["name"]: one["finding"] for one in found["judgements"]}
    assert findings["planner p95"] == "met"
    assert findings["planner calls per booking"] == "missed"  # inline runs ask as often as before
    assert code == 20


def test_terminal_and_markdown_say_the_same(conn: Connection, dsn: str) -> None:
    """Tables of the template, goals and guardrails, sentences below, and that it is no gate."""
    insert(conn, Pilot(days=14).rows())
    shown = run(dsn, *FOUR_WEEKS)
    page = run(dsn, *FOUR_WEEKS, "--markdown")

    assert shown.exit_code == page.exit_code
    for text in ("planner p99", "cache hits of hard failures", "succeeded within 30 s", "rise of inline time-outs"):
        assert text in shown.stdout
        assert f"| {text} |" in page.stdout
    assert page.stdout.startswith("# Auto-assign, 2026-09-01 00:00:00 to 2026-09-29 00:00:00 UTC, by restaurant-day\n")
    assert "No interval of planner p99: a limit of p99 needs 299 independent rows" in page.stdout
    assert (
        "Post side: 140 bookings, 280 runs, 14 restaurant-days; flags on in 280, off in 0, not known in 0."
        in page.stdout
    )
    assert NO_GATE in shown.stdout
    assert page.stdout.endswith(f"- {NO_GATE}\n")
    assert "\x1b" not in shown.stdout


def test_jobs_that_decide_nothing_are_told(conn: Connection, dsn: str) -> None:
    """They are in no rate: where the flags make failures into skipped jobs, success looks better than it is."""
    insert(conn, Pilot(days=14, success=(0.8, 0.2)).rows())
    conn.execute(
        'UPDATE observability_events SET context = context || \'{"result": "skipped"}\' WHERE event_type = '
        "'auto_assign.summary' AND context -> 'flags' -> 'planner_cache' = 'true' "
        "AND context ->> 'result' <> 'succeeded'"
    )
    counted = conn.execute(
        "SELECT count(*) FROM observability_events WHERE context ->> 'result' = 'skipped'"
    ).fetchone()
    (skipped,) = counted or (0,)
    _, found = told(dsn, *FOUR_WEEKS)
    assert found["jobs_that_decided_nothing"] == {
        "baseline": {"count": 0, "jobs": 140},
        "post": {"count": skipped, "jobs": 140},
    }
    said = f"are in no rate and in no job time: 0 of 140 (baseline) and {skipped} of 140 (post)."
    assert said in run(dsn, *FOUR_WEEKS).stdout


def test_two_windows_are_marginal_at_best(conn: Connection, dsn: str) -> None:
    """Whatever they show: their days differ as well."""
    later = START + timedelta(days=14)
    insert(conn, Pilot(days=14, switch=lambda *_: False).rows())
    insert(conn, Pilot(days=14, switch=lambda *_: True, start=later, first_booking=5000, seed=2).rows())
    code, found = told(
        dsn, "--unit", "window", "--baseline-from", "2026-09-01", "--baseline-to", "2026-09-15",
        "--from", "2026-09-15", "--to", "2026-09-29", "--stage", "pilot",
    )  # fmt: skip

    assert found["faults"] == []
    assert found["caps"] == ["two windows differ by their days as well: what they show can be marginal at best"]
    assert (found["sides"]["baseline"]["flags"]["off"], found["sides"]["post"]["flags"]["on"]) == (560, 560)
    assert {one["finding"] for one in found["judgements"] if one["name"] == "planner p50"} == {"met"}
    assert code in {10, 11}


def test_bookings_that_compete_are_marginal_at_best(conn: Connection, dsn: str) -> None:
    """Jobs of both sides that run beside each other at the same restaurant."""
    one_by_one = Pilot(days=14, per_day=20, switch=lambda _day, _place, number: number % 2 == 0)
    insert(conn, one_by_one.rows())
    conn.execute(
        "UPDATE observability_events SET context = context || '{\"totalDurationMs\": 7200000}' "
        "WHERE event_type = 'auto_assign.summary'"
    )
    _, found = told(dsn, *FOUR_WEEKS, "--unit", "booking")
    assert found["faults"] == []
    assert found["caps"][0].endswith("of the jobs ran beside the other side's at the same tables: switch whole days")


@pytest.mark.parametrize(
    ("pilot", "arguments", "fault"),
    [
        (Pilot(switch=lambda *_: None), (), "the flags of 1120 of 1120 runs nobody knows, and unset is not off"),
        (
            Pilot(switch=lambda day, _, number: None if number % 10 == 0 else day % 2 == 0),
            (),
            "the flags were on in 90.0% of the post side's 560 runs, 99% are needed; of 56 nobody knows",
        ),
        (
            Pilot(switch=lambda _day, place, _: place == 0),
            (),
            "no restaurant is on both sides: what differs may be the restaurants",
        ),
        (
            Pilot(switch=lambda day, *_: day % 7 != 0),
            (),
            "48 of 56 units are on, where 50% were planned (p = ",
        ),
        (
            Pilot(switch=lambda day, *_: day % 2 == 0),
            ("--unit", "booking"),
            "the sides share no day at any restaurant: bookings were not assigned one by one",
        ),
    ],
    ids=["nobody set the flags", "one in ten unset", "other restaurants", "off plan", "days, not bookings"],
)
def test_what_cannot_be_compared_is_invalid(
    conn: Connection, dsn: str, pilot: Pilot, arguments: tuple[str, ...], fault: str
) -> None:
    """Said in a sentence, with 30, and no goal is met."""
    insert(conn, pilot.rows())
    code, found = told(dsn, *FOUR_WEEKS, *arguments)
    assert code == 30
    assert any(one.startswith(fault) for one in found["faults"]), found["faults"]
    assert {one["finding"] for one in found["judgements"] if one["kind"] == "goal"} == {"undecided"}


def test_flags_that_change_within_a_run_are_invalid(conn: Connection, dsn: str) -> None:
    """One run is enough: its rows say that it was under both."""
    insert(conn, Pilot(days=14).rows())
    conn.execute(
        "UPDATE observability_events SET context = jsonb_set(context, '{flags,planner_cache}', 'false') WHERE id = ("
        "SELECT id FROM observability_events WHERE event_type = 'auto_assign.summary' "
        "AND context -> 'flags' -> 'planner_cache' = 'true' LIMIT 1)"
    )
    code, found = told(dsn, *FOUR_WEEKS)
    assert (code, found["faults"]) == (30, ["the flags change within 1 runs"])


def test_a_booking_on_both_sides_is_invalid(conn: Connection, dsn: str) -> None:
    """Its second job ran when the flags were otherwise."""
    insert(conn, [*Pilot(days=14).rows(), *Pilot(days=14, switch=lambda *_: True, seed=2).rows()])
    code, found = told(dsn, *FOUR_WEEKS, "--unit", "booking")
    assert code == 30
    assert any("bookings are on both sides" in fault for fault in found["faults"])


def test_an_empty_table_is_too_little(dsn: str) -> None:
    """Nothing is zero, nothing is met, and the exit code says that data are wanting."""
    code, found = told(dsn, *FOUR_WEEKS)
    assert code == 11
    assert [line["baseline"] for line in found["template"]] == [None] * 15
    assert {one["finding"] for one in found["judgements"]} == {"undecided"}


def test_numbers_as_text_are_counted_as_unreadable(conn: Connection, dsn: str) -> None:
    """``"12.5"`` and ``"n/a"`` are no durations: left out, and said how many; other tools' rows are left alone."""
    insert(conn, Pilot(days=14).rows())
    conn.execute(
        "UPDATE observability_events SET context = context || jsonb_build_object('planner_duration_ms', 'n/a', "
        "'durationMs', '12.5') WHERE id IN (SELECT id FROM observability_events WHERE event_type = 'auto_assign.quote' "
        "LIMIT 3)"
    )
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context) VALUES "
        "('2026-09-03', 'capacity', 'capacity.hold.created', '[1]'), ('2026-09-03', 'auto_assign', 'x', NULL)"
    )
    done = run(dsn, *FOUR_WEEKS)
    assert "Left out: 3 calls without a readable duration." in done.stdout
    assert done.exit_code != 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--unit", "day"), "--unit day: it can be restaurant-day, booking, window"),
        (("--exposure", "1"), "--exposure 1: a comparison needs one between 0 and 1"),
        (("--stage", "moon"), "--stage: there is no stage 'moon' in the plan: it has readiness, staging, pilot,"),
        (("--stage", "staging"), "--stage staging: at exposure 1 there is no comparison possible, one side is empty;"),
        (("--unit", "window"), "--unit window compares two windows: give the other one by --baseline-from and"),
        (("--baseline-from", "2026-09-01"), "--baseline-from and --baseline-to go with --unit window, not with"),
        (("--time-zone", "Moon/Crater"), "--time-zone 'Moon/Crater' is no time zone: write a name as Europe/London"),
        (("--rollout", "/nowhere/plan.toml"), "--rollout /nowhere/plan.toml: No such file or directory"),
        (("--from", "2026-09-29", "--to", "2026-09-01"), "--from 2026-09-29: a window must end after it starts, and"),
        (("--json", "--markdown"), "--markdown and --json: give one of them"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    """On the standard error, with 2, before the database is asked."""
    done = run("host=/nowhere", *arguments)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"otel-auto-assign: {message}")


def test_a_plan_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """A misspelled key must not loosen anything in silence; the file is named."""
    plan = tmp_path / "plan.toml"
    plan.write_text('[[stage]]\nname = "pilot"\nunit = "booking"\nexposure = 0.5\ndays = 7\nsoak = 3\n')
    done = run("host=/nowhere", "--rollout", str(plan))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"otel-auto-assign: {plan}: stage 1: there is no key 'soak', there are ")
