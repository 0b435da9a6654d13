"""Collects the spans of a test, and the rows that follow from them, without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import StatusCode

from observability_events.rows import Row, rows_of, started_row
from otel_auto_assign import Settings, configure, semconv

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from otel_auto_assign.flags import FlagProvider

_PREFIX = "auto_assign."


class Seen:
    """One ended span, its attributes without our prefix."""

    def __init__(self, span: ReadableSpan) -> None:
        self.span = span
        self.name = span.name.removeprefix(_PREFIX)
        self.attributes = {k.removeprefix(_PREFIX): v for k, v in (span.attributes or {}).items()}
        self.failed = span.status.status_code is StatusCode.ERROR
        self.message = span.status.description
        assert span.context is not None
        self.id = span.context.span_id
        self.parent = span.parent.span_id if span.parent else None
        assert span.start_time is not None
        assert span.end_time is not None
        self.start, self.end = span.start_time, span.end_time

    def __getitem__(self, key: str) -> Any:
        return self.attributes.get(key)

    def __repr__(self) -> str:
        return f"{self.name}{'!' if self.failed else ''} {self.attributes}"


class _Collector(SpanProcessor):
    def __init__(self, into: Recorder) -> None:
        self._into = into

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if span.name == semconv.SPAN_JOB:
            self._into.rows.append(started_row(span))

    def on_end(self, span: ReadableSpan) -> None:
        self._into.ended.append(Seen(span))
        self._into.rows.extend(rows_of(span))


class Recorder:
    """Configures the instrumentation with a provider of its own while it is entered."""

    def __init__(self, sampler: Sampler = ALWAYS_ON, flags: FlagProvider | None = None, **settings: Any) -> None:
        self.ended: list[Seen] = []
        self.rows: list[Row] = []
        resource = Resource({semconv.SERVICE_NAME: "tests", semconv.DEPLOYMENT_ENVIRONMENT_NAME: "test"})
        self.provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(_Collector(self))
        self._flags = flags
        self._settings = settings

    def __enter__(self) -> Self:
        configure(settings=Settings(**self._settings), tracer_provider=self.provider, flag_provider=self._flags)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.provider.shutdown()

    def all(self, name: str) -> list[Seen]:
        """All ended spans of ``name`` (without our prefix), in the order they ended."""
        return [seen for seen in self.ended if seen.name == name]

    def one(self, name: str) -> Seen:
        """The only span of ``name``."""
        found = self.all(name)
        assert len(found) == 1, f"{len(found)} spans {name}"
        return found[0]

    def events(self, *, late: bool | None = None) -> list[str]:
        """Event types of the rows, sorted; only (not) late ones if asked."""
        return sorted(row.event_type for row in self.rows if late is None or row.context.get("late", False) is late)

    def row(self, event_type: str) -> Row:
        """The only row of ``event_type``."""
        found = [row for row in self.rows if row.event_type == event_type]
        assert len(found) == 1, f"{len(found)} rows {event_type}"
        return found[0]

    @property
    def job(self) -> Seen:
        """The only job."""
        return self.one("job")

    @property
    def inline(self) -> Seen:
        """The only inline run."""
        return self.one("inline")

    @property
    def attempts(self) -> list[tuple[int | None, bool | None, str | None]]:
        """Index, success and reason code of each attempt, in the order they ended."""
        return [(a["attempt.index"], a["success"], a["reason_code"]) for a in self.all("attempt")]
