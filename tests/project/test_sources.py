"""What holds for the text of every source file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from otel_auto_assign import semconv
from tests.project.sources import ROOT, modules, tree

NAMES = {
    value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str) and "." in value
} - {semconv.SCHEMA_URL}
SOURCES = [
    path for folder in ("otel_auto_assign", "exporters", "examples", "tests", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]  # fmt: skip

BLANKET = re.compile(r"#\s*noqa(?!: [A-Z]+\d)|#\s*type:\s*ignore(?!\[[a-z])")
UNEXPLAINED = re.compile(
    r"#\s*noqa(?!: [A-Z]+\d+(?:, [A-Z]+\d+)* - \S)|#\s*type:\s*ignore(?!\[[\w, -]+\]  ?(?:#|-) \S)"
)
WHOLE_FILE = re.compile(r"#\s*(?:ruff|flake8|mypy|pyright)\s*:")


def test_there_are_names_to_look_for() -> None:
    """The table of names was found: rows, spans and attributes."""
    assert {semconv.EVENT_QUOTE, semconv.SPAN_JOB, semconv.SERVICE_NAME, semconv.CODE_NO_CAPACITY} <= NAMES


@pytest.mark.parametrize("module", [name for name in modules() if name != semconv.__name__])
def test_names_are_spelled_in_semconv_only(module: str) -> None:
    """No other module of the two packages has a literal that is a name of the contract with a dot in it."""
    path = modules()[module]
    spelled = {
        f"{node.lineno}: {node.value}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES
    }
    assert spelled == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_checks_are_silenced_one_by_one_and_with_a_reason(path: Path) -> None:
    """A check is switched off by its code, on its line, never for a whole file; but in tests with a few words why."""
    forbidden = BLANKET if path.is_relative_to(ROOT / "tests") else UNEXPLAINED
    lines = path.read_text(encoding="utf-8").splitlines()
    silenced = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(lines, 1)
        if forbidden.search(line) or WHOLE_FILE.search(line)
    ]
    assert silenced == []
