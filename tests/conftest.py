"""What every test shares: faults of ours are let through, and what is in force in the process is put back."""

from __future__ import annotations

import platform
import signal
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from otel_auto_assign import _guard, settings
from otel_auto_assign._runtime import runtime
from tests.instrumentation.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.postgres"]

DECIDING = ("opentelemetry-api", "opentelemetry-instrumentation", "wrapt", "psycopg")


def pytest_configure() -> None:
    """Let property tests take their time, and children of tests be ended by a hang-up, also under nohup.

    A signal that is ignored stays so in all that is started; one that is handled does not, and ends no test either.
    """
    hypothesis.settings.register_profile("ours", deadline=None)  # no test is about the speed of a busy machine
    hypothesis.settings.load_profile("ours")
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_report_header() -> str:
    """Say which versions this run is about."""
    return f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in DECIDING)


@pytest.fixture(autouse=True)
def _let_faults_through() -> Iterator[None]:
    """Run the test so that what our guard would swallow fails it; what was counted and said before is forgotten."""
    _guard.failures.clear()
    settings._reported.clear()
    with _guard.strict():
        yield


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test, and the processes that it starts, a folder of its own for what waits on disk."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(autouse=True)
def _put_runtime_back() -> Iterator[None]:
    """Put settings, switch, tracer and flag provider back."""
    before = {name: getattr(runtime, name) for name in runtime.__slots__}
    yield
    for name, value in before.items():
        setattr(runtime, name, value)


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that an unprivileged user can enter; pytest's own are closed again by every other run of it."""
    with tempfile.TemporaryDirectory(prefix="auto-assign-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Spans and rows of all that the test calls, in memory."""
    with Recorder() as recording:
        yield recording
