"""Rows → a cohort: streamed from the server in portions, kept as columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg

from otel_auto_assign import semconv
from otel_auto_assign.analysis.arrays import Bools
from otel_auto_assign.analysis.cohorts import NO_RUN_ID, UNKNOWN, Calls, Cohort, Runs
from otel_auto_assign.analysis.events import EVERYTHING, EventsTable, Filters, parameters, snapshot, statement
from otel_auto_assign.analysis.windows import Window

MARGIN: Final = timedelta(days=1)
"""So long after the window the ends of its jobs are looked for, and that long before it nothing is."""
SILENCE: Final = timedelta(hours=2)
"""A run whose last row is older does not run any more, as `reconcile` has it."""
PORTION: Final = 20_000

NO_JOB_ID: Final = "jobs that say neither job_id nor booking"
NO_ATTEMPT_ID: Final = "inline runs that say no attemptId"
NO_DURATION: Final = "calls without a readable duration"
OF_OTHERS: Final = "calls of runs that began before the window, or have no start"
NO_END_DURATION: Final = "inline runs whose terminal has no readable duration"
_LEFT_OUT: Final = (NO_JOB_ID, NO_ATTEMPT_ID, NO_RUN_ID, NO_DURATION, OF_OTHERS, NO_END_DURATION)


@dataclass
class _Names:
    """Numbers for names, in the order in which they come; a tuple stands in for a name that nobody gave."""

    codes: dict[str | tuple[str, object], int] = field(default_factory=dict)

    def code(self, name: str | tuple[str, object] | None) -> int:
        return UNKNOWN if name is None else self.codes.setdefault(name, len(self.codes))

    @property
    def names(self) -> list[str]:
        return [name if isinstance(name, str) else str(name[1]) for name in self.codes]

    @property
    def named(self) -> Bools:
        return np.array([isinstance(name, str) for name in self.codes], dtype=bool)


@dataclass
class _Columns:
    """Columns that grow by portions."""

    kinds: dict[str, Any]
    portions: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, **columns: Iterable[Any]) -> None:
        for name, values in columns.items():
            self.portions.setdefault(name, []).append(np.array(list(values), dtype=self.kinds[name]))

    def column(self, name: str) -> Any:
        found = self.portions.pop(name, [])  # so that not all of it is there twice
        return np.concatenate(found) if found else np.array([], dtype=self.kinds[name])


_KINDS: Final[dict[str, Any]] = {
    "names": object, "bookings": np.intp, "restaurants": np.intp, "began": np.float64, "days": np.int64,
    "ms": np.float64, "beyond": bool, "outcomes": np.intp, "silent": bool, "attempts": np.int64, "limits": np.float64,
    "policy": np.int8, "cache": np.int8, "mixed": bool, "jobs": np.intp, "inline": np.intp, "cache_hit": bool,
    "hard": bool,
}  # fmt: skip


def load(
    conn: psycopg.Connection[Any],
    window: Window,
    *,
    now: datetime,
    zone: ZoneInfo | None = None,
    table: str = "observability_events",
    filters: Filters = EVERYTHING,
    asking: Callable[[str], object] = str,
) -> Cohort:
    """Load what began in ``window``, as far as it was known at ``now``.

    Memory grows with the number of runs and calls, about 250 bytes a run and 80 a call, not with what rows say.

    Args:
        conn: A connection that may read the table; see `figures.report` for its transaction.
        window: Jobs and inline runs count by their start, with all that belongs to them.
        now: What happened later is not looked at; a run that had not ended by then is older than its start says.
        zone: Of the restaurants: their days are told by it. UTC by default.
        table: The table's name as the settings have it.
        filters: Which rows count. For restaurants take `Cohort.at`: a job's first rows may not name it yet.
        asking: Called with what is read next.

    Raises:
        TableMissingError: if there is no such table.
        psycopg.Error: if it cannot be read.
    """
    with snapshot(conn):
        reading = _Reading(conn, EventsTable.find(conn, table), window, now, zone or ZoneInfo("UTC"), filters)
        asking("jobs")
        jobs = reading.jobs()
        asking("inline runs")
        inline = reading.inline()
        asking("planner calls")
        calls = reading.calls(jobs, inline)
    return Cohort(
        jobs,
        inline,
        calls,
        bookings=reading.bookings.names,
        named=reading.bookings.named,
        restaurants=reading.restaurants.names,
        outcomes=reading.outcomes.names,
        unreadable={what: n for what, n in reading.left_out.items() if n},
    )


@dataclass
class _Reading:
    conn: psycopg.Connection[Any]
    events: EventsTable
    window: Window
    now: datetime
    zone: ZoneInfo
    filters: Filters
    bookings: _Names = field(default_factory=_Names)
    restaurants: _Names = field(default_factory=_Names)
    outcomes: _Names = field(default_factory=_Names)
    left_out: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_LEFT_OUT, 0))

    @property
    def older(self) -> EventsTable:
        """Rows of jobs without an id, as if they had one."""
        return self.events.older(self.filters)

    def portions(self, question: str, events: EventsTable) -> Iterator[list[tuple[Any, ...]]]:
        """Give what a statement answers, a portion at a time: by a cursor that stays on the server."""
        end = max(min(self.window.end + MARGIN, self.now), self.window.start + timedelta(microseconds=1))
        given = parameters(Window(self.window.start, end), self.filters) | {
            "first": self.window.start,
            "last": self.window.end,
            "zone": self.zone.key,
            "events": sorted(semconv.EVENTS),
            "results": sorted(semconv.RESULTS),
            "terminals": sorted(semconv.INLINE_TERMINALS),
        }
        with self.conn.cursor(name=f"otel_auto_assign_{question}") as cursor:
            cursor.execute(events.ask(statement(question), self.filters), given)
            while rows := cursor.fetchmany(PORTION):
                yield rows

    def jobs(self) -> Runs:
        """Load jobs; those that older telemetry gave no id go by booking and start."""
        columns = _Columns(_KINDS)
        _, nameless = self._runs(columns, "cohort_jobs", self.events)
        if nameless:
            found, _ = self._runs(columns, "cohort_jobs", self.older)
            self.left_out[NO_JOB_ID] += nameless - found
        return Runs(**{column.name: columns.column(column.name) for column in fields(Runs)})

    def inline(self) -> Runs:
        """Load inline runs."""
        columns = _Columns(_KINDS)
        _, self.left_out[NO_ATTEMPT_ID] = self._runs(columns, "cohort_inline", self.events)
        return Runs(**{column.name: columns.column(column.name) for column in fields(Runs)})

    def _runs(self, columns: _Columns, question: str, events: EventsTable) -> tuple[int, int]:
        """Load jobs or inline runs; without a booking, a run is a booking of its own.

        Returns:
            How many were found, and how many there are that do not say who they are.
        """
        now_ms = self.now.timestamp() * 1000
        silent_ms = (self.now - SILENCE).timestamp() * 1000
        many, nameless = 0, 0
        for answered in self.portions(question, events):
            rows = [row[:-1] for row in answered if row[0]]
            nameless += sum(row[-1] for row in answered)
            many += len(rows)
            if not rows:
                continue
            (
                run, booking, restaurant, began, day, ms, told, outcome, attempts, limit, policy, cache, default, mixed
            ) = zip(*rows, strict=True)  # fmt: skip
            ended = [bool(word) and word != semconv.RESULT_ABANDONED for word in outcome]
            unread = sum(took is None and over for took, over in zip(ms, ended, strict=True))
            self.left_out[NO_END_DURATION] += unread
            columns.add(
                names=run,
                bookings=[self.bookings.code(b or (question, r)) for b, r in zip(booking, run, strict=True)],
                restaurants=map(self.restaurants.code, restaurant),
                began=began,
                days=day,
                ms=[
                    took if took is not None else np.nan if over else max(0.0, now_ms - start)
                    for took, over, start in zip(ms, ended, began, strict=True)
                ],
                beyond=[not over for over in ended],
                outcomes=[self.outcomes.code(word or None) for word in outcome],
                silent=[not over and last < silent_ms for over, last in zip(ended, told, strict=True)],
                attempts=attempts,
                limits=[np.nan if one is None else one for one in limit],
                policy=_flags(policy, default),
                cache=_flags(cache, default),
                mixed=mixed,
            )
        return many, nameless

    def calls(self, jobs: Runs, inline: Runs) -> Calls:
        """Load the calls of these runs, and those outside any flow that began in the window."""
        columns = _Columns(_KINDS)
        self._calls(columns, self.events, jobs, inline)
        if self.left_out[NO_RUN_ID]:
            self.left_out[NO_RUN_ID] -= self._calls(columns, self.older, jobs, inline)
        return Calls(**{column.name: columns.column(column.name) for column in fields(Calls)})

    def _calls(self, columns: _Columns, events: EventsTable, jobs: Runs, inline: Runs) -> int:
        """Load them, and give how many of all that were seen began in the window."""
        places = [{name: place for place, name in enumerate(runs.names)} for runs in (jobs, inline)]
        first, last = (moment.timestamp() * 1000 for moment in (self.window.start, self.window.end))
        seen = 0
        for rows in self.portions("cohort_calls", events):
            kept = []
            for row in rows:
                _, run, of_inline, direct, _, _, began, *_ = row
                place = UNKNOWN if direct else places[of_inline].get(run, UNKNOWN)
                inside = first <= began < last
                seen += inside
                if place != UNKNOWN or (direct and inside):
                    kept.append((place, *row))
                elif inside:  # what is outside belongs to other windows
                    self.left_out[OF_OTHERS if run else NO_RUN_ID] += 1
            if kept:
                self._add(columns, kept, jobs, inline)
        return seen

    def _add(self, columns: _Columns, kept: list[tuple[Any, ...]], jobs: Runs, inline: Runs) -> None:
        (
            place, ids, _, of_inline, direct, booking, restaurant, began, day, ms, hit, hard, policy, cache, default
        ) = zip(*kept, strict=True)  # fmt: skip
        self.left_out[NO_DURATION] += sum(took is None for took in ms)
        where, within, outside = np.array(place), np.array(of_inline), np.array(direct)
        in_job, in_run = ~within & ~outside, within & ~outside
        owners = [name or ("call", own_id) for name, own_id in zip(booking, ids, strict=True)]
        own = {
            "bookings": np.array(
                [self.bookings.code(b) if d else UNKNOWN for d, b in zip(direct, owners, strict=True)]
            ),
            "restaurants": np.array([self.restaurants.code(one) for one in restaurant]),
            "days": np.array(day),
            "policy": np.array(_flags(policy, default)),
            "cache": np.array(_flags(cache, default)),
        }
        for name, values in own.items():
            for chosen, runs in ((in_job, jobs), (in_run, inline)):
                values[chosen] = getattr(runs, name)[where[chosen]]
        columns.add(
            jobs=np.where(in_job, where, UNKNOWN),
            inline=np.where(in_run, where, UNKNOWN),
            began=began,
            ms=[np.nan if took is None else took for took in ms],
            cache_hit=hit,
            hard=hard,
            **own,
        )


def _flags(values: Iterable[bool | None], by_default: Iterable[bool]) -> list[int]:
    """Give flags as numbers; one that nobody set is not off."""
    return [
        UNKNOWN if default or value is None else int(value) for value, default in zip(values, by_default, strict=True)
    ]
