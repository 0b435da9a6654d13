"""The versions that are claimed are the versions that are tested."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.project.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("postgres", "otlp", "report", "sink")  # what users install; the tools of `dev` may be the newest


def requirements(*lines: str) -> dict[str, Requirement]:
    """The requirements in ``lines`` by name; this project's own extras, comments and empty lines left out."""
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {one.name: one for one in found if one.name != PROJECT["name"]}


def constraints(name: str) -> dict[str, Requirement]:
    """The constraints of one set."""
    return requirements(*(ROOT / "constraints" / f"{name}.txt").read_text(encoding="utf-8").splitlines())


def cells() -> list[list[str]]:
    """The Python and the set of each run of ``make test-versions``."""
    found = re.search(r"^VERSIONS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return [cell.split("-") for cell in found[1].split()]


def test_the_oldest_set_is_what_is_claimed() -> None:
    """Every lower bound of a dependency of users' is pinned in the oldest set, to just that version."""
    claimed = requirements(
        *PROJECT["dependencies"], *(line for e in EXTRAS for line in PROJECT["optional-dependencies"][e])
    )
    pinned = {name: str(one.specifier).removeprefix("==") for name, one in constraints("oldest").items()}

    for name, requirement in claimed.items():
        (bound,) = [one.version for one in requirement.specifier if one.operator == ">="]
        assert pinned[name].removesuffix(".0") == bound.removesuffix(".0"), name


def test_every_python_and_every_set_is_tested() -> None:
    """Each Python of the classifiers and each file of constraints is in one run, the oldest two together."""
    claimed = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if "Python :: 3." in line]

    assert claimed == [python for python, _ in cells()]
    assert {path.stem for path in (ROOT / "constraints").iterdir()} == {name for _, name in cells()}
    assert [claimed[0], "oldest"] in cells()


def make(folder: Path, *arguments: str, **pythons: str) -> subprocess.CompletedProcess[str]:
    """Run ``make`` where nothing is on PATH but ``pythons``, shell scripts by their names, and pyenv has nothing."""
    for name, script in pythons.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    command = [shutil.which("make") or "make", "--no-print-directory", f"VENV={folder}/venv", *arguments]
    environ = {"PATH": str(folder), "PYENV_ROOT": str(folder / "pyenv"), "HOME": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "python9 is not Python 3.11 or newer. "),
        ("echo 'pyenv: python9: command not found' >&2; exit 127", "python9 does not run here. "),
        (None, "python9 does not run here. "),
    ],
    ids=["old", "unselected shim", "missing"],
)
def test_a_python_that_will_not_do_is_named(tmp_path: Path, script: str | None, said: str) -> None:
    """Too old, not there, and there without working are told apart; what it says itself is shown."""
    done = make(tmp_path, "PYTHON=python9", "docs", **({} if script is None else {"python9": script}))

    assert done.returncode != 0
    assert said + "Name a Python 3.11 or newer: make PYTHON=/path/to/python3.12 docs" in done.stderr.splitlines()
    assert ("pyenv: python9: command not found" in done.stderr) is ("pyenv" in (script or ""))


@pytest.mark.parametrize(("missing", "succeeds"), [("skip", True), ("fail", False)])
def test_a_missing_python_is_skipped_or_fails(tmp_path: Path, missing: str, succeeds: bool) -> None:
    """Each run that cannot be is said; one that is on PATH without being the version it is called by counts as none."""
    done = make(tmp_path, "--keep-going", f"MISSING={missing}", "test-versions", **{"python3.12": "exit 1"})

    assert [line for line in done.stderr.splitlines() if "not run" in line] == [
        f"{'-'.join(cell)}: not run, for there is no Python {cell[0]} here" for cell in cells()
    ]
    assert (done.returncode == 0) is succeeds


def test_a_python_is_found_by_its_name_and_under_pyenv(tmp_path: Path) -> None:
    """What is found is what the run is started with."""
    under_pyenv = tmp_path / "pyenv/versions/3.13.7/bin"
    under_pyenv.mkdir(parents=True)
    (under_pyenv / "python").symlink_to("/bin/true")  # whatever it is asked, it says yes
    asked = {"python3.11": "exit 0", "python3.13": "echo 'pyenv: python3.13: command not found' >&2; exit 127"}
    done = make(tmp_path, "--dry-run", "test-on-3.11-oldest", "test-on-3.13-newest", **asked)

    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if re.match(r"[\w.]+-\w+: ", line)] == [
        "3.11-oldest: python3.11",
        f"3.13-newest: {under_pyenv}/python",
    ]


def test_both_versions_of_wrapt_are_tested() -> None:
    """One set has the first wrapt, one the second."""
    assert not constraints("wrapt1")["wrapt"].specifier.contains("2.0.0")
    assert not constraints("newest")["wrapt"].specifier.contains("1.17.3")
