"""What `Delivery` has in hand: rows that are tried together, and what their trials have shown."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from observability_events import wire

if TYPE_CHECKING:
    from observability_events.wire import EncodedRow

Kind = tuple[bool, ...]

OF_COLUMNS: Final = ("23502", "23514")
"""NOT NULL and CHECK: what they refuse may be all rows without a booking."""


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
    context = row.row.context
    return tuple(getattr(row.row, column) is not None or kept in context for column, kept in wire.REFERENCES.items())


def proves(kinds: AbstractSet[Kind], suspect: Suspect) -> bool:
    """Say whether rows of these kinds, which were committed, prove that the suspect is at fault and not the table."""
    return bool(kinds) if suspect.sqlstate not in OF_COLUMNS else kind_of(suspect.row) in kinds
