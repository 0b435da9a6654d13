"""What a person sees while a command reads: on the standard error, and nothing where it is quick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console

QUIET_SECONDS: Final = 5.0


@contextmanager
def progress(clock: Callable[[], float] = time.monotonic, *, doing: str = "reading") -> Iterator[Callable[[str], None]]:
    """Give what is to be called with each thing that is read next.

    On a terminal it moves a line that goes away at the end; elsewhere it writes one, once that takes a while.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(doing) as status:
            yield lambda about: status.update(f"{doing} {about}")
        return
    begun = clock()

    def say(about: str) -> None:
        elapsed = clock() - begun
        if elapsed >= QUIET_SECONDS:
            typer.echo(f"otel-auto-assign: {doing} {about}, after {elapsed:.0f} s", err=True)

    yield say
