"""Nothing of ours reaches the host: what goes wrong inside is logged once for each place, counted, and swallowed.

The guard is used where our code is entered from the host's (a decorated call, a callback of the SDK, a thread of our
own) and around every callable that users give us. Under tests ``strict()`` lets the error through, so that a fault of
ours cannot hide behind its own safety net.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_log = logging.getLogger("otel_auto_assign")

failures: Final[Counter[str]] = Counter()
"""How often each place failed, since the process started."""

_strict = False


def swallowed(place: str, error: BaseException, /) -> None:
    """Count ``error`` under ``place`` and log the first of each place with its traceback; never raises in production.

    ``place`` is a few constant words that say what did not work ("the extractor of planner.quote"), never a value.
    """
    failures[place] += 1
    if _strict:
        raise error
    if failures[place] == 1:
        try:
            _log.warning(
                "%s failed; the application is not affected. Further failures there are counted, not logged.",
                place,
                exc_info=error,
            )
        except Exception:  # noqa: S110 - a logging handler of the host that raises must not raise into the host
            pass


@contextmanager
def strict(on: bool = True) -> Iterator[None]:
    """Let swallowed errors through (or not) while the block runs: for tests."""
    global _strict  # noqa: PLW0603 - one switch a process
    before, _strict = _strict, on
    try:
        yield
    finally:
        _strict = before
