"""``otel-auto-assign doctor``: is the telemetry complete enough to conclude anything?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from otel_auto_assign.analysis import doctor
from otel_auto_assign.analysis.doctor import Finding, Verdict, text
from otel_auto_assign.analysis.traces import Tracing
from otel_auto_assign.analysis.windows import Window, span
from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, reading, settings_for
from otel_auto_assign.commands.health import exporter_health
from otel_auto_assign.commands.output import AsJson, AsMarkdown, console, one_form
from otel_auto_assign.commands.progress import progress
from otel_auto_assign.commands.windows import (
    PATIENCE_SECONDS,
    AsOf,
    Environments,
    From,
    Patience,
    Since,
    To,
    WithoutSources,
    filters_from,
    now_from,
    window_from,
)

EXITS: Final = {
    Verdict.OK: exits.OK,
    Verdict.WARNING: exits.HOLD,
    Verdict.CANNOT_TELL: exits.INSUFFICIENT,
    Verdict.WRONG: exits.FAILED,
}
_STYLES: Final = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.CANNOT_TELL: "magenta",
    Verdict.WRONG: "red",
}
_USUAL: Final = doctor.Limits()


def show_doctor(
    *,
    since: Since = "",
    start: From = "",
    end: To = "",
    as_of: AsOf = "",
    environment: Environments = None,
    exclude_source: WithoutSources = None,
    safe_rate: Annotated[
        int, typer.Option("--safe-rate", metavar="ROWS", min=1, help="Rows an hour that the table is known to take.")
    ] = _USUAL.safe_hour,
    job_limit: Annotated[
        str, typer.Option("--job-limit", metavar="SPAN", help="The longest that a job may take: 90m, 2h …")
    ] = "30m",
    markdown: AsMarkdown = False,
    as_json: AsJson = False,
    dsn: Dsn = "",
    table: Table = "",
    patience: Patience = PATIENCE_SECONDS,
) -> None:
    """Look whether rows are complete, agree with each other, and say what conclusions are drawn by.

    Exits by the worst verdict: 0 all is well, 10 warnings, 11 something cannot be told, 20 something is wrong.
    """
    one_form(markdown=markdown, json=as_json)
    window = window_from(since, start, end, as_of)
    limits = doctor.Limits(safe_hour=safe_rate, job=_limit(job_limit))
    settings = settings_for(dsn, table)
    with reading(settings, patience) as connection, progress() as asking:
        findings = doctor.examine(
            connection,
            window,
            now=now_from(as_of),
            table=settings.table,
            filters=filters_from(environment, None, exclude_source),
            limits=limits,
            others=exporter_health(settings),
            asking=asking,
        )
        if settings.trace_url:
            read = Window(window.start - limits.silence, max(now_from(as_of), window.end))
            tracing = Tracing(settings.trace_url, connection, settings.table, read)
            findings = tracing.of_findings(findings)
    if as_json:
        typer.echo(json.dumps(text.as_json(window, findings), indent=2))
    elif markdown:
        typer.echo(text.markdown(window, findings), nl=False)
    else:
        out = console()
        out.print(str(window), style="bold")
        print_findings(out, findings)
    raise typer.Exit(EXITS[doctor.worst(findings)])


def print_findings(out: Console, findings: Sequence[Finding], *, all_of_them: bool = True) -> None:
    """Print what was found, and below it what to do where there is something to do."""
    grid = RichTable.grid(padding=(0, 2), pad_edge=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in findings:
        if finding.verdict is Verdict.OK and not all_of_them:
            continue
        style = _STYLES[finding.verdict]
        grid.add_row(Text(finding.verdict, style=style), Text(f"{finding.check}: {text.evidence(finding)}"))
        for link in text.links(finding):
            grid.add_row("", Text(link, style="dim", no_wrap=True, overflow="ignore"))
        if finding.remedy:
            grid.add_row("", Text(f"-> {finding.remedy}", style="dim"))
    if grid.row_count:
        out.print(grid)
    out.print(text.conclusion(findings), markup=False)


def _limit(said: str) -> timedelta:
    try:
        return span(said, "--job-limit")
    except ValueError as error:
        exits.leave(exits.USAGE, str(error))
