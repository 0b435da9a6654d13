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
from collector.build.debian import take_prometheus, take_redis
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


def test_what_is_on_the_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is asked of Debian's packages where the system has the programs by itself."""
    path, folder = tmp_path / "path", tmp_path / "folder"
    for made in (path, folder):
        made.mkdir()
    for name in ("prometheus", "promtool", "redis-server"):
        (path / name).write_text(name, encoding="utf-8")
        (path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    take_prometheus(folder)
    take_redis(folder)
    assert {link.name: link.read_text(encoding="utf-8") for link in folder.iterdir()} == {
        name: name for name in ("prometheus", "promtool", "redis-server")
    }


@pytest.mark.parametrize(("root", "asked"), [(True, ["update", "download"]), (False, ["download"])])
def test_prometheus_comes_out_of_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, root: bool, asked: list[str]
) -> None:
    """It is not installed: that would start it, listening to everybody. So it needs no root."""
    path, folder, notes = tmp_path / "path", tmp_path / "folder", tmp_path / "notes"
    for made in (path, folder):
        made.mkdir()
    apt_get = f"echo $2 >> {notes}\n[ $2 = update ] || : > prometheus_1_all.deb\n"
    dpkg_deb = "/bin/mkdir -p $3/usr/bin\n: > $3/usr/bin/prometheus\n: > $3/usr/bin/promtool\n"
    for name, script in (("apt-get", apt_get), ("dpkg-deb", dpkg_deb)):
        (path / name).write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        (path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    take_prometheus(folder)
    assert notes.read_text(encoding="utf-8").split() == asked
    assert sorted(there.name for there in folder.iterdir()) == ["prometheus", "promtool"]


def test_what_apt_get_says_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After one sentence of ours."""
    for name, script in (("apt-get", "echo no such package >&2; exit 100"), ("dpkg-deb", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(RuntimeError) as refused:
        take_prometheus(tmp_path)
    assert str(refused.value).splitlines() == [
        "apt-get download prometheus failed: install Prometheus with promtool (Debian: prometheus)",
        "no such package",
    ]


def test_a_step_that_fails_is_shown(tmp_path: Path) -> None:
    """With what it said, and exit code 2; nothing is taken for built."""
    (tmp_path / "copied").mkdir()
    shutil.copytree(ROOT / "collector", tmp_path / "copied" / "collector")
    run = [sys.executable, "-m", "collector.build"]
    done = subprocess.run(
        run, cwd=tmp_path / "copied", env={"PATH": str(tmp_path), "HOME": os.environ["HOME"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    no_apt_get = "and this system has no apt-get"
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "OpenTelemetry Collector: go is missing: install Go 1.25 or later (https://go.dev/doc/install)",
        "Jaeger: go is missing: install Go 1.25 or later (https://go.dev/doc/install)",
        "Kafka: java is missing: install a JDK 17 (Debian: openjdk-17-jdk-headless)",
        f"Prometheus: promtool is missing, {no_apt_get}: install Prometheus with promtool (Debian: prometheus)",
        f"Redis: redis-server is missing, {no_apt_get}: install Redis (Debian: redis-server)",
    ]
