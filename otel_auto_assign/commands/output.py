"""In what form a command answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from otel_auto_assign.analysis.report_text import Grid
from otel_auto_assign.commands import exits

AsMarkdown = Annotated[bool, typer.Option("--markdown", help="As a Markdown page.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="As the contract's CSV.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
AsHtml = Annotated[
    str,
    typer.Option(
        "--html",
        metavar="FILE",
        help="As one HTML file with charts, which needs no network and no script; - prints it.",
    ),
]
STANDARD_OUTPUT: Final = "-"

WIDE_ENOUGH: Final = 160  # columns; a pipe has no width, and nothing should be folded there


def one_form(**asked: bool) -> None:
    """Leave if more than one form is asked for."""
    chosen = [f"--{name}" for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        exits.leave(exits.USAGE, f"{' and '.join(chosen)}: give one of them")


def page_file(file: str) -> Path | None:
    """Give the file that a page goes to, None for the standard output; leaves if it cannot be written.

    Asked before the database is, so that nobody waits for a page that has no place.
    """
    if file == STANDARD_OUTPUT:
        return None
    path = Path(file)
    new = not path.exists()
    try:
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        _leave_unwritten(path, error)
    return path


def write_page(file: Path | None, page: str) -> None:
    """Write a page, and say so; leaves if it cannot be written."""
    if file is None:
        typer.echo(page, nl=False)
        return
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        _leave_unwritten(file, error)
    typer.echo(f"Written: {file} ({len(page.encode()) / 1000:.0f} KB)")


def _leave_unwritten(file: Path, error: OSError) -> NoReturn:
    exits.leave(exits.USAGE, f"--html {file}: cannot be written: {error.strerror}")


def console() -> Console:
    """Give a console for the standard output."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = WIDE_ENOUGH
    return made


def print_grid(out: Console, grid: Grid) -> None:
    """Print a table: names to the left, numbers to the right and never folded."""
    lines = Table(title=grid.title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    names = len(grid.header) - grid.numbers
    for place, header in enumerate(grid.header):
        lines.add_column(header, justify="left" if place < names else "right", no_wrap=place >= names)
    for row in grid.rows:
        lines.add_row(*map(escape, row))
    out.print(lines)
