"""The soak itself: sets the stage, lets load and faults come, ends in peace, and counts."""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from observability_events import folder
from observability_events.dead_letters import DeadLetters
from observability_events.pipeline import Pipeline
from observability_events.reconcile import reconcile
from observability_events.refusals import REFUSED
from otel_auto_assign.settings import Settings
from tests.faults.proxy import Proxy
from tests.faults.server import Server
from tests.postgres import TABLE, create_events_table, dsn_into, new_schema
from tests.soak.faults import OF_A_LINE, OF_THE_HOUSE, House, Line
from tests.soak.process import Fleet, Told, Worker
from tests.soak.schedule import Lane, chance_of
from tests.soak.worker import POISON, STEPS_AN_OCTAVE, Order

WORKERS = 2
EVENT = "context->'trace_id', context->'span_id', event_type"
JOB = "context->'trace_id', context->'job_id'"
ENDS = "count(*) FILTER (WHERE event_type = 'auto_assign.summary')"
BOOKINGS = 60
CATCH_UP_SECONDS = 60.0
LANE_SECONDS = 120.0  # for the last fault to be over


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        rows: That were accepted.
        poison: Of them those that the table was made to refuse.
        faults: How often each fault came.
        lost: Accepted rows that are not in the table, poison excepted.
        unkept: Poison that is not with the dead letters, for those could not be written in time; the log says so.
        duplicated: Rows of the same event, or under the same id, beyond the first.
        waiting: Owners that have rows on disk still.
        refused: Rows that were not accepted.
        dropped: Reason → pieces, of the processes that came to an end by themselves; without what the table refused,
            which is known by its ids.
        unbalanced: How many of those have accounts that do not balance.
        abandoned: Jobs whose process was killed, which `reconcile` has given their summary at the end.
        without_summary: Jobs that have another number of summaries than one, even so.
        worst_seconds: The longest that a call of a traced function took.
        p99_seconds: What 99 of 100 calls did not exceed.
    """

    rows: int
    poison: int
    faults: Counter[str]
    lost: int
    unkept: int
    duplicated: int
    waiting: int
    refused: int
    dropped: Counter[str]
    unbalanced: int
    abandoned: int
    without_summary: int
    worst_seconds: float
    p99_seconds: float
    log: list[str]

    @property
    def well(self) -> bool:
        """Whether nothing is lost, nothing is there twice, and everything has its place."""
        return self.rows > 0 and not (
            self.lost
            or self.duplicated
            or self.waiting
            or self.refused
            or self.dropped
            or self.unbalanced
            or self.without_summary
        )


def soak(*, seconds: float, seed: int, jobs_a_second: float, pause: float) -> Outcome:
    """Run it.

    Args:
        seconds: How long load and faults last.
        seed: Of the schedule.
        jobs_a_second: Of each worker.
        pause: Between two faults in a lane, on average, in seconds.
    """
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        dsn = dsn_into(server.tcp, stack.enter_context(new_schema(server.dsn)))
        bookings = _set_up(dsn)
        spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        settings = Settings(dsn=dsn, spool_directory=str(spool))
        destination = folder.destination(settings)
        folder.make(destination, settings)

        told, ending = Told(), threading.Event()
        proxies, workers = [], []
        for number in range(WORKERS):
            proxies.append(stack.enter_context(Proxy(dsn)))
            place = str(spool), str(destination.path)
            workers.append(Worker(Order(proxies[-1].dsn, *place, jobs_a_second, bookings, seed * 1000 + number), told))
            stack.callback(workers[-1].kill)
        fleet = Fleet(workers)
        lines = [
            Line(fleet, worker, proxy, chance_of(seed, "line", number))
            for number, (worker, proxy) in enumerate(zip(workers, proxies, strict=True))
        ]
        house = House(server, dsn, chance_of(seed, "house"))
        lanes: list[Lane[Any]] = [Lane(line, OF_A_LINE, line.chance, pause=pause, ending=ending) for line in lines]
        lanes.append(Lane(house, OF_THE_HOUSE, house.chance, pause=pause, ending=ending))
        for lane in lanes:
            lane.start()
        ending.wait(seconds)
        ending.set()
        for lane in lanes:
            lane.join(LANE_SECONDS)
            if lane.error is not None or lane.is_alive():
                raise RuntimeError("\n".join(told.said)) from lane.error
        for line in lines:
            line.worker.stop()
        _catch_up(settings, destination)
        return _outcome(settings, destination, told, sum((lane.done for lane in lanes), Counter()))


def _set_up(dsn: str) -> list[str]:
    """Make the table, which refuses poison, and its bookings; give their ids."""
    bookings = [str(uuid.uuid4()) for _ in range(BOOKINGS)]
    with psycopg.connect(dsn, autocommit=True) as conn:
        create_events_table(conn)
        conn.execute(f"ALTER TABLE {TABLE} ADD CHECK (context->>'trigger' IS DISTINCT FROM '{POISON}')".encode())
        conn.execute("INSERT INTO bookings (id) SELECT unnest(%s::uuid[])", (bookings,))
    return bookings


def _catch_up(settings: Settings, destination: folder.Destination) -> None:
    """Write what the last processes have left on disk, as the next process would."""
    pipeline = Pipeline(settings, destination=destination)
    pipeline.catch_up(CATCH_UP_SECONDS)
    pipeline.shutdown()


def _outcome(settings: Settings, destination: folder.Destination, told: Told, faults: Counter[str]) -> Outcome:
    waiting = sum(any(segment.records != 0 for segment in owner.segments) for owner in destination.owners())
    abandoned = 0 if waiting else reconcile(settings, older_than=timedelta(0)).abandoned
    with psycopg.connect(settings.dsn) as conn:
        written = [str(key) for (key,) in conn.execute(f"SELECT id FROM {TABLE}".encode())]
        (events,) = _one(conn, f"SELECT count(*) FROM (SELECT DISTINCT {EVENT} FROM {TABLE}) AS event")
        (without,) = _one(conn, f"SELECT count(*) FROM (SELECT FROM {TABLE} GROUP BY {JOB} HAVING {ENDS} <> 1) AS job")
    there = set(written)
    letters = {str(letter.id) for letter in DeadLetters(destination.path).letters()}
    lost = [f"lost: {told.good[key]}" for key in sorted(told.good.keys() - there)]
    unkept = [f"not kept: {told.poison[key]}" for key in sorted(told.poison.keys() - letters)]
    dropped = sum((Counter(accounts["dropped"]) for accounts in told.accounts), Counter())
    del dropped[REFUSED]
    return Outcome(
        rows=len(told.good) + len(told.poison),
        poison=len(told.poison),
        faults=faults,
        lost=len(lost),
        unkept=len(unkept),
        duplicated=len(written) - min(len(there), events) + len(told.poison.keys() & there),
        waiting=waiting,
        refused=len(told.refused),
        dropped=dropped,
        unbalanced=sum(not accounts["balanced"] for accounts in told.accounts),
        abandoned=abandoned,
        without_summary=without,
        worst_seconds=told.worst_seconds,
        p99_seconds=_quantile(told.calls, 0.99),
        log=[*told.said, *lost, *unkept],
    )


def _one(conn: psycopg.Connection, question: str) -> tuple[Any, ...]:
    found = conn.execute(question.encode()).fetchone()
    assert found is not None
    return found


def _quantile(calls: Counter[int], share: float) -> float:
    """Give the upper end of the step below which this share of the calls is."""
    left = share * calls.total()
    for step, count in sorted(calls.items()):
        left -= count
        if left <= 0:
            return float(2.0 ** (step / STEPS_AN_OCTAVE))
    return 0.0
