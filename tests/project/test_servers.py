"""What builds the real servers, without building them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from collector.build import servers
from collector.build.servers import GO, JAVA, MAVEN, Server
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_missing_is_said_in_a_sentence_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each with what to do about it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for tool in (GO, JAVA, MAVEN):
        said = tool.lacking()
        assert said is not None
        assert said.startswith(f"{tool.version[0]} is missing: install ")


@pytest.mark.parametrize(
    ("version", "wrong"),
    [("go version go1.24.9 linux/amd64", True), ("go version go1.25.0 linux/amd64", False), ("something else", True)],
)
def test_an_older_tool_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, *, wrong: bool
) -> None:
    """Its version is asked, not guessed."""
    program = tmp_path / "go"
    program.write_text(f"#!{shutil.which('sh')}\necho '{version}'\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = GO.lacking()
    assert (said is not None) == wrong
    assert said is None or "not 1.25 or later" in said


def test_it_is_built_again_when_the_recipe_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And else not."""
    monkeypatch.setattr(servers, "RECIPES", tmp_path)
    recipe, there = tmp_path / "recipe", tmp_path / "built" / "program"
    recipe.write_text("one", encoding="utf-8")

    def build(_folder: Path) -> None:
        there.write_text("built", encoding="utf-8")

    server = Server("a server", recipe.name, (), there, build)
    known = [server.current]
    server.make()
    known.append(server.current)
    recipe.write_text("two", encoding="utf-8")
    assert [*known, server.current] == [False, True, False]


def test_a_step_that_fails_is_shown(tmp_path: Path) -> None:
    """With what it said, and exit code 2; nothing is taken for built."""
    (tmp_path / "copied").mkdir()
    shutil.copytree(ROOT / "collector", tmp_path / "copied" / "collector")
    run = [sys.executable, "-m", "collector.build"]
    done = subprocess.run(
        run, cwd=tmp_path / "copied", env={"PATH": str(tmp_path), "HOME": os.environ["HOME"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "OpenTelemetry Collector: go is missing: install Go 1.25 or later (https://go.dev/doc/install)",
        "Jaeger: go is missing: install Go 1.25 or later (https://go.dev/doc/install)",
        "Kafka: java is missing: install a JDK 17 (Debian: openjdk-17-jdk-headless)",
    ]
