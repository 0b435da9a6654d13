"""Rows → OpenTelemetry log events of the same names, for those who keep their telemetry elsewhere than in PostgreSQL.

An event has the row's ``event_type`` for its name, its ``context`` for its body, its time, its severity, and the
context of the span it was made from; the ids of booking and restaurant are attributes, under the names they have on
spans. https://opentelemetry.io/docs/specs/otel/logs/data-model/#events
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import _logs as logs
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from observability_events.direct import DirectWriter
from otel_auto_assign import semconv
from otel_auto_assign._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from observability_events.rows import Row
    from observability_events.wire import EncodedRow

NOT_EMITTED: Final = "not_emitted"
_NS_PER_US: Final = 1_000
_SEVERITIES: Final = {
    semconv.SEVERITY_INFO: SeverityNumber.INFO,
    semconv.SEVERITY_WARNING: SeverityNumber.WARN,
    semconv.SEVERITY_ERROR: SeverityNumber.ERROR,
}


class LogEventWriter(DirectWriter):
    """Emits batches.

    What the logger provider does not take is said once in the log and counted as `NOT_EMITTED`.

    Args:
        logger_provider: Gets the events; by default the global one.
    """

    LOST = NOT_EMITTED
    COMPLAINT = "log events cannot be emitted and are lost"

    def __init__(self, logger_provider: logs.LoggerProvider | None = None) -> None:
        super().__init__()
        self._logger = logs.get_logger(semconv.INSTRUMENTATION_NAME, __version__, logger_provider, semconv.SCHEMA_URL)
        self._able = "event_name" in inspect.signature(logs.Logger.emit).parameters

    def insert(self, rows: Sequence[EncodedRow]) -> int:
        """Emit ``rows``, in their order.

        Raises:
            LostError: for those that were not emitted.
        """
        for emitted, encoded in enumerate(rows):
            try:
                self._emit(encoded.row)
            except Exception as error:
                raise self.lost(len(rows) - emitted, error) from error
        return len(rows)

    def _emit(self, row: Row) -> None:
        if not self._able:
            raise NotImplementedError("this version of opentelemetry-api has no log events, a newer one has")
        context = _context_of(row)
        token = attach(context)  # the writer's own suppresses instrumentation, and with it what some processors take
        try:
            self._logger.emit(
                timestamp=row.time_us * _NS_PER_US,
                context=context,
                severity_number=_SEVERITIES[row.severity],
                severity_text=row.severity.upper(),
                body=row.context,
                attributes=_attributes(row),
                event_name=row.event_type,
            )
        finally:
            detach(token)


def _attributes(row: Row) -> dict[str, str]:
    ids = {semconv.BOOKING_ID: row.booking_id, semconv.RESTAURANT_ID: row.restaurant_id}
    return {name: str(value) for name, value in ids.items() if value is not None}


def _context_of(row: Row) -> Context:
    """Give the context of the span that a row was made from, as far as the row tells."""
    ids: Any = (row.context.get("trace_id"), row.context.get("span_id"))
    try:
        trace_id, span_id = (int(text, 16) for text in ids)
    except (TypeError, ValueError):
        return Context()
    span = SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(span), Context())
