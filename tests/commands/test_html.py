"""``--html`` of ``report`` and ``compare``: where the page goes, and what is said where it cannot go there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from otel_auto_assign.cli import app
from tests.analysis.flows import job
from tests.analysis.page.pages import assert_sound
from tests.analysis.rows import insert

Connection = psycopg.Connection[Any]
DAY = ("--from", "2026-11-01", "--to", "2026-11-02")
COMMANDS = pytest.mark.parametrize(("command", "code"), [("report", 0), ("compare", 11)])


def run(command: str, dsn: str, *arguments: str) -> Result:
    """Run a command on a database."""
    return CliRunner().invoke(app, [command, "--dsn", dsn, *DAY, *arguments])


@COMMANDS
@pytest.mark.usefixtures("events_table")
def test_the_page_is_written(conn: Connection, dsn: str, tmp_path: Path, command: str, code: int) -> None:
    """Over an older one, too; one line says where and how large it is, and the exit code is what it is without."""
    insert(conn, job())
    file = tmp_path / "page.html"
    file.write_text("x" * 1_000_000)
    done = run(command, dsn, "--html", str(file))
    page = file.read_text(encoding="utf-8")
    assert (done.exit_code, done.stdout) == (code, f"Written: {file} ({len(page.encode()) / 1000:.0f} KB)\n")
    assert_sound(page)
    assert page.startswith("<!doctype html>\n")
    printed = run(command, dsn, "--html", "-")
    assert (printed.exit_code, printed.stdout) == (code, page)


@COMMANDS
@pytest.mark.parametrize(
    ("where", "why"),
    [("", "Is a directory"), ("nowhere/page.html", "No such file or directory"), ("file/page.html", "Not a directory")],
)
def test_a_file_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, command: str, code: int, where: str, why: str
) -> None:
    """Before the database is asked, with 2."""
    (tmp_path / "file").touch()
    done = run(command, "host=/nowhere", "--html", f"{tmp_path / where}")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"otel-auto-assign: --html {tmp_path / where}: cannot be written: {why}\n"


@COMMANDS
@pytest.mark.usefixtures("events_table")
def test_a_full_disk_is_one_sentence(dsn: str, command: str, code: int) -> None:
    """Found only while it is written; the same words and the same code."""
    done = run(command, dsn, "--html", "/dev/full")
    assert done.exit_code == 2
    assert done.stderr.endswith("otel-auto-assign: --html /dev/full: cannot be written: No space left on device\n")


@COMMANDS
def test_a_database_that_is_away_leaves_no_file(tmp_path: Path, command: str, code: int) -> None:
    """No empty page stays behind that somebody could take for a result, and an older one is as it was."""
    new, old = tmp_path / "new.html", tmp_path / "old.html"
    old.write_text("old")
    assert [run(command, "host=/nowhere", "--html", str(file)).exit_code for file in (new, old)] == [40, 40]
    assert (new.exists(), old.read_text()) == (False, "old")


@COMMANDS
def test_one_form_at_a_time(command: str, code: int) -> None:
    """A page, or JSON."""
    done = run(command, "host=/nowhere", "--html", "-", "--json")
    assert (done.exit_code, done.stderr) == (2, "otel-auto-assign: --json and --html: give one of them\n")
