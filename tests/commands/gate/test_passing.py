"""What passes, when, and what must not be able to."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from otel_auto_assign.cli import app
from tests.analysis.flows import job
from tests.analysis.pilot import START, Pilot, in_pairs
from tests.analysis.rows import Row, insert
from tests.commands.gate.support import AT_THE_LOOK, HARMFUL, PLAN, UNCHANGED, run, told

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")


def test_what_is_better_passes_once(conn: Connection, dsn: str, folder: Path) -> None:
    """At the one look, which the ledger remembers; looking again holds, and changes nothing."""
    insert(conn, Pilot().rows())
    first = told(dsn, folder, "--as-of", AT_THE_LOOK)
    again = told(dsn, folder, "--as-of", AT_THE_LOOK)
    shown = run(dsn, folder)

    assert (first["verdict"], first["exit_code"], first["final"]) == ("PASS", 0, True)
    assert (again["verdict"], again["exit_code"], again["final"]) == ("HOLD", 10, False)
    assert first["data"] == again["data"]
    assert shown.exit_code == 10
    assert "The one look was taken on 2026-09-29 00:00 UTC and said PASS; looking again cannot pass." in shown.stdout


def test_before_the_date_nothing_passes(conn: Connection, dsn: str, folder: Path) -> None:
    """However good it is; and the date is said."""
    insert(conn, Pilot().rows())
    shown = run(dsn, folder, "--as-of", "2026-09-28")
    assert shown.exit_code == 10
    assert shown.stdout.startswith("pilot: HOLD\n")
    assert "its one look is on 2026-09-29 00:00 UTC; until then nothing passes." in shown.stdout


def test_a_late_look_sees_what_one_in_time_would_have_seen(conn: Connection, dsn: str, folder: Path) -> None:
    """Rows after the date are not looked at, nor how a job ended that ran then, so that waiting is no second chance."""
    insert(conn, [*Pilot().rows(), *job(at=START + timedelta(days=28, seconds=-5))])  # runs on past the date
    in_time = told(dsn, folder, "--as-of", AT_THE_LOOK, "--dry-run")
    later = HARMFUL.start + timedelta(days=28)
    insert(conn, replace(HARMFUL, start=later, days=14, first_booking=9000).rows())
    late = told(dsn, folder, "--as-of", "2026-10-20", "--dry-run")
    assert (in_time["verdict"], in_time["data"]) == (late["verdict"], late["data"]) == ("PASS", in_time["data"])


@pytest.mark.parametrize(("hours", "verdict"), [(600, "PASS"), (672, "MARGINAL")])
def test_what_was_not_on_for_long_enough_is_marginal(
    conn: Connection, dsn: str, folder: Path, hours: int, verdict: str
) -> None:
    """The flags were first on some hours into the first of 28 days: 600 hours of soak are there, 672 are not."""
    (folder / "plan.toml").write_text(PLAN.replace("days = 28", f"days = 28\nsoak_hours = {hours}"))
    insert(conn, Pilot().rows())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert found["verdict"] == verdict
    assert ("hours before the look, 672 are wanted" in " ".join(found["reasons"])) == (verdict == "MARGINAL")


def test_identical_data_never_pass(conn: Connection, dsn: str, folder: Path) -> None:
    """The same rows under other ids and flags, on other days: a copy, though every fixed limit is kept."""
    (folder / "plan.toml").write_text(
        PLAN.replace(
            'statistic = "p50"\nratio_at_most = 0.7\nexpect = 0.5',
            'statistic = "share_above"\nabove = 60000\nat_most = 0.05\nexpect = 0.01',
        )
    )
    same = replace(UNCHANGED, days=14)
    insert(conn, replace(same, switch=lambda *_: False).rows())
    insert(conn, replace(same, switch=lambda *_: True, start=START + timedelta(days=14), first_booking=9000).rows())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert (found["verdict"], found["exit_code"]) == ("INVALID", 30)
    assert "one is a copy of the other" in " ".join(found["reasons"])


def test_nothing_changed_does_not_pass(conn: Connection, dsn: str, folder: Path) -> None:
    """The flags do nothing: the goal is missed, and a missed goal turns nothing off."""
    mark = folder / "rolled back"
    insert(conn, UNCHANGED.rows())
    done = run(dsn, folder, "--as-of", AT_THE_LOOK, "--on-fail", f"touch {shlex.quote(str(mark))}")
    assert done.exit_code == 20
    assert done.stdout.startswith("pilot: FAIL (cause: goal)\n")
    assert "Turn off" not in done.stdout
    assert "touch" not in done.stderr
    assert not mark.exists()


@pytest.mark.parametrize(
    "pilot",
    [
        Pilot(switch=lambda *_: None),
        Pilot(switch=lambda day, place, _: True if in_pairs(day, place, 0) else None),
        Pilot(switch=lambda day, place, number: None if number % 20 == 0 else in_pairs(day, place, 0)),
    ],
    ids=["nobody set it", "off is only unset", "one in twenty unset"],
)
def test_an_unset_flag_never_passes(conn: Connection, dsn: str, folder: Path, pilot: Pilot) -> None:
    """Unset is not off, and not on."""
    insert(conn, pilot.rows())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert (found["verdict"], found["exit_code"]) == ("INVALID", 30)
    assert "unset is not off" in " ".join(found["reasons"])


@pytest.mark.parametrize("stage", ["readiness", "staging", "pilot", "ramp-10", "ramp-50", "ramp-90", "proof"])
def test_an_empty_table_never_passes_any_stage(dsn: str, folder: Path, stage: str) -> None:
    """Of the plan that is shipped: first it holds, and at the date there are too few data."""
    options = ["gate", "--dsn", dsn, "--stage", stage, "--ledger", str(folder / "own.ndjson"), "--json"]
    codes = [
        CliRunner().invoke(app, [*options, "--as-of", day]).exit_code
        for day in ("2026-01-01", "2026-01-02", "2026-03-01")
    ]
    assert codes == [10, 10, 11]


def test_a_handful_of_rows_is_too_little(conn: Connection, dsn: str, folder: Path) -> None:
    """Three days, however good; the sentence says what is needed."""
    insert(conn, Pilot(days=3).rows())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert (found["verdict"], found["exit_code"]) == ("INSUFFICIENT", 11)
    assert any("units of assignment, 7 are needed" in reason for reason in found["reasons"])


POST = "context -> 'flags' -> 'planner_cache' = 'true'"
SLOW = f"event_type = 'auto_assign.quote' AND {POST} AND (context ->> 'durationMs')::float > 500"
UPDATE = "UPDATE observability_events SET context = context"
MISSING = {
    "planner calls have no readable duration on the post side": (
        f"{UPDATE} - 'durationMs' || jsonb_build_object('planner_duration_ms', 'n/a') WHERE {SLOW}",
        Pilot(speed=1.0),
    ),
    "planner calls do not say in which run": (
        f"{UPDATE} - 'job_id' WHERE {SLOW} AND source = 'auto_assign'",
        Pilot(speed=1.0, calls=(2, 2)),
    ),
    "inline runs have no terminal on the post side": (
        (
            f"DELETE FROM observability_events WHERE {POST} AND event_type = 'inline_auto_assign.succeeded' "
            "AND (context ->> 'durationMs')::float > 700"
        ),
        Pilot(),
    ),
}


@pytest.mark.parametrize("missing", MISSING)
def test_what_is_missing_on_one_side_never_passes(conn: Connection, dsn: str, folder: Path, missing: str) -> None:
    """The slow ones are not there to be counted, and what is left of nothing changed is fast."""
    statement, pilot = MISSING[missing]
    insert(conn, pilot.rows())
    conn.execute(statement.encode())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert (found["verdict"], found["exit_code"]) == ("MARGINAL", 10)
    assert f"{missing}: what is missing may be what is bad" in " ".join(found["reasons"])


def test_one_in_a_hundred_may_be_missing(conn: Connection, dsn: str, folder: Path) -> None:
    """As much as may have seen other flags."""
    insert(conn, Pilot().rows())
    conn.execute(
        "UPDATE observability_events SET context = context - 'planner_duration_ms' - 'durationMs' WHERE id IN ("
        f"SELECT id FROM observability_events WHERE event_type = 'auto_assign.quote' AND {POST} LIMIT 5)".encode()
    )
    assert told(dsn, folder, "--as-of", AT_THE_LOOK)["verdict"] == "PASS"


@pytest.mark.parametrize(("retried", "verdict"), [(1, "PASS"), (5, "PASS"), (6, "INVALID")])
def test_a_booking_that_is_tried_again_after_midnight(
    conn: Connection, dsn: str, folder: Path, retried: int, verdict: str
) -> None:
    """Meets the next day's flags: one of a hundred bookings may, and it is said; more is a switch that leaks."""
    insert(conn, [*Pilot().rows(), *_again(retried)])
    shown = run(dsn, folder, "--as-of", AT_THE_LOOK, "--dry-run")
    assert shown.stdout.startswith(f"pilot: {verdict}\n")
    assert f"{retried} of 560 bookings" in shown.stdout


def _again(bookings: int) -> list[Row]:
    """The jobs of the first day's first bookings once more, on the day after and under its flags."""
    first = Pilot(days=1, switch=lambda *_: False).rows()  # of a day and restaurant that have them on
    names = sorted({row.booking for row in first if row.booking})[:bookings]
    return [
        replace(row, at=row.at + timedelta(days=1), context=row.context | {"job_id": f"again {row.booking}"})
        for row in first
        if row.booking in names and row.source == "auto_assign"
    ]
