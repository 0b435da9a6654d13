"""What `Delivery` has in hand: rows that are tried together, and what their trials have shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from observability_events import wire

if TYPE_CHECKING:
    from observability_events.wire import EncodedRow

Kind = tuple[bool, ...]
_BOOKING_REF, _RESTAURANT_REF = (wire.REFERENCES[column] for column in (wire.BOOKING, wire.RESTAURANT))

OF_COLUMNS: Final = ("23502", "23514")
"""NOT NULL and CHECK: what they refuse may be all rows without a booking."""
SUSPECTS_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class Trial:
    """What a batch and its halves have in common.

    Attributes:
        began: When it came in hand, by the delivery's clock.
        proven: The kinds of those that were committed.
        suspects: How many became suspects.
        again: Whether it is tried again what was suspect before.
    """

    began: float
    proven: set[Kind] = field(default_factory=set)
    suspects: int = 0
    again: bool = False


@dataclass(slots=True)
class Group:
    """Rows that one statement writes."""

    rows: list[EncodedRow]
    trial: Trial


class Suspect(NamedTuple):
    """A row that failed alone.

    Attributes:
        sqlstate: The server's code, or empty.
        text: What was said, without secrets.
    """

    row: EncodedRow
    sqlstate: str
    text: str


def kind_of(row: EncodedRow) -> Kind:
    """Give which of the columns that may be empty are filled; what was emptied here, as dangling, counts as filled."""
    made, context = row.row, row.row.context
    return (
        made.booking_id is not None or _BOOKING_REF in context,
        made.restaurant_id is not None or _RESTAURANT_REF in context,
    )


def proves(kinds: AbstractSet[Kind], suspect: Suspect) -> bool:
    """Say whether rows of these kinds, which were committed, prove that the suspect is at fault and not the table."""
    return bool(kinds) if suspect.sqlstate not in OF_COLUMNS else kind_of(suspect.row) in kinds


class Proofs:
    """Which kinds of rows the table has taken, and whether since a row was suspected first.

    Several deliveries may share one: what one of them commits proves the table right in the others. A suspect is
    remembered by its id, so that one that is given up, and comes again later, need not wait for the proof once more.
    """

    def __init__(self) -> None:
        self._turn = 0  # counted up: a clock may show the same twice
        self._taken: dict[Kind, int] = {}
        self._suspected: OrderedDict[bytes, int] = OrderedDict()

    @property
    def kinds(self) -> AbstractSet[Kind]:
        """The kinds of all rows that the table has taken, ever."""
        return self._taken.keys()

    def taken(self, kinds: AbstractSet[Kind]) -> None:
        """The table has taken rows of these kinds."""
        self._turn += 1
        for kind in kinds:
            self._taken[kind] = self._turn

    def suspected(self, suspect: Suspect) -> None:
        """A row has failed alone."""
        self._suspected.setdefault(suspect.row.row.key, self._turn)
        if len(self._suspected) > SUSPECTS_REMEMBERED:
            self._suspected.popitem(last=False)

    def since(self, suspect: Suspect) -> set[Kind]:
        """Give the kinds that the table has taken since it was suspected first; none if it was not."""
        turn = self._suspected.get(suspect.row.row.key)
        return set() if turn is None else {kind for kind, last in list(self._taken.items()) if last > turn}
