"""``otel-auto-assign check``: before a deploy, is all well? What is not, and what to do about it."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from observability_events.findings import Finding
    from otel_auto_assign.settings import Settings

_VERDICT_WIDTH: Final = 8
_SUBJECT_WIDTH: Final = 14


class Statements(StrEnum):
    """What ``--sql`` prints."""

    ROLE = "role"


def check(
    dsn: Dsn = "",
    table: Table = "",
    *,
    try_insert: Annotated[
        bool,
        typer.Option(
            "--try-insert",
            help="Also insert a row of every event type and take them back. It finds what no catalogue tells (CHECK "
            "constraints, triggers); the table's triggers run for these rows.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, for machines.")] = False,
    statements: Annotated[
        Statements | None,
        typer.Option("--sql", help="Check nothing; print the SQL that makes the least-privilege roles, to paste."),
    ] = None,
) -> None:
    """Look at settings, environment, spool folder and database before a deploy; nothing is written."""
    if statements is not None:
        _print_roles(settings_for(dsn, table))
        return
    findings: list[Finding] = []
    for finding in _findings({"dsn": dsn, "table": table}, trial=try_insert):
        findings.append(finding)
        if not as_json:
            _print(finding)
    _leave(findings, as_json=as_json)


def _findings(given: dict[str, str], *, trial: bool) -> Iterator[Finding]:
    from observability_events.checkup import DSN, at_database, without_database
    from observability_events.findings import Verdict
    from observability_events.surroundings import read_settings

    try:
        settings, about_settings = read_settings(os.environ, **{name: text for name, text in given.items() if text})
    except ValueError as error:
        exits.leave(exits.USAGE, str(error))
    yield from about_settings
    found = without_database(settings, os.environ)
    yield from found
    if all(finding.verdict is Verdict.OK for finding in found if finding.subject == DSN):
        yield from at_database(settings, trial=trial)


def _print(finding: Finding) -> None:
    typer.echo(f"{finding.verdict:<{_VERDICT_WIDTH}} {finding.subject:<{_SUBJECT_WIDTH}} {finding.evidence}")
    if finding.remedy:
        typer.echo(f"{'':<{_VERDICT_WIDTH}} {'':<{_SUBJECT_WIDTH}} remedy: {finding.remedy}")


def _leave(findings: list[Finding], *, as_json: bool) -> None:
    from observability_events.checkup import CONNECTION, worst
    from observability_events.findings import Verdict

    verdict = worst(findings)
    if as_json:
        shown = [{name: str(value) for name, value in vars(finding).items()} for finding in findings]
        typer.echo(json.dumps({"verdict": verdict, "findings": shown}, indent=2, ensure_ascii=False))
    else:
        counts = {one: sum(finding.verdict is one for finding in findings) for one in Verdict}
        typer.echo(f"\n{counts[Verdict.OK]} ok, {counts[Verdict.WARNING]} warnings, {counts[Verdict.WRONG]} wrong")
    if any(finding.subject == CONNECTION for finding in findings):
        raise typer.Exit(exits.CRASHED)
    raise typer.Exit({Verdict.OK: exits.OK, Verdict.WARNING: exits.HOLD, Verdict.WRONG: exits.FAILED}[verdict])


def _print_roles(settings: Settings) -> None:
    from observability_events.checkup import speaking
    from observability_events.findings import Finding
    from observability_events.probe import look
    from observability_events.roles import place, roles_sql
    from otel_auto_assign.commands import database

    with database.speaking(settings), speaking(settings) as connection:
        found = look(connection, settings.table)
        if isinstance(found, Finding):
            exits.leave(exits.FAILED, str(found))
        typer.echo(roles_sql(place(connection, found), settings), nl=False)
