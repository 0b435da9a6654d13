"""``opentelemetry-instrument`` on a program that never mentions us: real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_auto_assign import environment_variables
from otel_auto_assign.settings import Settings
from tests.exporters.support import read

if TYPE_CHECKING:
    from tests.postgres import Connection

PROGRAM = """
    import planner
    def job(booking):
        for tables in (1, 2):
            found = planner.quote({"id": booking["id"], "tables": tables})
            if found["assignment"]:
                return True
        return False
"""
PLANNER = """
    def quote(request):
        return {"assignment": {"hold_id": "h-1"} if request["tables"] > 1 else None, "why": "No suitable tables"}
"""
CONFIG = """
    [[targets]]
    call = "program.job"
    role = "job"
    trigger = "cron"

    [[targets]]
    call = "planner:quote"
    role = "quote"
    arguments.booking_id = "request.id"
    result.hold = "assignment.hold_id"
    result.reason = "why"
"""
BOOKING = "0190a5c8-0000-8000-8000-0000000000aa"
KINDS = {
    "auto_assign.started": 1,
    "auto_assign.quote": 2,
    "auto_assign.attempt": 2,
    "auto_assign.succeeded": 1,
    "auto_assign.summary": 1,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The program, its planner and the file that says what to trace."""
    for name, text in {
        "program.py": PROGRAM,
        "planner.py": PLANNER,
        "auto_assign.toml": CONFIG,
        "app.py": f'import program\nprogram.job({{"id": "{BOOKING}"}})\n',
    }.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def clean() -> dict[str, str]:
    """Give this process's environment without what could lead a program to a database or a collector."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE"))}


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program under the command, with nothing of the test's environment that could matter."""
    given = {
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "logging",  # where it is installed, it takes the log off stderr
        **environ,
    }
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    return subprocess.run(
        [command, *arguments, sys.executable, "app.py"],
        check=False, cwd=folder, env=clean() | given, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.usefixtures("events_table")
def test_rows_of_a_program_that_never_mentions_us(folder: Path, conn: Connection, dsn: str) -> None:
    """With a file of targets and a DSN, all rows of a job are in the table, none twice, the start included."""
    done = run(
        folder, OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml", OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN=dsn,
        OTEL_TRACES_SAMPLER="always_on",
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = [row[0] for row in read(conn, "event_type")]
    assert {kind: found.count(kind) for kind in found} == KINDS
    assert {str(row[0]) for row in read(conn, "context->>'booking_ref'")} == {BOOKING}


@pytest.mark.usefixtures("events_table")
def test_the_exporter_beside_it_writes_no_row_twice(folder: Path, conn: Connection, dsn: str) -> None:
    """Whoever names our exporter, too, has each row once."""
    done = run(
        folder, OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml", OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN=dsn,
        OTEL_TRACES_EXPORTER="observability_events",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert len(read(conn)) == sum(KINDS.values())


def test_settings_are_flags_of_the_command(folder: Path) -> None:
    """Each of our variables can be given as a flag: here the file, and that rows are printed."""
    done = run(folder, "--auto_assign_config", "auto_assign.toml", "--exporter_observability_events_console", "true")
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stderr
    kinds = [row["event_type"] for row in rows]
    assert {kind: kinds.count(kind) for kind in kinds} == KINDS


def test_pyproject_will_do(folder: Path) -> None:
    """Without the variable the working directory's pyproject.toml is read."""
    page = (folder / "auto_assign.toml").read_text().replace("[[targets]]", "[[tool.otel_auto_assign.targets]]")
    (folder / "auto_assign.toml").unlink()
    (folder / "pyproject.toml").write_text(page)
    done = run(folder, OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE="true")

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == sum(KINDS.values())


def test_a_provider_that_comes_later(folder: Path) -> None:
    """Where the application sets its provider itself, after us, our processor is added before the first span."""
    (folder / "app.py").write_text(
        textwrap.dedent(
            """
            import program
            from opentelemetry import trace
            from opentelemetry.sdk.trace import TracerProvider
            program.job({"id": "too early"})
            trace.set_tracer_provider(TracerProvider())
            program.job({"id": "b-1"})
            """
        )
    )
    done = run(
        folder, OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml", OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE="true",
        OTEL_PYTHON_CONFIGURATOR="none",
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stderr
    assert len(rows) == sum(KINDS.values())
    assert {row["context"]["booking_ref"] for row in rows} == {"b-1"}


DECLARED = """
    file_format: "1.0"
    tracer_provider:
      sampler:
        auto_assign:
      processors:
        - batch:
            exporter:
              observability_events:
"""
IN_CODE = """
    from opentelemetry.configuration import configure_sdk, load_config_file
    configure_sdk(load_config_file("otel.yaml"))
"""
INSTRUMENTED = """
    instrumentation/development:
      python:
        auto_assign:
          config: auto_assign.toml
"""
with_files = pytest.mark.skipif(
    find_spec("opentelemetry.configuration") is None, reason="this SDK reads no declarative configuration"
)


@with_files
@pytest.mark.usefixtures("events_table")
def test_a_declarative_file(folder: Path, conn: Connection, dsn: str) -> None:
    """``OTEL_CONFIG_FILE`` has our exporter and sampler; our processor is added before, and no row is there twice."""
    (folder / "otel.yaml").write_text(textwrap.dedent(DECLARED))
    with (folder / "app.py").open("a") as app:
        app.write("from opentelemetry import trace\nprovider = trace.get_tracer_provider()\n")
        app.write("print(*(type(one).__name__ for one in provider._active_span_processor._span_processors))\n")
        app.write("print(type(provider.sampler).__name__)\n")
    done = run(
        folder, OTEL_CONFIG_FILE="otel.yaml", OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml",
        OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN=dsn,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["ObservabilityEventsProcessor BatchSpanProcessor", "AutoAssignSampler"]
    assert "Traceback" not in done.stderr
    found = [row[0] for row in read(conn, "event_type")]
    assert {kind: found.count(kind) for kind in found} == KINDS


@with_files
def test_a_declarative_file_in_code(folder: Path) -> None:
    """Where the application reads the file itself, our instrumentor is one of its entries and finds its targets."""
    (folder / "otel.yaml").write_text(textwrap.dedent(DECLARED) + textwrap.dedent(INSTRUMENTED))
    app = textwrap.dedent(IN_CODE) + (folder / "app.py").read_text()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", app],
        env=clean() | {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE": "true"},
        check=False, cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    kinds = [json.loads(line)["event_type"] for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    # By the processor, at once; what the exporter gives at the end is the same again.
    assert {kind: kinds.count(kind) for kind in kinds} == KINDS


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("[[targets]", "is not TOML"),
        ('[[targets]]\ncall = "planner.quite"\nrole = "quote"', "planner has no attribute 'quite'"),
        ('[[targets]]\ncall = "nowhere.quote"\nrole = "quote"', "none of nowhere was imported"),
        ('[[targets]]\ncall = "app.main"\nrole = "job"', "runs as __main__"),
        ('[[targets]]\ncall = "__main__.main"\nrole = "job"', "runs as __main__"),
    ],
)
def test_what_is_wrong_costs_the_program_nothing(folder: Path, page: str, said: str) -> None:
    """It runs as ever, and one line says what is wrong."""
    (folder / "auto_assign.toml").write_text(page)
    done = run(folder, OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml")

    assert (done.returncode, done.stdout) == (0, "")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.debian
@pytest.mark.parametrize(
    ("environ", "shown"),
    [
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ""}, False),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "", "OTEL_PYTHON_LOG_CORRELATION": "true"}, True),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "logging"}, True),
    ],
    ids=["as it is", "with ids", "without it"],
)
def test_warnings_beside_the_logging_instrumentation(folder: Path, environ: dict[str, str], shown: bool) -> None:
    """It swallows what an application without logging would print, as docs/troubleshooting.md says, and the way out."""
    (folder / "auto_assign.toml").write_text('[[targets]]\ncall = "planner.quite"\nrole = "quote"')
    with (folder / "app.py").open("a") as app:
        app.write("import logging\nlogging.getLogger('theirs').warning('of the host')\n")
    done = run(folder, OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml", **environ)

    assert done.returncode == 0
    assert ("planner has no attribute 'quite'" in done.stderr, "of the host" in done.stderr) == (shown, shown)


IN_THREADS = """
    from concurrent.futures import ThreadPoolExecutor
    import planner
    def job(booking):
        with ThreadPoolExecutor() as pool:
            found = pool.map(planner.quote, [{"id": booking["id"], "tables": tables} for tables in (1, 2)])
            return any(one["assignment"] for one in found)
"""


@pytest.mark.debian
@pytest.mark.parametrize(("without", "flow"), [("logging", "job"), ("logging,threading", "direct")])
def test_the_planner_in_an_executors_threads(folder: Path, without: str, flow: str) -> None:
    """With OpenTelemetry's threading instrumentation its quotes are the job's; without it they are direct."""
    (folder / "program.py").write_text(textwrap.dedent(IN_THREADS))
    done = run(
        folder, OTEL_AUTO_ASSIGN_CONFIG="auto_assign.toml", OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE="true",
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=without,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [row["context"]["flow"] for row in rows if row["event_type"] == "auto_assign.quote"] == [flow, flow]


IMPORTING = {
    "lazy.py": """
        import steps

        def __getattr__(name):
            if name != "Planner":
                raise AttributeError(name)
            steps.looked_for.set()
            steps.begun.wait(5)
            from inner import Planner
            return Planner
        """,
    "inner.py": """
        import steps

        steps.begun.set()
        steps.looked_for.wait(5)

        class Planner:
            def quote(self, booking_id): return None

        def quote(booking_id): return None
        """,
    "steps.py": """
        import threading

        begun, looked_for = threading.Event(), threading.Event()
        """,
    "app.py": """
        import threading

        threads = [threading.Thread(target=__import__, args=(name,), daemon=True) for name in ("lazy", "inner")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        if not any(thread.is_alive() for thread in threads):
            import inner, lazy
            inner.quote("b-1"), lazy.Planner().quote("b-2")
        """,
    "auto_assign.toml": """
        targets = [{ call = "lazy:Planner.quote", role = "quote" }, { call = "inner.quote", role = "quote" }]
        """,
}
"""Two modules that two threads import: to look for the target in the one, the other has to be imported, too."""


def test_modules_that_wait_for_each_other(tmp_path: Path) -> None:
    """A target behind a module that another thread is just importing holds nobody, and both are traced."""
    for name, text in IMPORTING.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    environ = {"OTEL_AUTO_ASSIGN_CONFIG": "auto_assign.toml", "OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE": "true"}
    done = run(tmp_path, **environ)

    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["context"]["booking_ref"] for row in rows] == ["b-1", "b-2"]


def test_the_variables_are_those_of_the_settings() -> None:
    """The module that the command reads names each of our variables, as itself."""
    import dataclasses

    named = {name: value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")}
    settings = {name for spec in dataclasses.fields(Settings) for name in spec.metadata["env"]}

    assert all(name == value for name, value in named.items())
    assert set(named) == {name for name in settings if name.startswith("OTEL_")} | {"OTEL_AUTO_ASSIGN_CONFIG"}
