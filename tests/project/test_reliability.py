"""The page of failures names the tests that are, and all of them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from tests.project.sources import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)`", PAGE)


def names_in(path: Path) -> list[str]:
    """The names of the tests in a file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [
        node.name
        for node in nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]


def test_every_fault_test_is_on_the_page() -> None:
    """A test of tests/faults without its line, and a line without its test, are found; no two have one name."""
    there = Counter(name for path in (ROOT / "tests" / "faults").glob("test_*.py") for name in names_in(path))

    assert [name for name, times in there.items() if times > 1] == []
    assert {name for file, name in NAMED if not file} == set(there)


def test_tests_elsewhere_exist() -> None:
    """A test that is named with its file is in that file."""
    assert [f"{file}::{name}" for file, name in NAMED if file and name not in names_in(ROOT / file)] == []


def test_every_line_names_a_test() -> None:
    """A promise is held by a test or it is none."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and "| test |" not in line]
    assert [line for line in lines if not re.search(r"`(?:tests/[\w/]+\.py::)?test_\w+`", line.split("|")[3])] == []
    assert len(lines) > 50
