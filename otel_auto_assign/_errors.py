"""What a span says of the exception that left its call."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Final, NamedTuple

from otel_auto_assign import reasons, semconv, values
from otel_auto_assign._guard import swallowed


class Error(NamedTuple):
    """What a span says of the exception that left its call."""

    type: str
    message: str
    code: str
    cancelled: bool


CANCELLATIONS: Final = (
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    GeneratorExit,
    KeyboardInterrupt,
    SystemExit,
)
"""What ends a call from outside: counted as cancelled, never as an error."""


def error_of(exception: BaseException) -> Error:
    """Describe ``exception`` in safe words: qualified name, scrubbed message, reason code; never raises."""
    try:
        cancelled = _is_cancellation(exception)
        code = semconv.CODE_ABORT if cancelled else reasons.classify_exception(exception)
        return Error(values.qualified_name(type(exception)), values.scrub(exception), code, cancelled)
    except Exception as failure:
        swallowed("reading an exception", failure)
        return Error(semconv.ERROR_TYPE_OTHER, "", semconv.CODE_UNKNOWN, cancelled=False)


def _is_cancellation(exception: BaseException) -> bool:
    """Tell whether ``exception`` came from outside; of a group, whether all of it did."""
    if isinstance(exception, BaseExceptionGroup):
        return all(_is_cancellation(inner) for inner in exception.exceptions)
    return isinstance(exception, CANCELLATIONS)
