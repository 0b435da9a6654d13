"""Gives jobs whose process died the one summary they are owed: ``result: "abandoned"``.

One connection reads, in one transaction that holds an advisory lock to its end; another writes, as the exporter does,
in short statements of its own, so that no booking stays locked. Ids are those that the real rows would have: what is
written twice is there once, and what a fault leaves undone the next run finds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import psycopg

from observability_events import folder, wire
from observability_events.abandoned import Abandoned, is_job
from observability_events.connection import connect
from observability_events.failures import Action, action
from observability_events.postgres import PostgresWriter
from observability_events.probe import probe
from observability_events.unfinished import Unfinished, UnfinishedJobs
from otel_auto_assign.settings import Settings

LEAST_AGE: Final = timedelta(hours=2)
TIMES_THE_LONGEST: Final = 3
MARGIN: Final = timedelta(days=1)
"""How far before a window rows are read at least: a job that began before it must not look as if it had no start."""
PORTION_JOBS: Final = 200
LISTED_JOBS: Final = 1000
"""The most jobs that a report names; it counts all."""
DEADLINE_SECONDS: Final = 3600.0
"""When reading ends at the latest: a server that answers no more must not keep one run of a timer after the other."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)


class HeldError(Exception):
    """Reconciling must wait; the text says for what."""


@dataclass
class Report:
    """What a run found and did; of a dry run, what it would have done.

    Attributes:
        older_than: How long a job must have been silent to be taken for dead.
        longest: The longest job seen; None where nobody asked, or there was none.
        jobs: The jobs taken for dead, the first `LISTED_JOBS` of them.
        abandoned: How many they are: each lacked its summary.
        without_started: How many of them lacked the row of their start, too.
        written: Rows that were written.
        already_present: Rows that were not: the real ones had come meanwhile.
        left: Jobs whose rows somebody's lock kept out; the next run finds them.
        refused: Jobs whose rows the database does not take.
        refusal: What it said of one of them.
        live: Jobs without a summary that have not been silent for long enough.
        only_started_missing: Jobs with a summary and no ``started``: nothing is done about them.
        foreign_rows: Rows of the job flow's event types by other programs: they are left alone.
        hidden_by: Conditions of row security that may hide rows from us.
    """

    older_than: timedelta = LEAST_AGE
    longest: timedelta | None = None
    jobs: list[Abandoned] = field(default_factory=list)
    abandoned: int = 0
    without_started: int = 0
    written: int = 0
    already_present: int = 0
    left: int = 0
    refused: int = 0
    refusal: str = ""
    live: int = 0
    only_started_missing: int = 0
    foreign_rows: int = 0
    hidden_by: list[str] = field(default_factory=list)


def reconcile(
    settings: Settings,
    *,
    older_than: timedelta | None = None,
    within: timedelta | None = None,
    dry_run: bool = False,
) -> Report:
    """Write the missing summaries into ``settings.table``.

    Args:
        settings: The DSN, whose role needs SELECT and INSERT, the table, and the time-outs.
        older_than: Time since a job's last row, by the database's clock, after which the job is taken for dead; by
            default two hours, or three times the longest job seen if that is more.
        within: Only jobs that began within this time before now, instead of all there are.
        dry_run: Write nothing, and take no lock.

    Raises:
        HeldError: if another run is at work on the table, or a spool of this machine holds rows for it.
        TableUnfitError: if the table cannot be read, or cannot take the rows; the text says why and what to do.
        psycopg.Error: if the database fails. What was written stays; another run does the rest.
    """
    holding = spool_holding_rows(settings)
    if holding is not None:
        raise HeldError(f"rows wait in {holding}: a job's summary may be among them")
    report = Report()
    with closing(connect(settings)) as connection:
        connection.deadline = time.monotonic() + DEADLINE_SECONDS
        table = UnfinishedJobs(connection, settings.table, probe(connection, settings.table))
        report.hidden_by = table.hidden_by()
        writer = PostgresWriter(settings)
        try:
            with connection.transaction():
                if not (dry_run or table.lock()):
                    raise HeldError(f"another reconcile is at work on {settings.table}")
                dead = _dead(table, report, older_than, within)
                while portion := list(islice(dead, PORTION_JOBS)):
                    jobs = table.abandoned(portion)
                    _found(jobs, report)
                    if not dry_run:
                        _write(writer, jobs, report)
        finally:
            writer.disconnect()
    return report


def spool_holding_rows(settings: Settings) -> Path | None:
    """Give the folder of a spool on this machine that holds rows for a table of this name.

    One database goes by many names (addresses, poolers, services), so the table's name alone decides.
    """
    for found in folder.destinations(folder.spool_directory(settings)):
        table = found.about.get("table")
        if type(table) is str and _bare(table) != _bare(settings.table):
            continue
        if any(_holds_rows(owner) for owner in found.owners()):
            return found.path
    return None


def _holds_rows(owner: folder.Owner) -> bool:
    """Say whether an owner has rows that wait; a living one keeps what it has written in its newest segment, too."""
    accounts = (owner.status or {}).get("accounts")
    waiting = accounts.get("pending_disk") if owner.alive and isinstance(accounts, dict) else None
    if isinstance(waiting, int):
        return waiting > 0
    return any(segment.records != 0 for segment in owner.segments)


def _bare(table: str) -> str:
    """Give a table's name without its schema and quotes."""
    return table.rsplit(".", 1)[-1].strip('"').lower()


def _dead(
    table: UnfinishedJobs, report: Report, older_than: timedelta | None, within: timedelta | None
) -> Iterator[Unfinished]:
    """Give the jobs that are taken for dead, and count the others."""
    now = table.now()
    began = None if within is None else _before(now, within)
    if older_than is None:
        longest_ms = table.longest_ms(began)
        report.longest = None if longest_ms is None else timedelta(milliseconds=longest_ms)
        older_than = max(LEAST_AGE, TIMES_THE_LONGEST * (report.longest or timedelta()))
    report.older_than = older_than
    since = None if began is None else _before(began, max(MARGIN, older_than))
    began_us = None if began is None else (began - _EPOCH) // _US
    dead_us = (now - _EPOCH) // _US - older_than // _US
    for job in table.unfinished(since):
        if not is_job(job.trace_id, job.job_id):
            report.foreign_rows += job.rows
        elif began_us is not None and job.first_us < began_us:
            continue
        elif job.summarised:
            report.only_started_missing += 1
        elif job.last_us > dead_us:
            report.live += 1
        else:
            yield job


def _before(moment: datetime, by: timedelta) -> datetime:
    return moment - min(by, moment - _EPOCH)


def _found(jobs: Sequence[Abandoned], report: Report) -> None:
    report.jobs += jobs[: LISTED_JOBS - len(report.jobs)]
    report.abandoned += len(jobs)
    report.without_started += sum(job.started is not None for job in jobs)


def _write(writer: PostgresWriter, jobs: Sequence[Abandoned], report: Report, without: tuple[str, ...] = ()) -> None:
    """Write the rows of ``jobs``; those that cannot be written are found by halving, and counted.

    ``without`` are the columns to be left null, for their ids are dangling.
    """
    rows = [wire.encode(row) for job in jobs for row in job.rows]
    for column in without:
        rows = [wire.without(row, column) if getattr(row.row, column) is not None else row for row in rows]
    try:
        written = writer.insert(rows) if rows else 0
    except psycopg.Error as error:
        asked, dangling = action(error), writer.dangling(error)
        if asked not in {Action.ISOLATE, Action.SPLIT, Action.BACK_OFF}:
            raise
        locked_as_a_whole = asked is Action.BACK_OFF and isinstance(error, psycopg.errors.LockNotAvailable)
        if len(jobs) > 1 and not locked_as_a_whole:
            middle = len(jobs) // 2
            _write(writer, jobs[:middle], report)
            _write(writer, jobs[middle:], report)
        elif dangling is not None and dangling not in without:
            _write(writer, jobs, report, (*without, dangling))
        elif asked is Action.ISOLATE:
            report.refused += 1
            report.refusal = writer.told(error)
        else:
            report.left += len(jobs)
    else:
        report.written += written
        report.already_present += len(rows) - written
