"""What is behind the six decorators: one object that decorates a function, or is entered around a block."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from threading import RLock, get_ident
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar, cast

from otel_auto_assign import values
from otel_auto_assign._arguments import argument_reader
from otel_auto_assign._callables import full_name_of, name_of
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


class _Entered(NamedTuple, Generic[H]):
    """A block that has been entered and not yet left."""

    frame: int
    """Of the block: its identity, for the frame itself would keep all its variables alive."""
    owner: _Owner
    scope: CallScope | None
    handle: H


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

    __slots__ = ("_entered", "_given", "_lock", "_name", "_options", "_role")

    def __init__(self, role: Role[H], given: Given, name: str | None, options: dict[str, Any]) -> None:
        self._role = role
        self._given = given
        self._name = name
        self._options = options
        self._entered: list[_Entered[H]] = []
        self._lock = RLock()  # reentrant: the garbage collector may close a block of the same object at any time

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
        spec = Spec(self._name or name_of(function), read, values.safe_text(full_name_of(function)), **self._options)
        return cast("F", wrap(function, role.begin, spec, self, answers=role.answers))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the blocks that are entered here: a decorated object's copy is decorated alike."""
        return type(self), (self._role, self._given, self._name, self._options)

    def __enter__(self) -> H:
        """Start the span and give the block's handle."""
        return self._enter(id(sys._getframe(1)))  # noqa: SLF001 - the only thing that enter and exit have in common

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; an exception goes on as it came."""
        self._exit(id(sys._getframe(1)), exception)  # noqa: SLF001 - likewise

    async def __aenter__(self) -> H:
        """Start the span and give the block's handle."""
        return self._enter(id(sys._getframe(1)))  # noqa: SLF001 - likewise

    async def __aexit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the span; an exception goes on as it came."""
        self._exit(id(sys._getframe(1)), exception)  # noqa: SLF001 - likewise

    def _enter(self, frame: int) -> H:
        role, given = self._role, self._given
        scope = None
        if runtime.enabled:
            spec = Spec(self._name or role.decorator, lambda _args, _kwargs: given, **self._options)
            scope = begin_safely(role.begin, spec, (), {})
        handle = role.handle(scope)
        with self._lock:
            self._entered.append(_Entered(frame, _owner(), scope, handle))
        return handle

    def _exit(self, frame: int, exception: BaseException | None) -> None:
        left = self._leave(frame)
        if left is None or left.scope is None:
            return
        if exception is not None:
            left.scope.raised(exception)
        else:
            left.scope.returned(left.handle._value)  # noqa: SLF001 - handle and decorator are one thing to the user

    def _leave(self, frame: int) -> _Entered[H] | None:
        """Find what is left now.

        That is what the same block of the same thread or task entered last; else (a generator or coroutine that is
        closed elsewhere) what the same block did; else (an ``ExitStack``) what the same thread or task did.
        """
        owner = _owner()
        with self._lock:
            entered = self._entered
            for fits in (
                lambda entry: entry.frame == frame and entry.owner == owner,
                lambda entry: entry.frame == frame,
                lambda entry: entry.owner == owner,
                lambda _entry: True,
            ):
                for place in range(len(entered) - 1, -1, -1):
                    if fits(entered[place]):
                        return entered.pop(place)
            return None
