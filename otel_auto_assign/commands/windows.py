"""The options by which commands are told which rows to read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.windows import DEFAULT_SPAN, Window, moment, window_of
from otel_auto_assign.commands import exits

Since = Annotated[
    str, typer.Option("--since", metavar="SPAN", help=f"The last 90m, 36h, 7d, 2w …; {DEFAULT_SPAN} by default.")
]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="From this moment on; UTC if no offset is given.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="Up to, not including, this moment; now by default.")]
AsOf = Annotated[
    str, typer.Option("--as-of", metavar="TIME", help="Take this moment for now: nothing later is looked at.")
]
Environments = Annotated[
    list[str] | None, typer.Option("--environment", metavar="NAME", help="Only these environments; can be repeated.")
]
Restaurants = Annotated[
    list[str] | None, typer.Option("--restaurant", metavar="ID", help="Only these restaurants; can be repeated.")
]
WithoutSources = Annotated[
    list[str] | None,
    typer.Option("--exclude-source", metavar="SOURCE", help="Without rows of this source; can be repeated."),
]
Patience = Annotated[
    float, typer.Option("--patience", metavar="SECONDS", min=1, help="The longest to wait for the database in all.")
]
PATIENCE_SECONDS = 600.0


def window_from(since: str, start: str, end: str, as_of: str) -> Window:
    """Give the window that the options ask for; leaves with one sentence if they cannot be read."""
    try:
        return window_of(since=since, start=start, end=end, as_of=as_of, now=datetime.now(UTC))
    except ValueError as error:
        exits.leave(exits.USAGE, str(error))


def now_from(as_of: str) -> datetime:
    """Give the present, or what takes its place."""
    try:
        return moment(as_of, "--as-of") if as_of else datetime.now(UTC)
    except ValueError as error:
        exits.leave(exits.USAGE, str(error))


def filters_from(environments: list[str] | None, restaurants: list[str] | None, sources: list[str] | None) -> Filters:
    """Give the filters that the options ask for."""
    return Filters(tuple(environments or ()), tuple(restaurants or ()), tuple(sources or ()))
