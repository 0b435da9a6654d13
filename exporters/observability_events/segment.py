"""The file format of the spool: bytes → records and back, without any I/O.

::

    file     header record record …
    header   magic (6)  version (u16)  length (u32)  CRC32 (u32)  JSON
    record   marker (2)  kind (u8)  number (u32)  length (u32)  CRC32 (u32)  payload

Integers are little-endian. A record's CRC is that of its payload, begun with number and kind, so that a flipped bit
anywhere is seen. The marker holds bytes that no UTF-8 text has, and payloads are JSON: after a damaged record the next
one is found again, whatever the damage. The header's layout is the same in every version, that of records is not.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

VERSION: Final = 1
SPAN: Final = 1
ROW: Final = 2
NUMBERS: Final = 1 << 24  # how many records a segment can number

_MAGIC: Final = b"\x89AASEG"
_HEADER: Final = struct.Struct("<6sHII")
_MARKER: Final = b"\xff\xf5"
_RECORD: Final = struct.Struct("<2sBIII")
_KIND_BITS: Final = 8


class ForeignError(Exception):
    """The file is no segment: neither its beginning nor anything in it is ours."""


class NewerVersionError(Exception):
    """The file was written by a later version of this library, which alone can read it."""


class Record(NamedTuple):
    """One record; ``number`` is its own within the segment."""

    kind: int
    number: int
    payload: bytes


@dataclass(frozen=True)
class Contents:
    """What could be read of a segment.

    Attributes:
        about: What its owner said of itself in the header; empty where the header is damaged.
        records: In the order of the file.
        damaged: Stretches between readable records that could not be read.
        torn: Whether the last record is incomplete, as a process leaves it that dies while it writes.
    """

    about: Mapping[str, Any] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    damaged: int = 0
    torn: bool = False


def header(about: Mapping[str, Any]) -> bytes:
    """Give the beginning of a segment."""
    text = orjson.dumps(about)
    return _HEADER.pack(_MAGIC, VERSION, len(text), zlib.crc32(text, VERSION)) + text


def record(kind: int, number: int, payload: bytes) -> bytes:
    """Give one record; ``number`` is below `NUMBERS`."""
    checksum = zlib.crc32(payload, number << _KIND_BITS | kind)
    return _RECORD.pack(_MARKER, kind, number, len(payload), checksum) + payload


def read(data: bytes) -> Contents:
    """Read a whole segment.

    Raises:
        ForeignError: if nothing in it is ours.
        NewerVersionError: if a later version wrote it.
    """
    about, begin = _about(data)
    at, damaged, torn = begin, int(begin == 0), False
    records = []
    while at < len(data):
        found = _record_at(data, at)
        if found is None:
            at, gap_begins = _next_record(data, at + 1), at
            # Of an incomplete record at the end a marker is there, or a part of it, and nothing else is wrong.
            torn = at == len(data) and _MARKER.startswith(data[gap_begins : gap_begins + len(_MARKER)])
            damaged += not torn and gap_begins > 0
            continue
        records.append(found)
        at += _RECORD.size + len(found.payload)
    if not begin and not records:
        raise ForeignError("the file is no segment of a spool")
    return Contents(about, tuple(records), damaged, torn)


def _about(data: bytes) -> tuple[Mapping[str, Any], int]:
    """Give what the header says and where it ends; nothing and 0 where it cannot be read."""
    if len(data) < _HEADER.size:
        return {}, 0
    magic, version, length, checksum = _HEADER.unpack_from(data)
    text = data[_HEADER.size : _HEADER.size + length]
    if magic != _MAGIC or len(text) < length or zlib.crc32(text, version) != checksum:
        return {}, 0
    if version > VERSION:
        raise NewerVersionError(f"the segment is of version {version}, and this library reads up to {VERSION}")
    return orjson.loads(text), _HEADER.size + length


def _record_at(data: bytes, at: int) -> Record | None:
    if len(data) - at < _RECORD.size:
        return None
    marker, kind, number, length, checksum = _RECORD.unpack_from(data, at)
    begins = at + _RECORD.size
    if marker != _MARKER or length > len(data) - begins or number >= NUMBERS:
        return None
    payload = data[begins : begins + length]
    if zlib.crc32(payload, number << _KIND_BITS | kind) != checksum:
        return None
    return Record(kind, number, payload)


def _next_record(data: bytes, at: int) -> int:
    """Give the place of the next readable record, or the end."""
    while (at := data.find(_MARKER, at)) >= 0:
        if _record_at(data, at) is not None:
            return at
        at += 1
    return len(data)
