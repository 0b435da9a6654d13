"""Where spans come from: the lean way, or the public API where that one does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, NoOpTracer, ProxyTracer, Span, SpanKind, Tracer

from otel_auto_assign._lean import lean

if TYPE_CHECKING:
    from otel_auto_assign._attempts import Attributes

Start = Callable[[str, Context, "Attributes", int], Span]


class SpanSource:
    """Where spans come from: ``start`` starts them from ``tracer``, by the cheapest way that there is.

    Which one that is can be seen only when there is a tracer provider, which the host may set after the first call.
    """

    __slots__ = ("_finding", "_found", "_tracer", "start", "unseen")

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._found: Callable[[], object] | None = None
        self._finding = RLock()
        self.start: Start = self._look_and_start
        self.unseen: Callable[[str, Context], Span | None] = self._look_and_see

    def when_found(self, found: Callable[[], object]) -> None:
        """Have ``found`` called before the first span that a tracer provider starts; it must not raise."""
        self._found = found

    def _look_and_start(self, name: str, context: Context, attributes: Attributes, start_ns: int) -> Span:
        start = self.start if self._look() else self._start
        return start(name, context, attributes, start_ns)

    def _look_and_see(self, name: str, context: Context) -> Span | None:
        return self.unseen(name, context) if self._look() else None

    def _look(self) -> bool:
        """Settle the way, if there is a tracer provider; say whether there is."""
        # A proxy of the API stands for the tracer of a provider that is not there yet.
        tracer: Any = self._tracer
        if type(tracer) is ProxyTracer:
            tracer = tracer._tracer  # noqa: SLF001 - the API has no other way to it
        if isinstance(tracer, NoOpTracer):
            return False
        if self._found is not None:
            with self._finding:  # a second thread waits, or its span would be started before it is ready
                if (then := self._found) is not None:
                    then()
                    self._found = None
        found = lean(tracer)
        if found is None:
            self.start, self.unseen = self._start, lambda _name, _context: None
        else:
            self.start, self.unseen = found.start_span, found.unseen
        return True

    def start_linked(
        self, name: str, context: Context, attributes: Attributes, start_ns: int, links: Sequence[Link]
    ) -> Span:
        """Start a span with links, which the lean way does not have: a job's, once, where it follows an inline run."""
        if self.start == self._look_and_start:  # once: looking takes longer than starting a hundred spans
            self._look()
        return self._start(name, context, attributes, start_ns, links)

    def _start(
        self, name: str, context: Context, attributes: Attributes, start_ns: int, links: Sequence[Link] = ()
    ) -> Span:
        return self._tracer.start_span(
            name,
            context,
            SpanKind.INTERNAL,
            attributes,
            links,
            start_time=start_ns,
            record_exception=False,
            set_status_on_exception=False,
        )
