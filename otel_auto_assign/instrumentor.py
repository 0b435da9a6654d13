"""Zero-code instrumentation: targets of a file are traced where they are, without a change of their source.

``opentelemetry-instrument`` finds `AutoAssignInstrumentor` by its entry point; an application may call it itself.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import wrapt
from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined] # it says so by its __all__
    BaseInstrumentor,
)

from otel_auto_assign._guard import SafeLog, swallowed
from otel_auto_assign._leaving import before_leaving, forget
from otel_auto_assign._patches import Patch, RefusedError, patch, undo
from otel_auto_assign._runtime import configure, runtime
from otel_auto_assign._wiring import wire
from otel_auto_assign._workers import RQS_WORKERS, flush_spans, wrap_horses
from otel_auto_assign.settings import Settings
from otel_auto_assign.targets import PYPROJECT, Target, read_targets

_log = SafeLog(__name__)

ENV_CONFIG: Final = "OTEL_AUTO_ASSIGN_CONFIG"
WAITING: Final = "waiting"
TRACED: Final = "traced"
REFUSED: Final = "refused"
_SCRIPT: Final = "__main__"
_CONFIGURED: Final = ("settings", "tracer_provider", "meter_provider", "logger_provider", "flag_provider")


@dataclass
class Report:
    """What became of a target.

    Attributes:
        target: the target.
        state: ``waiting`` for its module's import, ``traced`` or ``refused``.
        detail: where it is traced, or why it is not.
    """

    target: Target
    state: str = WAITING
    detail: str = ""


class AutoAssignInstrumentor(BaseInstrumentor):  # type: ignore[misc] # the package has no types
    """Traces the targets of a configuration file, and wires our processor where the environment names a database.

    >>> AutoAssignInstrumentor().instrument(targets=[])
    >>> AutoAssignInstrumentor().uninstrument()
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Give none: the planner is nobody's package."""
        return ()

    @property
    def reports(self) -> Sequence[Report]:
        """What became of each target so far."""
        return tuple(self._watch.reports) if self._watch is not None else ()

    _watch: _Watch | None = None

    def _instrument(self, **given: Any) -> None:
        """Trace the targets; nothing is raised, for that would stop every later instrumentor.

        Args:
            **given: ``targets`` (a sequence of `Target`; default: those of ``OTEL_AUTO_ASSIGN_CONFIG``, else of the
                working directory's pyproject.toml), and what `configure` takes.
        """
        try:
            targets = given.get("targets")
            provider = given.get("tracer_provider")
            self._watch = _Watch(_targets_of_the_environment() if targets is None else targets, provider)
            in_force = {name: given[name] for name in _CONFIGURED if given.get(name) is not None}
            if in_force:
                configure(**in_force)
            self._watch.begin()
            _wire_rows(provider)
        except Exception as error:
            swallowed("instrumenting", error)

    def _uninstrument(self, **_: Any) -> None:
        """Set every attribute back to the identical object; hooks that wait for an import do nothing any more."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end()


class _Watch:
    """The targets, and what was set for them; ended once, inert from then on."""

    def __init__(self, targets: Sequence[Target], provider: trace.TracerProvider | None) -> None:
        self.reports = [Report(target) for target in targets]
        self._flush = functools.partial(flush_spans, provider)
        self._patches: list[Patch] = []
        self._lock = threading.RLock()  # an import of one module may import another in between
        self._ended = False

    def begin(self) -> None:
        """Trace what is imported already, and the rest when it is."""
        modules = {module: None for report in self.reports for module in report.target.modules}
        modules.pop(_SCRIPT, None)  # it is there already and still empty: told at the exit
        for module in modules:
            wrapt.register_post_import_hook(self._imported, module)
        atexit.register(self._tell_waiting)
        if self.reports:
            wrapt.register_post_import_hook(self._rq_imported, RQS_WORKERS)
            before_leaving(self._flush)

    def end(self) -> None:
        """Set everything back."""
        with self._lock:
            self._ended = True
            atexit.unregister(self._tell_waiting)
            forget(self._flush)
            for left in undo(self._patches):
                _log.warning(
                    "%s of %r was wrapped by somebody else after us and cannot be set back", left.name, left.owner
                )
            self._patches.clear()

    def _imported(self, module: ModuleType) -> None:
        """Trace the targets that are in ``module``; called within the host's import, so nothing is raised."""
        try:
            with self._lock:
                if not self._ended:
                    for report in self.reports:
                        if report.state is WAITING and module.__name__ in report.target.modules:
                            self._trace(report, module)
        except Exception as error:
            swallowed(f"looking for targets in {getattr(module, '__name__', module)}", error)

    def _rq_imported(self, module: ModuleType) -> None:
        """Have RQ's work horses send spans and rows; called within the host's import, so nothing is raised."""
        try:
            with self._lock:
                if not self._ended:
                    self._patches += wrap_horses(module)
        except Exception as error:
            swallowed("looking at RQ's workers", error)

    def _trace(self, report: Report, module: ModuleType) -> None:
        names = report.target.within(module.__name__)
        if f"{module.__name__}.{names[0]}" in report.target.modules and _may_be_a_module(module, names[0]):
            return  # the hook of the inner module will come
        try:
            made = patch(module, names, report.target.decorate)
        except RefusedError as error:
            report.state, report.detail = REFUSED, str(error)
            _log.warning("target %s (%s) is not traced: %s", report.target.call, report.target.role, error)
            return
        self._patches += made
        report.state, report.detail = TRACED, ", ".join(_place(done) for done in made)
        _log.info("target %s is traced as %s: %s", report.target.call, report.target.role, report.detail)

    def _tell_waiting(self) -> None:
        for report in self.reports:
            if report.state is WAITING:
                _log.warning("target %s was never traced: %s", report.target.call, _why_never(report.target))


def _may_be_a_module(package: ModuleType, name: str) -> bool:
    found = getattr(package, name, None)
    return isinstance(found, ModuleType) or (found is None and hasattr(package, "__path__"))


def _place(done: Patch) -> str:
    owner = getattr(done.owner, "__qualname__", None) or getattr(done.owner, "__name__", type(done.owner).__qualname__)
    return f"{owner}.{done.name}"


def _why_never(target: Target) -> str:
    script = Path(sys.argv[0]).stem if sys.argv else ""  # the module's __file__ is gone by now
    if target.modules[0] == _SCRIPT or script in {module.rpartition(".")[2] for module in target.modules}:
        return (
            "it is in the script itself, which runs as __main__ and is not imported: move it into a module, or start "
            "the script by a module that imports it"
        )
    imported = [module for module in target.modules if module in sys.modules]
    if imported:
        return f"{imported[-1]} was imported, but nothing by the rest of the name"
    return f"none of {', '.join(target.modules)} was imported"


def _targets_of_the_environment() -> list[Target]:
    """Read the file that is named, else the working directory's pyproject.toml; what is wrong is said in the log."""
    named = os.environ.get(ENV_CONFIG, "").strip()
    path = Path(named or PYPROJECT)
    if not named and not _has_section(path):
        return []
    try:
        targets, wrong = read_targets(path)
    except (OSError, ValueError) as error:
        text = f"{path} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        _log.warning("nothing is traced without code (%s): %s", ENV_CONFIG, text)
        return []
    for sentence in wrong:
        _log.warning("%s; it is not traced", sentence)
    return targets


def _has_section(path: Path) -> bool:
    try:
        return "tool.otel_auto_assign" in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _wire_rows(provider: trace.TracerProvider | None) -> None:
    """Lay the way to the rows, now or before the first span of ours."""
    settings: Settings = runtime.settings
    if not (settings.dsn or settings.console or settings.log_events):
        return
    if not wire(trace.get_tracer_provider() if provider is None else provider, settings):
        runtime.spans.when_found(lambda: wire(trace.get_tracer_provider(), settings))
