"""What a call's named arguments say of it: booking, restaurant, trigger, inline attempt. No other argument is read."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_auto_assign._paths import FromArgument, follow
from otel_auto_assign._scopes import Given, ReadArguments

_NAMES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("booking_id", ("booking_id", "bookingId")),
    ("restaurant_id", ("restaurant_id", "restaurantId")),
    ("trigger", ("trigger",)),
    ("attempt_id", ("inline_attempt_id", "inlineAttemptId")),
)
"""What we look for, and the arguments that say it."""

_OF_INLINE_RUN: Final = ("attempt_id", "attemptId")
"""What an inline run's own id may be called, too; elsewhere an argument of that name may be anything."""

_Get = Callable[[tuple[Any, ...], dict[str, Any]], Any]


def argument_reader(function: Callable[..., Any], fixed: Given, *, inline: bool = False) -> ReadArguments:
    """Make the reader for calls of ``function``; what the decorator's options fix comes first.

    A ``booking`` argument may be the id itself or have ``id`` (or ``booking_id``), ``restaurant_id`` and ``status``;
    a ``restaurant`` argument the id itself or have ``id``. Positions are looked up here, once for each function.

    Raises:
        ValueError: if what is fixed is to come from an argument that ``function`` does not have.
    """
    if type(function) is functools.partial:
        return _reader_of_partial(function, fixed, inline=inline)
    parameters = _parameters(function)
    named = {
        field: _named(parameters, value) for field, value in fixed._asdict().items() if type(value) is FromArgument
    }
    if named:
        fixed = fixed._replace(**dict.fromkeys(named))
        read_others = _reader(parameters, fixed, inline=inline)
        return lambda args, kwargs: _with_named(read_others(args, kwargs), named, args, kwargs)
    return _reader(parameters, fixed, inline=inline)


def _reader(parameters: Mapping[str, inspect.Parameter], fixed: Given, *, inline: bool) -> ReadArguments:
    direct: dict[str, _Get | None] = {field: _argument(parameters, names) for field, names in _NAMES}
    if inline and direct["attempt_id"] is None:
        direct["attempt_id"] = _argument(parameters, _OF_INLINE_RUN)
    booking = _argument(parameters, ("booking",))
    restaurant = _argument(parameters, ("restaurant",))
    if all(get is None for get in direct.values()) and booking is None and restaurant is None:
        return lambda _args, _kwargs: fixed
    booking_id, restaurant_id, trigger, attempt_id = (
        _constant(getattr(fixed, field)) if get is None or getattr(fixed, field) is not None else get
        for field, get in direct.items()
    )

    def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Given:
        found = Given(
            booking_id(args, kwargs),
            restaurant_id(args, kwargs),
            trigger(args, kwargs),
            attempt_id(args, kwargs),
            fixed.status,
            fixed.carrier,
        )
        if booking is not None:
            found = _with_booking(found, booking(args, kwargs))
        if restaurant is not None and found.restaurant_id is None:
            found = found._replace(
                restaurant_id=_id_of(restaurant(args, kwargs), "id", "restaurant_id", "restaurantId")
            )
        return found

    return read


def _reader_of_partial(function: functools.partial[Any], fixed: Given, *, inline: bool) -> ReadArguments:
    """Make the reader that finds what the partial's own arguments say, too."""
    read = argument_reader(function.func, fixed, inline=inline)
    return lambda args, kwargs: read((*function.args, *args), {**function.keywords, **kwargs})


def _named(parameters: Mapping[str, inspect.Parameter], where: FromArgument) -> _Get:
    get = _argument(parameters, (where.name,))
    if get is None:
        raise ValueError(f"it has no argument {where.name!r}: it has ({', '.join(parameters)})")
    return lambda args, kwargs: follow(get(args, kwargs), where.rest)


def _with_named(found: Given, named: Mapping[str, _Get], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Given:
    """Put in what was found where the user said it is; where nothing is there, what was found by name stays."""
    said = {field: get(args, kwargs) for field, get in named.items()}
    return found._replace(**{field: value for field, value in said.items() if value is not None})


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a callable of C that does not say: what is named in a call has a name
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}


def _constant(value: object) -> _Get:
    return lambda _args, _kwargs: value


def _argument(parameters: Mapping[str, inspect.Parameter], names: tuple[str, ...]) -> _Get | None:
    """Find the first of ``names`` among the parameters and make the function that looks it up in a call."""
    for position, (name, parameter) in enumerate(parameters.items()):
        if name not in names or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        if parameter.kind is parameter.KEYWORD_ONLY:
            return _keyword(name, default)
        return _positional(position, name, default)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return lambda _args, kwargs: next((kwargs[name] for name in names if name in kwargs), None)
    return None


def _keyword(name: str, default: Any) -> _Get:
    return lambda _args, kwargs: kwargs.get(name, default)


def _positional(position: int, name: str, default: Any) -> _Get:
    return lambda args, kwargs: args[position] if len(args) > position else kwargs.get(name, default)


def _with_booking(found: Given, booking: Any) -> Given:
    if booking is None:
        return found
    return found._replace(
        booking_id=found.booking_id
        if found.booking_id is not None
        else _id_of(booking, "id", "booking_id", "bookingId"),
        restaurant_id=found.restaurant_id
        if found.restaurant_id is not None
        else _part(booking, "restaurant_id", "restaurantId"),
        status=found.status if found.status is not None else _part(booking, "status"),
    )


def _id_of(thing: Any, *names: str) -> Any:
    """Give a thing's id; a thing without one is taken for the id itself (what is no id is left out later)."""
    found = _part(thing, *names)
    return thing if found is None else found


def _part(thing: Any, *names: str) -> Any:
    for name in names:
        try:
            value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        except Exception:  # an attribute that is not loaded, and cannot be here: as good as none
            value = None
        if value is not None:
            return value
    return None
