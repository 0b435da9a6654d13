"""Workers of queues that leave by ``os._exit``: what their rows, spans, metrics and logs need before.

RQ forks a *work horse* for each job, which leaves when the job is done and its result is kept. Nobody is told of it, so
the method that does the job is wrapped, for as long as the instrumentation lasts.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

from opentelemetry import _logs, metrics, trace

from otel_auto_assign._guard import swallowed
from otel_auto_assign._leaving import leave
from otel_auto_assign._patches import Patch
from otel_auto_assign._runtime import runtime

RQS_WORKERS: Final = "rq.worker"
HORSE_SECONDS: Final = 1.0
"""The next job waits for as long as a work horse does, when the database or the collector is away."""

_MILLISECONDS: Final = 1000
_PERFORM: Final = "perform_job"


def wrap_horses(module: ModuleType) -> list[Patch]:
    """Have RQ's work horses leave properly; give what was set for it."""
    owner = next(kind for kind in module.Worker.__mro__ if _PERFORM in vars(kind))
    performed = vars(owner)[_PERFORM]

    @functools.wraps(performed)
    def perform_job(worker: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return performed(worker, *args, **kwargs)
        finally:
            if getattr(worker, "is_horse", False):
                leave(HORSE_SECONDS)

    setattr(owner, _PERFORM, perform_job)
    return [Patch(owner, _PERFORM, performed, perform_job)]


class Providers:
    """Those of the SDK, to be flushed at the end of such a process.

    Args:
        given: what the application has given us; the global ones stand for what is missing.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = [given.get(f"{name}_provider") for name in ("tracer", "meter", "logger")]

    def flush(self, seconds: float | None = None) -> None:
        """Have exporters send what they hold, for so long (default: the shutdown time-out) and no longer.

        On a thread of its own, for the SDK's batch processors do not keep the time that they are given.
        """
        limit = runtime.settings.shutdown_timeout if seconds is None else seconds
        thread = threading.Thread(target=self._flush, args=(limit,), name="otel-auto-assign-flush", daemon=True)
        thread.start()
        thread.join(limit)

    def _flush(self, limit: float) -> None:
        everybodys = (trace.get_tracer_provider, metrics.get_meter_provider, _logs.get_logger_provider)
        for given, everybody in zip(self._given, everybodys, strict=True):
            try:
                flush = getattr(everybody() if given is None else given, "force_flush", None)
                if flush is not None:
                    flush(int(limit * _MILLISECONDS))
            except Exception as error:
                swallowed("flushing the SDK's providers", error)
