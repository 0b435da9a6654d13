"""``otel-auto-assign spool``: what waits on disk, what was refused, and having it written."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import orjson
import typer
from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text

from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, settings_for, speaking
from otel_auto_assign.commands.output import AsJson, console
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from observability_events.dead_letters import Letter
    from observability_events.overview import Overview

_COUNTED: Final = {
    "accepted": "accepted", "adopted": "adopted", "committed": "committed", "pending_memory": "memory",
    "pending_disk": "disk", "handed_over": "handed over", "dead_lettered": "dead",
}  # fmt: skip
"""Field of the accounts → the heading of its column."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Directory = Annotated[
    str, typer.Option("--directory", help="The spool's directory, if not the exporter's setting.", show_default=False)
]

spool = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@spool.callback()
def _spool(context: typer.Context) -> None:
    """What waits on disk, what was refused, and having it written."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(exits.USAGE)


@spool.command()
def status(*, directory: Directory = "", as_json: AsJson = False) -> None:
    """Show what waits on disk for each database, and who keeps it; no database and no DSN is needed.

    Exits with 10 if something needs a person: each remark at the end says what and how.
    """
    from observability_events.overview import overviews

    where = _where(directory)
    found = overviews(where)
    if as_json:
        _print_json({"directory": str(where), "destinations": [_document(each) for each in found]})
    else:
        print_status(console(), where, found, datetime.now(UTC))
    if any(each.remarks for each in found):
        raise typer.Exit(exits.HOLD)


@spool.command()
def replay(
    *,
    letters: Annotated[
        bool, typer.Option("--dead-letters", help="Try the dead letters again, too; those refused once more stay.")
    ] = False,
    dsn: Dsn = "",
    table: Table = "",
    directory: Directory = "",
    as_json: AsJson = False,
) -> None:
    """Write what dead processes have left on disk for the database and table of the settings.

    Exits with 10 if some of it is left or refused, with 40 if the database cannot be reached. Twice does no harm: a row
    has one id.
    """
    from observability_events.connection import connect
    from observability_events.dead_letters import DeadLettersError
    from observability_events.failures import TableUnfitError
    from observability_events.probe import probe
    from observability_events.replay import Replayed, replay_letters, replay_segments

    settings = settings_for(dsn, table)
    if directory:
        settings = dataclasses.replace(settings, spool_directory=directory)
    done: dict[str, Replayed] = {}
    try:
        with speaking(settings):
            with connect(settings) as connection:
                probe(connection, settings.table)
            done["segments"] = replay_segments(settings)
            if letters:
                done["dead_letters"] = replay_letters(settings)
    except (TableUnfitError, DeadLettersError) as error:
        exits.leave(exits.CRASHED, str(error))
    if as_json:
        _print_json({kind: dataclasses.asdict(each) for kind, each in done.items()})
    else:
        for kind, each in done.items():
            typer.echo(_sentence(kind, each))
    if any(each.lost for each in done.values()):
        raise typer.Exit(exits.FAILED)
    if any(each.left or each.dead_lettered for each in done.values()):
        raise typer.Exit(exits.HOLD)


@spool.command(name="dead-letters")
def dead_letters(
    *,
    delete: Annotated[
        list[UUID], typer.Option("--delete", metavar="ID", help="Delete this one, for good; may be given again.")
    ] = [],  # noqa: B006 - typer's way; it is never changed
    before: Annotated[
        datetime | None,
        typer.Option(
            "--before", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Delete those refused before this time (UTC)."
        ),
    ] = None,
    directory: Directory = "",
    as_json: AsJson = False,
) -> None:
    """List the rows that the database has refused for good, with the reason; no database and no DSN is needed."""
    from observability_events.dead_letters import DeadLetters, DeadLettersError
    from observability_events.folder import destinations
    from observability_events.overview import title

    limit = None if before is None else before.replace(tzinfo=UTC)
    shown: list[tuple[str, list[Letter]]] = []
    deleted = 0
    try:
        for found in destinations(_where(directory)):
            letters = DeadLetters(found.path)
            if delete or limit is not None:
                old = [] if limit is None else [each.id for each in letters.letters() if each.time < limit]
                deleted += letters.remove({*delete, *old})
            else:
                shown.append((title(found.path, found.about), list(letters.letters())))
    except DeadLettersError as error:
        exits.leave(exits.CRASHED, str(error))
    if delete or limit is not None:
        typer.echo(f"{_counted(deleted, 'dead letter')} deleted")
    elif as_json:
        _print_json(
            {"destinations": [{"title": name, "dead_letters": [_letter(x) for x in found]} for name, found in shown]}
        )
    else:
        _print_letters(shown)


def _where(directory: str) -> Path:
    from observability_events.folder import spool_directory

    settings = Settings.from_environment()
    return spool_directory(dataclasses.replace(settings, spool_directory=directory) if directory else settings)


# -- JSON -----------------------------------------------------------------------------------------------------------


def _print_json(document: dict[str, Any]) -> None:
    """Print ``document``; what orjson refuses (a lone surrogate in a dead letter) Python's own JSON escapes."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        text = json.dumps(document, indent=2, default=str)
    typer.echo(text)


def _document(found: Overview) -> dict[str, Any]:
    return {
        "name": found.path.name,
        **{key: found.about.get(key) for key in ("host", "port", "dbname", "table")},
        "pieces": found.pieces,
        "owners": [
            {
                "name": owner.name,
                "alive": owner.alive,
                "status": owner.status,
                "segments": [
                    {
                        "file": each.path.name,
                        "bytes": each.size,
                        "written": datetime.fromtimestamp(each.written, UTC).isoformat(),
                        "pieces": each.records,
                    }
                    for each in owner.segments
                ],
            }
            for owner in found.owners
        ],
        "dead_letters": found.dead_letters,
        "quarantined": [path.name for path in found.quarantined],
        "remarks": found.remarks,
    }


def _letter(letter: Letter) -> dict[str, Any]:
    row = letter.row
    return {
        "id": str(letter.id),
        "time": letter.time.isoformat(),
        "reason": letter.reason,
        "sqlstate": letter.sqlstate or None,
        "text": letter.text,
        "row": None
        if row is None
        else {
            "created_at": row.created_at.isoformat(),
            "source": row.source,
            "event_type": row.event_type,
            "severity": row.severity,
            "restaurant_id": None if row.restaurant_id is None else str(row.restaurant_id),
            "booking_id": None if row.booking_id is None else str(row.booking_id),
            "context": row.context,
        },
    }


# -- for people -----------------------------------------------------------------------------------------------------


def print_status(out: Console, where: Path, found: list[Overview], now: datetime) -> None:
    """Print what ``spool status`` shows."""
    if not found:
        out.print(Text(f"nothing waits on disk in {where}"))
    for number, each in enumerate(found):
        if number:
            out.print()
        out.print(Text(_printable(f"{each.title} ({each.path})")), soft_wrap=True)
        if each.owners:
            out.print(_owners(each, now))
        segments = [segment for owner in each.owners for segment in owner.segments]
        if each.oldest is not None:
            age = _span((now - each.oldest).total_seconds())
            pieces, files = _counted(each.pieces, "piece"), _counted(len(segments), "segment")
            size = _bytes(sum(segment.size for segment in segments))
            out.print(f"on disk: {pieces} in {files} ({size}), the oldest last written to {age} ago", soft_wrap=True)
        for remark in each.remarks:
            out.print(Text(f"! {_printable(remark)}"), soft_wrap=True)
        if not each.remarks:
            out.print("all is well")


def _owners(found: Overview, now: datetime) -> Grid:
    numbers = [Column(name, justify="right") for name in (*_COUNTED.values(), "dropped", "said")]
    grid = Grid("owner", "state", "circuit", *numbers, box=None, pad_edge=False)
    for owner in found.owners:
        said = owner.status or {}
        accounts = said.get("accounts") or {}
        grid.add_row(
            owner.name,
            "alive" if owner.alive else "ended",
            _cell(said.get("circuit")),
            *(_cell(accounts.get(name)) for name in _COUNTED),
            _cell(sum((accounts.get("dropped") or {}).values()) if accounts else None),
            _ago(said.get("time"), now),
        )
    return grid


def _print_letters(shown: list[tuple[str, list[Letter]]]) -> None:
    out = console()
    if not any(letters for _, letters in shown):
        out.print("no dead letters")
    for title, letters in shown:
        if not letters:
            continue
        out.print(Text(f"{_printable(title)}: {_counted(len(letters), 'dead letter')}"))
        grid = Grid("id", "refused", "event type", "reason", "SQLSTATE", "what was said", box=None, pad_edge=False)
        for letter in letters:
            grid.add_row(
                str(letter.id),
                letter.time.strftime("%Y-%m-%d %H:%M:%SZ"),
                _cell(_what(letter)),
                _cell(letter.reason),
                _cell(letter.sqlstate or None),
                _cell(letter.text),
            )
        out.print(grid)


def _what(letter: Letter) -> str:
    if letter.row is not None:
        return letter.row.event_type
    return "damaged" if letter.span is None else f"span {letter.span[1].name}"


def _sentence(kind: str, done: Any) -> str:
    name = {"segments": "what ended processes left", "dead_letters": "dead letters"}[kind]
    text = f"{name}: {_counted(done.written, 'row')} written"
    if done.already_present:
        text += f" ({done.already_present} of them were in the table)"
    if done.dead_lettered:
        text += f", {done.dead_lettered} refused: `spool dead-letters` says why"
    if done.left:
        text += f", {done.left} left on disk"
    if done.lost:
        text += f", {done.lost} lost: too old, or refused and not to be kept as dead letters"
    return text


def _cell(value: object) -> Text:
    return Text("-" if value is None else _printable(str(value)), overflow="fold")


def _printable(text: str) -> str:
    """Give ``text`` without what a terminal would obey, or not be able to show."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ago(time: object, now: datetime) -> str:
    try:
        then = datetime.fromisoformat(str(time))
    except ValueError:
        return "-"
    return f"{_span((now - then).total_seconds())} ago"


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def _bytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
