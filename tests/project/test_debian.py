"""Tests of tests.debian: it installs what is missing or says why not, and never passes without a database test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import debian
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

WITHOUT_DATABASE = """\
import sys
from pathlib import Path
from tests import debian
debian.VERSION = 18
sys.exit(debian.run(["-q", "-m", "not postgres", "tests/project/test_public.py"], Path(sys.argv[1])))
"""

OF_A_FOLDER = """\
import sys
from pathlib import Path
from tests import debian
debian.VERSION = 18
sys.exit(debian.run([sys.argv[2]], Path(sys.argv[1])))
"""


def test_what_uses_the_server_is_marked(request: pytest.FixtureRequest, server_dsn: str) -> None:
    """The marker is on exactly the tests that use the server; this is one."""
    marked = {item.nodeid for item in request.session.items if item.get_closest_marker("postgres")}

    assert request.node.nodeid in marked
    assert marked == {
        item.nodeid
        for item in request.session.items
        if {"server_dsn", "own_server"} & {*getattr(item, "fixturenames", ())}
    }


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Root, and an ``apt-get`` that notes what it is asked for and then does as told; the fixture gives its notes."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(then: str) -> Path:
        program, notes = tmp_path / "apt-get", tmp_path / "notes"
        program.write_text(f'#!/bin/sh\necho "$@" >> {notes}\n{then}\n')
        program.chmod(0o755)
        return notes

    return make


def test_installs_what_is_missing(apt_get: Callable[[str], Path], tmp_path: Path) -> None:
    """The lists are renewed, then Debian's packages are installed: the server's, the pooler's, the tools'."""
    wanted = " ".join(("postgres", "initdb", *debian.TOOLS))
    notes = apt_get(f"for name in {wanted}; do : > {tmp_path}/$name; /bin/chmod 755 {tmp_path}/$name; done")
    debian.install(tmp_path)

    update, install = notes.read_text().splitlines()
    assert update.split()[-1] == "update"
    assert install.split()[-6:] == ["postgresql-15", "pgbouncer", "openssl", "strace", "chromium", "redis-server"]


@pytest.mark.parametrize(("then", "said"), [("exit 100", "apt-get update failed"), ("exit 0", "were installed, but")])
def test_an_installation_that_fails_is_said(
    then: str, said: str, apt_get: Callable[[str], Path], tmp_path: Path
) -> None:
    """Neither a failing apt-get nor one that installs nothing passes for success."""
    apt_get(then)
    with pytest.raises(RuntimeError, match=said):
        debian.install(tmp_path)


def test_what_cannot_be_installed_is_said(
    apt_get: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without apt-get, and without the right to use it, a sentence names the way out."""
    with pytest.raises(RuntimeError, match=r"no apt-get: install the packages postgresql-15 pgbouncer"):
        debian.install(tmp_path)
    notes = apt_get("exit 0")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(RuntimeError, match=r"only root can install it: apt-get install postgresql-15 pgbouncer"):
        debian.install(tmp_path)
    assert not notes.exists()


def test_another_version_is_refused(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with another PostgreSQL in it does not pass for the oldest one: it is asked for its version."""
    assert debian.run([], programs) == debian.EXIT_UNUSABLE
    assert capsys.readouterr().err == f"{programs} is PostgreSQL 18, not 15\n"


def test_a_run_without_a_database_test_fails(programs: Path) -> None:
    """Tests that pass without having used the server are no success."""
    run = [sys.executable, "-c", WITHOUT_DATABASE, str(programs)]
    done = subprocess.run(run, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)

    assert "passed" in done.stdout
    assert done.stdout.endswith("PostgreSQL 18: 0 database tests passed, and 0 tests that run only here\n")
    assert done.returncode == debian.EXIT_FAILED


@pytest.mark.parametrize(
    ("outcome", "when", "marks", "counts"),
    [
        ("passed", "call", {"postgres": 1}, (1, 0)),
        ("passed", "call", {"postgres": 1, "debian": 1}, (1, 1)),
        ("passed", "setup", {"postgres": 1}, (0, 0)),
        ("passed", "call", {}, (0, 0)),
        ("passed", "call", {"debian": 1}, (0, 1)),
        ("skipped", "call", {"postgres": 1, "debian": 1}, (0, 0)),
    ],
)
def test_what_counts(outcome: Any, when: Any, marks: Any, counts: tuple[int, int]) -> None:
    """A test counts once it has passed, if it used the server or runs only here; a skipped one does not."""
    passed = debian.Passed()
    passed.pytest_runtest_logreport(pytest.TestReport("a", ("a", 1, "a"), marks, outcome, None, when))
    assert (passed.count, passed.only_here) == counts


@pytest.mark.parametrize(
    ("count", "only_here", "whole", "of_a_choice"),
    [(0, 0, False, False), (100, 0, False, True), (0, 1, False, True), (100, 1, True, True)],
)
def test_how_many_are_enough(count: int, only_here: int, whole: bool, of_a_choice: bool) -> None:
    """A run of all tests needs some with the database and some that run only here; one of a choice some of either."""
    passed = debian.Passed()
    passed.count, passed.only_here = count, only_here
    assert (passed.enough(whole=True), passed.enough(whole=False)) == (whole, of_a_choice)


def test_what_runs_only_here_is_among_them(programs: Path, tmp_path: Path) -> None:
    """A test that needs Redis and no database is chosen, too: nobody else would ever run it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = debian\n    postgres")
    marks = ("@pytest.mark.debian", "@pytest.mark.postgres", "")
    tests = "".join(f"{mark}\ndef test_{number}(): pass\n" for number, mark in enumerate(marks))
    (tmp_path / "test_it.py").write_text(f"import pytest\n{tests}")
    run = [sys.executable, "-c", OF_A_FOLDER, str(programs), str(tmp_path)]
    done = subprocess.run(run, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)

    assert "2 passed, 1 deselected" in done.stdout
    assert done.stdout.endswith("PostgreSQL 18: 1 database tests passed, and 1 tests that run only here\n")
    assert done.returncode == 0


def test_elsewhere_those_tests_are_left_out_and_it_is_said_why(tmp_path: Path) -> None:
    """Without the programs that tests.debian names they are deselected, not skipped or failed."""
    hooks = "from tests.postgres import pytest_collection_modifyitems, pytest_terminal_summary"
    (tmp_path / "conftest.py").write_text(hooks)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = debian\n    postgres")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.debian\ndef test_a(): assert 0\ndef test_b(): pass"
    )
    environ = {key: value for key, value in os.environ.items() if key != "AUTO_ASSIGN_TEST_PROGRAMS"}
    run = [sys.executable, "-m", "pytest", str(tmp_path)]
    done = subprocess.run(run, cwd=ROOT, env=environ, check=False, capture_output=True, text=True, timeout=60)
    assert "1 passed, 1 deselected" in done.stdout
    assert "make test-debian has them" in done.stdout
