"""``otel-auto-assign spool``: what waits on disk, what was refused, and having it written."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
import typer

from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, settings_for, speaking
from otel_auto_assign.commands.output import AsJson, console
from otel_auto_assign.commands.spool_text import (
    counted,
    document,
    letter_document,
    print_letters,
    print_status,
    sentence,
)
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from observability_events.dead_letters import Letter

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
        _print_json({"directory": str(where), "destinations": [document(each) for each in found]})
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
            typer.echo(sentence(kind, each))
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
        typer.echo(f"{counted(deleted, 'dead letter')} deleted")
    elif as_json:
        _print_json(
            {
                "destinations": [
                    {"title": name, "dead_letters": [letter_document(x) for x in found]} for name, found in shown
                ]
            }
        )
    else:
        print_letters(shown)


def _where(directory: str) -> Path:
    from observability_events.folder import spool_directory

    settings = Settings.from_environment()
    return spool_directory(dataclasses.replace(settings, spool_directory=directory) if directory else settings)


def _print_json(document: dict[str, Any]) -> None:
    """Print ``document``; what orjson refuses (a lone surrogate in a dead letter) Python's own JSON escapes."""
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        text = json.dumps(document, indent=2, default=str)
    typer.echo(text)
