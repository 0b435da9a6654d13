"""Rows in PostgreSQL's binary format: what one statement's parameters are joined from.

A row is encoded once, when it is made, in small pieces of work; a batch is then nothing but a join of bytes. That keeps
the writer thread from holding the interpreter for milliseconds while it adapts thousands of Python values.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from psycopg.adapt import Dumper
from psycopg.pq import Format

from observability_events.place import Place
from observability_events.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg.abc import Buffer

BOOKING: Final = "booking_id"
RESTAURANT: Final = "restaurant_id"
REFERENCES: Final = {BOOKING: "booking_ref", RESTAURANT: "restaurant_ref"}
"""Columns that may reference another table, and the key of ``context`` that keeps what the column cannot hold."""

_EPOCH_US: Final = 946_684_800_000_000  # PostgreSQL's, 2000-01-01, in Unix microseconds
_LENGTH: Final = struct.Struct("!i")
_JSONB: Final = struct.Struct("!ib")
_TIME: Final = struct.Struct("!iq")
_ARRAY: Final = struct.Struct("!iiIii")
_NULL: Final = _LENGTH.pack(-1)
_UUID: Final = _LENGTH.pack(16)
_JSONB_VERSION: Final = 1
_TEXTS_REMEMBERED: Final = 128


class EncodedRow(NamedTuple):
    """A row beside its cells, one for each of `COLUMNS`: length and value, or the mark of null.

    Attributes:
        place: Where on disk it is, too.
    """

    row: Row
    cells: tuple[bytes, ...]
    place: Place | None = None


class Array:
    """Keeps the bytes of a parameter; a subclass of bytes would copy them once more."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _UuidArray(Array):
    __slots__ = ()


class _TimeArray(Array):
    __slots__ = ()


class _TextArray(Array):
    __slots__ = ()


class _JsonbArray(Array):
    __slots__ = ()


class _AsIs(Dumper):
    """The bytes are the parameter."""

    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.data


def _dumper(array_oid: int) -> type[Dumper]:
    return type("Dumper", (_AsIs,), {"oid": array_oid})


DUMPERS: Final = {
    _UuidArray: _dumper(2951),
    _TimeArray: _dumper(1185),
    _TextArray: _dumper(1009),
    _JsonbArray: _dumper(3807),
}
"""For the adapters of a connection: array class → dumper with the array's type oid (pg_type.dat, fixed for ever)."""

_KINDS: Final[dict[str, tuple[type[Array], int, str]]] = {
    "id": (_UuidArray, 2950, "uuid"),
    "created_at": (_TimeArray, 1184, "timestamptz"),
    "source": (_TextArray, 25, "text"),
    "event_type": (_TextArray, 25, "text"),
    "severity": (_TextArray, 25, "text"),
    "context": (_JsonbArray, 3802, "jsonb"),
    RESTAURANT: (_UuidArray, 2950, "uuid"),
    BOOKING: (_UuidArray, 2950, "uuid"),
}
"""Column → its array's class, its element's type oid and type name."""

COLUMNS: Final = tuple(_KINDS)
TYPES: Final = {column: name for column, (_, _, name) in _KINDS.items()}


def encode(row: Row, place: Place | None = None) -> EncodedRow:
    """Encode ``row``.

    Raises:
        Exception: of several kinds, where a value cannot be encoded at all (a lone surrogate, an integer of 70 bits).
    """
    key, time_us, source, event_type, severity, context, restaurant_id, booking_id = row
    json = orjson.dumps(context)
    return EncodedRow(
        row,
        (
            _UUID + key,
            _TIME.pack(8, time_us - _EPOCH_US),
            _text(source),
            _text(event_type),
            _text(severity),
            _JSONB.pack(1 + len(json), _JSONB_VERSION) + json,
            _NULL if restaurant_id is None else _UUID + restaurant_id.int.to_bytes(16, "big"),
            _NULL if booking_id is None else _UUID + booking_id.int.to_bytes(16, "big"),
        ),
        place,
    )


def without(encoded: EncodedRow, column: str) -> EncodedRow:
    """Give the row with ``column`` null and its value kept in ``context``, under the name in `REFERENCES`."""
    row = encoded.row
    kept = {**row.context, REFERENCES[column]: str(getattr(row, column))}
    changed: dict[str, Any] = {column: None}
    return encode(row._replace(context=kept, **changed), encoded.place)


def arrays(columns: Iterable[str], rows: Sequence[EncodedRow]) -> list[Array]:
    """Give the parameters of ``columns``: of each its cells in all ``rows``, as a one-dimensional array."""
    cells = dict(zip(COLUMNS, zip(*[row.cells for row in rows], strict=True), strict=True))
    made = []
    for column in columns:
        kind, oid, _ = _KINDS[column]
        made.append(kind(b"".join((_ARRAY.pack(1, 1, oid, len(rows), 1), *cells[column]))))
    return made


@lru_cache(maxsize=_TEXTS_REMEMBERED)  # sources, event types and severities: there are no others
def _text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data
