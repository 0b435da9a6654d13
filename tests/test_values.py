"""What may be set on a span or written to a row."""

from __future__ import annotations

import enum
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign import values

# The two searches that an independent check of the rows makes, PostgreSQL's ~ and ~*.
PHONE = re.compile(r"\+[0-9][0-9 ()-]{7,}[0-9]")
EMAIL = re.compile(r"[a-z0-9._%+-]+@[a-z0-9-]+\.[a-z]{2,}", re.IGNORECASE)

PARTS = [
    "ann.lee@example.org", "x@y.co.uk", "+44 (20) 7946-0958", "07700 900123", "@", ".", "+", "0", "7", "-", "(", ")",
    " ", "\n", "\x01", "\x00", "\ud800", "é", "\u017f", "[", "]", "co", "T12",
]  # fmt: skip
texts = st.lists(st.sampled_from(PARTS) | st.text(st.characters(), max_size=4), max_size=40).map("".join)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.datetimes() | st.times() | st.uuids()
    | st.binary(max_size=20) | texts
)  # fmt: skip
keys = texts | st.integers() | st.uuids() | st.none()
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)


class Hostile:
    """Raises from everything that anybody may ask of an object."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")

    def __len__(self) -> int:
        raise ValueError("no length")

    def __iter__(self) -> Iterator[Any]:
        raise ValueError("no values")

    def __eq__(self, other: object) -> bool:
        raise ValueError("equal to nothing")

    def __hash__(self) -> int:
        raise ValueError("no hash")

    def __float__(self) -> float:
        raise ValueError("no number")

    __int__ = __index__ = __len__


class Disguised:
    """Raises when asked what it is."""

    @property
    def __class__(self) -> Any:
        raise ValueError("no class")

    @__class__.setter
    def __class__(self, cls: Any) -> None: ...


class HostileText(str):
    """A text whose own method raises."""

    __slots__ = ()

    def __str__(self) -> str:
        raise ValueError("no text")


class HostileMapping(Mapping[str, int]):
    """A mapping that breaks while it is read."""

    def __getitem__(self, key: str) -> int:
        raise ValueError("no value")

    def __iter__(self) -> Iterator[str]:
        yield "a"
        raise ValueError("no more keys")

    def __len__(self) -> int:
        return 2


HOSTILE = {
    "object": Hostile(),
    "disguised": Disguised(),
    "text": HostileText("a"),
    "mapping": HostileMapping(),
    "in a list": [Hostile()],
    "in a mapping": {"a": Disguised()},
    "more digits than str() gives": 10**5000,
    "signalling NaN": Decimal("sNaN"),
    "more digits than memory": Decimal("1E+999999999"),
    "class": type("Plain", (), {}),
}
FUNCTIONS: list[Callable[[Any], Any]] = [
    values.safe_text, values.safe_id, values.scrub, values.safe_bool, values.safe_int, values.safe_float,
    values.safe_json, values.qualified_name,
]  # fmt: skip


class Status(enum.Enum):
    CONFIRMED = "confirmed"
    RANK = 7


class Word(str, enum.Enum):  # noqa: UP042 - its str() is not its value, unlike StrEnum's
    PENDING = "pending"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_object_makes_it_raise(function: Callable[[Any], Any], kind: str) -> None:
    """Whatever an application hands over, nothing comes back but a plain value."""
    assert type(function(HOSTILE[kind])) in {str, int, float, bool, type(None)}


@given(value=trees)
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_no_value_makes_it_raise(function: Callable[[Any], Any], value: Any) -> None:
    """The same for every nesting of ordinary values, and what comes back can be encoded."""
    result = function(value)
    assert type(result) in {str, int, float, bool, type(None)}
    str(result).encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("planner.quote", "planner.quote"),
        ("", ""),
        (HostileText("plain"), "plain"),
        ("é", "é"),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("x" * 201, "x" * 200),
        ("é" * 201, "é" * 200),
        ("write to ann@example.org.", "write to [e-mail]."),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (42, "42"),
        (datetime(2025, 11, 5, 18, 30, tzinfo=UTC), "2025-11-05T18:30:00+00:00"),
        (date(2025, 11, 5), "2025-11-05"),
        (time(18, 30), "18:30:00"),
        (Status.CONFIRMED, "confirmed"),
        (Status.RANK, "Status.RANK"),
        (Word.PENDING, "pending"),
        (Hostile(), None),
    ],
)
def test_safe_text(value: object, expected: str | None) -> None:
    """Text comes out readable, short and encodable."""
    assert expected == values.safe_text(value)


@given(value=texts, limit=st.integers(1, 60))
def test_safe_text_holds_no_address_and_no_character_that_costs_a_batch(value: str, limit: int) -> None:
    """Wherever the cut falls, the rest is encodable, without NUL, within its limit and without an e-mail address."""
    text = values.safe_text(value, limit)
    assert text is not None
    text.encode()
    assert "\0" not in text
    assert len(text) <= limit
    assert not EMAIL.search(text)


@given(value=texts, limit=st.integers(1, 60))
def test_scrubbed_text_passes_the_independent_searches(value: str, limit: int) -> None:
    """Neither the text nor its JSON, where a line feed is a letter, holds an address or a phone number."""
    text = values.scrub(value, limit)
    text.encode()
    assert "\0" not in text
    assert len(text) <= limit
    assert not PHONE.search(text)
    assert not EMAIL.search(text)
    assert not EMAIL.search(json.dumps(text, ensure_ascii=False))


@given(value=texts)
def test_scrubbing_twice_changes_nothing(value: str) -> None:
    """A row made from a span whose text was scrubbed already says the same as the span."""
    assert values.scrub(value) == values.scrub(values.scrub(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (ValueError("boom"), "boom"),
        (KeyError("a@b.co"), "'[e-mail]'"),
        (Hostile(), ""),
        ("call +44 (20) 7946-0958 now", "call [phone] now"),
        ("call +4915112345678", "call [phone]"),
        ("call 07700 900123, or 0171/1234567", "call [phone], or [phone]"),
        ("call (020) 7946 0958", "call ([phone]"),
        ("to ann+4412345678901@example.org", "to [e-mail]"),
        ("jörg.müller@exämple.de", "[e-mail]"),
        ("a\n@example.org", "a\n[e-mail]"),
        ("no table for 4 at 18:30:00", "no table for 4 at 18:30:00"),
        ("2025-11-05 18:30:00.012345+00", "2025-11-05 18:30:00.012345+00"),
        ("05/11/2025 to 06/11/2025", "05/11/2025 to 06/11/2025"),
        ("Conflicts with holds on tables 5, 6; retry after 18:30:00",
         "Conflicts with holds on tables 5, 6; retry after 18:30:00"),
        ("tables 01, 02, 03, 04, 05, 06", "tables 01, 02, 03, 04, 05, 06"),
        ("1 + 1, +5 seats, 0.000000001, T046", "1 + 1, +5 seats, 0.000000001, T046"),
        ("order 00000000000000000000", "order 00000000000000000000"),
        ("x" * 600, "x" * 500),
    ],
)  # fmt: skip
def test_scrub(value: object, expected: str) -> None:
    """Addresses and phone numbers go; times, dates, amounts and table numbers stay."""
    assert expected == values.scrub(value)


@given(identifier=st.uuids() | st.sampled_from([UUID(int=0), UUID("01234567-0123-0123-0123-012345678901")]))
def test_a_uuid_is_no_phone_number(identifier: UUID) -> None:
    """Bookings and zones are named by UUID in reasons, and those of digits alone stay too."""
    text = f"Booking {identifier} locked to zone {identifier}"
    assert text == values.scrub(text)


@given(moment=st.datetimes(timezones=st.just(UTC)), tables=st.lists(st.integers(0, 99), min_size=1, max_size=12))
def test_moments_and_tables_are_no_phone_numbers(moment: datetime, tables: list[int]) -> None:
    """Whatever the date, its ISO form and a list of tables come through."""
    text = f"tables {', '.join(map(str, tables))} at {moment:%Y-%m-%d %H:%M:%S}, {moment.isoformat()}"
    assert text == values.scrub(text)


def test_an_address_across_the_read_ahead_is_not_cut_into_view() -> None:
    """Addresses that shrink make room for what follows; the one the reading stopped in must not come into it."""
    many = f"{'rather-long-' * 5}@{'rather-long-' * 20}.example.org " * 1000
    text = values.scrub(many)
    assert text.startswith("[e-mail] [e-mail] ")
    assert len(text) < values.FREE_TEXT_LIMIT
    assert "rather" not in text


@pytest.mark.parametrize("letter", ["a", "a.", "@", "a@", "+", "+1", "0", "0 ", "é"])
def test_a_megabyte_costs_no_more_than_its_beginning(letter: str) -> None:
    """No text makes the patterns run away: a hundred thousand repeats are as quick as the limit is short."""
    text = values.scrub(letter * 100_000)
    assert len(text) <= values.FREE_TEXT_LIMIT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("96f93f4e", "96f93f4e"),
        (UUID(int=1), str(UUID(int=1))),
        (7, "7"),
        (HostileText("b1"), "b1"),
        (Word.PENDING, "pending"),
        ("ann@example.org", "[e-mail]"),
        ("", None),
        (None, None),
        (True, None),
        (1.5, None),
        (b"b1", None),
        (object(), None),
        ({"id": 1}, None),
    ],
)
def test_safe_id(value: object, expected: str | None) -> None:
    """Text, UUIDs and whole numbers are ids, and nothing else."""
    assert expected == values.safe_id(value)


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), (1, None), ("true", None), (None, None)])
def test_safe_bool(value: object, expected: bool | None) -> None:
    """Only booleans are booleans: 1 and "true" are not."""
    assert expected is values.safe_bool(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (2**70, None),
        (3.0, 3),
        (3.5, None),
        (Decimal(4), 4),
        (Decimal("4.5"), None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("3", None),
        (None, None),
    ],
)
def test_safe_int(value: object, expected: int | None) -> None:
    """Whole numbers of 64 bits, whatever carries them."""
    result = values.safe_int(value)
    assert expected == result
    assert type(result) in {int, type(None)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (2, 2.0),
        (Decimal("0.25"), 0.25),
        (float("nan"), None),
        (float("-inf"), None),
        (10**400, None),
        (Decimal("1E+400"), None),
        (True, None),
        ("1.5", None),
    ],
)
def test_safe_float(value: object, expected: float | None) -> None:
    """Finite numbers, and nothing else."""
    result = values.safe_float(value)
    assert expected == result
    assert type(result) in {float, type(None)}


@dataclass
class Stats:
    candidates: int
    share: Decimal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, True, None]}, {"a": [1, 2.5, True, None]}),
        ({"nan": math.nan, "big": 2**70, "inf": -math.inf}, {"nan": None, "big": None, "inf": None}),
        ({"d": Decimal("1.5"), "n": Decimal(3)}, {"d": 1.5, "n": 3}),
        ({"at": date(2025, 11, 5), 1: UUID(int=0)}, {"at": "2025-11-05", "1": str(UUID(int=0))}),
        ({"who": "ann@example.org", "x@y.zz": "\ud800"}, {"who": "[e-mail]", "[e-mail]": "\ufffd"}),
        (Stats(3, Decimal("0.5")), {"candidates": 3, "share": 0.5}),
        ((1, {2}), [1, [2]]),
        ([Status.CONFIRMED], ["confirmed"]),
        ({"bad": Hostile()}, {"bad": ""}),
        ("text", "text"),
    ],
)  # fmt: skip
def test_safe_json(value: object, expected: object) -> None:
    """The planner's statistics keep their shape and become what JSON can say."""
    text = values.safe_json(value)
    assert text is not None
    assert expected == json.loads(text)


def test_safe_json_cuts_cycles_and_depth() -> None:
    """What contains itself is cut where it would begin again, and what never ends at its eighth level."""
    around: dict[str, object] = {}
    around["again"] = [around]
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]

    assert values.safe_json(around) == '{"again":[null]}'
    assert values.safe_json(deep) == "[" * values.JSON_DEPTH + "null" + "]" * values.JSON_DEPTH


def test_the_same_value_twice_is_no_cycle() -> None:
    """A value that stands beside itself stays."""
    zone = {"zone": 1}
    assert values.safe_json([zone, zone]) == '[{"zone":1},{"zone":1}]'


@pytest.mark.parametrize("value", [["x" * 400] * 100, list(range(10**6)), {str(key): 0 for key in range(10**5)}])
def test_safe_json_says_when_it_is_too_long(value: object) -> None:
    """A document beyond its limit becomes a small one that says so, and no more of it is read than needed."""
    text = values.safe_json(value)
    assert text is not None
    shown = json.loads(text)
    assert shown["truncated"] is True
    assert values.JSON_LIMIT < shown["size"] < 50 * values.JSON_LIMIT


@given(value=trees, limit=st.integers(40, 400))
def test_safe_json_is_json_without_secrets(value: object, limit: int) -> None:
    """Every value gives valid JSON within its limit, with neither NaN nor an address in it."""
    text = values.safe_json(value, limit)
    if text is not None:
        json.loads(text, parse_constant=pytest.fail)
        assert len(text) <= limit
        assert not EMAIL.search(text)


def test_qualified_name() -> None:
    """Built-in classes go by their name alone, the others with their module."""
    assert values.qualified_name(ValueError) == "ValueError"
    assert values.qualified_name(json.JSONDecodeError) == "json.decoder.JSONDecodeError"
    assert values.qualified_name(Stats) == f"{__name__}.Stats"


def test_a_fresh_id_is_clean() -> None:
    """The ids of every span leave by the short way, unchanged and uncopied."""
    text = str(uuid4())
    assert values.safe_text(text) is text
    assert values.safe_id(text) is text
