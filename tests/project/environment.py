"""Environments that have the wheel and what it asks for, and nothing else; taken from this one, without a network."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.project.sources import ROOT


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into ``folder``."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def environment(folder: Path, wheel: Path, *wanted: str) -> Path:
    """Make an environment in ``folder`` with the wheel and what ``wanted`` requires; give its interpreter."""
    venv.create(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for dependency in _dependencies(wanted):
        for file in dependency.files or ():
            if ".." not in file.parts:  # scripts lie outside of site-packages
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_binary())
    return folder / "bin" / "python"


def _dependencies(wanted: tuple[str, ...]) -> Iterator[Distribution]:
    """What ``pip install`` would bring for these requirements, transitively, the wheel itself excepted."""
    waiting, seen = [Requirement(text) for text in wanted], set[tuple[str, str]]()
    given = set[str]()
    while waiting:
        requirement = waiting.pop()
        found = distribution(requirement.name)
        if found.name not in given and found.name != "otel-auto-assign":
            yield found
        given.add(found.name)
        for extra in {"", *requirement.extras}:
            if (found.name, extra) not in seen:
                seen.add((found.name, extra))
                needed = (Requirement(text) for text in found.requires or ())
                waiting += [each for each in needed if each.marker is None or each.marker.evaluate({"extra": extra})]
