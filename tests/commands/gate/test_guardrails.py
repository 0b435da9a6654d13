"""What a breached guardrail does, and the command that it runs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from otel_auto_assign.commands import gate
from tests.analysis.pilot import START, Pilot, in_pairs
from tests.analysis.rows import insert
from tests.commands.gate.support import AT_THE_LOOK, HARMFUL, run, told, write_down

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")


def test_a_breached_guardrail_fails_at_any_look(conn: Connection, dsn: str, folder: Path) -> None:
    """Before the date too; the gate says what to turn off and turns nothing."""
    insert(conn, HARMFUL.rows())
    shown = run(dsn, folder, "--as-of", "2026-09-20")
    assert shown.exit_code == 20
    assert shown.stdout.startswith("pilot: FAIL (cause: guardrail)\n")
    assert "Turn off: FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2=false PLANNER_CACHE_ENABLED=false" in shown.stdout


def test_a_breached_fixed_limit_fails_before_invalid(conn: Connection, dsn: str, folder: Path) -> None:
    """Harm is harm, whether or not the sides can be compared."""
    insert(conn, replace(HARMFUL, switch=lambda day, place, number: number % 30 == 0 or in_pairs(day, place, 0)).rows())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert found["comparison"]["faults"]
    assert (found["verdict"], found["cause"]) == ("FAIL", "guardrail")


def test_a_limit_that_was_broken_before_holds(conn: Connection, dsn: str, folder: Path) -> None:
    """It is no reason to roll back, and none to go on."""
    insert(conn, Pilot(success=(0.4, 0.5)).rows())
    found = told(dsn, folder, "--as-of", AT_THE_LOOK)
    assert (found["verdict"], found["exit_code"], found["turn_off"]) == ("HOLD", 10, [])
    assert "job success is broken before the change" in found["reasons"][0]


def test_the_command_is_run_without_a_shell(
    conn: Connection, dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its arguments arrive as written, whatever a shell would make of them; the verdict is on its standard input."""
    monkeypatch.setattr(gate, "now_from", lambda _: START + timedelta(days=20))
    insert(conn, HARMFUL.rows())
    hostile = f"$(touch {folder}/hacked); touch {folder}/hacked | `id` > {folder}/hacked"
    done = run(dsn, folder, "--on-fail", f"{write_down(folder)} {shlex.quote(hostile)} '*' ; id")
    arguments, verdict = json.loads((folder / "out").read_text())
    assert done.exit_code == 20
    assert arguments == [hostile, "*", ";", "id"]
    assert (verdict["stage"], verdict["cause"]) == ("pilot", "guardrail")
    assert not (folder / "hacked").exists()


def test_a_command_that_fails_changes_no_verdict(
    conn: Connection, dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the gate leaves by its own code."""
    monkeypatch.setattr(gate, "now_from", lambda _: START + timedelta(days=20))
    insert(conn, HARMFUL.rows())
    done = run(dsn, folder, "--on-fail", "false")
    assert done.exit_code == 20
    assert "otel-auto-assign: it ended with 1: see to it" in done.stderr


@pytest.mark.parametrize("option", ["--dry-run", "--as-of=2026-09-20"])
def test_a_dry_run_and_a_replay_run_nothing(conn: Connection, dsn: str, folder: Path, option: str) -> None:
    """They say what would be run."""
    insert(conn, HARMFUL.rows())
    done = run(dsn, folder, "--as-of", "2026-09-20", option, "--on-fail", write_down(folder))
    assert done.exit_code == 20
    assert "otel-auto-assign: would run: " in done.stderr
    assert not (folder / "out").exists()
