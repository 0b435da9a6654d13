"""How a command leaves: one table of exit codes for all of them."""

from __future__ import annotations

from typing import Final, NoReturn

import typer

OK: Final = 0
USAGE: Final = 2
HOLD: Final = 10
INSUFFICIENT: Final = 11
FAILED: Final = 20
REPLACED: Final = 21
INVALID: Final = 30
CRASHED: Final = 40
"""Never 1, which a shell, a crashed interpreter and many a tool give by accident."""

EPILOG: Final = (
    "Exit codes: 0 done, all is well; 2 wrong usage, or an extra is not installed; 10 there are warnings, or hold; "
    "11 the data are not sufficient; 20 something is wrong, or a limit is broken; 21 another sink has taken this one's "
    "place; 30 the comparison is not valid; "
    "40 the database cannot be reached, or the command crashed."
)


def leave(code: int, text: str) -> NoReturn:
    """Say ``text`` on the standard error and leave the command with ``code``."""
    typer.echo(f"otel-auto-assign: {text}", err=True)
    raise typer.Exit(code)
