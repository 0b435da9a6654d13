"""A writer without a database: what rows are handed to takes them at once or never, and waiting does not help."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from observability_events.connection import nothing
from observability_events.failures import LostError
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable

_log = SafeLog(__name__)


class DirectWriter:
    """What writers without a database share with each other, in the place of `observability_events.postgres`."""

    LOST: ClassVar[str]
    """What rows that were not taken are counted as."""
    COMPLAINT: ClassVar[str]
    """What is said of the first of them, before why."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], bool] = nothing
        self._complained = False

    def lost(self, rows: int, error: Exception) -> LostError:
        """Say once in the log why rows are not taken, and give what the last ``rows`` of a batch are counted by."""
        if not self._complained:
            self._complained = True
            _log.warning("%s: %s", self.COMPLAINT, error)
        return LostError(self.LOST, rows)

    def dangling(self, error: BaseException) -> str | None:
        """Give None: nothing is referenced."""
        return None

    def told(self, error: BaseException) -> str:
        """Give the text of ``error``."""
        return str(error)

    def disconnect(self) -> None:
        """Leave what takes the rows to those who use it, too."""

    def abort(self) -> None:
        """Nothing is waited for."""
