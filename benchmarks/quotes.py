"""What a traced quote costs its caller, against the same span written by hand."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from opentelemetry.metrics import Meter, MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Tracer

from benchmarks.measure import Measured, Side, interleaved, thread_cpu
from benchmarks.report import Goal, Result, microseconds, show_source
from benchmarks.stage import ANSWER, RESTAURANT, Database, batch, meters, next_booking, provider, rows_processor, use
from observability_events.sampler import AutoAssignSampler
from otel_auto_assign import traced_attempt, traced_job, traced_quote

CALLS: Final = 1000  # below the batch processor's queue, which is flushed before each turn: nothing is dropped

BOOKING: Final = next_booking()

Quote = Callable[[str, str], dict[str, Any]]
Around = Callable[[], AbstractContextManager[None]]

_numbers = itertools.count()


def plan(booking_id: str, restaurant_id: str) -> dict[str, Any]:
    """The planner's function; its own work is not what is measured."""
    return ANSWER


@traced_quote
def decorated(booking_id: str, restaurant_id: str) -> dict[str, Any]:
    """The planner's function, decorated."""
    return plan(booking_id, restaurant_id)


@traced_quote
def decorated_with_news(booking_id: str, restaurant_id: str) -> dict[str, Any]:
    """A planner whose reasons are never the same text twice, decorated."""
    return {**ANSWER, "reason": f"No suitable tables, seen {next(_numbers)} other bookings"}


class ByHand:
    """The same spans as most people write them."""

    def __init__(self, tracer: Tracer, meter: Meter | None = None) -> None:
        self.tracer = tracer
        if meter is not None:
            self.calls = meter.create_counter("quotes")
            self.duration = meter.create_histogram("quote.duration", "ms")

    def direct(self, booking_id: str, restaurant_id: str) -> dict[str, Any]:
        """A quote outside of a job: the same 15 attributes."""
        with self.tracer.start_as_current_span("auto_assign.quote") as span:
            span.set_attribute("auto_assign.flow", "direct")
            span.set_attribute("auto_assign.trigger", "unknown")
            span.set_attribute("auto_assign.flags.retry_policy_v2", False)
            span.set_attribute("auto_assign.flags.planner_cache", False)
            span.set_attribute("auto_assign.flags.source", "default")
            span.set_attribute("auto_assign.booking.id", booking_id)
            span.set_attribute("auto_assign.restaurant.id", restaurant_id)
            span.set_attribute("code.function.name", "benchmarks.quotes.decorated")
            result = plan(booking_id, restaurant_id)
            span.set_attribute("auto_assign.success", result["hold"] is not None)
            span.set_attribute("auto_assign.reason", result["reason"])
            span.set_attribute("auto_assign.reason_code", "hard.no_suitable_tables")
            span.set_attribute("auto_assign.cache_hit", result["cache_hit"])
            span.set_attribute("auto_assign.alternates", result["alternates"])
            span.set_attribute("auto_assign.strategy.require_adjacency", result["strategy"]["requireAdjacency"])
            span.set_attribute("auto_assign.strategy.max_tables", result["strategy"]["maxTables"])
            return result

    def in_a_job(self, booking_id: str, restaurant_id: str) -> dict[str, Any]:
        """A quote in an attempt of a job: the same 17 attributes."""
        with self.tracer.start_as_current_span("auto_assign.quote") as span:
            span.set_attribute("auto_assign.flow", "job")
            span.set_attribute("auto_assign.trigger", "cron")
            span.set_attribute("auto_assign.flags.retry_policy_v2", False)
            span.set_attribute("auto_assign.flags.planner_cache", False)
            span.set_attribute("auto_assign.flags.source", "default")
            span.set_attribute("auto_assign.booking.id", booking_id)
            span.set_attribute("auto_assign.restaurant.id", restaurant_id)
            span.set_attribute("code.function.name", "benchmarks.quotes.decorated")
            span.set_attribute("auto_assign.job.id", "31bffe71ef4ac8a8")
            span.set_attribute("auto_assign.attempt.index", 0)
            result = plan(booking_id, restaurant_id)
            span.set_attribute("auto_assign.success", result["hold"] is not None)
            span.set_attribute("auto_assign.reason", result["reason"])
            span.set_attribute("auto_assign.reason_code", "hard.no_suitable_tables")
            span.set_attribute("auto_assign.cache_hit", result["cache_hit"])
            span.set_attribute("auto_assign.alternates", result["alternates"])
            span.set_attribute("auto_assign.strategy.require_adjacency", result["strategy"]["requireAdjacency"])
            span.set_attribute("auto_assign.strategy.max_tables", result["strategy"]["maxTables"])
            return result

    def direct_with_metrics(self, booking_id: str, restaurant_id: str) -> dict[str, Any]:
        """A quote outside of a job, with a counter and a histogram beside its span."""
        start = time.perf_counter()
        result = self.direct(booking_id, restaurant_id)
        self.count("direct", result, time.perf_counter() - start)
        return result

    def in_a_job_with_metrics(self, booking_id: str, restaurant_id: str) -> dict[str, Any]:
        """A quote in an attempt of a job, with a counter and a histogram beside its span."""
        start = time.perf_counter()
        result = self.in_a_job(booking_id, restaurant_id)
        self.count("job", result, time.perf_counter() - start)
        return result

    def count(self, flow: str, result: dict[str, Any], seconds: float) -> None:
        """Record a quote in the counter and in the histogram."""
        labels: dict[str, str | bool] = {
            "flow": flow,
            "success": result["hold"] is not None,
            "code": "hard.no_suitable_tables",
        }
        self.calls.add(1, labels)
        self.duration.record(seconds * 1000, labels)


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the lines of the table."""
    check_that_the_spans_are_the_same()
    show_source("A quote outside of a job", decorated, ByHand.direct, ByHand.direct_with_metrics, ByHand.count)
    show_source("A quote in an attempt of a job", ByHand.in_a_job)
    show_source("A reason never seen before", decorated_with_news)

    ours, theirs = provider(rows_processor(db), batch()), provider(batch())
    off_ours, off_theirs = provider(batch(), sampler=ALWAYS_OFF), provider(batch(), sampler=ALWAYS_OFF)
    recorded = provider(rows_processor(db), batch(), sampler=AutoAssignSampler(ALWAYS_OFF))
    measuring = meters()
    hand = ByHand(theirs.get_tracer("by hand"), meters().get_meter("by hand"))
    unsampled = ByHand(off_theirs.get_tracer("by hand"))

    measured = interleaved(
        side("hand", theirs, hand.direct),
        side("hand + metrics", theirs, hand.direct_with_metrics),
        side("hand, job", theirs, hand.in_a_job, a_hand_written_job(hand.tracer)),
        side("hand, job + metrics", theirs, hand.in_a_job_with_metrics, a_hand_written_job(hand.tracer)),
        side("ours", ours, decorated),
        side("ours, new reasons", ours, decorated_with_news),
        side("ours, job", ours, decorated, a_job),
        side("ours + metrics", ours, decorated, metrics=measuring),
        side("ours, job + metrics", ours, decorated, a_job, metrics=measuring),
        side("unsampled hand", off_theirs, unsampled.direct),
        side("unsampled hand, job", off_theirs, unsampled.in_a_job, a_hand_written_job(unsampled.tracer)),
        side("unsampled ours", off_ours, decorated),
        side("unsampled ours, job", off_ours, decorated, a_job),
        side("unsampled ours, job, rows", recorded, decorated, a_job),
    )
    for used in (ours, theirs, off_ours, off_theirs, recorded):
        used.shutdown()
    use(None)
    yield from results(measured)


def results(measured: Measured) -> Iterator[Result]:
    """Compare the sides."""
    enabled, with_metrics, off = Goal(0.90), Goal(0.50), Goal(0.80)
    for what, against, ours, hand, goal in (
        ("decorated quote, rows on", "15 attributes by hand", "ours", "hand", enabled),
        ("decorated quote in a job, rows on", "17 attributes by hand", "ours, job", "hand, job", enabled),
        (
            "decorated quote, rows and metrics on",
            "15 attributes, counter, histogram by hand",
            "ours + metrics",
            "hand + metrics",
            with_metrics,
        ),
        (
            "decorated quote in a job, rows and metrics on",
            "17 attributes, counter, histogram by hand",
            "ours, job + metrics",
            "hand, job + metrics",
            with_metrics,
        ),
        ("the same, each reason a new text", "15 attributes by hand", "ours, new reasons", "hand", None),
        ("unsampled quote, rows off", "15 attributes by hand, unsampled", "unsampled ours", "unsampled hand", off),
        (
            "unsampled quote in a job, rows off",
            "17 attributes by hand, unsampled",
            "unsampled ours, job",
            "unsampled hand, job",
            off,
        ),
        (
            "unsampled quote in a job, rows on",
            "17 attributes by hand, unsampled, no rows",
            "unsampled ours, job, rows",
            "unsampled hand, job",
            None,
        ),
    ):
        numbers = microseconds(measured.spread(ours), measured.spread(hand))
        yield Result(what, against, measured.ratio(ours, hand), numbers, goal)


def side(
    name: str, used: TracerProvider, quote: Quote, around: Around = nullcontext, *, metrics: MeterProvider | None = None
) -> Side:
    """Call ``quote`` inside of ``around``, with nothing left over from the turn before."""

    def turn() -> float:
        used.force_flush()
        use(used, metrics)
        with around():
            return thread_cpu(calls, CALLS)

    def calls() -> None:
        for _ in range(CALLS):
            quote(BOOKING, RESTAURANT)

    return Side(name, turn)


@contextmanager
def a_job() -> Iterator[None]:
    """A traced job with an open attempt."""
    with traced_job(trigger="cron", booking_id=BOOKING, restaurant_id=RESTAURANT), traced_attempt():
        yield


def a_hand_written_job(tracer: Tracer) -> Around:
    """A span for the job and one for the attempt."""

    @contextmanager
    def around() -> Iterator[None]:
        with tracer.start_as_current_span("auto_assign.job"), tracer.start_as_current_span("auto_assign.attempt"):
            yield

    return around


def check_that_the_spans_are_the_same() -> None:
    """Compare names and attributes of what both sides record; a job's id differs by nature."""
    recorder = InMemorySpanExporter()
    used = provider(SimpleSpanProcessor(recorder))
    hand = ByHand(used.get_tracer("by hand"))
    use(used)
    hand.direct(BOOKING, RESTAURANT)
    decorated(BOOKING, RESTAURANT)
    with a_hand_written_job(hand.tracer)():
        hand.in_a_job(BOOKING, RESTAURANT)
    with a_job():
        decorated(BOOKING, RESTAURANT)
    spans = [dict(span.attributes or {}) for span in recorder.get_finished_spans() if span.name == "auto_assign.quote"]
    for attributes in spans[2:]:
        assert attributes.pop("auto_assign.job.id")
    assert [len(attributes) for attributes in spans] == [15, 15, 16, 16], spans
    assert spans[0] == spans[1], spans[:2]
    assert spans[2] == spans[3], spans[2:]
    used.shutdown()
