"""The testing kit as the tests of this project use it: in real time, spans read by their short names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import StatusCode

from otel_auto_assign import Settings
from otel_auto_assign.testing import Recording

if TYPE_CHECKING:
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


class Recorder(Recording):
    """A recording with short ways to what tests of the instrumentation ask; faults are let through by `conftest`."""

    def __init__(self, sampler: Sampler = ALWAYS_ON, flags: FlagProvider | None = None, **settings: Any) -> None:
        super().__init__(sampler=sampler, flags=flags, settings=Settings(**settings), real_time=True, strict=False)

    @property
    def ended(self) -> list[Seen]:
        """All ended spans, in their order."""
        return [Seen(span) for span in self.spans]

    def all(self, name: str) -> list[Seen]:
        """All ended spans of ``name`` (without our prefix), in the order they ended."""
        return [seen for seen in self.ended if seen.name == name]

    def one(self, name: str) -> Seen:
        """The only span of ``name``."""
        found = self.all(name)
        assert len(found) == 1, f"{len(found)} spans {name}"
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
