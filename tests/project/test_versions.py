"""The versions that are claimed are the versions that are tested."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement

from tests.project.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("postgres", "otlp", "report")  # what users install; the tools of `dev` may be the newest


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


def test_both_versions_of_wrapt_are_tested() -> None:
    """One set has the first wrapt, one the second."""
    assert not constraints("wrapt1")["wrapt"].specifier.contains("2.0.0")
    assert not constraints("newest")["wrapt"].specifier.contains("1.17.3")
