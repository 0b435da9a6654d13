"""The pages as a site, and the code that stands in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest
import typer

from observability_events.sink.kafka_properties import Properties
from otel_auto_assign.analysis.plan_files import read_plan
from otel_auto_assign.cli import app
from otel_auto_assign.settings import Settings, settings_table
from otel_auto_assign.targets import read_targets
from tests.project.sources import ROOT

PAGES: Final = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
ENVIRON: Final = {
    name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE", "PG", "PYTEST"))
}
ANY_LANGUAGE: Final = {"python", "sql", "sh", "toml", "yaml", "text", "console", "ini", ""}
COMMANDS: Final = typer.main.get_command(app)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str


BLOCKS: Final = [
    Block(page, *found)
    for page in PAGES
    for found in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
]


def of(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for block in BLOCKS if block.language == language]


def program(page: Path) -> str:
    """Give a page's Python as one program; its tests are run by pytest."""
    return "\n\n".join(b.text for b in of("python") if b.page == page and "def test_" not in b.text)


PROGRAMS: Final = sorted({block.page for block in of("python") if "def test_" not in block.text})


def test_every_block_is_of_a_language_that_is_looked_at() -> None:
    """No code stands in a page under a name that no test below knows."""
    assert {block.language for block in BLOCKS} <= ANY_LANGUAGE
    assert len(PROGRAMS) > 3


def test_the_site_is_built_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    """Pages, anchors and pictures; and no page is in no menu."""
    build = [sys.executable, str(ROOT / "docs" / "site" / "build.py"), str(tmp_path / "site")]
    done = subprocess.run(build, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    made = (tmp_path / "site" / "docs" / "start.html").read_text()
    assert "<h1" in made
    assert not re.search(r'(src|<link[^>]*href)="https?://', made), "the page fetches something from elsewhere"


def test_the_page_of_events_is_current() -> None:
    """``make docs`` was run after the last change of the catalogue."""
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / "site" / "events.py"], capture_output=True, text=True, timeout=60, check=True
    )
    assert (ROOT / "docs" / "events.md").read_text("utf-8") == made.stdout


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """From its first block to its last, with every warning an error, and rows are printed if there are any."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program(page)],
        env=ENVIRON | {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE": "true"},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_python_of_the_pages_is_typed(tmp_path: Path) -> None:
    """As a user's type checker sees it, strict."""
    files = [tmp_path / f"page_{number}.py" for number in range(len(PROGRAMS))]
    for file, page in zip(files, PROGRAMS, strict=True):
        if page.name != "README.md":  # ten lines on a first screen have no annotations
            file.write_text(program(page))
    checked = [file for file in files if file.exists()]
    mypy = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", *map(str, checked)]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout


def test_the_tests_of_the_pages_pass(tmp_path: Path) -> None:
    """With the application of the page for beginners."""
    (tmp_path / "bookings.py").write_text(program(ROOT / "docs" / "start.md").split("\nprovider =", 1)[0])
    blocks = [block for block in of("python") if "def test_" in block.text]
    (tmp_path / "test_bookings.py").write_text("\n\n".join(block.text for block in blocks))
    pytest_ = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(pytest_, env=ENVIRON, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert f"{sum(block.text.count('def test_') for block in blocks) - 1} passed" in done.stdout  # one is there twice


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("page", sorted({block.page for block in of("sql")}), ids=lambda page: page.stem)
def test_the_sql_of_a_page_runs(dsn: str, page: Path) -> None:
    """In its order, on the table as it is in production, by its owner."""
    with psycopg.connect(dsn) as conn:
        for block in of("sql"):
            if block.page == page:
                conn.execute(block.text.encode())


@pytest.mark.parametrize("block", of("toml"), ids=lambda block: block.page.stem)
def test_the_toml_of_a_page_can_be_read(block: Block, tmp_path: Path) -> None:
    """Targets as targets, plans as plans."""
    file = tmp_path / "block.toml"
    file.write_text(block.text)
    given = tomllib.loads(block.text)
    if "stage" in given:
        assert read_plan(block.text).stages
    else:
        assert read_targets(file)[1] == []


@pytest.mark.parametrize("block", of("ini"), ids=lambda block: block.page.stem)
def test_the_properties_of_a_page_can_be_read(block: Block, tmp_path: Path) -> None:
    """A sink takes each of them, for whoever speaks to the brokers."""
    file = tmp_path / "kafka.properties"
    file.write_text(block.text, "utf-8")
    written = dict(line.split("=", 1) for line in block.text.splitlines())
    read = Properties(Settings(sink_kafka_properties=str(file))).connection()
    assert {name: read.get(name) for name in written} == written


@pytest.mark.skipif(find_spec("opentelemetry.configuration") is None, reason="this SDK reads no declarative files")
@pytest.mark.parametrize("block", of("yaml"), ids=lambda block: block.page.stem)
def test_the_yaml_of_a_page_configures_the_sdk(block: Block, tmp_path: Path) -> None:
    """Each is a declarative configuration file, whose components are found; what they name of ours is there."""
    (tmp_path / "otel.yaml").write_text(block.text)
    (tmp_path / "auto_assign.toml").write_text(next(toml.text for toml in of("toml") if toml.page == block.page))
    source = """
from opentelemetry import trace
from opentelemetry.configuration import configure_sdk, load_config_file
configure_sdk(load_config_file("otel.yaml"))
print(type(trace.get_tracer_provider()).__module__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        env=ENVIRON | {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE": "true"},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "was never traced" not in line]  # the page's planner
    assert (done.returncode, done.stdout, said) == (0, "opentelemetry.sdk.trace\n", [])


def lines_of_commands() -> list[str]:
    """Give what a reader would type: blocks of ``sh``, and what stands behind a ``$`` elsewhere; and inline code."""
    lines = [line.split(" #", 1)[0] for block in of("sh") for line in block.text.splitlines()]
    lines += [
        line[2:] for block in (*of("text"), *of("console")) for line in block.text.splitlines() if line[:2] == "$ "
    ]
    for page in PAGES:
        lines += re.findall(r"`(otel-auto-assign [^`\n]+)`", page.read_text("utf-8"))
    return lines


@pytest.mark.parametrize("line", sorted({line for line in lines_of_commands() if line.startswith("otel-auto-assign ")}))
def test_a_command_of_a_page_exists(line: str) -> None:
    """Its name, the name below it, and each option."""
    words = line.split()[1:]
    context = typer.Context(COMMANDS)
    command = COMMANDS
    while words and hasattr(command, "get_command"):
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.strip("[],") for word in words if word.strip("[").startswith("--")} <= known


def test_the_variables_of_the_pages_exist() -> None:
    """Each variable of ours that a page names is one that settings read, or another part of us."""
    named = {
        name
        for page in PAGES
        for name in re.findall(r"\bOTEL_(?:AUTO_ASSIGN|EXPORTER_OBS)\w+", page.read_text("utf-8"))
    }
    assert named <= {*re.findall(r"OTEL_\w+", settings_table()), "OTEL_AUTO_ASSIGN_CONFIG"}
