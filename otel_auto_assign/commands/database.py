"""The database that a command speaks to: whose DSN, and what to say when it cannot be spoken to."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import psycopg
import typer

from observability_events.connection import Connection, connect, dsn_problem, told
from otel_auto_assign.analysis.events import TableMissingError, snapshot
from otel_auto_assign.commands import exits
from otel_auto_assign.settings import Settings

READER: Final = "otel-auto-assign-reader"
"""The application name of connections that only read."""

Dsn = Annotated[
    str,
    typer.Option(
        "--dsn",
        help="The database: a libpq connection string or URI. By default the exporter's setting. A password is better "
        "kept in PGPASSFILE or PGSERVICE: other users of the machine see a command's arguments.",
    ),
]
Table = Annotated[str, typer.Option("--table", help="The table, if not the exporter's setting.")]


def settings_for(dsn: str = "", table: str = "", *, own: str = "dsn", **more: str) -> Settings:
    """Give the settings in force, with what the command line said before them; leaves where there is no usable DSN.

    Args:
        dsn: As given on the command line.
        table: Likewise.
        own: The setting that comes before ``dsn``, for a command whose role is another than the exporter's.
        more: Likewise, by the setting's name.
    """
    given = {name: value for name, value in {"dsn": dsn, "table": table, **more}.items() if value}
    try:
        settings = Settings.from_environment(**given)
    except ValueError as error:
        exits.leave(exits.USAGE, str(error))
    if not dsn and getattr(settings, own):
        settings = dataclasses.replace(settings, dsn=getattr(settings, own))
    if not settings.dsn:
        exits.leave(exits.USAGE, "no database: give --dsn, or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN")
    problem = dsn_problem(settings.dsn)
    if problem is not None:
        exits.leave(exits.USAGE, problem)
    return settings


@contextmanager
def speaking(settings: Settings) -> Iterator[None]:
    """Leave with one sentence, without secrets, when the database fails a command."""
    try:
        yield
    except psycopg.Error as error:
        exits.leave(exits.CRASHED, f"the database: {told(error, settings.dsn)}")


@contextmanager
def reading(settings: Settings, patience_seconds: float) -> Iterator[Connection]:
    """Connect for questions alone, which all see one state of the database and change nothing.

    The transaction is read-only, not the session (``default_transaction_read_only``), because a session's settings
    reach other clients through a pooler. Whatever server and network do, it ends when ``patience_seconds`` are over.
    """
    with speaking(settings):
        connection = connect(settings, READER)
        try:
            connection.deadline = time.monotonic() + patience_seconds
            with snapshot(connection, patience_seconds=patience_seconds):
                yield connection
        except TableMissingError as error:
            exits.leave(exits.CRASHED, str(error))
        finally:
            connection.give_up()
            connection.close()
