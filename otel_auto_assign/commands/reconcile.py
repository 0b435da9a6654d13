"""``otel-auto-assign reconcile``: the summaries of jobs whose process died."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table as Grid

from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, settings_for, speaking

if TYPE_CHECKING:
    from observability_events.abandoned import Abandoned
    from observability_events.reconcile import Report

MOST: Final = timedelta(days=36_500)
SHOWN: Final = 50  # jobs on a terminal; JSON has more
WIDE_ENOUGH: Final = 160  # columns; a pipe has no width: nothing is folded there

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Read a time span: a number and its unit, ``s``, ``m``, ``h`` or ``d``.

    Raises:
        typer.BadParameter: for anything else, and beyond a hundred years.

    >>> print(duration("90m"), duration("1.5d"))
    1:30:00 1 day, 12:00:00
    """
    found = _DURATION.fullmatch(text.strip().lower())
    given = None if found is None else timedelta(**{_UNITS[found[2]]: float(found[1])})
    if given is None or given > MOST:
        raise typer.BadParameter(f"{text!r} is no time span such as 45s, 90m, 2h or 7d")
    return given


def reconcile_jobs(
    *,
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="How long a job must have been silent to be taken for dead, such as 90m. [default: 2h, or three times "
            "the longest job in the table if that is more]",
            show_default=False,
        ),
    ] = None,
    within: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration,
            metavar="TIME",
            help="Only jobs that began within this time, such as 7d. [default: all in the table]",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    dsn: Dsn = "",
    table: Table = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Give each job whose process died its one summary: result "abandoned".

    The role needs SELECT and INSERT. Its DSN is --dsn, else OTEL_AUTO_ASSIGN_RECONCILE_DSN, else the exporter's.
    """
    from observability_events.failures import TableUnfitError
    from observability_events.reconcile import HeldError, reconcile

    settings = settings_for(dsn, table, own="reconcile_dsn")
    with speaking(settings):
        try:
            report = reconcile(settings, older_than=older_than, within=within, dry_run=dry_run)
        except HeldError as error:
            exits.leave(exits.HOLD, f"{error}: nothing was done")
        except TableUnfitError as error:
            exits.leave(exits.CRASHED, str(error))
    if as_json:
        typer.echo(json.dumps(_document(report, dry_run=dry_run), indent=2))
    else:
        _print(report, dry_run=dry_run)
    if report.hidden_by:
        conditions = ", ".join(report.hidden_by)
        typer.echo(f"row security may hide rows, and with them summaries, from this role: {conditions}", err=True)
    if report.refused:
        exits.leave(
            exits.FAILED, f"rows of {_counted(report.refused, 'job')} are refused by the database: {report.refusal}"
        )
    if report.left:
        exits.leave(
            exits.HOLD,
            f"{_counted(report.left, 'job')} left for the next run: somebody has locked a booking or the table",
        )


def _document(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "older_than_seconds": report.older_than.total_seconds(),
        "longest_job_seconds": None if report.longest is None else report.longest.total_seconds(),
        "abandoned": report.abandoned,
        "without_started": report.without_started,
        "rows_written": report.written,
        "rows_already_present": report.already_present,
        "left_locked": report.left,
        "refused": report.refused,
        "live": report.live,
        "only_started_missing": report.only_started_missing,
        "foreign_rows": report.foreign_rows,
        "jobs": [_job(job) for job in report.jobs],
    }


def _job(job: Abandoned) -> dict[str, Any]:
    context = job.summary.context
    return {
        "trace_id": job.trace_id,
        "job_id": job.job_id,
        "summary_id": str(job.summary.id),
        "started_at": _time(job.summary.time_us),
        "last_row_at": _time(job.last_us),
        "attempts_used": context["attemptsUsed"],
        "total_duration_ms": context["totalDurationMs"],
        "trigger": context["trigger"],
        "service": context["service"],
        "environment": context["environment"],
        "booking_id": _reference(job.summary.booking_id, context.get("booking_ref")),
        "restaurant_id": _reference(job.summary.restaurant_id, context.get("restaurant_ref")),
        "started_missing": job.started is not None,
    }


def _print(report: Report, *, dry_run: bool) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE_ENOUGH
    if report.jobs:
        grid = Grid("job", "booking", "service", "started", "last row", "attempts", "rows", box=None)
        for job in map(_job, report.jobs[:SHOWN]):
            grid.add_row(
                job["job_id"],
                job["booking_id"] or "",
                job["service"],
                job["started_at"][:19],
                job["last_row_at"][:19],
                str(job["attempts_used"]),
                "started, summary" if job["started_missing"] else "summary",
            )
        console.print(grid)
        if report.abandoned > SHOWN:
            console.print(f"… and {report.abandoned - SHOWN} more")
    would_be = report.abandoned + report.without_started
    done = f"{_counted(would_be, 'row')} would be written" if dry_run else f"{_counted(report.written, 'row')} written"
    present = f", {report.already_present} already present" if report.already_present else ""
    console.print(
        f"{_counted(report.abandoned, 'job')} abandoned (silent for {report.older_than} or longer), {done}{present}"
    )
    for count, noun, what in (
        (report.live, "job", "without a summary, not old enough"),
        (report.only_started_missing, "job", "with a summary and no start, left alone"),
        (report.foreign_rows, "row", "of other programs, left alone"),
    ):
        if count:
            console.print(f"{_counted(count, noun)} {what}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _time(time_us: int) -> str:
    """Give a time in UTC, as ISO 8601; the database's calendar is longer than Python's."""
    try:
        return (_EPOCH + timedelta(microseconds=time_us)).isoformat()
    except OverflowError:
        return f"{time_us} µs after 1970"


def _reference(column: object, kept: object) -> str | None:
    found = column if column is not None else kept
    return None if found is None else str(found)
