"""What stands in for time, chance and the pipeline while `otel_auto_assign.testing` records."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator

if TYPE_CHECKING:
    from observability_events.records import Make
    from observability_events.rows import Row

START: Final = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ManualClock:
    """A clock that stands still until it is told to go on.

    >>> clock = ManualClock()
    >>> clock.advance(2.5)
    >>> clock.now.isoformat()
    '2026-01-01T12:00:02.500000+00:00'
    """

    def __init__(self, start: datetime = START) -> None:
        self._ns = (start - _EPOCH) // timedelta(microseconds=1) * 1000

    def __call__(self) -> int:
        """Give Unix nanoseconds."""
        return self._ns

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return _EPOCH + timedelta(microseconds=self._ns // 1000)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._ns += round(seconds * 1e9)


class Door:
    """Stands where the processor's pipeline stands: makes the rows at once, on the caller's thread."""

    def __init__(self, rows: list[Row]) -> None:
        self.pieces: list[tuple[Make, ReadableSpan]] = []
        self._rows = rows

    def accept(self, make: Make, span: ReadableSpan) -> bool:
        """Make the rows of ``span``."""
        self.pieces.append((make, span))
        self._rows.extend(make(span))
        return True

    def flush(self, timeout: float) -> bool:
        """Give true: nothing waits."""
        return True

    def shutdown(self) -> None:
        """Do nothing: nothing waits."""


class Ended(SpanProcessor):
    def __init__(self, spans: list[ReadableSpan]) -> None:
        self._spans = spans

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)


class Ids(IdGenerator):
    """Span ids that count; trace ids that look as random ones do, for samplers go by them."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_span_id(self) -> int:
        return next(self._spans)

    def generate_trace_id(self) -> int:
        text = f"{next(self._traces)} {self._seed}".encode("utf-8", "backslashreplace")
        return int.from_bytes(blake2b(text, digest_size=16).digest(), "big")
