"""Free text or an exception → reason code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import csv
import re
import threading
from pathlib import Path
from typing import Any

import psycopg.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign import reasons, semconv

CODE = re.compile(r"unknown|(?:hard|transient)\.[a-z]+(?:_[a-z]+)*")
with (Path(__file__).parent / "data" / "real_reasons.csv").open(encoding="utf-8", newline="") as _file:
    REAL = [(row["reason"], row["code"]) for row in csv.DictReader(_file)]
"""Every failure of a real system's pilot, with the code that a person gave it."""


class QuotaError(Exception):
    """An exception of the application."""


class AbortError(Exception):
    """What a JavaScript library's cancellation arrives as."""


class DriverError(Exception):
    """An exception that carries an SQLSTATE, as psycopg 2 spells it."""

    def __init__(self, pgcode: object, text: str = "") -> None:
        super().__init__(text)
        self.pgcode = pgcode


class MuteError(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        raise ValueError("no text")

    @property
    def sqlstate(self) -> str:
        """Raises, too."""
        raise ValueError("no state")


class Unhashable:
    """No key of a cache."""

    __hash__ = None  # type: ignore[assignment] # that is what unhashable means

    def __str__(self) -> str:
        return "Insufficient capacity"


def caused(error: Exception, cause: BaseException | None, context: BaseException | None = None) -> Exception:
    """Give an exception with its cause and context set, as ``raise … from …`` sets them."""
    error.__cause__ = cause
    if context is not None:
        error.__suppress_context__ = False
        error.__context__ = context
    return error


@pytest.mark.parametrize(("text", "code"), REAL)
def test_reasons_of_a_real_system(text: str, code: str) -> None:
    """None of the failures that really occurred is unknown, and each has the code that a reader would give it."""
    assert code == reasons.classify(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("No suitable tables for party of 7", "hard.no_suitable_tables"),
        ("no capacity", "hard.no_capacity"),
        ("Insufficient capacity", "hard.insufficient_capacity"),
        ("Insufficient filtered capacity", "hard.insufficient_filtered_capacity"),
        ("No tables available", "hard.no_tables"),
        ("No table matches", "hard.no_tables"),
        ("Insufficient global capacity", "hard.global_capacity"),
        ("Unable to satisfy max tables", "hard.max_tables"),
        ("Reservation would overrun dinner service (end 22:00).", "hard.service_overrun"),
        ("Booking 1 locked to zone 2, cannot assign zone 3", "hard.zone_locked"),
        ("HOLD CONFLICTS PREVENTED ALL CANDIDATES", "transient.hold_conflict"),
        ("Conflicts with holds on tables 5, 6; retry after 18:30:00", "transient.hold_conflict"),
        ("ERROR 23P01", "transient.hold_conflict"),
        ('duplicate key value violates unique constraint "idempotency"', "transient.idempotency_conflict"),
        ("Allocator v2 repository failure", "transient.repository_error"),
        ("INLINE_TIMEOUT", "transient.timeout"),
        ("statement timeout", "transient.timeout"),
        ("the planner timed out", "transient.timeout"),
        ("AbortError", "transient.abort"),
        ("The operation was aborted", "transient.abort"),
        ("rpc call failed", "transient.rpc_error"),
        ("Lock wait timeout exceeded", "transient.lock_wait"),
        ("canceling statement due to lock timeout", "transient.lock_wait"),
        ('could not obtain lock on row in relation "tables"', "transient.lock_wait"),
        ("hard.no_capacity", "hard.no_capacity"),
        ("transient.rpc_error", "transient.rpc_error"),
        ("unknown", "unknown"),
        ("the moon is full", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)  # fmt: skip
def test_classify(text: str | None, code: str) -> None:
    """The contract's texts, whatever their case, and the codes themselves."""
    assert code == reasons.classify(text)


def test_success_is_no_reason() -> None:
    """A failure that calls its reason a success is still a failure: the two never contradict each other in a row."""
    assert reasons.classify("success") == "unknown"


@given(text=st.text(st.characters()) | st.none() | st.integers() | st.lists(st.text()) | st.binary())
def test_every_reason_has_a_code(text: object) -> None:
    """Whatever the reason, the code is one that can be counted by, and the text one that can be shown."""
    shown, code = reasons.explain(text)
    assert CODE.fullmatch(code)
    assert code == reasons.classify(text)
    assert shown is None or (0 < len(shown) <= 500 and shown.encode())


@given(text=st.sampled_from([text for text, _ in REAL]), before=st.integers(0, 99), after=st.text(max_size=5))
def test_what_stands_around_a_reason_does_not_matter(text: str, before: int, after: str) -> None:
    """A prefix or suffix of the caller's leaves the code alone."""
    assert reasons.classify(text) == reasons.classify(f"{before}: {text} {after}")


def test_explain_shows_no_address() -> None:
    """The text beside the code is scrubbed, also when it comes from the cache."""
    for _ in range(2):
        shown, code = reasons.explain("No tables for ann@example.org, +44 20 7946 0958")
        assert shown == "No tables for [e-mail], [phone]"
        assert code == "hard.no_tables"


@pytest.mark.parametrize("value", [Unhashable(), ["Insufficient capacity"], b"Insufficient capacity"])
def test_reasons_of_odd_types(value: object) -> None:
    """What is no text, and no key of a cache either, is read by its text."""
    assert reasons.classify(value) == "hard.insufficient_capacity"


def test_a_huge_reason() -> None:
    """A megabyte is looked at from its beginning only, and is not kept."""
    before = len(reasons._cache)
    shown, code = reasons.explain("No tables " + "x" * 1_000_000)
    assert (len(shown or ""), code) == (500, "hard.no_tables")
    assert len(reasons._cache) == before


def test_the_cache_is_bounded() -> None:
    """Reasons with a booking's id inside are without number; what is remembered of them is not."""
    for number in range(5000):
        reasons.explain(f"Booking {number} locked to zone {number}")
    assert len(reasons._cache) <= 1024


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "transient.timeout"),
        (concurrent.futures.TimeoutError("no table"), "transient.timeout"),
        (asyncio.CancelledError(), "transient.abort"),
        (concurrent.futures.CancelledError(), "transient.abort"),
        (KeyboardInterrupt(), "transient.abort"),
        (GeneratorExit(), "transient.abort"),
        (SystemExit(1), "transient.abort"),
        (psycopg.errors.ExclusionViolation(), "transient.hold_conflict"),
        (psycopg.errors.LockNotAvailable(), "transient.lock_wait"),
        (psycopg.errors.DeadlockDetected(), "transient.lock_wait"),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), "transient.timeout"),
        (psycopg.errors.UniqueViolation('duplicate key value, constraint "idempotency_key"'),
         "transient.idempotency_conflict"),
        (DriverError("23P01"), "transient.hold_conflict"),
        (DriverError(23), "unknown"),
        (DriverError("99999", "Insufficient capacity"), "hard.insufficient_capacity"),
        (AbortError(), "transient.abort"),
        (ValueError("No suitable tables"), "hard.no_suitable_tables"),
        (ValueError("what"), "unknown"),
        (caused(ValueError("what"), TimeoutError()), "transient.timeout"),
        (caused(ValueError("what"), None, TimeoutError()), "transient.timeout"),
        (caused(ValueError("what"), KeyError("else"), TimeoutError()), "unknown"),
        (caused(ValueError("what"), caused(KeyError("else"), TimeoutError())), "unknown"),
        (caused(ValueError("Insufficient capacity"), TimeoutError()), "hard.insufficient_capacity"),
        (MuteError(), "unknown"),
    ],
)  # fmt: skip
def test_classify_exception(error: BaseException, code: str) -> None:
    """The type decides, then the SQLSTATE, the text, the name, and what caused it, one level deep."""
    assert code == reasons.classify_exception(error)
    assert code == reasons.classify(error)


def test_a_suppressed_context_is_no_cause() -> None:
    """``raise … from None`` says that what was handled before has nothing to do with it."""
    error = caused(ValueError("what"), None, TimeoutError())
    error.__suppress_context__ = True
    assert reasons.classify_exception(error) == "unknown"


def test_explain_of_an_exception() -> None:
    """An exception as a reason shows its text and has its type's code."""
    assert reasons.explain(TimeoutError("call +44 20 7946 0958")) == ("call [phone]", "transient.timeout")


@pytest.mark.parametrize("code", sorted(reasons.CODES))
def test_a_code_names_itself(code: str) -> None:
    """A reason that is a code already stays what it is, and has its category."""
    assert reasons.classify(code) == code
    assert reasons.is_code(code)
    assert reasons.category(code) == code.split(".", maxsplit=1)[0]


def test_categories() -> None:
    """Success has no category; what looks like no code is unknown."""
    assert reasons.category(semconv.CODE_SUCCESS) is None
    assert reasons.category("unknown") == "unknown"
    assert reasons.category("hard.sold_out") == "hard"
    assert reasons.category("nonsense") == "unknown"


@pytest.mark.parametrize(
    "text", ["", "hard", "hard.", "Hard.no_tables", "hard.no__tables", "hard.table5", "soft.no", "x"]
)
def test_what_is_no_code(text: str) -> None:
    """A code is a category and a name in small letters, without numbers."""
    assert not reasons.is_code(text)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("Sold Out", "we are SOLD OUT tonight"),
        (re.compile(r"^E\d{3}:"), "E042: nothing"),
        (QuotaError, QuotaError("nothing")),
        (QuotaError, caused(ValueError("what"), QuotaError())),
    ],
)
def test_add_reason(pattern: Any, reason: object) -> None:
    """A text, a regular expression or an exception class of the application's; afterwards it is forgotten."""
    assert reasons.classify(reason) == "unknown"
    with reasons.isolated_reasons():
        reasons.add_reason(pattern, "hard.sold_out")
        assert reasons.classify(reason) == "hard.sold_out"
        assert reasons.classify("hard.sold_out") == "hard.sold_out"
    assert reasons.classify(reason) == "unknown"
    assert reasons.classify("hard.sold_out") == "unknown"


def test_the_contracts_texts_come_first() -> None:
    """What the application adds fills gaps; it cannot turn one of the contract's reasons into another."""
    with reasons.isolated_reasons():
        reasons.add_reason("capacity", "hard.other")
        reasons.add_reason("cap", "hard.later")
        assert reasons.classify("no capacity") == "hard.no_capacity"
        assert reasons.classify("capacity is low") == "hard.other"


def test_an_added_class_comes_before_its_text() -> None:
    """An exception class says more than what happens to stand in its message."""
    with reasons.isolated_reasons():
        reasons.add_reason(QuotaError, "hard.quota")
        assert reasons.classify(QuotaError("rpc timeout")) == "hard.quota"


@pytest.mark.parametrize(
    "code", ["success", "unknown", "hard", "hard.Table", "hard.table_5", "soft.no", "", "hard.x\n", None]
)
def test_add_reason_refuses_a_bad_code(code: Any) -> None:
    """The error names the code and says what one looks like."""
    with pytest.raises(ValueError, match=r"expected hard\.<name> or transient\.<name>"):
        reasons.add_reason("text", code)


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("", ValueError),
        ("  ", ValueError),
        (b"x", TypeError),
        (re.compile(b"x"), TypeError),
        (int, TypeError),
        (None, TypeError),
    ],
)
def test_add_reason_refuses_a_bad_pattern(pattern: Any, error: type[Exception]) -> None:
    """What would match everything, or nothing, is a mistake."""
    with pytest.raises(error, match="reason pattern"):
        reasons.add_reason(pattern, "hard.sold_out")


def test_reasons_can_be_added_from_many_threads() -> None:
    """None is lost, and none that is in force is answered from a cache of before."""
    words = [f"{a}{b}{c}q" for a in "abcdefgh" for b in "abcdefgh" for c in "abcd"]
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            for word in words:
                reasons.classify(word)

    def add(part: list[str]) -> None:
        for word in part:
            reasons.add_reason(word, f"hard.{word}")

    with reasons.isolated_reasons():
        asking = threading.Thread(target=ask)
        adding = [threading.Thread(target=add, args=(words[start::4],)) for start in range(4)]
        asking.start()
        for thread in adding:
            thread.start()
        for thread in adding:
            thread.join()
        stop.set()
        asking.join()
        assert [f"hard.{word}" for word in words] == [reasons.classify(word) for word in words]
