"""The command that the gate runs when a guardrail is breached: an argument list, never a line for a shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import Final

import typer

from otel_auto_assign.commands import exits

_STDERR: Final = 2
"""The standard output is the report's."""


def arguments_of(command: str) -> list[str]:
    """Split a command into its arguments as a shell would, without one; leaves if it could not be run.

    That it cannot is to be known before it is needed.
    """
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        exits.leave(exits.USAGE, f"--on-fail {command!r}: {str(error).lower()}")
    if not arguments:
        exits.leave(exits.USAGE, "--on-fail is empty: give a command")
    if shutil.which(arguments[0]) is None:
        exits.leave(
            exits.USAGE,
            f"--on-fail: there is no program {arguments[0]!r} that can be run, and no shell is asked",
        )
    return arguments


def run(arguments: list[str], told: str, *, dry: bool) -> None:
    """Run it with the verdict in JSON on its standard input; what it prints goes to the standard error.

    Whatever becomes of it, the gate leaves by its own verdict.
    """
    line = shlex.join(arguments)
    if dry:
        typer.echo(f"otel-auto-assign: would run: {line}", err=True)
        return
    typer.echo(f"otel-auto-assign: running: {line}", err=True)
    try:
        done = subprocess.run(arguments, input=told.encode(), stdout=_STDERR, check=False)  # noqa: S603 - the operator's own command
    except OSError as error:
        typer.echo(f"otel-auto-assign: it could not be run: {error.strerror}", err=True)
        return
    if done.returncode:
        typer.echo(f"otel-auto-assign: it ended with {done.returncode}: see to it", err=True)
