"""A planner that knows nothing of us, written as modules into a folder of the test's."""

from __future__ import annotations

import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from otel_auto_assign.instrumentor import AutoAssignInstrumentor, Report
from otel_auto_assign.targets import target_from

PLANNER = """
    class Planner:
        def quote(self, request):
            return {"assignment": {"hold_id": "h-1"} if request["tables"] > 1 else None, "why": "No suitable tables"}

        @classmethod
        def of_class(cls, request):
            return cls().quote(request)

        @staticmethod
        def of_static(request):
            return Planner().quote(request)

    class Inherits(Planner):
        pass

    planner = Planner()

    def quote(request):
        return planner.quote(request)
"""


class Host:
    """A package of the host application with a name of its own, imported when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.name = f"host_{uuid.uuid4().hex[:8]}"
        self._folder = folder / self.name
        self._folder.mkdir()
        self.write("__init__", "")

    def write(self, module: str, source: str) -> str:
        """Write a module; give its dotted name."""
        (self._folder / f"{module}.py").write_text(textwrap.dedent(source).replace("HOST", self.name))
        return f"{self.name}.{module}"

    def load(self, module: str) -> Any:
        """Import a module."""
        __import__(f"{self.name}.{module}")
        return sys.modules[f"{self.name}.{module}"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The host's package, with a planner."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Host(tmp_path)
    made.write("planner", PLANNER)
    yield made
    for name in [name for name in sys.modules if name.split(".")[0] == made.name]:
        del sys.modules[name]


Instrument = Callable[..., Sequence[Report]]


@pytest.fixture
def instrument() -> Iterator[Instrument]:
    """Trace targets, given as in a file, without touching what is configured."""
    instrumentor = AutoAssignInstrumentor()

    def begin(*said: dict[str, Any]) -> Sequence[Report]:
        instrumentor.instrument(targets=[target_from(one) for one in said])
        return instrumentor.reports

    yield begin
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
