"""A user's project outside of this repository: the built wheel, the extra it needs, the user's own pytest."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.project.environment import environment
from tests.project.test_readme import block

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("OTEL_", "SUPABASE", "PG", "PYTEST", "PYTHONPATH"))
}
BOOKINGS = block("python").split("\nprint(", 1)[0]
TEST = block("python", 2)
WITH_DATABASE = """
import os
from bookings import assign

def test_rows_arrive(auto_assign):
    assign("b-17")
    assert auto_assign.written(os.environ["TEST_DSN"]) == auto_assign.rows
"""


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel, the extra and pytest."""
    return environment(tmp_path_factory.mktemp("user"), wheel, "otel-auto-assign[postgres]", "pytest")


def run(
    python: Path, folder: Path, bookings: str, test: str = TEST, *, start: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Write the project, and run its tests with every warning an error."""
    (folder / "bookings.py").write_text(bookings)
    (folder / "test_bookings.py").write_text(test)
    program = f"{start}\nimport sys, pytest\nsys.exit(pytest.main(['-W', 'error', '-p', 'no:cacheprovider']))"
    return subprocess.run(
        [python, "-c", program], cwd=folder, env=ENVIRON | environ, capture_output=True, text=True, check=False
    )


def test_the_readme_s_test_is_five_lines() -> None:
    """The import, the definition and three more at most."""
    assert len([line for line in TEST.splitlines() if line.strip()]) <= 5


def test_the_fixture_works_outside(python: Path, tmp_path: Path) -> None:
    """The README's test of the README's program passes; what is imported is the wheel's."""
    shown = "import otel_auto_assign as a, observability_events as o; print(a.__file__, o.__file__)"
    done = run(python, tmp_path, BOOKINGS + f"\n{shown}\n", TEST + "\n    import bookings\n")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr

    where = subprocess.run([python, "-c", shown], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(str(python.parents[1]) in path for path in where.stdout.split())


def test_imported_before_pytest_it_warns_of_nothing(python: Path, tmp_path: Path) -> None:
    """As under `opentelemetry-instrument`: pytest would complain of a plugin that it can no longer rewrite."""
    done = run(python, tmp_path, BOOKINGS, start="import observability_events, otel_auto_assign.decorators")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("\nonce = assign\ndef assign(booking_id):\n    once(booking_id), once(booking_id)\n",
         ["2 rows auto_assign.summary, not one", "gives auto_assign.summary: every such span gives it"]),
        ("\nassign = assign.__wrapped__\n",
         ["0 rows auto_assign.summary, not one", "auto_assign.quote", "of no run (direct): gives 1 row"]),
        ("\ndef assign(booking_id):\n    return True\n", ["0 rows auto_assign.summary, not one", "no span has ended"]),
    ],
    ids=["two", "undecorated", "none"],
)  # fmt: skip
def test_two_summaries_or_none_fail(python: Path, tmp_path: Path, change: str, words: list[str]) -> None:
    """With a message that says what there was instead."""
    done = run(python, tmp_path, BOOKINGS + change)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert [word for word in words if word not in done.stdout] == []


@pytest.mark.usefixtures("events_table")
def test_with_a_database(python: Path, tmp_path: Path, dsn: str) -> None:
    """The rows go there and come back."""
    done = run(python, tmp_path, BOOKINGS, WITH_DATABASE, TEST_DSN=dsn)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
