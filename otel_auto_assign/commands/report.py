"""``otel-auto-assign report``: the figures of one window."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from otel_auto_assign.analysis import figures, report_text
from otel_auto_assign.analysis.events import SPLITS
from otel_auto_assign.analysis.traces import Tracing
from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, reading, settings_for
from otel_auto_assign.commands.output import AsCsv, AsHtml, AsJson, AsMarkdown, console, one_form, page_file, write_page
from otel_auto_assign.commands.progress import progress
from otel_auto_assign.commands.windows import (
    PATIENCE_SECONDS,
    AsOf,
    Environments,
    From,
    Patience,
    Restaurants,
    Since,
    To,
    WithoutSources,
    filters_from,
    window_from,
)

By = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="WHAT", help=f"Also for each of {', '.join(SPLITS)}; can be repeated."),
]


def show_report(
    *,
    since: Since = "",
    start: From = "",
    end: To = "",
    as_of: AsOf = "",
    environment: Environments = None,
    restaurant: Restaurants = None,
    exclude_source: WithoutSources = None,
    by: By = None,
    markdown: AsMarkdown = False,
    csv: AsCsv = False,
    as_json: AsJson = False,
    html: AsHtml = "",
    dsn: Dsn = "",
    table: Table = "",
    patience: Patience = PATIENCE_SECONDS,
) -> None:
    """Show the figures of one window of time: how long, how often, why.

    Better definitions come first (planner calls without cache hits, runs without what came late, jobs that came to a
    decision), and beside them today's. Exits with 11 if no row of auto-assign is in the window.
    """
    one_form(markdown=markdown, csv=csv, json=as_json, html=bool(html))
    unknown = [name for name in by or () if name not in SPLITS]
    if unknown:
        exits.leave(exits.USAGE, f"--by {unknown[0]}: figures are split by {', '.join(SPLITS)}")
    window = window_from(since, start, end, as_of)
    settings = settings_for(dsn, table)
    splits, filters = list(dict.fromkeys(by or ())), filters_from(environment, restaurant, exclude_source)
    if html:
        from otel_auto_assign.analysis.page.curves import read_curves
        from otel_auto_assign.analysis.page.report import SPLIT, report_page

        file = page_file(html)
    with reading(settings, patience) as connection, progress() as asking:
        found = figures.report(
            connection,
            window,
            table=settings.table,
            email_event_type=settings.email_event_type,
            filters=filters,
            splits=[*splits, SPLIT] if html and SPLIT not in splits else splits,
            asking=asking,
        )
        found = Tracing(settings.trace_url, connection, settings.table, window, filters).of_report(found)
        if html:
            curves = read_curves(connection, window, table=settings.table, filters=filters, asking=asking)
    if html:
        write_page(file, report_page(found, curves, by=splits))
    elif as_json:
        typer.echo(json.dumps(report_text.as_json(found), indent=2))
    elif csv:
        figures.write_csv(sys.stdout, window, found.figures)
    elif markdown:
        typer.echo(report_text.markdown(found), nl=False)
    else:
        print_report(console(), found)
    for remark in report_text.remarks(found) if csv else ():  # the CSV has no place for them
        typer.echo(f"otel-auto-assign: {remark}", err=True)
    if not found.own_rows:
        raise typer.Exit(exits.INSUFFICIENT)


def print_report(out: Console, found: figures.Report) -> None:
    """Print a report for the terminal."""
    out.print(report_text.title(found), style="bold")
    for grid in report_text.grids(found):
        lines = RichTable(title=grid.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        names = len(grid.header) - grid.numbers
        for place, header in enumerate(grid.header):
            lines.add_column(header, justify="left" if place < names else "right", no_wrap=place >= names)
        bettered = {(row[0], report_text.TODAY) for row in grid.rows if "=" in row[1]}
        for row in grid.rows:
            lines.add_row(*map(escape, row), style="dim" if row[:2] in bettered else None)
        out.print()
        out.print(lines)
    out.print()
    for remark in report_text.remarks(found):
        out.print(remark, markup=False, soft_wrap=True)
