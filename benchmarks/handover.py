"""What the caller waits when a span of ours is handed over, and what a foreign span costs."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from benchmarks.measure import Side, Spread, interleaved, thread_cpu
from benchmarks.report import Goal, Result, show_source
from benchmarks.stage import Database, rows_processor
from benchmarks.throughput import ended_spans
from observability_events.rows import rows_of
from otel_auto_assign.settings import IN_MEMORY, SURVIVES_POWER, SURVIVES_PROCESS

CALLS: Final = 2_000
CALLS_A_PAUSE: Final = 5
PAUSE_SECONDS: Final = 0.001
FOREIGN_CALLS: Final = 100_000
ROUNDS: Final = 7
MOST_NANOSECONDS: Final = 10_000
MOST_DURABLE_NANOSECONDS: Final = 5_000
MOST_FOREIGN_NANOSECONDS: Final = 300


class Host(threading.Thread):
    """A thread of the host's that works all the time while the block runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.working = True

    def run(self) -> None:
        """Work."""
        total = 0
        while self.working:
            total += 1

    def __enter__(self) -> None:
        """Begin."""
        self.start()

    def __exit__(self, *_: object) -> None:
        """End."""
        self.working = False
        self.join()


def lengths(hand_over: Callable[[ReadableSpan], Any], spans: list[ReadableSpan], pause: float) -> list[int]:
    """Give the nanoseconds of each call, after a pause before every fifth."""
    taken = []
    for number, span in enumerate(spans):
        if pause and number % CALLS_A_PAUSE == 0:
            time.sleep(pause)
        before = time.perf_counter_ns()
        hand_over(span)
        taken.append(time.perf_counter_ns() - before)
    return taken


def handing_over(
    db: Database, spans: list[ReadableSpan], pause: float, durability: str = IN_MEMORY
) -> tuple[dict[str, Spread], dict[str, Spread]]:
    """Give median and 99th percentile of a call, by side."""
    processor = rows_processor(db, durability=durability)
    bare: deque[ReadableSpan] = deque()
    medians: dict[str, list[float]] = {"ours": [], "bare": []}

    def side(name: str, hand_over: Callable[[ReadableSpan], Any]) -> Side:
        def turn() -> float:
            db.empty()
            taken = lengths(hand_over, spans, pause)
            processor.force_flush()
            bare.clear()
            medians[name].append(statistics.median(taken))
            return statistics.quantiles(taken, n=100)[98]

        return Side(name, turn)

    measured = interleaved(side("ours", processor.on_end), side("bare", bare.append), rounds=ROUNDS)
    assert processor.pipeline.accounts().dropped == {}
    processor.shutdown()
    return {name: Spread.of(found) for name, found in medians.items()}, {
        name: measured.spread(name) for name in medians
    }


def foreign_spans(spans: int) -> float:
    """Give the nanoseconds that a foreign span costs whoever asks for its rows."""
    span = ReadableSpan(name="GET /bookings")

    def work() -> None:
        for _ in itertools.repeat(None, spans):
            rows_of(span)

    return thread_cpu(work, spans)


def of(spread: Spread, most: float) -> Spread:
    """Give ``spread`` as a share of the most that is allowed."""
    return Spread(spread.median / most, spread.low / most, spread.high / most)


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the lines of the table."""
    show_source("Handing a span over", lengths, foreign_spans)
    spans = ended_spans(CALLS)
    burst = handing_over(db, spans, 0.0)
    with Host():
        paced = handing_over(db, spans, PAUSE_SECONDS)
    for manner, (p50, p99) in (("in a burst", burst), ("paced beside a busy host", paced)):
        numbers = (
            f"p50 {p50['ours'].median / 1000:.2f}, p99 {p99['ours'].median / 1000:.2f} µs; a bare deque.append "
            f"p50 {p50['bare'].median / 1000:.2f}, p99 {p99['bare'].median / 1000:.2f} µs"
        )
        what = f"p99 of handing a span over, {manner}"
        yield Result(what, "10 µs", of(p99["ours"], MOST_NANOSECONDS), numbers, Goal(1))
    for durability in (SURVIVES_PROCESS, SURVIVES_POWER):
        for manner, pause, host in (
            ("in a burst", 0.0, nullcontext()),
            ("paced beside a busy host", PAUSE_SECONDS, Host()),
        ):
            with host:
                p50, p99 = handing_over(db, spans, pause, durability)
            numbers = f"p50 {p50['ours'].median / 1000:.2f}, p99 {p99['ours'].median / 1000:.2f} µs"
            what = f"p50 of handing a span over, {manner}, on disk before its end returns (`{durability}`)"
            goal = Goal(1) if durability == SURVIVES_PROCESS else None
            yield Result(what, "5 µs", of(p50["ours"], MOST_DURABLE_NANOSECONDS), numbers, goal)
    foreign = Spread.of([foreign_spans(FOREIGN_CALLS) for _ in range(ROUNDS)])
    numbers = f"{foreign.median:.0f} ns"
    yield Result("rows_of on a foreign span", "300 ns", of(foreign, MOST_FOREIGN_NANOSECONDS), numbers, Goal(1))
