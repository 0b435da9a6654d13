"""Exceptions as log records, where the application asks for them: never as span events, which are being retired.

A log record has the span's context, ``exception.type``, ``exception.message`` and ``exception.stacktrace``, the last
two without e-mail addresses and phone numbers. An exception that passes through several spans of a run is logged for
the innermost.
"""

from __future__ import annotations

import inspect
import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from otel_auto_assign import semconv, values
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from otel_auto_assign._errors import Error

_log = SafeLog(__name__)

STACK_TRACE_LIMIT: Final = 8192
"""Characters of a stack trace; of a longer one the end, where the exception is."""


def log_exception(logger: Logger, span: Span, exception: BaseException, error: Error, now_ns: int) -> None:
    """Emit a log record of ``exception``, which ``error`` describes, in the context of ``span``."""
    if not _takes_keywords():
        return
    logger.emit(
        timestamp=now_ns,
        context=set_span_in_context(span, Context()),
        severity_number=SeverityNumber.ERROR,
        severity_text="ERROR",
        body=f"{error.type}: {error.message}",
        attributes={
            semconv.EXCEPTION_TYPE: error.type,
            semconv.EXCEPTION_MESSAGE: error.message,
            semconv.EXCEPTION_STACKTRACE: _stack_trace(exception),
        },
    )


def _stack_trace(exception: BaseException) -> str:
    text = "".join(traceback.format_exception(exception))
    if len(text) > STACK_TRACE_LIMIT:
        end = text[-STACK_TRACE_LIMIT:]
        text = end.partition("\n")[2] or end  # no line is cut where it can be helped: it may be half a phone number
    return values.scrub(text, STACK_TRACE_LIMIT)


@lru_cache(maxsize=1)
def _takes_keywords() -> bool:
    """Tell whether this version of OpenTelemetry's API lets us emit without the SDK's own class of records."""
    able = "context" in inspect.signature(Logger.emit).parameters
    if not able:
        _log.warning("exceptions are not logged: this version of opentelemetry-api cannot, a newer one can")
    return able
