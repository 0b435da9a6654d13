"""Rows in PostgreSQL's binary format: what one statement's parameters are joined from.

A row is encoded once, when it is made, in small pieces of work; a batch is then nothing but a join of bytes. That keeps
the writer thread from holding the interpreter for milliseconds while it adapts thousands of Python values.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
from psycopg.adapt import Dumper
from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from psycopg.abc import Buffer

    from observability_events.rows import Row

BOOKING: Final = "booking_id"
RESTAURANT: Final = "restaurant_id"
REFERENCES: Final = {BOOKING: "booking_ref", RESTAURANT: "restaurant_ref"}
"""Columns that may reference another table, and the key of ``context`` that keeps what the column cannot hold."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_MICROSECOND: Final = timedelta(microseconds=1)
_LENGTH: Final = struct.Struct("!i")
_UUID: Final = struct.Struct("!i16s")
_TIME: Final = struct.Struct("!iq")
_ARRAY: Final = struct.Struct("!iiIii")
_NULL: Final = _LENGTH.pack(-1)
_JSONB_VERSION: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row beside its cells, one for each of `COLUMNS`: length and value, or the mark of null."""

    row: Row
    cells: tuple[bytes, ...]


class _Array(bytes):
    __slots__ = ()


class _UuidArray(_Array):
    __slots__ = ()


class _TimeArray(_Array):
    __slots__ = ()


class _TextArray(_Array):
    __slots__ = ()


class _JsonbArray(_Array):
    __slots__ = ()


class _AsIs(Dumper):
    """The bytes are the parameter."""

    format = Format.BINARY

    def dump(self, obj: Buffer) -> Buffer:
        return obj


def _dumper(array_oid: int) -> type[Dumper]:
    return type("Dumper", (_AsIs,), {"oid": array_oid})


DUMPERS: Final = {
    _UuidArray: _dumper(2951),
    _TimeArray: _dumper(1185),
    _TextArray: _dumper(1009),
    _JsonbArray: _dumper(3807),
}
"""For the adapters of a connection: array class → dumper with the array's type oid (pg_type.dat, fixed for ever)."""

_KINDS: Final[dict[str, tuple[type[_Array], int, str]]] = {
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


def encode(row: Row) -> EncodedRow:
    """Encode ``row``.

    Raises:
        Exception: of several kinds, where a value cannot be encoded at all (a lone surrogate, an integer of 70 bits).
    """
    context = _JSONB_VERSION + orjson.dumps(row.context)
    return EncodedRow(
        row,
        (
            _uuid(row.id),
            _TIME.pack(8, (row.created_at - _EPOCH) // _MICROSECOND),
            _text(row.source),
            _text(row.event_type),
            _text(row.severity),
            _LENGTH.pack(len(context)) + context,
            _uuid(row.restaurant_id),
            _uuid(row.booking_id),
        ),
    )


def without(encoded: EncodedRow, column: str) -> EncodedRow:
    """Give the row with ``column`` null and its value kept in ``context``, under the name in `REFERENCES`."""
    row = encoded.row
    kept = {**row.context, REFERENCES[column]: str(getattr(row, column))}
    changed: dict[str, Any] = {column: None}
    return encode(replace(row, context=kept, **changed))


def array(column: str, rows: Iterable[EncodedRow]) -> _Array:
    """Give the parameter of ``column``: its cells in all ``rows`` as a one-dimensional array."""
    kind, oid, _ = _KINDS[column]
    place = COLUMNS.index(column)
    cells = [row.cells[place] for row in rows]
    return kind(_ARRAY.pack(1, 1, oid, len(cells), 1) + b"".join(cells))


def _uuid(value: UUID | None) -> bytes:
    return _NULL if value is None else _UUID.pack(16, value.bytes)


def _text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data
