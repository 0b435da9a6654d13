"""The first screen of the README is true: its ten lines run with the wheel alone, and with the extra leave rows."""

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


PROGRAM = block("python")
"""The ten lines."""
_ABOVE, _LAST = PROGRAM.rstrip().rsplit("\n", 1)
WITH_ROWS = f"{_ABOVE}\n{block('python', 1)}\n{_LAST}\n"
"""The same, and the way to the rows where the README says that it goes."""


def run(python: str | Path, folder: Path, program: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder that is not the checkout."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SUPABASE", "PG", "PYTHON"))
    }
    return subprocess.run(
        [python, "-W", "error", "-c", program],
        env=kept | environ, cwd=folder, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and what it depends on, no extra."""
    return environment(tmp_path_factory.mktemp("base"), wheel, "otel-auto-assign")


@pytest.mark.parametrize("dsn", ["", "postgresql:///nowhere"])
def test_the_ten_lines_run_with_the_wheel_alone(base: Path, tmp_path: Path, dsn: str) -> None:
    """In an empty environment they do what they would without us, and say nothing, whatever the host has set."""
    done = run(base, tmp_path, PROGRAM, SUPABASE_DB_URL=dsn)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 10


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("where", ["checkout", "wheel"])
def test_the_readme_shows_what_happens(dsn: str, where: str, wheel: Path, tmp_path: Path) -> None:
    """Its program leaves the rows that its query then shows, but for the durations: here, and where a user installs it.

    There the environment has the wheel with the extra that the README names, and nothing else.
    """
    python: str | Path = sys.executable
    if where == "wheel":
        (extra,) = set(re.findall(r"To see rows, `pip install '(otel-auto-assign\[\w+\])'`", README.replace("\n", " ")))
        python = environment(tmp_path / "installed", wheel, extra)
    done = run(python, tmp_path, WITH_ROWS, SUPABASE_DB_URL=dsn)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")

    with psycopg.connect(dsn) as conn:
        rows = conn.execute(block("sql").encode()).fetchall()
    header, _rule, *lines = [line for line in block("text").splitlines() if line.strip()]
    shown = [[cell.strip() for cell in line.split("|")] for line in lines]

    assert [shape(["" if cell is None else str(cell) for cell in row]) for row in rows] == [shape(row) for row in shown]
    assert header.split("|")[0].strip() == "event_type"


def test_the_setting_it_names_prints_the_rows(tmp_path: Path) -> None:
    """Without a database, the same rows on the standard output."""
    done = run(sys.executable, tmp_path, WITH_ROWS, OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count('"event_type"') == len(block("text").strip().splitlines()) - 2


def test_without_the_extra_it_says_what_to_install(base: Path, tmp_path: Path) -> None:
    """Whoever lays the way to rows with the wheel alone reads in one line what is missing."""
    done = run(base, tmp_path, WITH_ROWS)
    said = "observability_events needs opentelemetry.sdk: pip install 'otel-auto-assign[postgres]'"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"ModuleNotFoundError: {said}")
