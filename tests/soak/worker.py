"""The process under load: traced jobs in a few threads, and each accepted row told on the standard output.

Run as ``python -m tests.soak.worker`` with an `Order` as JSON. It obeys a word a line on its standard input and answers
each by a line when it is done:

``settle``  write all that waits in memory, and all that dead processes have left
``pure``    run no jobs whose rows the table refuses
``poison``  go on with them
``fork``    have a child run jobs of its own
``stop``    end
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from observability_events import AutoAssignSampler, ObservabilityEventsProcessor, spool
from observability_events.folder import Destination
from observability_events.pipeline import Pipeline
from otel_auto_assign import configure, traced_attempt, traced_confirm, traced_job, traced_quote
from otel_auto_assign.settings import Settings
from tests.soak.schedule import chance_of

if TYPE_CHECKING:
    import random

    from observability_events.records import Make

POISON = "poison"
"""The trigger of jobs whose rows the table refuses."""
THREADS = 2
POISON_SHARE = 0.02
DANGLING_SHARE = 0.05
PAUSE_SECONDS = 0.05  # the longest within a job: some are in the middle of it when their process is killed
SEGMENT_BYTES = 32 * 1024  # of the spool, so that they are rolled every few seconds
SETTLE_SECONDS = 60.0
CHILD_JOBS = 20
FORKED_SHUTDOWN_SECONDS = 5.0
STEPS_AN_OCTAVE = 4  # of the delays that are counted: each a fifth longer than the one before


@dataclass(frozen=True)
class Order:
    """What a worker is to do.

    Attributes:
        dsn: The database, through a proxy.
        spool_directory: Where its spool is.
        destination: The folder in it; the same for all, although the proxies differ.
        jobs_a_second: How many jobs it begins.
        bookings: Ids that the table of bookings has.
        seed: Of its chance.
        poison: Whether to begin with jobs whose rows the table refuses among the others.
    """

    dsn: str
    spool_directory: str
    destination: str
    jobs_a_second: float
    bookings: list[str]
    seed: int
    poison: bool = True

    def settings(self) -> Settings:
        """Give settings under which a fault of seconds is a long one."""
        return Settings(
            dsn=self.dsn,
            spool_directory=self.spool_directory,
            durability="process",
            schedule_delay=0.1,
            connect_timeout=2.0,
            statement_timeout=2.0,
            shutdown_timeout=4.0,
        )


class Telling(Pipeline):
    """A pipeline that tells the ids of the rows of each span that it has accepted."""

    def accept(self, make: Make, span: ReadableSpan) -> bool:
        """Take ``span``, and tell it."""
        taken = super().accept(make, span)
        rows = make(span)
        if rows:
            kind = "poison" if rows[0].context.get("trigger") == POISON else "good"
            tell(kind if taken else "refused", f"{os.getpid()}@{time.time():.3f}", *(str(row.id) for row in rows))
        return taken

    def settle(self) -> bool:
        """Write what waits in memory, and what dead processes have left on disk; give whether nothing does any more.

        After the disk has refused it is asked again some seconds later; until then spans come that are not on it.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while self._spool._current is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.flush(deadline - time.monotonic()) and self.catch_up(deadline - time.monotonic())


def tell(*words: str) -> None:
    """Write one line, in one piece whatever other threads and children write."""
    os.write(1, (" ".join(words) + "\n").encode())


class Delays:
    """How long the calls of the traced functions took, those functions doing nothing."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._steps: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count a call; one that took longer than all before is told at once."""
        self._steps[math.ceil(math.log2(max(seconds, 1e-9)) * STEPS_AN_OCTAVE)] += 1
        if seconds > self._worst:
            self._worst = seconds
            tell("worst", repr(seconds))

    def told(self) -> None:
        """Tell the counts, and forget them."""
        steps, self._steps = self._steps, Counter()
        tell("calls", json.dumps(steps))


class Load:
    """Jobs at a steady pace, in a few threads."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)]
        self.poison = order.poison
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the jobs that run end, and begin none."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        chance, delays = chance_of(self._order.seed, os.getpid(), number), Delays()
        pause = THREADS / self._order.jobs_a_second
        told_at = time.monotonic()
        while not self._ending.wait(pause * chance.uniform(0.5, 1.5)):
            run_job(chance, self._order.bookings, delays, poison=self.poison)
            if time.monotonic() > told_at + 1:
                told_at = time.monotonic()
                delays.told()
        delays.told()


@traced_quote
def quote(*, found: bool) -> Any:
    """Find a table, or none."""
    return {"hold": {"id": "h-1"}} if found else {"reason": "No capacity"}


@traced_confirm
def confirm() -> None:
    """Take the table."""


def find_table(booking_id: str, misses: int, pause: float, delays: Delays) -> bool:
    """Ask until there is a table; the calls are measured, the pauses between them are not."""
    for _ in range(misses):
        measured(delays, quote, found=False)
        time.sleep(pause)
    with traced_attempt():
        measured(delays, quote, found=True)
        time.sleep(pause)
        measured(delays, confirm)
    return True


good_job = traced_job(trigger="soak")(find_table)
poison_job = traced_job(trigger=POISON)(find_table)


def run_job(chance: random.Random, bookings: list[str], delays: Delays, *, poison: bool) -> None:
    """Run one job of one to three attempts."""
    booking = str(uuid.uuid4()) if chance.random() < DANGLING_SHARE else chance.choice(bookings)
    job = poison_job if poison and chance.random() < POISON_SHARE else good_job
    job(booking, chance.randint(0, 2), chance.uniform(0, PAUSE_SECONDS), delays)


def measured(delays: Delays, function: Any, **arguments: Any) -> None:
    """Call ``function``, and count how long it took."""
    start = time.perf_counter()
    function(**arguments)
    delays.add(time.perf_counter() - start)


def fork(order: Order, pipeline: Pipeline) -> None:
    """Have a child run jobs and end, while this process goes on."""
    if os.fork():
        return
    code = 1
    try:
        chance, delays = chance_of(order.seed, os.getpid()), Delays()
        for _ in range(CHILD_JOBS):
            run_job(chance, order.bookings, delays, poison=False)
            time.sleep(0.02)
        pipeline.shutdown(FORKED_SHUTDOWN_SECONDS)
        tell_accounts(pipeline)
        code = 0
    finally:
        os._exit(code)


def tell_accounts(pipeline: Pipeline) -> None:
    """Tell the accounts of this process at its end."""
    accounts = pipeline.accounts()
    tell("accounts", json.dumps(dataclasses.asdict(accounts) | {"balanced": accounts.balanced}))


def main() -> None:
    """Work until told to stop."""
    order = Order(**json.loads(sys.argv[1]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s: %(message)s")
    spool.SEGMENT_BYTES = SEGMENT_BYTES  # type: ignore[misc] # Final for everybody else
    destination = Destination(Path(order.destination))
    pipeline = Telling(order.settings(), destination=destination)
    resource = Resource.create({"service.name": "soak", "deployment.environment.name": "test"})
    provider = TracerProvider(resource=resource, sampler=AutoAssignSampler(), shutdown_on_exit=False)
    provider.add_span_processor(ObservabilityEventsProcessor(pipeline=pipeline))
    configure(tracer_provider=provider)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as a host does that wants a clean end
    load = Load(order)
    tell("ready")
    try:
        obey(order, pipeline, load)
    finally:
        load.stop()
    provider.shutdown()
    tell_accounts(pipeline)


def obey(order: Order, pipeline: Telling, load: Load) -> None:
    """Do what is asked, until told to stop."""
    for line in sys.stdin:
        word = line.strip()
        if word == "stop":
            return
        if word == "settle":
            tell("settled", str(pipeline.settle()))
            continue
        if word == "fork":
            fork(order, pipeline)
        else:
            load.poison = word == "poison"
        tell("done", word)


if __name__ == "__main__":
    main()
