"""Ids that were found to reference nothing: remembered for a while, so that not each row has to be refused for them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from observability_events import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from observability_events.wire import EncodedRow

REMEMBERED: Final = 10_000
SECONDS: Final = 30.0  # a booking may be committed after its first row was made


class DanglingIds:
    """The ids, each with the column that it is no good for.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, UUID], float] = OrderedDict()

    def remember(self, column: str, reference: UUID) -> None:
        """Take ``reference`` for dangling, for a while."""
        self._until[column, reference] = self._clock() + SECONDS
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)

    def taken_out(self, rows: list[EncodedRow]) -> list[EncodedRow]:
        """Give ``rows`` with every dangling id in ``context``, not in its column."""
        return [self._without(row) for row in rows] if self._until else rows

    def _without(self, row: EncodedRow) -> EncodedRow:
        for column in wire.REFERENCES:
            reference = getattr(row.row, column)
            if reference is not None and self._until.get((column, reference), 0.0) > self._clock():
                row = wire.without(row, column)
        return row
