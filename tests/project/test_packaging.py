"""The wheel: what is in it, and what works where only its own dependencies are installed."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from otel_auto_assign import semconv
from otel_auto_assign._version import __version__
from tests.project.environment import environment
from tests.project.sources import PACKAGES, ROOT


@pytest.fixture(scope="module")
def base_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and its base dependencies, no extra."""
    return environment(tmp_path_factory.mktemp("base"), wheel, "otel-auto-assign")


def test_both_packages_are_in_the_wheel_whole(wheel: Path) -> None:
    """Every source file, statement, plan and ``py.typed`` marker of the checkout is in the wheel, and no test."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        f"{package}/{path.relative_to(folder)}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.suffix in {".css", ".py", ".sql", ".toml", ".typed"}
    }

    assert packed == wanted
    assert {"otel_auto_assign/py.typed", "observability_events/py.typed"} <= packed
    assert {"otel_auto_assign/analysis/sql/durations.sql", "otel_auto_assign/analysis/rollout.toml"} <= packed


def test_the_metadata_are_ours(wheel: Path) -> None:
    """Version, licence and entry points are in the wheel."""
    archive = zipfile.ZipFile(wheel)
    info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
    metadata = archive.read(f"{info}METADATA").decode()
    points = configparser.ConfigParser()
    points.read_string(archive.read(f"{info}entry_points.txt").decode())

    assert f"Version: {__version__}\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert archive.read(f"{info}licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert set(points["opentelemetry_traces_exporter"]) == {"observability_events"}
    assert set(points["opentelemetry_traces_sampler"]) == {"auto_assign"}
    assert set(points["opentelemetry_sampler"]) == {"auto_assign"}
    assert set(points["opentelemetry_instrumentor"]) == {"auto_assign"}
    assert set(points["opentelemetry_environment_variables"]) == {"auto_assign"}
    assert points["pytest11"]["auto_assign"] == "otel_auto_assign.pytest_plugin"
    assert points["console_scripts"]["otel-auto-assign"] == "otel_auto_assign.cli:main"


def test_every_entry_point_leads_somewhere() -> None:
    """What the entry points name can be imported and called."""
    own = [
        point for point in distribution("otel-auto-assign").entry_points if point.module.split(".", 1)[0] in PACKAGES
    ]

    assert len(own) == 7
    assert all(callable(loaded := point.load()) or isinstance(loaded, ModuleType) for point in own)


def test_the_base_installation_is_light(base_python: Path) -> None:
    """With no extra the instrumentation imports; SDK and driver are not even there."""
    program = (
        "import importlib.util as u, otel_auto_assign._version as v; "
        "print(v.__version__, u.find_spec('opentelemetry.sdk'), u.find_spec('psycopg'))"
    )
    done = subprocess.run([base_python, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.split() == [__version__, "None", "None"]
    assert done.stderr == ""


def test_the_command_names_its_missing_extra(base_python: Path) -> None:
    """Without the extra the command prints the line that installs it and exits 2."""
    done = subprocess.run([base_python, "-m", "otel_auto_assign.cli"], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "otel-auto-assign needs typer: pip install 'otel-auto-assign[postgres]'\n"


def test_the_exporters_name_their_missing_extra(base_python: Path) -> None:
    """Importing them without their extra says, in one line and nothing else, what installs it."""
    lines = []
    for python, start, module in (
        (base_python, "pass", "observability_events"),
        (
            Path(sys.executable),
            "import sys; sys.modules['opentelemetry.proto'] = None",
            "observability_events.sink.otlp",
        ),
    ):
        program = f"{start}; import {module}"
        done = subprocess.run([python, "-c", program], check=False, capture_output=True, text=True)
        assert done.stderr.count("Traceback") == 1, done.stderr
        lines.append(done.stderr.splitlines()[-1])

    missing = "ModuleNotFoundError: {} needs {}: pip install 'otel-auto-assign[{}]'"
    assert lines == [
        missing.format("observability_events", "opentelemetry.sdk", "postgres"),
        missing.format("observability_events.sink", "opentelemetry.proto.collector", "sink"),
    ]


ZERO_CODE = {
    "jobs.py": "def assign(booking_id): return False\n",
    "app.py": "import jobs\njobs.assign('b-17')\n",
    "auto_assign.toml": 'targets = [{ call = "jobs.assign", role = "job" }]\n',
    "otel.yaml": 'file_format: "1.0"\ntracer_provider: { processors: [{ simple: { exporter: { console: } } }] }\n',
}
COMMAND = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
"""``opentelemetry-instrument``, whose script is not brought along."""


@pytest.mark.parametrize("declared", [False, True], ids=["variables", "file"])
def test_the_extra_for_zero_code_brings_all_it_takes(wheel: Path, tmp_path: Path, declared: bool) -> None:
    """With it alone an SDK is configured, by variables or by a declarative file, and a job's rows are printed."""
    if declared and find_spec("opentelemetry.configuration") is None:
        pytest.skip("this SDK reads no declarative files")
    python = environment(tmp_path / "installed", wheel, "otel-auto-assign[zero-code]")
    for name, text in ZERO_CODE.items():
        (tmp_path / name).write_text(text)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SUPABASE", "PYTHON"))}
    given = {
        "OTEL_AUTO_ASSIGN_CONFIG": "auto_assign.toml",
        "OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE": "true",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        **({"OTEL_CONFIG_FILE": "otel.yaml"} if declared else {"OTEL_TRACES_EXPORTER": "console"}),
    }
    done = subprocess.run(
        [python, "-c", COMMAND, str(python), "app.py"],
        env=kept | given, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"id"')]

    assert done.returncode == 0, done.stderr
    assert [row["event_type"] for row in rows] == [semconv.EVENT_STARTED, semconv.EVENT_SUMMARY]
    assert f'"name": "{semconv.SPAN_JOB}"' in done.stdout  # by the SDK's own exporter


USER_CODE = """\
from otel_auto_assign import traced_job, traced_quote


@traced_quote
def quote(booking_id: str, *, party: int) -> dict[str, int]:
    return {"hold": party}


@traced_job(trigger="cron")
async def job(booking_id: str) -> str:
    return "succeeded"


right: dict[str, int] = quote("b-1", party=4)
reveal_type(quote)
reveal_type(job)
quote(1, party=2)  # wrong
"""


def test_users_keep_their_types(base_python: Path, tmp_path: Path) -> None:
    """A strict type check of a user's file, against the installed wheel, knows the decorated signatures."""
    file = tmp_path / "user.py"
    file.write_text(USER_CODE)
    check = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        str(base_python),
        "--config-file=",
        str(file),
    ]
    done = subprocess.run(check, cwd=tmp_path, check=False, capture_output=True, text=True)
    found = [line.split(":", 1)[1] for line in done.stdout.splitlines() if line.startswith("user.py:")]

    assert found == [
        '15: note: Revealed type is "def (booking_id: str, *, party: int) -> dict[str, int]"',
        '16: note: Revealed type is "def (booking_id: str) -> typing.Coroutine[Any, Any, str]"',
        '17: error: Argument 1 to "quote" has incompatible type "int"; expected "str"  [arg-type]',
    ]
