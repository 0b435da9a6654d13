"""The SDK's own spans, started and ended without the work that spans of ours never need.

Starting and ending a span is four fifths of what a traced call costs: the SDK cleans every attribute value, which ours
have passed already, checks each against limits that do not bind, and fills twenty fields that are alike in all spans
of a tracer. ``LeanTracer`` does what ``Tracer.start_span`` does with the tracer's own sampler, ids, processors and
self-metrics, and copies the fields; what it makes is a subclass of the SDK's span, so processors and exporters see no
difference. A test holds the two against each other.

It reaches behind the SDK's public surface, so it looks before it does: whatever is not exactly as known (another
tracer, a patched ``start_span``, a field of a later version, a limit that binds) leaves spans to the public API, which
gives the same spans at a higher price. The SDK is never imported here: a tracer of the SDK brings its module along.
"""

from __future__ import annotations

import inspect
import sys
from threading import Lock
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import attributes as attributes_api
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from otel_auto_assign._attempts import Attributes

_log = SafeLog(__name__)

_READABLE: Final = {
    "_name", "_context", "_kind", "_instrumentation_info", "_instrumentation_scope", "_parent", "_start_time",
    "_end_time", "_attributes", "_events", "_links", "_resource", "_status",
}  # fmt: skip
"""The fields of a span that has ended, as exporters get it."""
_KNOWN: Final = _READABLE | {
    "_sampler", "_trace_config", "_record_exception", "_set_status_on_exception", "_span_processor", "_limits", "_lock",
    "_record_end_metrics",
}  # fmt: skip
"""The fields of a span that records; one more, in a later SDK, might be one that spans must not share."""
_KNOWN_OF_ATTRIBUTES: Final = {
    "_dict",
    "maxlen",
    "dropped",
    "max_value_len",
    "_lock",
    "_immutable",
    "_extended_attributes",
}
_OF_SPANS: Final = ("__init__", "start", "set_attributes", "_readable_span", "_new_events", "_new_links")
"""The methods that lean spans pass by."""
_OF_ATTRIBUTES: Final = {"__init__", "__setitem__", "_set_items", "_setitem_locked"}
"""Likewise; not all of them are in every version."""
ATTRIBUTES_NEEDED: Final = 64
"""A limit on the number of attributes below this one may bind; the SDK then drops and counts."""

(SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())  # OpenTelemetry's own key, which it does not publish

_SDK: Final = "opentelemetry.sdk.trace"
_SAMPLED: Final[int] = TraceFlags.SAMPLED
_RANDOM: Final[int] = getattr(TraceFlags, "RANDOM_TRACE_ID", 0)  # newer than the oldest API we take
_FLAGS: Final = tuple(TraceFlags(bits) for bits in range((_SAMPLED | _RANDOM) + 1))


class _NotAsKnownError(Exception):
    """Something of the SDK is not as it is known here."""


class LeanSpan:
    """What our spans do otherwise than the SDK's; mixed into the SDK's class by ``LeanTracer``."""

    _attributes: Any
    _context: Any
    _end_time: int | None
    _lock: Any
    _readable_class: type

    def put(self, attributes: Attributes) -> None:
        """Set ``attributes``, whose values are safe already; nothing on a span that has ended."""
        held = self._attributes._dict
        with self._lock:
            if self._end_time is not None:
                return
            if len(held) + len(attributes) <= ATTRIBUTES_NEEDED:
                held.update(attributes)
                return
        self.set_attributes(attributes)  # the host set many of its own: limits may bind

    def _readable_span(self) -> Any:
        """Copy what exporters read; by the SDK's own way it costs twice as much."""
        fields = self.__dict__
        readable: Any = object.__new__(self._readable_class)
        readable.__dict__ = {
            "_name": fields["_name"],
            "_context": fields["_context"],
            "_kind": fields["_kind"],
            "_instrumentation_info": fields["_instrumentation_info"],
            "_instrumentation_scope": fields["_instrumentation_scope"],
            "_parent": fields["_parent"],
            "_start_time": fields["_start_time"],
            "_end_time": fields["_end_time"],
            "_attributes": fields["_attributes"],
            "_events": fields.get("_events", ()),
            "_links": fields.get("_links", ()),
            "_resource": fields["_resource"],
            "_status": fields["_status"],
        }
        return readable

    def __getattr__(self, name: str) -> Any:
        """Make the lists that stay empty in our spans, when somebody asks for them."""
        if name == "_events":
            made = self._new_events()
        elif name == "_links":
            made = self._new_links(())
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        return self.__dict__.setdefault(name, made)


def _above(context: Context) -> SpanContext:
    """Give the ids of the span in ``context``; ours and none at all, the usual cases, without the API's checks."""
    span = context.get(SPAN_KEY)
    if span is None:
        return INVALID_SPAN_CONTEXT
    ids: SpanContext = span._context if isinstance(span, LeanSpan) else get_current_span(context).get_span_context()
    return ids


def _check_untouched(module: Any, owner: Any, *names: str) -> None:
    """Raise if one of ``names`` is anything but a function of ``module``: what an agent wrapped is to be called."""
    for name in names:
        function = inspect.getattr_static(owner, name)
        if type(function) is not FunctionType or function.__globals__ is not vars(module):
            raise _NotAsKnownError(f"a {name} that somebody wrapped")


class LeanTracer:
    """Starts spans as ``tracer``, of the SDK's module ``sdk``, would.

    Raises:
        Exception: of any kind, if something is not as known.
    """

    __slots__ = (
        "_always_off",
        "_always_on",
        "_attributes",
        "_attributes_class",
        "_dropped",
        "_fields",
        "_is_enabled",
        "_is_random",
        "_metrics",
        "_parent_based",
        "_sampled",
        "_span",
        "_tracer",
    )

    def __init__(self, tracer: Any, sdk: Any) -> None:
        limits = tracer._span_limits
        count = limits.max_span_attributes
        if limits.max_span_attribute_length is not None or (count is not None and count < ATTRIBUTES_NEEDED):
            raise _NotAsKnownError("span limits that may bind")
        sampling = sdk.sampling
        self._parent_based = (sampling.ParentBased, sampling.ParentBasedTraceIdRatio)
        self._always_on, self._always_off = sampling.ALWAYS_ON, sampling.ALWAYS_OFF
        _check_untouched(sdk, tracer, "start_span")
        _check_untouched(sdk, sdk._Span, *_OF_SPANS)
        _check_untouched(sdk, sdk.ReadableSpan, "__init__")
        for sampler in (*self._parent_based, self._always_on, self._always_off):
            _check_untouched(sampling, sampler, "should_sample")
        if type(tracer.sampler) in self._parent_based:
            _check_untouched(sampling, tracer.sampler, "should_sample")
        model = sdk._Span(
            name="",
            context=INVALID_SPAN_CONTEXT,
            sampler=tracer.sampler,
            resource=tracer.resource,
            span_processor=tracer.span_processor,
            kind=SpanKind.INTERNAL,
            instrumentation_info=tracer.instrumentation_info,
            record_exception=False,  # no span events (OTEP 4430): what happened is in attributes and status
            set_status_on_exception=False,
            limits=limits,
            instrumentation_scope=tracer._instrumentation_scope,
        )
        self._fields = dict(vars(model))
        if not set(self._fields) <= _KNOWN or set(vars(sdk.ReadableSpan(""))) != _READABLE:
            raise _NotAsKnownError("fields of a span")
        self._attributes_class = type(model._attributes)
        _check_untouched(attributes_api, self._attributes_class, *_OF_ATTRIBUTES & vars(self._attributes_class).keys())
        self._attributes = dict(vars(model._attributes))
        if not set(self._attributes) <= _KNOWN_OF_ATTRIBUTES or type(self._attributes["_dict"]) is not dict:
            raise _NotAsKnownError("fields of its attributes")
        del self._fields["_events"], self._fields["_links"]
        self._tracer = tracer
        self._span: Any = type(
            sdk._Span.__name__,
            (LeanSpan, sdk._Span),
            {"_readable_class": sdk.ReadableSpan, "__module__": __name__},
        )
        self._is_enabled = getattr(tracer, "_is_enabled", None)
        self._is_random = getattr(tracer.id_generator, "is_trace_id_random", bool)
        self._metrics = getattr(tracer, "_tracer_metrics", None)
        self._dropped, self._sampled = sampling.Decision.DROP, sampling.Decision.RECORD_AND_SAMPLE

    def start_span(
        self, name: str, context: Context, attributes: Attributes, start_ns: int, above: SpanContext | None = None
    ) -> Span:
        """Start a span of kind INTERNAL below the one in ``context``; the attributes' values are safe already."""
        tracer = self._tracer
        if above is None:
            above = _above(context)
        if self._is_enabled is not None and not self._is_enabled():
            return NonRecordingSpan(above)
        parent: SpanContext | None
        if above.is_valid:
            parent, trace_id, random = above, above.trace_id, above.trace_flags & _RANDOM
        else:
            parent, trace_id = None, tracer.id_generator.generate_trace_id()
            random = _RANDOM if self._is_random() else 0
        sampler, given = self._deciding(above), attributes
        if sampler is self._always_on or sampler is self._always_off:  # their answer is known: the usual cases
            decision = self._sampled if sampler is self._always_on else self._dropped
            state = None if parent is None else parent.trace_state
        else:
            shown = attributes.copy()  # what a sampler adds in place is not clean
            sampled = tracer.sampler.should_sample(context, trace_id, name, SpanKind.INTERNAL, shown, ())
            decision, state, given = sampled.decision, sampled.trace_state, sampled.attributes
        flags = _FLAGS[(_SAMPLED if decision is self._sampled else 0) | random]
        ids = SpanContext(trace_id, tracer.id_generator.generate_span_id(), False, flags, state)
        at_end = None if self._metrics is None else self._metrics.start_span(parent, decision)
        if decision is self._dropped:
            return NonRecordingSpan(ids)
        span: Any = object.__new__(self._span)
        span.__dict__ = fields = self._fields.copy()
        fields["_name"] = name
        fields["_context"] = ids
        fields["_parent"] = parent
        fields["_start_time"] = start_ns
        fields["_resource"] = tracer.resource
        fields["_lock"] = Lock()
        fields["_attributes"] = self._held(attributes, given)
        fields["_record_end_metrics"] = at_end
        fields["_span_processor"] = processor = tracer.span_processor
        processor.on_start(span, parent_context=context)
        started: Span = span
        return started

    def unseen(self, name: str, context: Context) -> Span | None:
        """Give the span of a call that will be dropped whatever its attributes say; None if they may matter."""
        above = _above(context)
        return self.start_span(name, context, {}, 0, above) if self._deciding(above) is self._always_off else None

    def _deciding(self, above: SpanContext) -> Any:
        """Give the sampler that decides about a span below ``above``: parent-based ones only pass the question on."""
        sampler = self._tracer.sampler
        if type(sampler) not in self._parent_based:
            return sampler
        if not above.is_valid:
            return sampler._root
        if above.trace_flags & _SAMPLED:
            return sampler._remote_parent_sampled if above.is_remote else sampler._local_parent_sampled
        return sampler._remote_parent_not_sampled if above.is_remote else sampler._local_parent_not_sampled

    def _held(self, ours: Attributes, given: Any) -> Any:
        """Make the span's attributes; what a sampler has added is cleaned by the SDK as ever."""
        if given is not ours and given != ours:
            template = self._attributes
            return self._attributes_class(
                template["maxlen"], given, immutable=False, max_value_len=template["max_value_len"]
            )
        held = object.__new__(self._attributes_class)
        held.__dict__ = fields = self._attributes.copy()
        fields["_dict"] = ours.copy()
        fields["_lock"] = Lock()
        return held


def lean(tracer: Tracer) -> LeanTracer | None:
    """Give a lean tracer that starts the same spans as ``tracer``; None where only the public API will do."""
    try:
        sdk = sys.modules.get(_SDK)
        return LeanTracer(tracer, sdk) if sdk is not None and type(tracer) is sdk.Tracer else None
    except Exception as unknown:
        _log.info("spans are started through OpenTelemetry's public API, which costs more: %r", unknown)
        return None
