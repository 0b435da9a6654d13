"""The main door: a span processor, which sees what no exporter does: the starts of jobs, and spans not sampled."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from observability_events.door import MILLISECONDS, Door
from observability_events.log_events import LogEventWriter
from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of, started_rows
from otel_auto_assign import _guard, semconv
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context

_JOB: Final = semconv.SPAN_JOB
_OURS: Final = semconv.SPANS  # looked up here, not through is_ours(): foreign spans pay for every call
ATTRIBUTES_NEEDED: Final = 32
"""The most attributes that one of our spans has, with room for a few of the host's."""
LENGTH_NEEDED: Final = 500
"""Characters of the longest texts that rows show."""

_log = SafeLog(__name__)


class _PipelineProcessor(Door, SpanProcessor):
    """Hands our spans over to a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self._accept = pipeline.accept
        self._limits_seen = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Hand over what a job knows at its start."""
        try:
            if span.name == _JOB:
                if not self._limits_seen:
                    self._look_at_limits(span)
                self._accept(started_rows, _snapshot(span))
        except Exception as error:
            _guard.swallowed("handing over the start of a job", error)

    def _look_at_limits(self, span: Span) -> None:
        """Say once what the host's span limits would cut off: ids that no longer join, rows without their facts."""
        self._limits_seen = True
        limits = getattr(span, "_limits", None)
        count = getattr(limits, "max_span_attributes", None)
        lengths = [getattr(limits, name, None) for name in ("max_span_attribute_length", "max_attribute_length")]
        length = min((length for length in lengths if length is not None), default=None)
        if (count is not None and count < ATTRIBUTES_NEEDED) or (length is not None and length < LENGTH_NEEDED):
            _log.warning(
                "the SDK's span limits (%s attributes of %s characters) cut our spans short, and so their rows: "
                "give the tracer provider SpanLimits of %d attributes and %d characters or more",
                "any number of" if count is None else count,
                "any number of" if length is None else length,
                ATTRIBUTES_NEEDED,
                LENGTH_NEEDED,
            )

    def on_end(self, span: ReadableSpan) -> None:
        """Hand over a span of ours that has ended, sampled or not."""
        try:
            if span.name in _OURS:
                self._accept(rows_of, span)
        except Exception as error:
            _guard.swallowed("handing over a span", error)


class ObservabilityEventsProcessor(_PipelineProcessor):
    """Hands our spans over to the pipeline that writes their rows; register it before every other processor.

    Args:
        settings: By default those of the environment.
        pipeline: Used in the place of an own one.

    It never raises into the application and never blocks it. The SDK calls it on the thread that starts or ends a
    span: what it does there is to look at the name, and append.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> provider = TracerProvider()
    >>> provider.add_span_processor(ObservabilityEventsProcessor(Settings(dsn="postgresql:///bookings")))
    >>> provider.shutdown()
    """

    def __init__(self, settings: Settings | None = None, *, pipeline: Pipeline | None = None) -> None:
        if pipeline is None:
            pipeline = Pipeline(Settings.from_environment() if settings is None else settings)
        super().__init__(pipeline)


class LogEventsProcessor(_PipelineProcessor):
    """Emits the twins of the rows: OpenTelemetry log events of the same names.

    For those without PostgreSQL, or beside it: this and `ObservabilityEventsProcessor` do not know of each other.

    Args:
        settings: By default those of the environment; of them the buffer's and the time-outs.
        logger_provider: Gets the events; by default the global one.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> provider = TracerProvider()
    >>> provider.add_span_processor(LogEventsProcessor())
    >>> provider.shutdown()
    """

    def __init__(self, settings: Settings | None = None, *, logger_provider: LoggerProvider | None = None) -> None:
        settings = Settings.from_environment() if settings is None else settings
        super().__init__(
            Pipeline(settings, writer=lambda _settings: LogEventWriter(logger_provider), into_a_database=False)
        )
        self._timeout_millis = int(settings.shutdown_timeout * MILLISECONDS)
        self._flushes_at_exit = False

    def on_end(self, span: ReadableSpan) -> None:
        """Hand over a span of ours that has ended, sampled or not."""
        super().on_end(span)
        if not self._flushes_at_exit:
            # What is registered last comes first: before the exit handler of a logger provider that the application
            # made before its first span, and after which nothing is emitted any more.
            self._flushes_at_exit = True
            atexit.register(self.force_flush, self._timeout_millis)

    def shutdown(self) -> None:
        """Emit what was handed over, for ``settings.shutdown_timeout`` at most, and accept nothing more."""
        super().shutdown()
        atexit.unregister(self.force_flush)


def _snapshot(span: Span) -> ReadableSpan:
    """Copy what a job's `started` is made from: by the time it is made, the span may have learned more."""
    attributes = span.attributes
    copy = getattr(attributes, "copy", None)  # of the SDK's own mapping: a tenth of the time that dict() takes
    return ReadableSpan(
        name=_JOB,
        context=span.context,
        resource=span.resource,
        attributes=dict(attributes or {}) if copy is None else copy(),
        start_time=span.start_time,
    )
