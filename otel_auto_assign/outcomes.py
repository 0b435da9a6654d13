"""What a quote, a confirm, a job or an inline run came to, read from its value.

The default extractor understands what planners usually return: None, booleans, ids, and mappings or objects with
``success``, ``hold``, ``reason``, ``alternates``, ``strategy``, ``cache_hit``, ``planner_stats``, ``result`` in snake
or camel case. Anything else is read by an extractor of the user's, a callable that is given the value and returns an
``Outcome``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from otel_auto_assign import semconv, values
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

    def named_result(self) -> str | None:
        """Give the job's result that the value names, if it is one of the contract's words."""
        named = self.result
        return named if type(named) is str and named in semconv.RESULTS_OF_JOBS else None

    def reports_failure(self) -> bool:
        """Tell whether the value says that the job or inline run came to nothing."""
        return self.success is False or self.named_result() not in (None, semconv.RESULT_SUCCEEDED)

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


def _from_mapping(value: Mapping[str, Any]) -> Outcome:
    return _read(value.get)


def _from_dict(value: dict[str, Any]) -> Outcome:
    """Read a plain dictionary by the plan of its shape: planners return the same few shapes all day."""
    shape = tuple(value)
    keys = _shapes.get(shape)
    if keys is None:
        if len(shape) > _LARGEST_SHAPE or any(len(value.keys() & spellings) > 1 for spellings in _SPELLINGS.values()):
            return _read(value.get)  # two spellings of one fact: the first that is known counts
        keys = tuple(
            next((name for name in spellings if name in value), spellings[0]) for spellings in _SPELLINGS.values()
        )
        if all(type(key) is str for key in shape):  # any other key would be kept alive by the cache
            if len(_shapes) >= _MOST_PLANS:
                _shapes.clear()
            _shapes[shape] = keys
    return _outcome(*map(value.get, keys))


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
    """Refuse what a plain function's call is not followed into: it was awaited once already, or may be entered."""
    way = "awaited or entered" if hasattr(type(value), "__aenter__") else "awaited"
    raise TypeError(f"a {type(value).__name__} is still to be {way}: return, or record(), what that gives")


def _plan_for(kind: type) -> _Plan:
    """Choose how values of ``kind`` are read, once for each type."""
    plan: _Plan
    if kind is dict:
        plan = _from_dict
    elif issubclass(kind, Mapping):
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


_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "success": ("success",),
    "hold": ("hold", "hold_id", "holdId"),
    "reason": ("reason",),
    "result": ("result",),
    "alternates": ("alternates",),
    "cache_hit": ("cache_hit", "cacheHit"),
    "cache_status": ("cache_status", "cacheStatus"),
    "stats": ("planner_stats", "plannerStats"),
    "strategy": ("strategy",),
}
"""What we look for, and how planners spell it; of two spellings the first that is known counts."""
_KNOWN: Final = frozenset(spelling for spellings in _SPELLINGS.values() for spelling in spellings)
_LARGEST_SHAPE: Final = 64  # keys
_shapes: dict[tuple[Any, ...], tuple[str, ...]] = {}


def _getter(value: Any) -> Callable[[str], Any]:
    if type(value) is dict:  # before the abstract class, whose check costs as much as the rest
        return value.get
    return value.get if isinstance(value, Mapping) else functools.partial(_attribute, value)


def _attribute(value: Any, name: str) -> Any:
    """Give what an object says; a method says nothing, nor does an attribute that raises (one not loaded, say)."""
    try:
        found = getattr(value, name, None)
    except Exception:
        return None
    return None if callable(found) else found


def _read(get: Callable[[str], Any]) -> Outcome:
    return _outcome(*[_first(get, *spellings) for spellings in _SPELLINGS.values()])


def _outcome(
    success: Any,
    hold: Any,
    reason: Any,
    result: Any,
    alternates: Any,
    cache_hit: Any,
    cache_status: Any,
    stats: Any,
    strategy: Any,
) -> Outcome:
    outcome = Outcome(success=success if success is True or success is False else None, reason=reason, result=result)
    if hold:
        outcome.hold = True
        outcome.hold_id = _hold_id(hold)
    if alternates is not None:
        outcome.alternates = _count(alternates)
    if stats is not None:
        outcome.planner_stats = stats
        of_stats = _getter(stats)
        cache_hit = _first(of_stats, "cache_hit", "cacheHit") if cache_hit is None else cache_hit
        cache_status = _first(of_stats, "cache_status", "cacheStatus") if cache_status is None else cache_status
    outcome.cache_hit = cache_hit is True
    if cache_status is not None:
        outcome.cache_status = values.safe_text(cache_status)
    if strategy is not None:
        get = _getter(strategy)
        adjacency, tables = get("require_adjacency"), get("max_tables")
        outcome.require_adjacency = values.safe_bool(get("requireAdjacency") if adjacency is None else adjacency)
        outcome.max_tables = values.safe_int(get("maxTables") if tables is None else tables)
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
