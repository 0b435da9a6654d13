"""In what form a command answers."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.console import Console

from otel_auto_assign.commands import exits

AsMarkdown = Annotated[bool, typer.Option("--markdown", help="As a Markdown page.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="As the contract's CSV.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

WIDE_ENOUGH: Final = 160  # columns; a pipe has no width, and nothing should be folded there


def one_form(**asked: bool) -> None:
    """Leave if more than one form is asked for."""
    chosen = [f"--{name}" for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        exits.leave(exits.USAGE, f"{' and '.join(chosen)}: give one of them")


def console() -> Console:
    """Give a console for the standard output."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = WIDE_ENOUGH
    return made
