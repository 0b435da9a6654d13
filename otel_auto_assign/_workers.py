"""Workers of queues that leave by ``os._exit``: what their spans and rows need before.

RQ forks a *work horse* for each job, which leaves when the job is done and its result is kept. Nobody is told of it, so
the method that does the job is wrapped, for as long as the instrumentation lasts.
"""

from __future__ import annotations

import functools
import threading
from types import ModuleType
from typing import Any, Final

from opentelemetry import trace

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


def flush_spans(provider: trace.TracerProvider | None, seconds: float | None = None) -> None:
    """Have the host's exporters send what they hold, for so long (default: the shutdown time-out) and no longer.

    On a thread of its own, for the SDK's batch processor does not keep the time that it is given.
    """
    flush = getattr(trace.get_tracer_provider() if provider is None else provider, "force_flush", None)
    if flush is None:
        return
    limit = runtime.settings.shutdown_timeout if seconds is None else seconds

    def send() -> None:
        try:
            flush(int(limit * _MILLISECONDS))
        except Exception as error:
            swallowed("flushing the tracer provider", error)

    thread = threading.Thread(target=send, name="otel-auto-assign-flush", daemon=True)
    thread.start()
    thread.join(limit)
