"""What is read of one span, whichever SDK it comes from: its times, ids, flow and outcome, made safe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from opentelemetry.trace import StatusCode

from otel_auto_assign import reasons, semconv
from otel_auto_assign.values import safe_float, safe_id, safe_int, safe_text, scrub

NS_PER_MS: Final = 1_000_000
_ERROR_IN_OTLP: Final = 2
_UNSET: Final = StatusCode.UNSET
_INT64_MAX: Final = 2**63 - 1
_WORDS_REMEMBERED: Final = 256
_NO_REASON: Final = (None, semconv.CODE_UNKNOWN)  # what most spans have: not worth a look-up that fails


class EndedSpan(Protocol):
    """What a row is made from: an SDK's ``ReadableSpan``, or whatever else carries the same."""

    @property
    def name(self) -> str:
        """One of ``semconv.SPANS``, or a foreign name."""

    @property
    def attributes(self) -> Mapping[str, Any] | None:
        """Of any types: nothing is taken on trust."""

    @property
    def start_time(self) -> int | None:
        """Unix nanoseconds."""

    @property
    def end_time(self) -> int | None:
        """Unix nanoseconds; ``None`` in a snapshot taken at the start."""

    @property
    def status(self) -> Any:
        """With ``status_code`` and ``description``."""

    @property
    def context(self) -> Any:
        """With ``trace_id`` and ``span_id``, integers."""

    @property
    def resource(self) -> Any:
        """With ``attributes``."""


class Facts:
    """The facts of one span that the catalogue asks for.

    A value of the wrong type is as good as none: the readers below give ``None`` (or false) for it.

    Attributes:
        name: the span's.
        given: the span's attributes, as they came.
        start_ns, end_ns: Unix nanoseconds; never in the wrong order.
        duration_ms: from start to end, three decimals.
        trace_id, span_id: in hex.
        flow: ``job``, ``inline`` or ``direct``.
        late: whether the run had ended before this span did.
        raised, cancelled: whether the span ended by an exception (or as an error), and whether by a cancellation.
        success, reason, code: the outcome; ``code`` is ``success`` exactly when ``success`` is true.
    """

    __slots__ = (
        "_message", "cancelled", "code", "duration_ms", "end_ns", "flow", "given", "late", "name",
        "raised", "reason", "span_id", "start_ns", "success", "trace_id",
    )  # fmt: skip

    def __init__(self, span: EndedSpan) -> None:
        self.given = given = _attributes(span.attributes)
        get = given.get
        self.start_ns, self.end_ns = start_ns, end_ns = _times(span.start_time, span.end_time)
        self.duration_ms = round((end_ns - start_ns) / NS_PER_MS, 3)
        context, status = span.context, span.status
        self.trace_id, self.span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        self.name = span.name
        self.flow = _flow(self.name, given)
        self.late = get(semconv.LATE) is True
        self.cancelled = get(semconv.CANCELLED) is True
        status_code = status.status_code
        failed = status_code is not _UNSET and (status_code is StatusCode.ERROR or status_code == _ERROR_IN_OTLP)
        self.raised = failed or self.cancelled or get(semconv.ERROR_TYPE) is not None
        self._message = scrub(status.description) if self.raised else ""
        self.success = not self.raised and get(semconv.SUCCESS) is True
        self.reason, code = self.explained(semconv.REASON)
        if self.success:
            self.code = semconv.CODE_SUCCESS
        else:
            if self.reason is None:
                code = reasons.classify(self._message)
            self.code = _failure_code(get(semconv.REASON_CODE), code)

    @property
    def error(self) -> str:
        """Why it failed, in the first words there are: the status message, the error's type, the reason."""
        return self._message or self.word(semconv.ERROR_TYPE) or self.reason or semconv.ERROR_TYPE_OTHER

    @property
    def trigger(self) -> str:
        """What started the run; never empty."""
        return self.word(semconv.TRIGGER) or semconv.TRIGGER_UNKNOWN

    @property
    def result(self) -> str:
        """What a job came to; one that names no known word came to nothing good."""
        return self._one_of(semconv.RESULTS, semconv.JOB_RESULT, semconv.RESULT_ERROR)

    @property
    def outcome(self) -> str:
        """What an inline run came to."""
        return self._one_of(semconv.INLINE_OUTCOMES, semconv.INLINE_OUTCOME, semconv.INLINE_OPERATION_ABORTED)

    def is_set(self, attribute: str) -> bool:
        """Say whether the attribute is there at all, of whatever type."""
        return self.given.get(attribute) is not None

    def is_true(self, attribute: str) -> bool:
        """Read a boolean that is false where it is missing."""
        return self.given.get(attribute) is True

    def boolean(self, attribute: str) -> bool | None:
        """Read a boolean."""
        value = self.given.get(attribute)
        return value if value is True or value is False else None

    def whole(self, attribute: str) -> int | None:
        """Read a whole number."""
        value = self.given.get(attribute)
        return None if value is None else safe_int(value)

    def number(self, attribute: str) -> float | None:
        """Read a number, whole or not."""
        value = self.given.get(attribute)
        return safe_float(value) if (whole := safe_int(value)) is None else whole

    def ms(self, attribute: str) -> float | None:
        """Read a duration in milliseconds; a negative one is none."""
        value = safe_float(self.given.get(attribute))
        return None if value is None or value < 0 else round(value, 3)

    def word(self, attribute: str) -> str | None:
        """Read a short text; a number is no text and must not become one, an empty one says nothing."""
        value = self.given.get(attribute)
        return _word(value) if type(value) is str else None

    def id(self, attribute: str) -> str | None:
        """Read an id, as text."""
        return safe_id(self.given.get(attribute))

    def explained(self, attribute: str) -> tuple[str | None, str]:
        """Read a reason, and classify it."""
        value = self.given.get(attribute)
        return reasons.explain(value) if type(value) is str else _NO_REASON

    def code_of(self, attribute: str, reason: str) -> str | None:
        """Read a failure's code; one that is no code is made anew from the reason."""
        value = self.given.get(attribute)
        return None if value is None else _failure_code(value, self.explained(reason)[1])

    def _one_of(self, words: frozenset[str], attribute: str, otherwise: str) -> str:
        value = self.given.get(attribute)
        return value if type(value) is str and value in words else otherwise


@lru_cache(maxsize=_WORDS_REMEMBERED)  # triggers and their like: the same few again and again
def _word(text: str) -> str | None:
    return safe_text(text) or None


def _times(start: object, end: object) -> tuple[int, int]:
    """Give start and end; where one is missing, or a clock has stepped back, no time has passed.

    Zero is as good as missing: OTLP has no other way to say so.
    """
    if type(start) is int and type(end) is int and 0 < start <= end <= _INT64_MAX:  # of nearly every span
        return start, end
    start_ns, end_ns = safe_int(start) or None, safe_int(end)
    if start_ns is None:
        start_ns = end_ns or 0
    return start_ns, start_ns if end_ns is None or end_ns < start_ns else end_ns


def _attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        given = attributes.copy()  # type: ignore[union-attr] # the SDK's mapping hands its dict over in one go
    except AttributeError:
        given = None
    return given if type(given) is dict else dict(attributes or {})


def _flow(name: str, given: Mapping[str, Any]) -> str:
    if name == semconv.SPAN_JOB:
        return semconv.FLOW_JOB
    flow = semconv.FLOW_INLINE if name == semconv.SPAN_INLINE else given.get(semconv.FLOW)
    if flow == semconv.FLOW_INLINE:
        return semconv.FLOW_INLINE
    # Without the job's id a row would claim a job that no reader could find.
    if flow == semconv.FLOW_JOB and safe_id(given.get(semconv.JOB_ID)) is not None:
        return semconv.FLOW_JOB
    return semconv.FLOW_DIRECT


def _failure_code(given: object, otherwise: str) -> str:
    """Take the code that a span names for a failure, unless it is ``success`` or no code at all."""
    if type(given) is str and given != semconv.CODE_SUCCESS and reasons.is_code(given):
        return given
    return otherwise
