"""What every sink is at its start: told by its settings, and by signals when to end."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class SetupError(Exception):
    """The sink cannot be what its settings say; the text says why, and what to do."""


def told_to_end() -> asyncio.Event:
    """Give what is set when a signal tells this process to end; called on its event loop."""
    ended = asyncio.Event()
    for each in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    return ended


def said(error: Exception) -> str:
    """Give what the system or a library said, and no traceback."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
