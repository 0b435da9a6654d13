"""What the writer adds to the latency of the host's calls, against a writer that never yields the interpreter."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from typing import Final
from unittest.mock import patch

from opentelemetry.sdk.trace import ReadableSpan

from benchmarks.measure import Side, Spread, interleaved
from benchmarks.report import Goal, Result, show_source
from benchmarks.stage import Database
from benchmarks.throughput import ended_spans
from observability_events import ObservabilityEventsProcessor, Pipeline

CALL_NANOSECONDS: Final = 200_000
PACE_NANOSECONDS: Final = 1_000_000
ROWS_A_CALL: Final = 5  # 5,000 a second at one call a millisecond
CALLS: Final = 2_000
ROUNDS: Final = 7
NEVER: Final = 1 << 62  # nanoseconds


class Writerless(Pipeline):
    """Takes spans and forgets them: what is left is the host's own work."""

    def accept(self, make: object, span: ReadableSpan) -> bool:
        """Take it."""
        return True


class Host:
    """Calls that each work for 200 µs and end five spans, one call a millisecond."""

    def __init__(self, spans: list[ReadableSpan]) -> None:
        self.spans = itertools.cycle(spans)
        self.steps = 1000
        self.steps = round(self.steps * CALL_NANOSECONDS / min(self.timed_work() for _ in range(100)))

    def work(self) -> int:
        """Work for 200 µs."""
        total = 0
        for step in range(self.steps):
            total += step
        return total

    def timed_work(self) -> int:
        """How long that takes, in nanoseconds."""
        before = time.perf_counter_ns()
        self.work()
        return time.perf_counter_ns() - before

    def p99(self, processor: ObservabilityEventsProcessor) -> float:
        """The 99th percentile of a call's time from when it was due, in nanoseconds; ``processor`` gets its spans."""
        lengths = []
        due = time.perf_counter_ns()
        for _ in range(CALLS):
            due = max(
                due + PACE_NANOSECONDS, time.perf_counter_ns()
            )  # one call's delay is not counted again by the next
            time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
            self.work()
            for span in itertools.islice(self.spans, ROWS_A_CALL):
                processor.on_end(span)
            lengths.append(time.perf_counter_ns() - due)  # with the wait for the interpreter before it could begin
        processor.force_flush()
        return statistics.quantiles(lengths, n=100)[98]


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the line of the table."""
    show_source("A paced call beside the writer", Host.work, Host.p99)
    host = Host(ended_spans(CALLS * ROWS_A_CALL))
    settings = db.settings()
    ours = ObservabilityEventsProcessor(settings)
    nobody = ObservabilityEventsProcessor(pipeline=Writerless(settings))

    def with_writer() -> float:
        db.empty()
        return host.p99(ours)

    def with_greedy_writer() -> float:
        with patch("observability_events.making.YIELD_AFTER_NANOSECONDS", NEVER):
            return with_writer()

    sides = (Side("ours", with_writer), Side("greedy", with_greedy_writer), Side("alone", lambda: host.p99(nobody)))
    samples = interleaved(*sides, rounds=ROUNDS).samples
    assert db.count() == CALLS * ROWS_A_CALL
    ours.shutdown()
    nobody.shutdown()

    added = {
        name: [with_it - without for with_it, without in zip(samples[name], samples["alone"], strict=True)]
        for name in ("ours", "greedy")
    }
    ratio = Spread.of([yielding / greedy for yielding, greedy in zip(added["ours"], added["greedy"], strict=True)])
    numbers = (
        f"+{statistics.median(added['ours']) / 1e6:.2f} against +{statistics.median(added['greedy']) / 1e6:.2f} ms, "
        f"alone {statistics.median(samples['alone']) / 1e6:.2f} ms"
    )
    what = "p99 that the writer adds to a 200 µs call, 5,000 rows/s"
    yield Result(what, "a writer that does not yield", ratio, numbers, Goal(0.2))
