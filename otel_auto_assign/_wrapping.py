"""Wraps a function, method or coroutine function so that each call has its scope.

Plain closures with a flag, not proxies: an enabled call costs the same, a disabled method half (see
docs/decisions). Signature, ``__wrapped__`` and ``iscoroutinefunction`` stay as they were.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, Protocol

from otel_auto_assign._guard import swallowed
from otel_auto_assign._runtime import runtime
from otel_auto_assign._scopes import Spec


class CallScope(Protocol):
    """What a call's beginning gives: it is told once how the call ended."""

    def returned(self, value: Any, /) -> None:
        """The call returned ``value``."""

    def raised(self, exception: BaseException, /) -> None:
        """``exception`` left the call."""


Begin = Callable[[Spec, tuple[Any, ...], dict[str, Any]], CallScope | None]


def begin_safely(begin: Begin, spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallScope | None:
    """Begin a scope; a fault of ours means a call without one."""
    try:
        return begin(spec, args, kwargs)
    except Exception as failure:
        swallowed(f"starting a span for {spec.name}", failure)
        return None


def check_supported(function: object, decorator: str) -> None:
    """Refuse what cannot be wrapped yet.

    Raises:
        TypeError: saying what was given and what to do.
    """
    name = getattr(function, "__qualname__", None) or repr(function)
    if isinstance(function, (classmethod, staticmethod, property)):
        kind = type(function).__name__
        raise TypeError(f"{decorator} cannot wrap a {kind}: put @{decorator} below @{kind}, next to the def")
    if not isinstance(function, types.FunctionType):
        raise TypeError(
            f"{decorator} wraps functions, methods and coroutine functions, not {type(function).__name__} ({name}): "
            f"decorate the function it calls, or use `with {decorator}(): ...`"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{decorator} cannot wrap the generator function {name} yet: "
            f"decorate a function that returns its result, or use `with {decorator}(): ...` around the loop"
        )


def wrap(function: Callable[..., Any], begin: Begin, spec: Spec) -> Callable[..., Any]:
    """Give ``function`` with a scope around each of its calls."""
    return (
        _wrap_coroutine(function, begin, spec)
        if inspect.iscoroutinefunction(function)
        else _wrap(function, begin, spec)
    )


def _wrap(function: Callable[..., Any], begin: Begin, spec: Spec) -> Callable[..., Any]:
    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if not runtime.enabled or (scope := begin_safely(begin, spec, args, kwargs)) is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as exception:
            scope.raised(exception)
            raise
        scope.returned(result)
        return result

    return traced


def _wrap_coroutine(function: Callable[..., Any], begin: Begin, spec: Spec) -> Callable[..., Any]:
    @functools.wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        if not runtime.enabled or (scope := begin_safely(begin, spec, args, kwargs)) is None:
            return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as exception:
            scope.raised(exception)
            raise
        scope.returned(result)
        return result

    return traced
