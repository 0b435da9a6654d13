"""An owner's last word on itself: a small file for the command line, readable while the database is down.

``<owner>.json``, replaced as a whole; times are in UTC, texts without secrets and addresses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from observability_events import folder
from observability_events.accounts import Accounts
from observability_events.circuit import Circuit
from otel_auto_assign.values import scrub

VERSION: Final = 1
LEAST_SECONDS: Final = 1.0
"""Between two writings, unless the circuit has changed."""


def document(*, service: str | None, durability: str, circuit: Circuit, accounts: Accounts, now: float) -> bytes:
    """Give the file's contents; ``now`` is in Unix seconds."""
    return orjson.dumps(
        {
            "version": VERSION,
            "pid": os.getpid(),
            "service": service,
            "durability": durability,
            "time": _text(now),
            "circuit": circuit.state,
            "since": _text(circuit.since),
            "last_error": None if circuit.last_error is None else scrub(circuit.last_error),
            "accounts": asdict(accounts),
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


class StatusFile:
    """Writes the file when something has changed, and not too often; to be used by one thread.

    Args:
        durability: The setting.
        clock: Unix seconds.

    Attributes:
        service: The ``service.name`` of the spans, once one was seen.
    """

    def __init__(self, durability: str, clock: Callable[[], float] = time.time) -> None:
        self.service: str | None = None
        self._durability = durability
        self._clock = clock
        self._written: tuple[Any, ...] = ()
        self._written_at = 0.0

    def write(self, path: Path, circuit: Circuit, accounts: Accounts, *, now: bool = False) -> None:
        """Write the file to ``path`` if there is news, ``now`` or when its turn has come.

        Raises:
            OSError: if the disk does not take it.
        """
        at = self._clock()
        news = (path, circuit.state, accounts, circuit.last_error)
        if news == self._written or not (
            now or news[:2] != self._written[:2] or not 0 <= at - self._written_at < LEAST_SECONDS
        ):
            return
        self._written, self._written_at = news, at
        data = document(service=self.service, durability=self._durability, circuit=circuit, accounts=accounts, now=at)
        folder.replace(path, data)


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
