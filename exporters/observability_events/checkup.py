"""Is all well, before a deploy? One list of findings: the environment, the disk, the database.

Nothing is written to the table; only if it is wanted are rows inserted in a transaction that is taken back.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from observability_events import server, table
from observability_events.columns import examine
from observability_events.connection import connect, dsn_problem, told
from observability_events.findings import Finding, Verdict
from observability_events.probe import judge, look
from observability_events.surroundings import about_surroundings
from observability_events.waiting import about_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from observability_events.connection import Connection
    from otel_auto_assign.settings import Settings


CONNECTION: Final = "connection"
DSN: Final = "dsn"


def without_database(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Look at all that needs no database."""
    return [*_about_dsn(settings), *about_surroundings(settings, environ), *about_waiting(settings)]


def at_database(settings: Settings, *, trial: bool = False) -> Iterator[Finding]:
    """Look at all that the database can be asked, one finding after the other.

    Args:
        settings: With a usable DSN.
        trial: Insert a row of every event type, too, and take them back.

    Where it cannot be reached, or the line is lost, that is the last finding, with `CONNECTION` as its subject.
    """
    try:
        with speaking(settings) as connection:
            yield from _asked(connection, settings, trial=trial)
    except psycopg.Error as error:
        remedy = "see that it runs, and that host, port, user and password of the DSN are right and let in from here"
        yield Finding(CONNECTION, Verdict.WRONG, told(error, settings.dsn), remedy)


@contextmanager
def speaking(settings: Settings) -> Iterator[Connection]:
    """Have a connection for one command; its statements end in ``settings.statement_timeout`` seconds altogether.

    Raises:
        psycopg.Error: if there is none.
    """
    connection = connect(settings)
    try:
        connection.deadline = time.monotonic() + settings.statement_timeout
        yield connection
    finally:
        connection.give_up()
        connection.close()


def worst(findings: Sequence[Finding]) -> Verdict:
    """Give the verdict on all of them."""
    verdicts = {finding.verdict for finding in findings}
    return next((verdict for verdict in (Verdict.WRONG, Verdict.WARNING) if verdict in verdicts), Verdict.OK)


def _about_dsn(settings: Settings) -> Iterator[Finding]:
    if not settings.dsn:
        remedy = "set OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN, or SUPABASE_DB_URL, or give --dsn"
        yield Finding(DSN, Verdict.WRONG, "none is set: no rows are written", remedy)
        return
    problem = dsn_problem(settings.dsn)
    if problem is not None:
        yield Finding(DSN, Verdict.WRONG, problem, "mend it")
        return
    known = conninfo_to_dict(settings.dsn)
    parts = [f"{name}={known[name]}" for name in ("host", "hostaddr", "port", "dbname", "service") if known.get(name)]
    yield Finding(DSN, Verdict.OK, f"{' '.join(parts) or 'all of it by default'}")


def _asked(connection: Connection, settings: Settings, *, trial: bool) -> Iterator[Finding]:
    session = server.session(connection)
    yield from server.about_server(session)
    yield from server.about_encryption(connection)
    yield from server.about_pooler(connection, session)
    yield from server.about_role(session)
    yield from server.about_time_outs(session, settings)
    found = look(connection, settings.table)
    if isinstance(found, Finding):
        yield found
        return
    columns = examine(connection, found.oid, found.full, found.quoted_role, found.triggers)
    findings = [
        *table.about_table(connection, found, [*judge(found)]),
        *table.about_columns(connection, found, columns),
        *table.about_references(connection, found, columns),
    ]
    yield from findings
    if trial and worst(findings) is not Verdict.WRONG:
        yield table.try_insert(connection, settings.table)
