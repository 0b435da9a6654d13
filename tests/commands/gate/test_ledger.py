"""What the gate remembers, and holds the next look against."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from otel_auto_assign.analysis.ledger import read_ledger
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import insert
from tests.commands.gate.support import AT_THE_LOOK, PLAN, run, told

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")


def test_each_look_is_remembered(conn: Connection, dsn: str, folder: Path) -> None:
    """With the hashes of data and plan, the versions, and which look it was."""
    insert(conn, Pilot().rows())
    for moment in ("2026-09-10", AT_THE_LOOK, "2026-09-30"):
        run(dsn, folder, "--as-of", moment)
    looks = read_ledger((folder / "gate.ndjson").read_text().splitlines())
    assert [(look.verdict, look.final) for look in looks] == [("HOLD", False), ("PASS", True), ("HOLD", False)]
    assert looks[0].data != looks[1].data == looks[2].data
    assert len({look.plan for look in looks}) == 1
    assert looks[0].versions is not None
    assert looks[0].versions.keys() == {"otel-auto-assign", "python", "numpy", "scipy"}


def test_a_dry_run_leaves_no_trace(dsn: str, folder: Path) -> None:
    """No ledger is made, and none is appended."""
    run(dsn, folder, "--dry-run")
    assert not (folder / "gate.ndjson").exists()
    run(dsn, folder, "--as-of", "2026-09-10")
    before = (folder / "gate.ndjson").read_bytes()
    run(dsn, folder, "--dry-run")
    assert (folder / "gate.ndjson").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "days = 28",
            "days = 35",
            "the date of the look was 2026-09-29 00:00 on 2026-09-10 00:00, now it is 2026-10-06",
        ),
        (
            "ratio_at_most = 0.7",
            "ratio_at_most = 0.9",
            "the plan was changed after the gate looked on 2026-09-10 00:00:",
        ),
    ],
)
def test_a_moved_date_or_changed_plan_is_invalid(
    conn: Connection, dsn: str, folder: Path, old: str, new: str, reason: str
) -> None:
    """What was fixed before the data stays."""
    insert(conn, Pilot().rows())
    run(dsn, folder, "--as-of", "2026-09-10")
    (folder / "plan.toml").write_text(PLAN.replace(old, new))
    found = told(dsn, folder, "--as-of", "2026-10-10")
    assert (found["verdict"], found["exit_code"]) == ("INVALID", 30)
    assert found["reasons"][0].startswith(reason)


def test_other_days_are_another_plan(conn: Connection, dsn: str, folder: Path) -> None:
    """Where a day ends says which runs belong together."""
    insert(conn, Pilot().rows())
    run(dsn, folder, "--as-of", "2026-09-10")
    assert told(dsn, folder, "--as-of", AT_THE_LOOK, "--time-zone", "Asia/Tokyo")["verdict"] == "INVALID"


def test_comments_do_not_change_a_plan(conn: Connection, dsn: str, folder: Path) -> None:
    """Nor does the order of keys."""
    insert(conn, Pilot().rows())
    run(dsn, folder, "--as-of", "2026-09-10")
    (folder / "plan.toml").write_text(f"# ours\n{PLAN}")
    assert told(dsn, folder, "--as-of", AT_THE_LOOK)["verdict"] == "PASS"


def test_without_a_start_the_stage_starts_when_first_asked(conn: Connection, dsn: str, folder: Path) -> None:
    """And the date of the look counts from there, whenever the next look is."""
    (folder / "plan.toml").write_text(PLAN.replace("start = 2026-09-01T00:00:00Z\n", ""))
    insert(conn, Pilot().rows())
    first = told(dsn, folder, "--as-of", "2026-09-01")
    last = told(dsn, folder, "--as-of", "2026-10-01")
    assert (first["verdict"], first["due"]) == ("HOLD", "2026-09-29T00:00:00+00:00")
    assert (last["verdict"], last["due"]) == ("PASS", first["due"])


def test_a_damaged_ledger_is_invalid(dsn: str, folder: Path) -> None:
    """Nobody knows then whether the one look was taken."""
    (folder / "gate.ndjson").write_text('{"stage": "pilot"\n')
    done = run(dsn, folder)
    assert done.exit_code == 30
    assert done.stderr.startswith(f"otel-auto-assign: {folder / 'gate.ndjson'}: line 1 of the ledger is not a look")


def test_a_ledger_that_cannot_be_written_is_no_look(dsn: str, folder: Path) -> None:
    """A verdict that nobody remembers could be asked for again."""
    (folder / "gate.ndjson").mkdir()
    done = run(dsn, folder)
    assert (done.exit_code, done.stdout) == (40, "")


def test_attempts_are_held_against_what_was_fixed_before(conn: Connection, dsn: str, folder: Path) -> None:
    """The p95 of as many days before the stage as it has; the ledger keeps it."""
    goal = (
        '[[stage.goal]]\nname = "attempts"\nmeasure = "attempts_per_booking"\nstatistic = "share_above"\n'
        "above_baseline_p95 = 0.85\nat_most = 0.05\nexpect = 0.01\n"
    )
    (folder / "plan.toml").write_text(PLAN + goal)
    before = START - timedelta(days=28)
    insert(conn, Pilot(start=before, switch=lambda *_: False, calls=(4, 4), first_booking=50_000).rows())
    insert(conn, Pilot().rows())
    found = told(dsn, folder, "--as-of", "2026-09-10")
    assert found["frozen"] == {"attempts": 3.0}  # 85 % of 4, rounded down
