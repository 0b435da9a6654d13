"""Why a span gave the rows it gave, or none: the conditions of ``conditions``, spoken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from observability_events.catalogue import CATALOGUE
from observability_events.conditions import SLOW, SOURCES, SPAN_ROWS, Condition
from observability_events.facts import Facts
from otel_auto_assign import semconv

NOT_RECORDED: Final = (
    "nobody records this span: there is no SDK, or its sampler dropped it (AutoAssignSampler records ours all the same)"
)
NOT_ENDED: Final = "it has not ended: rows are made at its end, and this is what it would give now"
STILL_RUNS: Final = "it still runs: nobody knows yet how long it takes"
WITHOUT_IDS: Final = "it has no context, and so no ids: no row can be made of it"
NOT_SAMPLED: Final = "it is not sampled: ObservabilityEventsProcessor makes its rows, an exporter never sees it"
WITHOUT_JOB: Final = (
    f"it says that it is of the job flow, but without {semconv.JOB_ID} no reader could find the job: taken as direct"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event type.

    Attributes:
        event_type: One that a span of this name can give.
        given: Whether it gives such a row.
        because: Why, in words: everything that had to hold, or everything that does not.
    """

    event_type: str
    given: bool
    because: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'gives' if self.given else 'no   '} {self.event_type}: {'; '.join(self.because)}"


STARTED: Final = Verdict(semconv.EVENT_STARTED, given=True, because=("every job gives it, when it starts",))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `explain` gives; as a text it has one line for each event type.

    Attributes:
        span: The span's name and id.
        remarks: What is to be known of the span as a whole.
        verdicts: One for each event type that a span of this name can give; of a foreign span none.
    """

    span: str
    remarks: tuple[str, ...]
    verdicts: tuple[Verdict, ...] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The event types of the rows that the span gives."""
        return tuple(verdict.event_type for verdict in self.verdicts if verdict.given)

    def __str__(self) -> str:
        return "\n  ".join([": ".join((self.span, *self.remarks[:1])), *self.remarks[1:], *map(str, self.verdicts)])


def explain(span: Any) -> Explanation:
    """Say of a span which rows it gives, which it does not, and why.

    Args:
        span: An SDK's span, ended or not, or whatever else rows can be made from.

    Raises:
        TypeError: If it is no span at all.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> span = TracerProvider().get_tracer("bookings").start_span("auto_assign.attempt")
    >>> span.end()
    >>> print(explain(span))  # doctest: +ELLIPSIS
    auto_assign.attempt ...: of no run (direct): gives no row
      no    auto_assign.attempt: only spans of the job flow give it
      no    auto_assign.attempt_error: only spans of the job flow give it
      no    auto_assign.inline_timeout_adjustment: only spans of the job flow give it
    """
    name = getattr(span, "name", None)
    if name is None and hasattr(span, "get_span_context"):
        return Explanation("a span without a name", (NOT_RECORDED,))
    if not isinstance(name, str):
        raise TypeError(f"explain() takes a span, not {type(span).__name__}: {span!r:.80}")
    if name not in SPAN_ROWS:
        ours = ", ".join(SPAN_ROWS)
        return Explanation(name, (f"gives no row: it is none of {ours}",))
    if span.context is None:
        return Explanation(name, (WITHOUT_IDS,))
    facts = Facts(span)
    runs = span.end_time is None
    verdicts = tuple(_verdict(event_type, conditions, facts, runs=runs) for event_type, conditions in SPAN_ROWS[name])
    if name == semconv.SPAN_JOB:
        verdicts = (STARTED, *verdicts)
    return Explanation(f"{name} {facts.span_id}", _remarks(span, facts, sum(v.given for v in verdicts)), verdicts)


def _verdict(event_type: str, conditions: tuple[Condition, ...], f: Facts, *, runs: bool) -> Verdict:
    source = CATALOGUE[event_type].source
    if source is not None and source != SOURCES[f.flow]:
        wanted = next(flow for flow, its in SOURCES.items() if its == source)
        return Verdict(event_type, given=False, because=(f"only spans of the {wanted} flow give it",))
    missing = tuple(
        STILL_RUNS if runs and condition is SLOW else condition.no.format(f=f)
        for condition in conditions
        if not condition.holds(f)
    )
    if missing:
        return Verdict(event_type, given=False, because=missing)
    holding = tuple(condition.yes.format(f=f) for condition in conditions)
    return Verdict(event_type, given=True, because=holding or ("every such span gives it",))


def _remarks(span: Any, f: Facts, rows: int) -> tuple[str, ...]:
    flow = "of no run (direct)" if f.flow == semconv.FLOW_DIRECT else f"of the {f.flow} flow"
    counted = {0: "no row", 1: "1 row"}.get(rows, f"{rows} rows")
    remarks = [f"{flow}: gives {counted}"]
    if f.flow == semconv.FLOW_DIRECT and f.given.get(semconv.FLOW) == semconv.FLOW_JOB:
        remarks.append(WITHOUT_JOB)
    if span.end_time is None:
        remarks.append(NOT_ENDED)
    flags = getattr(span.context, "trace_flags", None)
    if flags is not None and not flags.sampled:
        remarks.append(NOT_SAMPLED)
    return tuple(remarks)
