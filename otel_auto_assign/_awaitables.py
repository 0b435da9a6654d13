"""What a plain function returns to be awaited: the span, started by the call, ends when that has been awaited.

A future or task stays the very object, and is only asked to say when it is done. A coroutine or any other awaitable is
handed out behind a proxy that makes its steps inside the scope. What is dropped without having been awaited is
cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from types import GeneratorType
from typing import Any, Final

import wrapt

from otel_auto_assign._calls import CallScope
from otel_auto_assign._guard import swallowed

_NEVER_AWAITED: Final = frozenset({type(None), bool, int, float, str, bytes, dict, list, tuple, set})
"""What most calls return: told from an awaitable at a look."""


def is_awaitable(value: Any) -> bool:
    """Tell whether ``value`` is for awaiting and nothing else; what may also be entered is left to itself."""
    kind = type(value)
    if kind in _NEVER_AWAITED:
        return False
    try:
        if hasattr(kind, "__await__"):
            return not hasattr(kind, "__aenter__")
        return kind is GeneratorType and bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    except Exception as failure:
        swallowed("looking at what a call returned", failure)
        return False


def awaited(value: Any, scope: CallScope) -> Any:
    """Give what the caller may await in place of ``value``; the scope ends with it."""
    scope.suspended()
    try:
        if asyncio.isfuture(value):
            end = _FutureEnd(scope)
            if value.done():
                end(value)
            else:
                value.add_done_callback(end)
            return value
        if isinstance(value, (Coroutine, GeneratorType)):
            return AwaitedCoroutine(value, scope)
        return Awaited(value, scope)
    except Exception as failure:
        swallowed("following an awaitable", failure)
        return value


class _FutureEnd:
    """Ends the scope of a call when the future that it returned is done, or is forgotten."""

    __slots__ = ("_scope",)

    def __init__(self, scope: CallScope) -> None:
        self._scope: CallScope | None = scope

    def __call__(self, future: Any) -> None:
        scope, self._scope = self._scope, None
        if scope is None:
            return
        if future.cancelled():
            scope.raised(asyncio.CancelledError())
        elif (exception := _exception_of(future)) is not None:
            scope.raised(exception)
        else:
            scope.returned(future.result())

    def __del__(self) -> None:
        if self._scope is not None:
            self._scope.raised(GeneratorExit())


def _exception_of(future: Any) -> BaseException | None:
    """Look at a future's exception so that asyncio still complains if nobody else does."""
    try:
        return future._exception  # type: ignore[no-any-return]  # noqa: SLF001 - ``exception()`` counts as a look
    except AttributeError:  # another library's future
        return future.exception()  # type: ignore[no-any-return]  # it is duck-typed


def _raise(exception: Any, *_more: Any) -> None:
    raise exception


class _Steps:
    """The iterator behind ``await``: each step inside the scope."""

    __slots__ = ("_inner", "_scope", "_stepped")

    def __init__(self, inner: Any, scope: CallScope) -> None:
        self._inner = inner
        self._scope: CallScope | None = scope
        self._stepped = False

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Any:
        return self._step(self._inner.__next__)

    def send(self, value: Any) -> Any:
        """Hand ``value`` in."""
        return next(self) if value is None else self._step(self._inner.send, value)

    def throw(self, *exception: Any) -> Any:
        """Raise ``exception`` inside."""
        return self._step(getattr(self._inner, "throw", _raise), *exception)

    def close(self) -> None:
        """End it early."""
        scope = self._scope
        if (close := getattr(self._inner, "close", None)) is not None:
            self._step(close)
        if scope is not None and self._scope is not None:
            self._end(GeneratorExit())

    def _step(self, step: Callable[..., Any], *arguments: Any) -> Any:
        scope, self._stepped = self._scope, True
        if scope is None:
            return step(*arguments)
        scope.resumed()
        try:
            value = step(*arguments)
        except StopIteration as stop:
            self._scope = None
            scope.returned(stop.value)
            raise
        except BaseException as exception:
            self._end(exception)
            raise
        scope.suspended()
        return value

    def _end(self, exception: BaseException) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.raised(exception)

    def __del__(self) -> None:
        if self._scope is None:
            return
        if self._stepped:
            self.close()
        else:  # not closed here: Python has to say that it was never awaited
            self._end(GeneratorExit())


class Awaited(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1 is not generic
    """An awaitable whose first awaiting ends a scope."""

    def __init__(self, awaitable: Any, scope: CallScope) -> None:
        super().__init__(awaitable)
        self._self_scope: CallScope | None = scope

    def __await__(self) -> Any:
        scope, self._self_scope = self._self_scope, None
        inner = self.__wrapped__.__await__()
        return inner if scope is None else _Steps(inner, scope)

    def __del__(self) -> None:
        if self._self_scope is not None:
            self._self_scope.raised(GeneratorExit())


class AwaitedCoroutine(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1 is not generic
    """A coroutine whose end ends a scope: for ``await``, ``yield from``, a task, and for who drives it by hand."""

    def __init__(self, coroutine: Any, scope: CallScope) -> None:
        super().__init__(coroutine)
        inner = coroutine.__await__() if isinstance(coroutine, Coroutine) else coroutine
        self._self_steps = _Steps(inner, scope)

    def __await__(self) -> _Steps:
        return self._self_steps

    __iter__ = __await__  # for ``yield from``: wrapt's own would give what is wrapped

    def __next__(self) -> Any:
        return next(self._self_steps)

    def send(self, value: Any) -> Any:
        """Hand ``value`` in."""
        return self._self_steps.send(value)

    def throw(self, *exception: Any) -> Any:
        """Raise ``exception`` inside."""
        return self._self_steps.throw(*exception)

    def close(self) -> None:
        """End it early."""
        self._self_steps.close()
