"""The first screen of the README is true: its program runs, and leaves the rows that it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.project.environment import environment
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


def run(python: str | Path, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run its program as it stands, in a folder that is not the checkout."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SUPABASE", "PG", "PYTHON"))
    }
    return subprocess.run(
        [python, "-W", "error", "-c", block("python")],
        env=kept | environ, cwd=folder, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("where", ["checkout", "wheel"])
def test_the_readme_shows_what_happens(dsn: str, where: str, wheel: Path, tmp_path: Path) -> None:
    """Its program leaves the rows that its query then shows, but for the durations: here, and where a user installs it.

    There the environment has the wheel with the extra that the README names, and nothing else.
    """
    python: str | Path = sys.executable
    if where == "wheel":
        (extra,) = set(re.findall(r"^`pip install '(otel-auto-assign\[\w+\])'`, run it", README, re.MULTILINE))
        python = environment(tmp_path / "installed", wheel, extra)
    done = run(python, tmp_path, SUPABASE_DB_URL=dsn)
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


def test_without_the_extra_it_says_what_to_install(wheel: Path, tmp_path: Path) -> None:
    """The wheel alone is the instrumentation; the first line of the program names what is missing for rows."""
    done = run(environment(tmp_path / "installed", wheel, "otel-auto-assign"), tmp_path)
    said = "observability_events needs opentelemetry.sdk: pip install 'otel-auto-assign[postgres]'"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"ModuleNotFoundError: {said}")
