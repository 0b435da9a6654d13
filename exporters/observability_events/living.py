"""The pipelines of this process, and what becomes of them when it forks and when it ends.

After a fork each begins anew in the child; what waits belongs to the parent. At the interpreter's exit those that
nobody has shut down are, and so are those of a worker that leaves by another way.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from observability_events.ending import LAST_CHANCE_SECONDS, Ending
from otel_auto_assign import _guard
from otel_auto_assign._leaving import before_leaving

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Life:
    """What is done with a pipeline, which each function is given.

    Attributes:
        hurry: Has it write at once.
        end: Shuts it down within so many seconds, None for what its settings say.
        begin_anew: Gives it, in the child of a fork, all that belongs to one process, and returns the writer it had;
            that is kept for ever, since collecting the parent's connection would close what is not the child's.
    """

    hurry: Callable[[Any], None]
    end: Callable[[Any, float | None], None]
    begin_anew: Callable[[Any], object]


_live: Final[weakref.WeakKeyDictionary[object, Life]] = weakref.WeakKeyDictionary()
_of_the_parent: Final[list[object]] = []
_ending = Ending()


def add(pipeline: object, life: Life) -> None:
    """Have ``pipeline``, which is not kept alive by that, begin anew after a fork and end with the process."""
    _live[pipeline] = life


def share(timeout: float) -> AbstractContextManager[float]:
    """Give the seconds of ``timeout`` that are left for the pipeline whose turn to end it is; all begin to write."""
    for pipeline, life in list(_live.items()):
        life.hurry(pipeline)
    return _ending.share(timeout)


def _begin_in_child() -> None:
    global _ending  # noqa: PLW0603 - one end a process
    _ending = Ending()
    for pipeline, life in list(_live.items()):
        _of_the_parent.append(life.begin_anew(pipeline))


def _end_all(seconds: float | None = None) -> None:
    """At the end of the process, for providers that nobody shuts down; those registered after us come first."""
    until = None if seconds is None else time.monotonic() + seconds
    for pipeline, life in list(_live.items()):
        try:
            life.end(pipeline, None if until is None else max(until - time.monotonic(), LAST_CHANCE_SECONDS))
        except Exception as error:
            _guard.swallowed("shutting the rows' pipeline down", error)


before_leaving(_end_all, first=True)
os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_end_all)
