"""Coroutines, generators and async generators: every step inside the scope, what lies between two steps outside.

So two of them that take turns in one contextvars context (two tasks that share one, generators of one function) do not
take each other's children. What the caller gets is of the same kind again, which hands ``send``, ``throw``, ``close``
and the return value through and keeps nothing but, for a quote or confirm, the last value that was yielded. The span
starts at the first step and ends with the last.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import CoroutineType, coroutine
from typing import Any

from otel_auto_assign._calls import Begin, CallScope, begin_safely
from otel_auto_assign._runtime import runtime
from otel_auto_assign._scopes import Spec

Start = Callable[[], CallScope | None]


class _Unless:
    """Ends a scope when the frame that holds this is thrown away without unwinding.

    Before Python 3.13 that is what becomes of an async generator whose step was closed while it waited.
    """

    __slots__ = ("_scope",)

    def __init__(self, scope: CallScope | None) -> None:
        self._scope = scope

    def ended(self) -> None:
        """The scope was told; there is nothing left to do."""
        self._scope = None

    def __del__(self) -> None:
        if self._scope is not None:
            self._scope.raised(GeneratorExit())


def wrap_coroutine(function: Callable[..., Any], begin: Begin, spec: Spec) -> Callable[..., Any]:
    """Give ``function``, whose calls are awaited, with a scope around the steps of each."""

    async def traced(*args: Any, **kwargs: Any) -> Any:
        if not runtime.enabled or (scope := begin_safely(begin, spec, args, kwargs)) is None:
            return await function(*args, **kwargs)
        try:
            inner = function(*args, **kwargs)
            if type(inner) is CoroutineType:  # else something that only says that it is one
                inner = _steps_of_coroutine(inner, scope)
            result = await inner
        except BaseException as exception:
            scope.raised(exception)
            raise
        scope.returned(result)
        return result

    return traced


def wrap_generator(function: Callable[..., Any], begin: Begin, spec: Spec, *, answers: bool) -> Callable[..., Any]:
    """Give ``function``, which returns a generator, with a scope around the steps of each.

    Args:
        function: a generator function, or what behaves like one.
        begin: begins the scope.
        spec: what ``begin`` is given.
        answers: whether what is yielded is the call's value, as a quote's is: without a return value the last one.
    """

    def traced(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)  # here, so that a wrong call raises at once, as ever
        if not runtime.enabled or not isinstance(inner, Generator):
            return inner
        return _named_like(inner, _steps(inner, _starter(begin, spec, args, kwargs), answers=answers))

    return traced


def wrap_async_generator(
    function: Callable[..., Any], begin: Begin, spec: Spec, *, answers: bool
) -> Callable[..., Any]:
    """Give ``function``, which returns an async generator, likewise."""

    def traced(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        if not runtime.enabled or not isinstance(inner, AsyncGenerator):
            return inner
        return _named_like(inner, _async_steps(inner, _starter(begin, spec, args, kwargs), answers=answers))

    return traced


def _starter(begin: Begin, spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Start:
    return lambda: begin_safely(begin, spec, args, kwargs) if runtime.enabled else None


def _named_like(inner: Any, outer: Any) -> Any:
    outer.__name__ = getattr(inner, "__name__", outer.__name__)
    outer.__qualname__ = getattr(inner, "__qualname__", outer.__qualname__)
    return outer


@coroutine
def _steps_of_coroutine(inner: CoroutineType[Any, Any, Any], scope: CallScope) -> Generator[Any, Any, Any]:
    step: Callable[[Any], Any] = inner.send
    argument: Any = None
    try:
        while True:
            value = step(argument)
            scope.suspended()
            try:
                argument = yield value
                step = inner.send
            except BaseException as exception:
                step, argument = inner.throw, exception
            scope.resumed()
    except StopIteration as stop:
        return stop.value
    finally:
        argument = None  # or the exception's traceback would hold this frame, and this frame the exception


def _steps(inner: Generator[Any, Any, Any], start: Start, *, answers: bool) -> Generator[Any, Any, Any]:
    scope = start()
    if scope is None:
        return (yield from inner)
    step: Callable[[Any], Any] = inner.send
    argument: Any = None
    last: Any = None
    while True:
        try:
            value = step(argument)
        except StopIteration as stop:
            scope.returned(last if stop.value is None else stop.value)
            return stop.value
        except BaseException as exception:
            _left(scope, exception, last, closed=answers and exception is argument)
            argument = None  # or the exception's traceback would hold this frame, and this frame the exception
            raise
        if answers:
            last = value
        scope.suspended()
        try:
            argument = yield value
            step = inner.send
        except BaseException as exception:  # also GeneratorExit: what ``close`` meets is for the generator to decide
            step, argument = inner.throw, exception
        scope.resumed()


async def _async_steps(inner: AsyncGenerator[Any, Any], start: Start, *, answers: bool) -> AsyncGenerator[Any, Any]:
    scope = start()
    unless = _Unless(scope)
    step: Callable[[Any], Any] = _without_hooks(inner)
    argument: Any = None
    last: Any = None
    while True:
        try:
            value = await step(argument)
        except StopAsyncIteration:
            unless.ended()
            if scope is not None:
                scope.returned(last)
            return
        except BaseException as exception:
            unless.ended()
            if scope is not None:
                _left(scope, exception, last, closed=answers and exception is argument)
            argument = None
            raise
        if answers:
            last = value
        if scope is not None:
            scope.suspended()
        try:
            argument = yield value
            step = inner.asend
        except BaseException as exception:
            step, argument = inner.athrow, exception
        if scope is not None:
            scope.resumed()


def _left(scope: CallScope, exception: BaseException, last: Any, *, closed: bool) -> None:
    """Tell how a generator ended by exception: one that its caller wanted no more of has given what it yielded."""
    if closed and isinstance(exception, GeneratorExit):
        scope.returned(last)
    else:
        scope.raised(exception)


def _without_hooks(inner: AsyncGenerator[Any, Any]) -> Callable[[Any], Any]:
    """Make the first step so that the event loop does not know ``inner``: it has to close the outer one only.

    Its loop would close both at once in ``shutdown_asyncgens``, and find the inner one running already.
    """

    def first(value: Any) -> Any:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return inner.asend(value)
        finally:
            sys.set_asyncgen_hooks(*hooks)

    return first
