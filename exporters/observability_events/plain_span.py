"""An ended span as plain values: read back from disk, come by wire, or put together from a dead job's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Status(NamedTuple):
    """A span's status; ``status_code`` is the number of ``StatusCode`` and of OTLP: 0 unset, 1 ok, 2 error."""

    status_code: int
    description: str | None


class Context(NamedTuple):
    """A span's ids, as integers."""

    trace_id: int
    span_id: int


class Resource(NamedTuple):
    """What a process says of itself."""

    attributes: Mapping[str, Any]


class PlainSpan(NamedTuple):
    """An `observability_events.facts.EndedSpan` that no SDK has made."""

    name: str
    context: Context
    attributes: Mapping[str, Any]
    start_time: int | None
    end_time: int | None
    status: Status
    resource: Resource
