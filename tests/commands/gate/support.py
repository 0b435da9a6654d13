"""The gate on a plan and a ledger of the test's own."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from otel_auto_assign.cli import app
from tests.analysis.pilot import Pilot

PLAN = """
[[stage]]
name = "pilot"
unit = "restaurant-day"
exposure = 0.5
days = 28
start = 2026-09-01T00:00:00Z
environment = "production"
[[stage.goal]]
name = "planner p50"
measure = "planner_job_ms"
statistic = "p50"
ratio_at_most = 0.7
expect = 0.5
[[stage.guardrail]]
name = "job success"
measure = "job_success"
statistic = "rate"
at_least = 0.65
[[stage.guardrail]]
name = "rise of time-outs"
measure = "inline_timeout"
statistic = "rate"
rise_at_most = 0.10
"""
AT_THE_LOOK = "2026-09-29T00:00Z"
UNCHANGED = Pilot(speed=1.0, calls=(2, 2), success=(0.9, 0.9), timeouts=(0.05, 0.05))
HARMFUL = Pilot(success=(0.9, 0.2), timeouts=(0.05, 0.6))


def run(dsn: str, folder: Path, *arguments: str, stage: str = "pilot") -> Result:
    """Run the gate on a database, with the folder's plan and ledger."""
    options = ["--rollout", str(folder / "plan.toml"), "--ledger", str(folder / "gate.ndjson"), "--stage", stage]
    return CliRunner().invoke(app, ["gate", "--dsn", dsn, *options, *arguments], env={"COLUMNS": "200"})


def told(dsn: str, folder: Path, *arguments: str, stage: str = "pilot") -> dict[str, Any]:
    """Give what it says in JSON; its exit code is the one it says."""
    done = run(dsn, folder, *arguments, "--json", stage=stage)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == found["exit_code"], done.output
    return found


def write_down(folder: Path) -> str:
    """A command that writes its arguments and its standard input into a file."""
    script = folder / "roll back.py"
    script.write_text(
        f"import sys, json; json.dump([sys.argv[1:], json.load(sys.stdin)], open({str(folder / 'out')!r}, 'w'))"
    )
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"
