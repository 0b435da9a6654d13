"""Tests of otel_auto_assign.cli."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from otel_auto_assign import __version__
from otel_auto_assign.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable

DSN = "postgresql://ann:geheim@db.example/app"


def run(*arguments: str, **environ: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, arguments, env=environ)


def test_the_version() -> None:
    """``--version`` says name and version."""
    done = run("--version")
    assert (done.exit_code, done.output) == (0, f"otel-auto-assign {__version__}\n")


def test_help_names_the_exit_codes() -> None:
    """What the exit code means is in the help."""
    done = run("--help")
    assert done.exit_code == 0
    assert "Exit codes: 0 done, all is well; 2 wrong usage" in done.output


@pytest.mark.parametrize("arguments", [("nonsense",), ("settings", "--nonsense"), ()])
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    """An unknown command, an unknown option and no command at all are wrong usage."""
    assert run(*arguments).exit_code == 2


def test_the_settings_in_force() -> None:
    """Each setting stands in a line with its value, whether it is set, and the variable it comes from."""
    done = run("settings", OTEL_EXPORTER_OBSERVABILITY_EVENTS_BATCH_SIZE="7", OTEL_AUTO_ASSIGN_ENABLED="")
    cells = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}

    assert done.exit_code == 0
    assert cells["batch_size"] == ["7", "rows", "yes", "OTEL_EXPORTER_OBSERVABILITY_EVENTS_BATCH_SIZE"]
    assert cells["enabled"] == ["True", "no", "OTEL_AUTO_ASSIGN_ENABLED"]


def test_the_dsn_is_not_shown() -> None:
    """That it is set, and by which variable, is all that is said of it."""
    done = run("settings", SUPABASE_DB_URL=DSN, OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN="")
    (line,) = [line.split() for line in done.stdout.splitlines() if "SUPABASE_DB_URL" in line]

    assert line == ["dsn", "(not", "shown)", "yes", "SUPABASE_DB_URL"]
    assert "geheim" not in done.output
    assert "db.example" not in done.output


def test_a_bad_value_is_reported_and_its_default_shown(caplog: pytest.LogCaptureFixture) -> None:
    """What is in force is the default, and the log says why."""
    done = run("settings", OTEL_EXPORTER_OBSERVABILITY_EVENTS_BATCH_SIZE="-3")

    assert done.exit_code == 0
    assert "batch_size               500" in done.stdout
    assert "'-3' is not usable" in caplog.text


@pytest.mark.parametrize("module", ["scipy", "scipy.stats", "psycopg"])
def test_a_missing_extra_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that needs what is not installed says how to install it."""

    def needs() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    done = run_with(monkeypatch, needs)
    assert done.exit_code == 2
    assert f"needs {module}: pip install 'otel-auto-assign[" in done.stderr


def test_a_crash_has_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw exits with 40, never with 1, and shows where it happened."""

    def crash() -> None:
        raise ZeroDivisionError

    done = run_with(monkeypatch, crash)
    assert done.exit_code == 40
    assert "ZeroDivisionError" in done.stderr
    assert "please report it" in done.stderr


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the system says of a file is one sentence with the file's name."""

    def read() -> None:
        (tmp_path / "plan.toml").read_text()

    done = run_with(monkeypatch, read)
    assert (done.exit_code, done.stderr) == (
        40,
        f"otel-auto-assign: No such file or directory: {tmp_path}/plan.toml\n",
    )


def test_output_that_cannot_be_written_is_said() -> None:
    """A full disk under the output is one sentence and exit code 40, not a traceback."""
    command = [sys.executable, "-m", "otel_auto_assign.cli", "settings"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (40, "otel-auto-assign: No space left on device\n")


def run_with(monkeypatch: pytest.MonkeyPatch, command: Callable[[], None]) -> Result:
    """Run a command of the test's own."""
    monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
    app.command(name="of-the-test")(command)
    return run("of-the-test")
