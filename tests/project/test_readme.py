"""The first screen of the README is true: its program runs, and leaves the rows that it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import psycopg
import pytest

from tests.project.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"^\d+(\.\d+)?$")


def block(language: str, number: int = 0) -> str:
    """A fenced block of ``language``: the first, or a later one."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert len(found) > number, f"README has {len(found)} blocks of {language}"
    return str(found[number])


def shape(cells: list[str]) -> list[str]:
    """What stays the same from run to run: a number with decimals is some duration."""
    return ["#" if "." in cell and NUMBER.match(cell) else cell for cell in cells]


@pytest.mark.usefixtures("events_table")
def test_the_readme_shows_what_happens(dsn: str) -> None:
    """Its program, run as it stands, leaves the rows that its query then shows, but for the durations."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SUPABASE", "PG"))}
    program = [sys.executable, "-W", "error", "-c", block("python")]
    done = subprocess.run(
        program, env={**environ, "SUPABASE_DB_URL": dsn}, check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")

    with psycopg.connect(dsn) as conn:
        rows = conn.execute(block("sql").encode()).fetchall()
    header, _rule, *lines = [line for line in block("text").splitlines() if line.strip()]
    shown = [[cell.strip() for cell in line.split("|")] for line in lines]

    assert [shape(["" if cell is None else str(cell) for cell in row]) for row in rows] == [shape(row) for row in shown]
    assert header.split("|")[0].strip() == "event_type"
    assert (
        len([line for line in block("python").splitlines() if line and not line.startswith(("from", "import"))]) <= 10
    )
