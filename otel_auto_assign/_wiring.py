"""The way from the spans of a process to its rows, where nobody has laid it by hand.

Environment variables and declarative configuration files know exporters only. Our processor sees more: the starts of
jobs, and what is not sampled. It has to come first, for what another processor raises starves those behind it.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import trace

from otel_auto_assign._guard import SafeLog, swallowed
from otel_auto_assign.settings import Settings

_log = SafeLog(__name__)

NEEDS: Final = "otel-auto-assign[postgres]"


def wire(provider: trace.TracerProvider, settings: Settings) -> bool:
    """Put our processors before those of ``provider``, once; give whether there is nothing left to do.

    Not yet, while ``provider`` is the API's stand-in for one that the application will set. It raises nothing.
    """
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        return False
    try:
        from observability_events.processor import LogEventsProcessor, ObservabilityEventsProcessor
    except ModuleNotFoundError as missing:
        _log.warning("no rows are written: %s is missing (pip install '%s')", missing.name, NEEDS)
        return True
    try:
        if settings.log_events:
            _put_first(provider, LogEventsProcessor, settings)
        if settings.dsn or settings.console:
            _put_first(provider, ObservabilityEventsProcessor, settings)
    except Exception as error:
        swallowed("adding the processor of rows", error)
    return True


def _put_first(provider: Any, kind: Any, settings: Settings) -> None:
    add = getattr(provider, "add_span_processor", None)
    if add is None:
        _log.warning(
            "no rows are written: %s takes no span processor; set the SDK's TracerProvider", type(provider).__qualname__
        )
        return
    processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", None)
    if isinstance(processors, tuple) and any(isinstance(processor, kind) for processor in processors):
        return  # the application has its own
    add(kind(settings))
    active: Any = getattr(provider, "_active_span_processor", None)
    added = getattr(active, "_span_processors", None)
    if isinstance(added, tuple) and len(added) > 1:
        # The public way appends only. The SDK replaces the tuple as a whole, under a lock, and so do we.
        with active._lock:
            ours = tuple(processor for processor in active._span_processors if isinstance(processor, kind))
            others = tuple(processor for processor in active._span_processors if not isinstance(processor, kind))
            active._span_processors = ours + others
