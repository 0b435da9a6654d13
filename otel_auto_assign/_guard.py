"""Nothing of ours reaches the host: what goes wrong inside is logged once for each place, counted, and swallowed.

The guard is used where our code is entered from the host's (a decorated call, a callback of the SDK, a thread of our
own) and around every callable that users give us. Under tests ``strict()`` lets the error through, so that a fault of
ours cannot hide behind its own safety net.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class SafeLog:
    """A logger whose handlers cannot hurt: one of the host's that raises does not raise into what was being done."""

    __slots__ = ("_log",)

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def info(self, message: str, *arguments: object) -> None:
        """Log at level INFO."""
        self._at(logging.INFO, message, arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """Log at level WARNING."""
        self._at(logging.WARNING, message, arguments)

    def _at(self, level: int, message: str, arguments: tuple[object, ...]) -> None:
        try:
            self._log.log(level, message, *arguments, stacklevel=3)
        except Exception:  # noqa: S110 - there is nowhere left to say it
            pass


_log = SafeLog("otel_auto_assign")

failures: Final[Counter[str]] = Counter()
"""How often each place failed, since the process started."""

_strict = False


def swallowed(place: str, error: BaseException, /) -> None:
    """Count ``error`` under ``place`` and log the first of each place; never raises in production.

    The log has the traceback, but not the message.

    ``place`` is a few constant words that say what did not work ("the extractor of planner.quote"), never a value.
    """
    try:
        failures[place] += 1
        first = failures[place] == 1
        if first and not _strict:
            _log.warning(
                "%s failed with %s; the application is not affected. Further failures there are counted, not logged."
                "\n%s",
                place,
                type(error).__name__,
                # Without the message, which may be the host's own and name a person.
                "".join(traceback.format_tb(error.__traceback__)),
            )
    except RecursionError:  # the host's stack is at its end: there is no room to say anything
        return
    if _strict:
        raise error


@contextmanager
def strict(on: bool = True) -> Iterator[None]:
    """Let swallowed errors through (or not) while the block runs: for tests."""
    global _strict  # noqa: PLW0603 - one switch a process
    before, _strict = _strict, on
    try:
        yield
    finally:
        _strict = before
