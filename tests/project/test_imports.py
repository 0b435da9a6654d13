"""Who may import whom: the arrows of the architecture, as a table."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.project.sources import imports, modules

GROUND: Final = (
    {"otel_auto_assign.reasons"},
    {"otel_auto_assign.values"},
    {"otel_auto_assign._leaving", "otel_auto_assign.semconv", "otel_auto_assign.settings", "otel_auto_assign._version"},
    {"otel_auto_assign._guard"},
)
"""A module may import what stands on a line below its own, in a house where it stands; never its own line or above."""
INSTRUMENTATION: Final = (
    {"otel_auto_assign"},
    {"otel_auto_assign.decorators", "otel_auto_assign.openfeature"},
    {"otel_auto_assign._stages", "otel_auto_assign._traced"},
    {
        "otel_auto_assign._arguments",
        "otel_auto_assign._carrying",
        "otel_auto_assign._children",
        "otel_auto_assign._wrapping",
        "otel_auto_assign.handles",
    },
    {"otel_auto_assign._awaitables", "otel_auto_assign._callables", "otel_auto_assign._generators"},
    {"otel_auto_assign._calls"},
    {"otel_auto_assign._scopes"},
    {"otel_auto_assign._spans"},
    {"otel_auto_assign._job_run", "otel_auto_assign._inline_run"},
    {"otel_auto_assign._runs", "otel_auto_assign._runtime"},
    {"otel_auto_assign._exceptions", "otel_auto_assign._span_source", "otel_auto_assign.metrics"},
    {"otel_auto_assign._lean"},
    {"otel_auto_assign._origins"},
    {"otel_auto_assign._attempts", "otel_auto_assign.flags"},
    {"otel_auto_assign.outcomes", "otel_auto_assign._errors"},
    {"otel_auto_assign._paths"},
    *GROUND,
)
EXPORTER: Final = (
    {"observability_events"},
    {"observability_events.sink", "observability_events.checkup"},
    {"observability_events.sink.kafka", "observability_events.sink.receiver"},
    {"observability_events.sink.kafka_telemetry"},
    {"observability_events.sink.consuming"},
    {"observability_events.sink.group", "observability_events.sink.lag", "observability_events.sink.letterbox"},
    {"observability_events.sink.hand", "observability_events.sink.kafka_properties"},
    {"observability_events.sink.grpc_door", "observability_events.sink.http_door"},
    {"observability_events.sink.health_door", "observability_events.sink.receiving"},
    {"observability_events.sink.http_line", "observability_events.sink.setup"},
    {"observability_events.sink.decoding", "observability_events.sink.writing"},
    {"observability_events.sink.lane"},
    {"observability_events.sink.otlp", "observability_events.surroundings"},
    {
        "observability_events.processor",
        "observability_events.exporter",
        "observability_events.replay",
        "observability_events.sampler",
    },
    {"observability_events.door", "observability_events.reconcile"},
    {"observability_events.pipeline"},
    {
        "observability_events.postgres",
        "observability_events.console",
        "observability_events.log_events",
        "observability_events.table",
        "observability_events.writing",
    },
    {
        "observability_events.statement",
        "observability_events.backlog",
        "observability_events.living",
        "observability_events.roles",
        "observability_events.syncing",
        "observability_events.unfinished",
    },
    {"observability_events.estate", "observability_events.keeping"},
    {"observability_events.spool"},
    {"observability_events.ownership"},
    {"observability_events.overview"},
    {"observability_events.probe", "observability_events.dead_letters"},
    {"observability_events.columns"},
    {"observability_events.direct", "observability_events.server", "observability_events.waiting"},
    {"observability_events.connection", "observability_events.delivery", "observability_events.making"},
    {
        "observability_events.abandoned",
        "observability_events.dangling",
        "observability_events.groups",
        "observability_events.refusals",
        "observability_events.writer",
    },
    {"observability_events.wire", "observability_events.records"},
    {"observability_events.rows", "observability_events.explanation"},
    {"observability_events.catalogue", "observability_events.conditions"},
    {"observability_events.facts", "observability_events.plain_span"},
    {"observability_events.status", "observability_events.telemetry"},
    {"observability_events.folder", "observability_events.instruments"},
    {
        "observability_events.segment",
        "observability_events.accounts",
        "observability_events.bell",
        "observability_events.circuit",
        "observability_events.complaints",
        "observability_events.place",
        "observability_events.ending",
        "observability_events.failures",
        "observability_events.findings",
        "observability_events.questions",
    },
    *GROUND,
)
ZERO_CODE: Final = (
    {"otel_auto_assign.environment_variables"},
    {"otel_auto_assign.instrumentor"},
    {"otel_auto_assign.targets", "otel_auto_assign._wiring", "otel_auto_assign._workers"},
    {"otel_auto_assign._patches"},
    set().union(*INSTRUMENTATION, *EXPORTER),
)
READING: Final = (
    {"otel_auto_assign.analysis.gate_text", "otel_auto_assign.analysis.page.comparison"},
    {"otel_auto_assign.analysis.page.report"},
    {
        "otel_auto_assign.analysis.page.course",
        "otel_auto_assign.analysis.page.reasons",
        "otel_auto_assign.analysis.page.shift",
        "otel_auto_assign.analysis.page.timeline",
    },
    {"otel_auto_assign.analysis.page.distribution"},
    {
        "otel_auto_assign.analysis.page.charts",
        "otel_auto_assign.analysis.page.curves",
        "otel_auto_assign.analysis.page.tables",
    },
    {"otel_auto_assign.analysis.page.document", "otel_auto_assign.analysis.page.scales"},
    {"otel_auto_assign.analysis.page.markup"},
    {"otel_auto_assign.analysis.page"},
    {"otel_auto_assign.analysis.gate"},
    {"otel_auto_assign.analysis.comparison_text", "otel_auto_assign.analysis.looks"},
    {"otel_auto_assign.analysis.comparison"},
    {"otel_auto_assign.analysis.sides", "otel_auto_assign.analysis.template"},
    {"otel_auto_assign.analysis.gaps", "otel_auto_assign.analysis.loading", "otel_auto_assign.analysis.measures"},
    {"otel_auto_assign.analysis.cohorts"},
    {"otel_auto_assign.analysis.doctor.text"},
    {"otel_auto_assign.analysis.doctor"},
    {
        "otel_auto_assign.analysis.doctor.arrivals",
        "otel_auto_assign.analysis.doctor.counted",
        "otel_auto_assign.analysis.doctor.drift",
    },
    {"otel_auto_assign.analysis.doctor.looking"},
    {"otel_auto_assign.analysis.report_text", "otel_auto_assign.analysis.traces"},
    {"otel_auto_assign.analysis.doctor.findings"},
    {"otel_auto_assign.analysis.figures"},
    {"otel_auto_assign.analysis.events"},
    {"otel_auto_assign.analysis.windows"},
    {"otel_auto_assign.analysis.power", "otel_auto_assign.analysis.verdicts"},
    {"otel_auto_assign.analysis.judging", "otel_auto_assign.analysis.ledger", "otel_auto_assign.analysis.validity"},
    {
        "otel_auto_assign.analysis.means",
        "otel_auto_assign.analysis.outliers",
        "otel_auto_assign.analysis.plan_files",
        "otel_auto_assign.analysis.quantiles",
        "otel_auto_assign.analysis.rates",
    },
    {"otel_auto_assign.analysis.plans"},
    {"otel_auto_assign.analysis.samples"},
    {"otel_auto_assign.analysis.days", "otel_auto_assign.analysis.estimates"},
    {"otel_auto_assign.analysis.arrays"},
    {"otel_auto_assign.analysis"},
    *GROUND[-2:],
)
COMMANDS: Final = (
    {"otel_auto_assign.cli"},
    {"otel_auto_assign.commands.gate"},
    {
        "otel_auto_assign.commands.check",
        "otel_auto_assign.commands.compare",
        "otel_auto_assign.commands.doctor",
        "otel_auto_assign.commands.reconcile",
        "otel_auto_assign.commands.report",
        "otel_auto_assign.commands.settings",
        "otel_auto_assign.commands.sink",
        "otel_auto_assign.commands.spool",
    },
    {"otel_auto_assign.commands.spool_text"},
    {
        "otel_auto_assign.commands.database",
        "otel_auto_assign.commands.health",
        "otel_auto_assign.commands.ledgers",
        "otel_auto_assign.commands.on_fail",
        "otel_auto_assign.commands.output",
        "otel_auto_assign.commands.progress",
        "otel_auto_assign.commands.rollout",
        "otel_auto_assign.commands.windows",
    },
    {"otel_auto_assign.commands.exits"},
    {"otel_auto_assign.commands"},
    set().union(*READING, *EXPORTER),
)
TESTING: Final = (
    {"otel_auto_assign.pytest_plugin"},
    {"otel_auto_assign.testing"},
    {"otel_auto_assign._doubles"},
    set().union(*INSTRUMENTATION, *EXPORTER),
)
HOUSES: Final = {
    "instrumentation": INSTRUMENTATION,
    "exporter": EXPORTER,
    "reading": READING,
    "commands": COMMANDS,
    "zero code": ZERO_CODE,
    "testing": TESTING,
}
"""Three houses on one ground: the first two never know each other, and the third, which reads, knows neither. The
command line stands on the exporter and on what reads; zero code and the testing kit on both of the first."""
EXTRAS: Final = {
    "opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "psycopg", "orjson", "typer", "rich", "scipy",
    "numpy", "grpc", "google", "h11", "confluent_kafka", "openfeature", "pytest",
}  # fmt: skip
"""What only an extra installs: the instrumentation must do without."""
MAY_USE_EXTRAS: Final = (
    "observability_events", "otel_auto_assign.analysis", "otel_auto_assign.cli", "otel_auto_assign.commands",
    "otel_auto_assign.testing", "otel_auto_assign.pytest_plugin", "otel_auto_assign._doubles",
    "otel_auto_assign._wiring", "otel_auto_assign.openfeature",
)  # fmt: skip


def ours(name: str) -> bool:
    """Whether a dotted name is of one of the two packages."""
    return name.split(".", 1)[0] in {"otel_auto_assign", "observability_events"}


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_place(module: str) -> None:
    """A new module must be put into the table, in the house it belongs to."""
    assert any(module in tier for tiers in HOUSES.values() for tier in tiers), f"{module} stands in no tier"


@pytest.mark.parametrize("house", HOUSES)
def test_every_place_has_its_module(house: str) -> None:
    """The table names no module that is gone."""
    assert set().union(*HOUSES[house]) <= set(modules())


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str) -> None:
    """A module imports only what stands below it in a house where it stands."""
    wanted = {name for name in imports(module) if ours(name)}
    allowed: set[str] = set()
    for tiers in HOUSES.values():
        for level, tier in enumerate(tiers):
            if module in tier:
                allowed |= set().union(*tiers[level + 1 :])

    assert wanted <= allowed, f"{module} may not import {sorted(wanted - allowed)}"


@pytest.mark.parametrize("module", [name for name in modules() if not name.startswith(MAY_USE_EXTRAS)])
def test_the_instrumentation_does_without_extras(module: str) -> None:
    """Neither the SDK nor a driver is imported by it, not even below a function."""
    found = {name for name in imports(module) for extra in EXTRAS if f"{name}.".startswith(f"{extra}.")}
    assert found == set()


def test_importing_the_instrumentation_imports_no_extra() -> None:
    """The import itself, in a fresh interpreter, pulls none of them in by a detour either."""
    program = "import sys; from otel_auto_assign import *; print(*sys.modules, sep='\\n')"
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert {"otel_auto_assign.decorators", "otel_auto_assign._runtime"} <= set(shown)
    assert [name for name in shown for extra in EXTRAS if f"{name}.".startswith(f"{extra}.")] == []


def test_making_rows_imports_no_instrumentation() -> None:
    """A process that only makes rows gets names, values and settings of the other package, nothing that wraps."""
    program = "import sys, observability_events; print(*sys.modules, sep='\\n')"
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()

    assert "observability_events.rows" in shown
    assert {name for name in shown if name.startswith("otel_auto_assign")} <= {"otel_auto_assign"}.union(*GROUND)
