"""What is in force in this process: the switch, the settings, where signals go, the flag provider."""

from __future__ import annotations

from typing import Final

from opentelemetry import _logs as logs_api
from opentelemetry import metrics as metrics_api
from opentelemetry import trace

from otel_auto_assign import semconv
from otel_auto_assign._span_source import SpanSource
from otel_auto_assign._version import __version__
from otel_auto_assign.flags import FlagProvider
from otel_auto_assign.metrics import Metrics
from otel_auto_assign.settings import Settings


class Runtime:
    """One object for the process; decorated calls read ``enabled`` first and nothing else when it is off."""

    __slots__ = ("enabled", "flag_provider", "logger", "metrics", "settings", "spans")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.enabled = settings.enabled
        self.flag_provider: FlagProvider | None = None
        self.spans = _spans(None)
        self.metrics = _metrics(None)
        self.logger = _logger(None)


def _spans(provider: trace.TracerProvider | None) -> SpanSource:
    # Without a provider the API gives a proxy that follows the global provider, whenever that is set.
    return SpanSource(trace.get_tracer(semconv.INSTRUMENTATION_NAME, __version__, provider, semconv.SCHEMA_URL))


def _metrics(provider: metrics_api.MeterProvider | None) -> Metrics:
    return Metrics(
        metrics_api.get_meter(semconv.INSTRUMENTATION_NAME, __version__, provider, schema_url=semconv.SCHEMA_URL)
    )


def _logger(provider: logs_api.LoggerProvider | None) -> logs_api.Logger:
    return logs_api.get_logger(semconv.INSTRUMENTATION_NAME, __version__, provider, semconv.SCHEMA_URL)


runtime: Final = Runtime(Settings.from_environment())


def configure(
    *,
    settings: Settings | None = None,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics_api.MeterProvider | None = None,
    logger_provider: logs_api.LoggerProvider | None = None,
    flag_provider: FlagProvider | None = None,
) -> None:
    """Set what is in force from now on; what is not given goes back to its default.

    Nothing has to be configured: settings come from the environment, spans, metrics and
    exceptions go to the global providers, and flags are read from the host's two environment variables.

    Args:
        settings: default: read from the environment again.
        tracer_provider: where spans are started. Default: the global one.
        meter_provider: where metrics are recorded. Default: the global one.
        logger_provider: where exceptions are logged, if the settings say so. Default: the global one.
        flag_provider: tells the flags in force. Default: the environment.

    >>> configure(flag_provider=lambda: Flags(retry_policy_v2=True, planner_cache=False))
    """
    runtime.settings = Settings.from_environment() if settings is None else settings
    runtime.enabled = runtime.settings.enabled
    runtime.flag_provider = flag_provider
    runtime.spans = _spans(tracer_provider)
    runtime.metrics = _metrics(meter_provider)
    runtime.logger = _logger(logger_provider)


def enable() -> None:
    """Turn the instrumentation on, from the next decorated call on."""
    runtime.enabled = True


def disable() -> None:
    """Turn the instrumentation off, from the next decorated call on; what has started is finished."""
    runtime.enabled = False
