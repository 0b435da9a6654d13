"""What a quote, a confirm, a job or an inline run came to, read from its value or from the exception that left it.

The default extractor understands what planners usually return: None, booleans, ids, and mappings or objects with
``success``, ``hold``, ``reason``, ``alternates``, ``strategy``, ``cache_hit``, ``planner_stats``, ``result`` in snake
or camel case. Anything else is read by an extractor of the user's, a callable that is given the value and returns an
``Outcome``.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from otel_auto_assign import reasons, values
from otel_auto_assign._guard import swallowed


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a call came to. Unknown is None; values of odd types are made safe or left out, never an error.

    Attributes:
        success: what the value says of itself; None: nothing, then ``hold`` decides.
        hold: whether there is a hold, or anything else that counts as one.
        reason: free text; its reason code is derived from it.
        alternates: how many other table combinations there were.
        cache_hit: whether the planner's cache answered.
        cache_status: the cache's own word, such as ``hit`` or ``stale``.
        require_adjacency: strategy: whether joined tables had to be adjacent.
        max_tables: strategy: how many tables may be joined.
        hold_id: the hold's id.
        planner_stats: the planner's own statistics, recorded only while profiling.
        result: a job's result, one of the contract's words.
    """

    success: bool | None = None
    hold: bool = False
    reason: str | None = None
    alternates: int | None = None
    cache_hit: bool = False
    cache_status: str | None = None
    require_adjacency: bool | None = None
    max_tables: int | None = None
    hold_id: str | None = None
    planner_stats: object = None
    result: str | None = None

    def succeeded(self) -> bool:
        """Tell whether a quote of this outcome gave a hold, or a confirm was taken."""
        return self.success if self.success is not None else self.hold or self.hold_id is not None


class Extractor(Protocol):
    """Reads an ``Outcome`` from what a decorated function returned.

    What it raises, and anything but an ``Outcome``, is logged once and counted; the default extractor is used then.

    >>> def from_tuple(value: tuple[str | None, str]) -> Outcome:
    ...     hold, reason = value
    ...     return Outcome(success=hold is not None, reason=reason, hold_id=hold)
    """

    def __call__(self, value: Any, /) -> Outcome:
        """Give the outcome that ``value`` stands for."""
        ...


class Error(NamedTuple):
    """What a span says of the exception that left its call."""

    type: str
    message: str
    code: str
    cancelled: bool


CANCELLATIONS: Final = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
"""What ends a call from outside: counted as cancelled, never as an error."""


def error_of(exception: BaseException) -> Error:
    """Describe ``exception`` in safe words: qualified name, scrubbed message, reason code."""
    return Error(
        values.qualified_name(type(exception)),
        values.scrub(exception),
        reasons.classify_exception(exception),
        isinstance(exception, CANCELLATIONS),
    )


def outcome_of(value: Any, extractor: Extractor | None, place: str) -> Outcome:
    """Read ``value`` by ``extractor``, else by the default; never raises. ``place`` names the extractor's owner."""
    if extractor is not None:
        try:
            outcome = extractor(value)
            if isinstance(outcome, Outcome):
                return _made_safe(outcome)
            raise TypeError(f"expected an Outcome, got {type(outcome).__name__}")
        except Exception as error:
            swallowed(f"the extractor of {place}", error)
    try:
        return default_outcome(value)
    except Exception as error:
        swallowed(f"reading what {place} returned", error)
        return Outcome()


def default_outcome(value: Any) -> Outcome:
    """Read ``value`` by the rules of the contract's §2."""
    if value is None:
        return Outcome()
    if value is True or value is False:
        return Outcome(success=value)
    kind = type(value)
    plan = _plans.get(kind)
    if plan is None:
        plan = _plan_for(kind)
    return plan(value)


def _made_safe(outcome: Outcome) -> Outcome:
    """Give a user's outcome with values that may be set on a span."""
    return Outcome(
        success=values.safe_bool(outcome.success),
        hold=bool(outcome.hold),
        reason=outcome.reason,
        alternates=_count(outcome.alternates),
        cache_hit=outcome.cache_hit is True,
        cache_status=values.safe_text(outcome.cache_status),
        require_adjacency=values.safe_bool(outcome.require_adjacency),
        max_tables=values.safe_int(outcome.max_tables),
        hold_id=values.safe_id(outcome.hold_id),
        planner_stats=outcome.planner_stats,
        result=outcome.result,
    )


_Plan = Callable[[Any], Outcome]

_KNOWN: Final = (
    "success",
    "hold",
    "hold_id",
    "holdId",
    "reason",
    "result",
    "alternates",
    "strategy",
    "planner_stats",
    "plannerStats",
)


def _from_mapping(value: Mapping[str, Any]) -> Outcome:
    return _read(value.get)


def _from_object(value: Any) -> Outcome:
    return _read(_getter(value))


def _from_either(value: Any) -> Outcome:
    """Read an object whose class does not say which attributes it has."""
    get = _getter(value)
    if any(get(name) is not None for name in _KNOWN):
        return _read(get)
    return Outcome(hold=bool(value))


def _from_scalar(value: Any) -> Outcome:
    return Outcome(hold=bool(value), hold_id=values.safe_id(value) if value else None)


def _from_awaitable(value: Any) -> Outcome:
    raise TypeError(f"a plain function returned {type(value).__name__}, which has to be awaited: declare it async def")


def _plan_for(kind: type) -> _Plan:
    """Choose how values of ``kind`` are read, once for each type."""
    plan: _Plan
    if issubclass(kind, Mapping):
        plan = _from_mapping
    elif issubclass(kind, (str, bytes, int, float, UUID)):
        plan = _from_scalar
    elif hasattr(kind, "__await__"):
        plan = _from_awaitable
    elif dataclasses.is_dataclass(kind) and any(field.name in _KNOWN for field in dataclasses.fields(kind)):
        plan = _from_object
    else:
        plan = _from_either
    if len(_plans) < _MOST_PLANS:
        _plans[kind] = plan
    return plan


_MOST_PLANS: Final = 256  # return types; a program that makes types without end must not fill our memory
_plans: dict[type, _Plan] = {}


def _getter(value: Any) -> Callable[[str], Any]:
    return value.get if isinstance(value, Mapping) else lambda name: getattr(value, name, None)


def _read(get: Callable[[str], Any]) -> Outcome:
    """Read the known names, snake case first. Written out: this runs for every planner call of the host."""
    outcome = Outcome(success=values.safe_bool(get("success")), reason=get("reason"), result=get("result"))
    if (hold := _first(get, "hold", "hold_id", "holdId")) is not None and hold:
        outcome.hold = True
        outcome.hold_id = _hold_id(hold)
    if (alternates := get("alternates")) is not None:
        outcome.alternates = _count(alternates)
    hit, status = _first(get, "cache_hit", "cacheHit"), _first(get, "cache_status", "cacheStatus")
    if (stats := _first(get, "planner_stats", "plannerStats")) is not None:
        outcome.planner_stats = stats
        of_stats = _getter(stats)
        hit = _first(of_stats, "cache_hit", "cacheHit") if hit is None else hit
        status = _first(of_stats, "cache_status", "cacheStatus") if status is None else status
    outcome.cache_hit = hit is True
    outcome.cache_status = values.safe_text(status)
    if (strategy := get("strategy")) is not None:
        of_strategy = _getter(strategy)
        outcome.require_adjacency = values.safe_bool(_first(of_strategy, "require_adjacency", "requireAdjacency"))
        outcome.max_tables = values.safe_int(_first(of_strategy, "max_tables", "maxTables"))
    return outcome


def _first(get: Callable[[str], Any], *names: str) -> Any:
    """Give the first of ``names`` that is known."""
    for name in names:
        found = get(name)
        if found is not None:
            return found
    return None


def _count(alternates: Any) -> int | None:
    """Planners give alternates as a number or as the list of them."""
    if isinstance(alternates, (list, tuple, set, frozenset)):
        return len(alternates)
    return values.safe_int(alternates)


def _hold_id(hold: Any) -> str | None:
    """Give a hold's id; a hold without one is taken for the id itself (what is no id is left out)."""
    if type(hold) is str:
        return values.safe_id(hold)
    found = _getter(hold)("id")
    return values.safe_id(hold if found is None else found)
