"""From an inline run to the job that follows it: written into a carrier, read from it, kept in the context between.

A carrier is what a queue's message or a JSON column can hold: texts under names. The span's place in its trace is
written by OpenTelemetry's own propagators (W3C, unless the host chose others); what they do not know, the inline run's
id, reason and trigger, stands beside it under the names of the span attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote, unquote

from opentelemetry import propagate
from opentelemetry.context import Context, create_key
from opentelemetry.trace import Link, SpanContext, get_current_span

from otel_auto_assign import semconv, values
from otel_auto_assign._attempts import Attributes, put

_ORIGIN: Final = create_key("auto_assign.origin")
_HINT: Final = (semconv.INLINE_ATTEMPT_ID, semconv.INLINE_REASON, semconv.INLINE_TRIGGER)
LONGEST_VALUE: Final = 2000  # characters in a carrier, percent-encoded: what may come from anywhere is not read beyond

Hint = Mapping[str, str]
"""What a job knows of the inline run before it, by the names of its span attributes."""


class Origin(NamedTuple):
    """Where a job comes from."""

    span: SpanContext | None
    """The inline run's, or whatever was current where the carrier was written."""
    hint: Hint

    def links(self) -> tuple[Link, ...]:
        """Give the links of the job's span."""
        return () if self.span is None else (Link(self.span),)

    def put_hint(self, attributes: Attributes) -> None:
        """Set what is known of the inline run, unless the job's own arguments say it."""
        for name, value in self.hint.items():
            if name not in attributes:
                put(attributes, name, value)


def write(carrier: MutableMapping[str, Any], context: Context, hint: Hint) -> None:
    """Write the span that is current in ``context``, and ``hint``, into ``carrier``.

    Values are percent-encoded, as baggage is, for a carrier may be the headers of a message.
    """
    propagate.inject(carrier, context)
    write_hint(carrier, hint)


def write_hint(carrier: MutableMapping[str, Any], hint: Hint) -> None:
    """Write ``hint`` into ``carrier``, percent-encoded, as baggage is: a carrier may be the headers of a message."""
    for name, value in hint.items():
        carrier[name] = quote(value, safe=" ")[:LONGEST_VALUE]


def read_hint(carrier: Mapping[str, Any]) -> Hint:
    """Read what ``write_hint`` wrote; what is no text is passed over."""
    found = {name: carrier.get(name) for name in _HINT}
    read = {
        name: values.scrub(unquote(value[:LONGEST_VALUE]), values.TEXT_LIMIT)
        for name, value in found.items()
        if isinstance(value, str) and value
    }
    return cast("Hint", {name: value for name, value in read.items() if value})


def followed(context: Context, carrier: object) -> Context:
    """Give ``context`` with what ``carrier`` says: below the carrier's span, if there is no current one.

    The same context where ``carrier`` says nothing, or is no mapping.
    """
    if not isinstance(carrier, Mapping):
        return context
    extracted = propagate.extract(carrier, Context())
    span = get_current_span(extracted).get_span_context()
    hint = read_hint(carrier)
    if not span.is_valid and not hint:
        return context
    below = {} if get_current_span(context).get_span_context().is_valid else extracted
    return with_origin(Context({**context, **below}), Origin(span if span.is_valid else None, hint))


def with_origin(context: Context, origin: Origin) -> Context:
    """Give ``context`` with the origin of the next job in it."""
    return Context({**context, _ORIGIN: origin})


def origin_in(context: Context) -> Origin | None:
    """Give the origin of a job that starts in ``context``."""
    return cast("Origin | None", context.get(_ORIGIN))
