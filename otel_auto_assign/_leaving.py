"""The end of processes that leave by ``os._exit``, which no ``atexit`` sees: workers that were started for others.

    multiprocessing     its own finalizers, in a worker that was forked or spawned
    Celery, prefork     its signal ``worker_process_shutdown``
    anybody else        has to call `leave`

Celery is not imported for it: where it is, or comes later, a receiver is connected to the signal.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.util import Finalize, register_after_fork
from typing import Any, Final

import wrapt

from otel_auto_assign._guard import swallowed

CELERYS_SIGNALS: Final = "celery.signals"

Last = Callable[[float | None], object]
"""What is done before a process leaves; it gets the seconds that it may take, None for what the settings say."""

_last: Final[list[Last]] = []


def before_leaving(call: Last, *, first: bool = False) -> None:
    """Have ``call`` called when this process, or one that is forked from it, is about to leave by ``os._exit``.

    Args:
        call: what is to be done; more than once does no harm.
        first: before what was registered without it.
    """
    _last.insert(0 if first else len(_last), call)


def forget(call: Last) -> None:
    """Have ``call`` not called any more."""
    if call in _last:
        _last.remove(call)


def leave(seconds: float | None = None) -> None:
    """Do what was registered, each within ``seconds``; nothing is raised."""
    for call in _last.copy():
        try:
            call(seconds)
        except Exception as error:
            swallowed("the end of a worker's process", error)


def _end_with_worker(_anchor: object) -> None:
    Finalize(None, leave, exitpriority=0)


def _end_with_celerys(signals: Any) -> None:
    """Connect to the signal of a pool's child; called within the host's import, so nothing is raised."""
    try:
        signals.worker_process_shutdown.connect(_celerys_child_ends, weak=False)
    except Exception as error:
        swallowed("connecting to Celery's signal of an ending worker", error)


def _celerys_child_ends(**_: Any) -> None:
    leave()


register_after_fork(leave, _end_with_worker)
if parent_process() is not None:  # a worker that was spawned, and has imported us only now
    _end_with_worker(leave)
wrapt.register_post_import_hook(_end_with_celerys, CELERYS_SIGNALS)
