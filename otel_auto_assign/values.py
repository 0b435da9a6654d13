"""What may be set on a span or written to a row: safe types, safe sizes, scrubbed text.

One lone surrogate makes an exporter lose the host's whole batch, one NUL makes PostgreSQL refuse a row, and one
customer's e-mail address in an error message is one too many. So every value passes through here first. No function
of this module raises, whatever it is given: what cannot be made safe is ``None``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from otel_auto_assign import semconv

TEXT_LIMIT: Final = 200
"""Characters of an id, a word or a name."""
FREE_TEXT_LIMIT: Final = 500
"""Characters of an error message or a reason (CONTRACT §3 allows no more)."""
JSON_LIMIT: Final = 8192
"""Characters of a JSON document on a span."""
JSON_DEPTH: Final = 8
"""Levels of nesting that are kept in a JSON document."""

_INT64_MIN: Final = -(2**63)
_INT64_MAX: Final = 2**63 - 1
_READ_AHEAD: Final = 4
"""How many times its limit of a text is read: beyond that, addresses cannot make room for what follows them."""

_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")
# The part before the @ may be empty: in JSON a control character before it is written as a letter (\n, \u0001), and
# the document as a text would then hold an address that no value holds. It has at most the 64 characters that the
# standard allows, or a megabyte of them would be read from each of its characters on.
_EMAIL: Final = re.compile(r"[\w.%+-]{0,64}+@[\w-]+(?:\.[\w-]+)+")
_PHONE: Final = re.compile(r"\+[0-9][0-9 ()-]{7,}[0-9]")
# A national number begins with the trunk zero and stands alone: not a part of a UUID, a date, a time or a decimal.
_NATIONAL: Final = re.compile(r"0(?<![\w.:,/-]0)[0-9][0-9 ()/-]{6,}[0-9](?![\w:]|[.,-]\d)")
_NATIONAL_DIGITS: Final = range(9, 13)
_E_MAIL_SHOWN: Final = "[e-mail]"
_PHONE_SHOWN: Final = "[phone]"


def safe_text(value: object, limit: int = TEXT_LIMIT) -> str | None:
    """Give ``value`` as text of at most ``limit`` characters; ``None`` stays ``None``.

    NUL and lone surrogates become U+FFFD, e-mail addresses ``[e-mail]``. Dates are in ISO 8601, members of an
    enumeration their value when that is text. An object whose ``str()`` raises is ``None``.
    """
    # The ids and words of every span come this way: short clean ASCII leaves at once.
    if type(value) is str and len(value) <= limit and value.isascii() and "@" not in value and "\0" not in value:
        return value
    if value is None:
        return None
    try:
        return _clean(_text(value), limit)
    except Exception:
        return None


def safe_id(value: object) -> str | None:
    """Give an id (text, UUID, whole number) as text; ``None`` for an empty text and for whatever is no id."""
    if type(value) is str:
        return safe_text(value) or None
    try:
        is_id = isinstance(value, (str, UUID, int)) and not isinstance(value, bool)
    except Exception:
        return None
    return (safe_text(value) or None) if is_id else None


def scrub(value: object, limit: int = FREE_TEXT_LIMIT) -> str:
    """Give free text (an error, a reason) without e-mail addresses and phone numbers, at most ``limit`` characters.

    Phone numbers are what begins with ``+`` and a country code, and what stands alone with a leading zero and nine to
    twelve digits; UUIDs, dates, times and table numbers stay. An exception is its ``str()``; what has none is ``""``.

    >>> scrub("no table for ann@example.org, +44 20 7946 0958, at 18:30:00")
    'no table for [e-mail], [phone], at 18:30:00'
    """
    try:
        text = value if type(value) is str else "" if value is None else _text(value)
        if len(text) > limit or not text.isascii() or "@" in text or "\0" in text:
            text = _clean(text, _READ_AHEAD * limit)
        if "+" in text:
            text = _PHONE.sub(_PHONE_SHOWN, text)
        if "0" in text:
            text = _NATIONAL.sub(_hidden_when_a_phone, text)
        return text[:limit]
    except Exception:
        return ""


def safe_bool(value: object) -> bool | None:
    """Give a boolean as it is, anything else as ``None``."""
    return value if value is True or value is False else None


def safe_int(value: object) -> int | None:
    """Give a whole number of at most 64 bits (from int, or an integral float or Decimal), anything else as ``None``."""
    try:
        if type(value) is not int:
            if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
                return None
            if not _INT64_MIN <= value <= _INT64_MAX or (whole := int(value)) != value:
                return None  # the range first: int(Decimal("1E+999999999")) would take all memory
            return whole
        return value if _INT64_MIN <= value <= _INT64_MAX else None
    except Exception:
        return None


def safe_float(value: object) -> float | None:
    """Give a finite number (from int, float or Decimal) as float, anything else as ``None``."""
    try:
        if type(value) is not float:
            if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
                return None
            value = float(value)
        return value if math.isfinite(value) else None
    except Exception:
        return None


def safe_json(value: object, limit: int = JSON_LIMIT) -> str | None:
    """Give nested mappings, lists, dataclasses and scalars as JSON text of at most ``limit`` characters.

    Every text inside is scrubbed; what JSON has no number for (NaN, beyond 64 bits), cycles and what lies deeper than
    ``JSON_DEPTH`` levels is null; other objects are their text. A document that is too long becomes
    ``{"truncated": true, "size": n}`` with the characters that were read of it. ``None`` stays ``None``.
    """
    if value is None:
        return None
    try:
        text = json.dumps(_Plain(limit).of(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except Exception:
        return None
    return text if len(text) <= limit else json.dumps({"truncated": True, "size": len(text)})


def qualified_name(cls: type) -> str:
    """Name a class as OpenTelemetry's ``error.type`` does: module and qualified name, builtins without the module.

    >>> qualified_name(TimeoutError), qualified_name(json.JSONDecodeError)
    ('TimeoutError', 'json.decoder.JSONDecodeError')
    """
    try:
        module, name = cls.__module__, cls.__qualname__
        return safe_text(name if module == "builtins" else f"{module}.{name}") or semconv.ERROR_TYPE_OTHER
    except Exception:
        return semconv.ERROR_TYPE_OTHER


def _text(value: object) -> str:
    if isinstance(value, Enum) and isinstance(value.value, str):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)  # a subclass may have a __str__ of its own
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str.__str__(str(value))


def _clean(text: str, limit: int) -> str:
    if len(text) > _READ_AHEAD * limit:
        # Bounds the work on a huge text; the word at the cut goes: half an address would not be known as one.
        text = text[: _READ_AHEAD * limit]
        if (space := text.rfind(" ", limit)) > 0:
            text = text[:space]
    if not text.isascii() or "\0" in text:
        text = _UNSAFE.sub("\ufffd", text)
    if "@" in text:
        text = _EMAIL.sub(_E_MAIL_SHOWN, text)
    return text[:limit]


def _hidden_when_a_phone(found: re.Match[str]) -> str:
    text = found[0]
    return _PHONE_SHOWN if sum(map(str.isdigit, text)) in _NATIONAL_DIGITS else text


def _number(value: float | Decimal) -> float | None:
    if isinstance(value, float):
        return safe_float(value)
    whole = safe_int(value)
    return safe_float(value) if whole is None and isinstance(value, Decimal) else whole


class _Plain:
    """One conversion to what ``json`` can write, with its budget of values and the containers it is inside of."""

    __slots__ = ("_inside", "_left")

    def __init__(self, limit: int) -> None:
        self._left = limit  # a value takes two characters or more: one that spends them all is too long anyway
        self._inside: set[int] = set()

    def of(self, value: object) -> Any:
        self._left -= 1
        if value is None or value is True or value is False:
            return value
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, Enum):
            return _number(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._nested(value, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._nested(value, value)
        return scrub(value)

    def _nested(self, owner: object, values: Mapping[Any, Any] | list[Any] | tuple[Any, ...] | Any) -> Any:
        if id(owner) in self._inside or len(self._inside) == JSON_DEPTH:
            return None
        self._inside.add(id(owner))
        try:
            if isinstance(values, Mapping):
                plain: dict[str, Any] = {}
                for key, value in values.items():
                    if self._left <= 0:
                        break
                    plain[scrub(key, TEXT_LIMIT)] = self.of(value)
                return plain
            items = []
            for value in values:
                if self._left <= 0:
                    break
                items.append(self.of(value))
            return items
        finally:
            self._inside.discard(id(owner))
