"""Whether the cost stays the same with more rows and with more threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.measure import Side, interleaved, wall
from benchmarks.report import Result, microseconds, show_source
from benchmarks.stage import RESTAURANT, Database, batch, next_booking, provider, rows_processor, use
from benchmarks.throughput import ended_spans, quote

CALLS: Final = 1000
THREADS: Final = (1, 2, 4, 8)
ROWS: Final = (1_000, 4_000, 16_000)
ROUNDS: Final = 7


def by_threads(db: Database) -> Iterator[Result]:
    """CPU of a decorated quote's caller, with 1, 2, 4 and 8 threads calling."""
    used = provider(rows_processor(db), batch())

    def side(threads: int) -> Side:
        def turn() -> float:
            used.force_flush()
            use(used)
            costs: list[int] = []

            def calls() -> None:
                booking = next_booking()
                before = time.thread_time_ns()
                for _ in range(CALLS // threads):
                    quote(booking, RESTAURANT)
                costs.append(time.thread_time_ns() - before)

            callers = [threading.Thread(target=calls) for _ in range(threads)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            return sum(costs) / (CALLS // threads * threads)

        return Side(str(threads), turn)

    measured = interleaved(*(side(threads) for threads in THREADS), rounds=ROUNDS)
    used.shutdown()
    use(None)
    for threads in map(str, THREADS[1:]):
        numbers = microseconds(measured.spread(threads), measured.spread("1"))
        yield Result(f"decorated quote, rows on, {threads} threads", "1 thread", measured.ratio(threads, "1"), numbers)


def by_rows(db: Database) -> Iterator[Result]:
    """Time from ended span to COMMIT of one row among 1,000, 4,000 and 16,000."""
    spans = ended_spans(max(ROWS))
    processor = rows_processor(db)

    def side(rows: int) -> Side:
        def write() -> None:
            for span in spans[:rows]:
                processor.on_end(span)
            assert processor.force_flush()

        def turn() -> float:
            db.empty()
            return wall(write, rows)

        return Side(f"{rows:,}", turn)

    few, *more = (side(rows) for rows in ROWS)
    measured = interleaved(few, *more, rounds=ROUNDS)
    processor.shutdown()
    for many in more:
        numbers = microseconds(measured.spread(many.name), measured.spread(few.name))
        ratio = measured.ratio(many.name, few.name)
        yield Result(f"a row, ended span to COMMIT, among {many.name}", f"among {few.name}", ratio, numbers)


def run(db: Database) -> Iterator[Result]:
    """Measure, and give the lines of the table."""
    show_source("More threads, more rows", by_threads, by_rows)
    yield from by_threads(db)
    yield from by_rows(db)
