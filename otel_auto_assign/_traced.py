"""What is behind the six decorators: one object that decorates a function, or is entered around a block."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar, cast

from otel_auto_assign._arguments import argument_reader
from otel_auto_assign._callables import name_of
from otel_auto_assign._calls import Begin, CallScope, begin_safely
from otel_auto_assign._runtime import runtime
from otel_auto_assign._scopes import Given, Spec
from otel_auto_assign._wrapping import check_supported, inside_descriptor, wrap
from otel_auto_assign.handles import Handle

F = TypeVar(
    "F",
    bound="Callable[..., Any] | classmethod[Any, Any, Any] | staticmethod[Any, Any] | functools.partialmethod[Any]",
)
"""What may be decorated: it stays of its very type, with all parameters and attributes."""
H = TypeVar("H", bound=Handle)


_Owner = tuple[int, int]


def _owner() -> _Owner:
    """Tell threads and tasks apart."""
    try:
        return get_ident(), id(asyncio.current_task())
    except RuntimeError:  # no event loop runs in this thread
        return get_ident(), 0


class Role(NamedTuple, Generic[H]):
    """What tells the six decorators apart."""

    decorator: str
    begin: Begin
    handle: Callable[[CallScope | None], H]
    inline: bool = False
    answers: bool = False
    """Whether a generator's call answers by what it yields: to a quote or confirm; what a job yields is its own."""


class Traced(Generic[H]):
    """One decorator with its options: call it with a function, or enter it around a block.

    One object may be entered again before it is left, by recursion, and from several threads and tasks.
    """

    __slots__ = ("_entered", "_given", "_name", "_options", "_role")

    def __init__(self, role: Role[H], given: Given, name: str | None, options: dict[str, Any]) -> None:
        self._role = role
        self._given = given
        self._name = name
        self._options = options
        self._entered: list[tuple[_Owner, CallScope | None, H]] = []

    def __call__(self, function: F, /) -> F:
        """Decorate ``function``.

        Raises:
            TypeError: if it is no callable, or a class.
        """
        role = self._role
        if (descriptor := inside_descriptor(function, self)) is not None:
            return cast("F", descriptor)
        check_supported(function, role.decorator)
        read = argument_reader(cast("Callable[..., Any]", function), self._given, inline=role.inline)
        spec = Spec(self._name or name_of(function), read, **self._options)
        return cast("F", wrap(function, role.begin, spec, self, answers=role.answers))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the blocks that are entered here: a decorated object's copy is decorated alike."""
        return type(self), (self._role, self._given, self._name, self._options)

    def __enter__(self) -> H:
        """Start the span and give the block's handle."""
        role, given = self._role, self._given
        scope = None
        if runtime.enabled:
            spec = Spec(self._name or role.decorator, lambda _args, _kwargs: given, **self._options)
            scope = begin_safely(role.begin, spec, (), {})
        handle = role.handle(scope)
        self._entered.append((_owner(), scope, handle))
        return handle

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; an exception goes on as it came."""
        _, scope, handle = self._leave() or (None, None, None)
        if scope is None or handle is None:
            return
        if exception is not None:
            scope.raised(exception)
        else:
            scope.returned(handle._value)  # noqa: SLF001 - handle and decorator are one thing to the user

    def _leave(self) -> tuple[_Owner, CallScope | None, H] | None:
        """Find what this thread or task entered last; a coroutine closed elsewhere leaves what was entered last."""
        entered, owner = self._entered, _owner()
        for place in range(len(entered) - 1, -1, -1):
            if entered[place][0] == owner:
                return entered.pop(place)
        return entered.pop() if entered else None

    async def __aenter__(self) -> H:
        """Start the span and give the block's handle."""
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; an exception goes on as it came."""
        self.__exit__(kind, exception, traceback)
