"""Free text or an exception → reason code (CONTRACT §5).

A code is ``category.name`` and holds no id and no number, so that it can be counted by. The tables below are tried in
order, then what the application added with ``add_reason``. Everything looked up is a failure's: the code ``success``
never comes out of here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from otel_auto_assign import semconv
from otel_auto_assign.values import scrub

CATEGORY_HARD: Final = "hard"
CATEGORY_TRANSIENT: Final = "transient"
CATEGORY_UNKNOWN: Final = "unknown"

CODES: Final = frozenset(
    value for name, value in vars(semconv).items() if name.startswith("CODE_") and value != semconv.CODE_SUCCESS
)
"""The codes that a failure can have without ``add_reason``."""

_TEXTS: Final[tuple[tuple[str, str], ...]] = (
    # lower-case part of a text → code; the first that occurs decides, so the special stands before the general
    ("no suitable table", semconv.CODE_NO_SUITABLE_TABLES),
    ("insufficient filtered capacity", semconv.CODE_INSUFFICIENT_FILTERED_CAPACITY),
    ("insufficient global capacity", semconv.CODE_GLOBAL_CAPACITY),
    ("insufficient capacity", semconv.CODE_INSUFFICIENT_CAPACITY),
    ("no capacity", semconv.CODE_NO_CAPACITY),
    ("unable to satisfy max tables", semconv.CODE_MAX_TABLES),
    ("would overrun", semconv.CODE_SERVICE_OVERRUN),
    ("locked to zone", semconv.CODE_ZONE_LOCKED),
    ("assignments in a different zone", semconv.CODE_ZONE_LOCKED),
    ("require movable tables", semconv.CODE_TABLES_NOT_MOVABLE),
    ("hold conflict", semconv.CODE_HOLD_CONFLICT),
    ("conflicts with hold", semconv.CODE_HOLD_CONFLICT),
    ("violates exclusion constraint", semconv.CODE_HOLD_CONFLICT),
    ("23p01", semconv.CODE_HOLD_CONFLICT),
    ("idempotency", semconv.CODE_IDEMPOTENCY_CONFLICT),
    ("repository failure", semconv.CODE_REPOSITORY_ERROR),
    ("lock wait", semconv.CODE_LOCK_WAIT),  # before the time-out: "Lock wait timeout exceeded"
    ("lock timeout", semconv.CODE_LOCK_WAIT),  # PostgreSQL's two texts for 55P03
    ("could not obtain lock", semconv.CODE_LOCK_WAIT),
    ("55p03", semconv.CODE_LOCK_WAIT),
    ("timeout", semconv.CODE_TIMEOUT),
    ("timed out", semconv.CODE_TIMEOUT),
    ("abort", semconv.CODE_ABORT),
    ("rpc", semconv.CODE_RPC_ERROR),
    ("no table", semconv.CODE_NO_TABLES),
)
_SQLSTATES: Final = {
    "23P01": semconv.CODE_HOLD_CONFLICT,  # exclusion_violation
    "55P03": semconv.CODE_LOCK_WAIT,  # lock_not_available
    "40P01": semconv.CODE_LOCK_WAIT,  # deadlock_detected: a lock wait that the server ended
}
_TIMEOUTS: Final = (TimeoutError,)
_ABORTS: Final = (
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    GeneratorExit,
    KeyboardInterrupt,
    SystemExit,
)
_CODE: Final = re.compile(r"(?:hard|transient)\.[a-z]+(?:_[a-z]+)*")
_READ: Final = 4096
"""Characters of a text that are looked at: no pattern of a user's runs over a megabyte."""
_CACHE_ENTRIES: Final = 1024
_CACHE_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class _Added:
    """What the application added, in its order."""

    texts: tuple[tuple[str | re.Pattern[str], str], ...] = ()
    errors: tuple[tuple[type[BaseException], str], ...] = ()
    codes: frozenset[str] = frozenset()


_added = _Added()
_cache: dict[str, tuple[str | None, str]] = {}
_adding = threading.Lock()


def classify(text: object) -> str:
    """Give the code of a failure's reason: a text, an exception, or a code already; ``unknown`` for what is none."""
    return explain(text)[1]


def explain(text: object) -> tuple[str | None, str]:
    """Give the reason as it may be shown (scrubbed; ``None`` when there is none) and its code.

    The same text again is one look-up in a cache.
    """
    cache = _cache  # before the rules are read, so that add_reason cannot leave a stale entry in the new cache
    try:
        return cache[text]  # type: ignore[index] # what is no key raises, and is explained below
    except Exception:
        return _explained(text, cache)


def classify_exception(error: BaseException) -> str:
    """Give the code of an exception: by its type, its SQLSTATE, its text, its name, else by what caused it."""
    try:
        code = _of_exception(error)
        if code is None:
            cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
            code = None if cause is None else _of_exception(cause)
    except Exception:
        return semconv.CODE_UNKNOWN
    return code or semconv.CODE_UNKNOWN


def category(code: str) -> str | None:
    """Give ``hard``, ``transient`` or ``unknown``, or ``None`` for success.

    >>> category("hard.no_capacity"), category("success")
    ('hard', None)
    """
    if code == semconv.CODE_SUCCESS:
        return None
    head = code.partition(".")[0]
    return head if head in (CATEGORY_HARD, CATEGORY_TRANSIENT) else CATEGORY_UNKNOWN


def is_code(text: str) -> bool:
    """Say whether ``text`` has the form of a code: ``success``, ``unknown`` or ``hard.…`` / ``transient.…``."""
    return text in CODES or text == semconv.CODE_SUCCESS or _CODE.fullmatch(text) is not None


def add_reason(pattern: str | re.Pattern[str] | type[BaseException], code: str) -> None:
    """Teach the classification a text (case ignored), a regular expression or an exception class of the application.

    The built-in table is tried first; of what is added, the earlier wins.

    Raises:
        ValueError: if ``code`` is not ``hard.…`` or ``transient.…`` in a-z and underscores, or the text is empty.
        TypeError: if ``pattern`` is none of the three.
    """
    global _added, _cache  # noqa: PLW0603 - one classification a process
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise ValueError(
            f"reason code {code!r}: expected hard.<name> or transient.<name>, in a-z and single underscores"
        )
    with _adding:
        codes = _added.codes | {code}
        if isinstance(pattern, type) and issubclass(pattern, BaseException):
            _added = _Added(_added.texts, (*_added.errors, (pattern, code)), codes)
        elif isinstance(pattern, str):
            if not pattern.strip():
                raise ValueError("reason pattern: an empty text would match every reason")
            _added = _Added((*_added.texts, (pattern.lower(), code)), _added.errors, codes)
        elif isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
            _added = _Added((*_added.texts, (pattern, code)), _added.errors, codes)
        else:
            raise TypeError(f"reason pattern {pattern!r}: expected a text, a regular expression or an exception class")
        _cache = {}


@contextmanager
def isolated_reasons() -> Iterator[None]:
    """Forget at the end of the block what ``add_reason`` taught in it: for tests."""
    global _added, _cache
    before = _added
    try:
        yield
    finally:
        with _adding:
            _added, _cache = before, {}


def _explained(text: object, cache: dict[str, tuple[str | None, str]]) -> tuple[str | None, str]:
    try:
        if text is None:
            return None, semconv.CODE_UNKNOWN
        if isinstance(text, BaseException):
            return scrub(text) or None, classify_exception(text)
        if type(text) is not str:
            text = scrub(text, _READ)
        shown = scrub(text) or None
        explained = shown, _of_text(text) or semconv.CODE_UNKNOWN
        if len(text) <= _CACHE_TEXT:
            if len(cache) >= _CACHE_ENTRIES:
                cache.clear()
            cache[text] = explained
        return explained
    except Exception:
        return None, semconv.CODE_UNKNOWN


def _of_text(text: str) -> str | None:
    added = _added
    if text in CODES or text in added.codes:
        return text
    text = text[:_READ]
    lowered = text.lower()
    for part, code in _TEXTS:
        if part in lowered:
            return code
    for pattern, code in added.texts:
        if pattern in lowered if isinstance(pattern, str) else pattern.search(text):
            return code
    return None


def _of_exception(error: BaseException) -> str | None:
    if isinstance(error, _TIMEOUTS):
        return semconv.CODE_TIMEOUT
    if isinstance(error, _ABORTS):
        return semconv.CODE_ABORT
    for attribute in ("sqlstate", "pgcode"):
        state = getattr(error, attribute, None)
        if type(state) is str and state in _SQLSTATES:
            return _SQLSTATES[state]
    for kind, code in _added.errors:
        if isinstance(error, kind):
            return code
    return _of_text(scrub(error, _READ)) or _of_text(type(error).__name__)
