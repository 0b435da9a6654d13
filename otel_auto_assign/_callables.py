"""Callables that a closure cannot stand in for: generator functions, callable objects, ``functools.partial``, caches.

A proxy in front of them has all their attributes and is bound as they are. Each of its calls is made by the closure
that ``_wrapping`` chose for the kind.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

import wrapt


def name_of(function: Any) -> str:
    """Give a callable's qualified name, an object's being that of its class."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


def full_name_of(function: Any) -> str:
    """Give a callable's name with its module's, as OpenTelemetry wants ``code.function.name``."""
    while isinstance(function, functools.partial):
        function = function.func
    named = function if isinstance(getattr(function, "__qualname__", None), str) else type(function)
    module = getattr(named, "__module__", None)
    return f"{module}.{name_of(function)}" if isinstance(module, str) else name_of(function)


class TracedCallable(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1 is not generic
    """A decorated callable."""

    def __init__(self, wrapped: Any, call: Callable[..., Any], decorate: Callable[[Any], Any]) -> None:
        """Make the proxy.

        Args:
            wrapped: the callable.
            call: what is called in its place.
            decorate: decorates another callable alike.
        """
        super().__init__(wrapped)
        self._self_call = call
        self._self_decorate = decorate

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._self_call(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind as the callable does, if it does."""
        wrapped = self.__wrapped__
        if not hasattr(type(wrapped), "__get__"):
            return self
        bound = wrapped.__get__(instance, owner)
        if bound is wrapped:
            return self
        if type(bound) is MethodType and bound.__func__ is wrapped:
            return MethodType(self, bound.__self__)
        return self._self_decorate(bound) if callable(bound) else bound

    def __set_name__(self, owner: Any, name: str) -> None:
        if hasattr(type(self.__wrapped__), "__set_name__"):
            self.__wrapped__.__set_name__(owner, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle by name what its module knows by name, as a function; anything else as what it is, decorated again."""
        if self._is_known_by_name():
            return self.__qualname__
        return self._self_decorate, (self.__wrapped__,)

    def _is_known_by_name(self) -> bool:
        name = getattr(self.__wrapped__, "__qualname__", None)
        found: Any = sys.modules.get(getattr(self.__wrapped__, "__module__", None) or "")
        for part in name.split(".") if isinstance(name, str) else ("",):
            found = getattr(found, part, None)
        return found is self

    def __copy__(self) -> Any:
        return self._like(copy.copy(self.__wrapped__))

    def __deepcopy__(self, memo: Any) -> Any:
        return self._like(copy.deepcopy(self.__wrapped__, memo))

    def _like(self, copied: Any) -> Any:
        return self if copied is self.__wrapped__ else self._self_decorate(copied)
