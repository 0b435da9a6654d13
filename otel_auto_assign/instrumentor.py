"""Zero-code instrumentation: targets of a file are traced where they are, without a change of their source.

``opentelemetry-instrument`` finds `AutoAssignInstrumentor` by its entry point; an application may call it itself.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from inspect import getattr_static
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
from otel_auto_assign._patches import NotThereError, Patch, RefusedError, name_of, patch, undo
from otel_auto_assign._runtime import configure, runtime
from otel_auto_assign._wiring import wire
from otel_auto_assign._workers import RQS_WORKERS, Providers, wrap_horses
from otel_auto_assign.settings import Settings
from otel_auto_assign.targets import PYPROJECT, Target, means_us, read_targets

__all__ = ["AutoAssignInstrumentor", "Report"]

_log = SafeLog(__name__)

ENV_CONFIG: Final = "OTEL_AUTO_ASSIGN_CONFIG"
WAITING: Final = "waiting"
TRACED: Final = "traced"
REFUSED: Final = "refused"
_SCRIPT: Final = "__main__"
IMPORT_SECONDS: Final = 1.0
"""An import waits so long for another thread's, where targets are looked for; that takes milliseconds."""
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
            **given: ``targets`` (a sequence of `Target`), or ``config``, the path of a file with targets (default:
                that of ``OTEL_AUTO_ASSIGN_CONFIG``, else the working directory's pyproject.toml); and what
                `configure` takes. A declarative configuration file of OpenTelemetry's gives ``config``.
        """
        try:
            targets = given.get("targets")
            self._watch = _Watch(_targets_of(given.get("config")) if targets is None else targets, Providers(given))
            in_force = {name: given[name] for name in _CONFIGURED if given.get(name) is not None}
            if in_force:
                configure(**in_force)
            self._watch.begin()
            _wire_rows(given.get("tracer_provider"))
        except Exception as error:
            swallowed("instrumenting", error)

    def _uninstrument(self, **_: Any) -> None:
        """Set every attribute back to the identical object; hooks that wait for an import do nothing any more."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.end()


def _when_imported(name: str, hook: Callable[[ModuleType], None]) -> None:
    """Have ``hook`` called with the module of that name: now if it is imported already, else when it is."""
    try:
        wrapt.register_post_import_hook(hook, name)
    except KeyError:  # wrapt 1, of a module that was imported once and is no longer there
        _log.info("%s was taken out of sys.modules: with this version of wrapt it is not seen again", name)


class _Watch:
    """The targets, and what was set for them; ended once, inert from then on."""

    def __init__(self, targets: Sequence[Target], providers: Providers) -> None:
        self.reports = [Report(target) for target in targets]
        self._providers = providers
        # Those of the targets whose import has ended, or what they put in their place.
        self._modules: dict[str, Any] = {}
        self._patches: list[Patch] = []
        self._came: deque[Callable[[], None]] = deque()  # each looks at a module that was imported
        self._lock = threading.RLock()  # an import of one module may import another in between
        self._ended = False

    def begin(self) -> None:
        """Trace what is imported already, and the rest when it is."""
        modules = {module: None for report in self.reports for module in report.target.modules}
        modules.pop(_SCRIPT, None)  # it is there already and still empty: told at the exit
        for module in modules:
            look = functools.partial(self._look_for_targets, module)
            _when_imported(module, functools.partial(self._imported, look))
        atexit.register(self._tell_waiting)
        if self.reports:
            _when_imported(RQS_WORKERS, functools.partial(self._imported, self._look_at_rq))
            before_leaving(self._providers.flush)

    def end(self) -> None:
        """Set everything back."""
        with self._lock:
            self._ended = True
            atexit.unregister(self._tell_waiting)
            forget(self._providers.flush)
            for left in undo(self._patches):
                _log.warning(
                    "%s of %s was wrapped by somebody else after us, or takes no more changes: it cannot be set back",
                    left.name,
                    name_of(left.owner),
                )
            self._patches.clear()

    def _imported(self, look: Callable[[ModuleType], None], module: ModuleType) -> None:
        """Have ``look`` look at ``module``; called within the host's import, so nothing is raised.

        Looking may import another module, and wait for the thread that imports that one already: which is in here. So
        nobody waits for ever; whoever is at work sees to what has come meanwhile.
        """
        self._came.append(functools.partial(look, module))
        patience = IMPORT_SECONDS
        while self._came and not self._ended and self._lock.acquire(timeout=patience):
            try:
                while self._came and not self._ended:
                    self._came.popleft()()
            finally:
                self._lock.release()
            patience = 0

    def _look_for_targets(self, name: str, module: ModuleType) -> None:
        self._modules[name] = sys.modules.get(name, module)
        for report in self.reports:
            try:
                if not self._ended and report.state is WAITING and name in report.target.modules:
                    self._trace(report)
            except Exception as error:
                swallowed(f"looking for the target {report.target.call}", error)

    def _look_at_rq(self, module: ModuleType) -> None:
        """Have RQ's work horses send spans and rows."""
        try:
            self._patches += wrap_horses(module)
        except Exception as error:
            swallowed("looking at RQ's workers", error)

    def _trace(self, report: Report) -> None:
        """Trace a target in the innermost module that has it; those that are still to come are waited for."""
        modules = report.target.modules
        here = [name for name in modules if name in self._modules]
        inner = modules[modules.index(here[-1]) + 1 :]
        if any(name in sys.modules for name in inner):
            return  # its hook will come
        missing: NotThereError | None = None
        for name in reversed(here):
            try:
                made = patch(self._modules[name], name, report.target.within(name), report.target.decorate)
            except NotThereError as error:
                missing = missing or error
            except RefusedError as error:
                self._refuse(report, error)
                return
            else:
                self._patches += made
                report.state, report.detail = TRACED, ", ".join(f"{name_of(done.owner)}.{done.name}" for done in made)
                _log.info("target %s is traced as %s: %s", report.target.call, report.target.role, report.detail)
                return
        if missing is not None and not any(self._may_come(name) for name in modules):
            self._refuse(report, missing)

    def _may_come(self, name: str) -> bool:
        """Tell whether a module by that name, which may be a class's or an object's, may still be imported."""
        package, _, last = name.rpartition(".")
        if name in self._modules:
            return False
        if name in sys.modules or not package:
            return True
        known = self._modules.get(package)
        return self._may_come(package) if known is None else _may_be_a_module(known, last)

    @staticmethod
    def _refuse(report: Report, error: RefusedError) -> None:
        report.state, report.detail = REFUSED, str(error)
        _log.warning("target %s (%s) is not traced: %s", report.target.call, report.target.role, error)

    def _tell_waiting(self) -> None:
        for report in self.reports:
            if report.state is WAITING:
                _log.warning("target %s was never traced: %s", report.target.call, _why_never(report.target))


def _may_be_a_module(package: Any, name: str) -> bool:
    found = getattr_static(package, name, None)  # a package's own __getattr__ might import it
    return isinstance(found, ModuleType) or (found is None and hasattr(package, "__path__"))


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


def _targets_of(config: object) -> list[Target]:
    """Read the file that is named, else the working directory's pyproject.toml; what is wrong is said in the log."""
    named = str(config or os.environ.get(ENV_CONFIG, "")).strip()
    path = Path(named or PYPROJECT)
    if not named and not means_us(path):
        return []
    try:
        targets, wrong = read_targets(path)
    except (OSError, ValueError) as error:
        text = f"{path} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        by = f" ({'config' if config else ENV_CONFIG})" if named else ""
        _log.warning("nothing is traced without code%s: %s", by, text)
        return []
    for sentence in wrong:
        _log.warning("%s", sentence)
    return targets


def _wire_rows(provider: trace.TracerProvider | None) -> None:
    """Lay the way to the rows, now or before the first span of ours."""
    settings: Settings = runtime.settings
    if not (settings.dsn or settings.console or settings.log_events):
        return
    if not wire(trace.get_tracer_provider() if provider is None else provider, settings):
        runtime.spans.when_found(lambda: wire(trace.get_tracer_provider(), settings))
