"""The spool's file format: what was written is read back, and whatever happens to a file costs what it hit, no more."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability_events import segment
from observability_events.segment import Contents, ForeignError, NewerVersionError, Record

ABOUT = {"pid": 7, "service": "tables"}
RECORDS = tuple(Record(1 + number % 2, number, b'["payload",%d]' % number) for number in range(5))
HEADER = segment.header(ABOUT)
BODIES = [segment.record(*record) for record in RECORDS]
WHOLE = HEADER + b"".join(BODIES)


def test_what_is_written_is_read() -> None:
    """Header and records come back as they were, in their order."""
    assert segment.read(WHOLE) == Contents(ABOUT, RECORDS)


def test_a_segment_without_records_is_one() -> None:
    """A process that ends at once leaves a header, and that is no fault."""
    assert segment.read(HEADER) == Contents(ABOUT)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, segment.NUMBERS - 1), st.binary(max_size=50))))
def test_any_payload_survives(given: list[tuple[int, int, bytes]]) -> None:
    """Bytes of any kind, marker and all, come back."""
    records = tuple(Record(*each) for each in given)
    data = HEADER + b"".join(segment.record(*each) for each in records)
    assert segment.read(data) == Contents(ABOUT, records)


@pytest.mark.parametrize("cut", range(1, len(BODIES[-1])))
def test_a_torn_last_record_is_cut(cut: int) -> None:
    """However little or much of it was written, the records before it are whole, and nothing counts as damaged."""
    assert segment.read(WHOLE[:-cut]) == Contents(ABOUT, RECORDS[:-1], torn=True)


@pytest.mark.parametrize("at", range(len(HEADER), len(HEADER) + len(BODIES[0]) + len(BODIES[1])))
def test_a_flipped_byte_costs_one_record(at: int) -> None:
    """Wherever in a record a byte is flipped, in its length, too, the others are read, and it is seen."""
    data = bytearray(WHOLE)
    data[at] ^= 0xFF
    lost = 0 if at < len(HEADER) + len(BODIES[0]) else 1
    assert segment.read(bytes(data)) == Contents(ABOUT, RECORDS[:lost] + RECORDS[lost + 1 :], damaged=1)


@pytest.mark.parametrize("at", range(len(HEADER)))
def test_a_flipped_byte_in_the_header_costs_no_record(at: int) -> None:
    """The records are found without it; that it is damaged is seen."""
    data = bytearray(WHOLE)
    data[at] ^= 0xFF
    assert segment.read(bytes(data)) == Contents({}, RECORDS, damaged=1)


@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=40))
def test_rubbish_between_records_costs_nothing(at: int, rubbish: bytes) -> None:
    """What was put in anywhere is passed over; at most the record that it tore apart is lost."""
    found = segment.read(WHOLE[:at] + rubbish + WHOLE[at:])
    assert len(found.records) >= len(RECORDS) - 1
    assert set(found.records) <= set(RECORDS)


@pytest.mark.parametrize("data", [b"", b"hello", b"\0" * 4096, b"\x89PNG\r\n\x1a\n" + bytes(range(256))])
def test_a_foreign_file_is_told(data: bytes) -> None:
    """A file in which nothing is ours is no damaged segment."""
    with pytest.raises(ForeignError):
        segment.read(data)


def test_a_newer_version_is_told() -> None:
    """A header that is whole and names a later version is not a damaged one, and nothing behind it is guessed at."""
    text = b"{}"
    version = segment.VERSION + 1
    data = struct.pack("<6sHII", b"\x89AASEG", version, len(text), zlib.crc32(text, version)) + text + BODIES[0]
    with pytest.raises(NewerVersionError, match=f"version {version}"):
        segment.read(data)
