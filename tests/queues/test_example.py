"""The zero-code example, as far as it needs neither Redis nor Celery."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from examples.zero_code import services
from tests.project.sources import ROOT

US = ("auto_assign", "auto-assign", "opentelemetry", "otel", "observability")


def application() -> list[Path]:
    """The sources of the application, and of what it is made of in this repository."""
    found: list[Path] = []
    waiting = [*(ROOT / "examples/zero_code/bookings").glob("*.py")]
    while waiting:
        path = waiting.pop()
        found.append(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("examples."):
                names = (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
                files = [ROOT / f"{name.replace('.', '/')}.py" for name in names]
                waiting += [file for file in files if file.is_file() and file not in {*found, *waiting}]
    return found


def _own_words(path: Path) -> str:
    """Give a source in lower case, but for the restaurant's own switch, which was called so before us."""
    return path.read_text(encoding="utf-8").replace("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", "").lower()


def test_the_application_never_mentions_us() -> None:
    """Neither its own source nor that of the restaurant's modules that it imports has a word of telemetry."""
    sources = application()
    assert {"web.py", "jobs.py", "planner.py", "job.py", "database.py"} <= {path.name for path in sources}
    mentions = {path.name: [word for word in US if word in _own_words(path)] for path in sources}
    assert {name: words for name, words in mentions.items() if words} == {}


def test_a_missing_redis_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sentence names the package, and nothing has been started by then."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(services.MissingError, match="redis-server is not installed: apt-get install redis-server"):
        services.program(services.REDIS)
    with pytest.raises(services.MissingError, match="is not installed"), services.running():
        pass
