"""What writes a batch of rows somewhere, as a delivery sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from observability_events.wire import EncodedRow


class Writer(Protocol):
    """What writes a batch; `observability_events.postgres.PostgresWriter` is the one.

    Attributes:
        meanwhile: Called again and again while the server is waited for, until it gives false.
    """

    meanwhile: Callable[[], bool]

    def insert(self, rows: Sequence[EncodedRow], /) -> int:
        """Write ``rows``; give how many were not there before.

        Raises:
            LostError: if some can never be written, and waiting will not help.
            Exception: of another kind, after which it is known that none was written, or ids make trying again safe.
        """

    def dangling(self, error: BaseException, /) -> str | None:
        """Give the column that ``error`` blames for referencing nothing."""

    def told(self, error: BaseException, /) -> str:
        """Give the text of ``error``, without secrets."""

    def disconnect(self) -> None:
        """Close the connection; the next `insert` opens another."""

    def abort(self) -> None:
        """End the statement that runs; may be called by another thread."""
