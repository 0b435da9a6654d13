"""Wraps a callable of any kind so that each call has its scope.

    function, method                  closure                       the span is the call
    coroutine function                closure                       from the first step to the last (_generators)
    generator, async generator        proxy (_callables)            likewise
    callable object, partial, cache   proxy (_callables)            by what it is
    classmethod, staticmethod         the same around the inner     by what that is
    any that returns an awaitable     as above                      from the call until that was awaited (_awaitables)

Plain closures with a flag, not proxies, where that is possible: an enabled call costs the same, a disabled method half
(see docs/decisions). Signature, ``__wrapped__`` and what ``inspect`` says of the kind stay as they were.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from otel_auto_assign._awaitables import awaited, is_awaitable
from otel_auto_assign._callables import TracedCallable
from otel_auto_assign._calls import Begin, begin_safely
from otel_auto_assign._generators import wrap_async_generator, wrap_coroutine, wrap_generator
from otel_auto_assign._runtime import runtime
from otel_auto_assign._scopes import Spec

_GENERATOR_FLAGS: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

Decorate = Callable[[Any], Any]


def inside_descriptor(what: Any, decorate: Decorate) -> Any:
    """Decorate what a descriptor that is no callable holds, and give such a descriptor; None if it is none."""
    kind = type(what)
    for plain in (classmethod, staticmethod):
        if issubclass(kind, plain):
            return _another(what, plain, decorate(what.__func__))
    if issubclass(kind, functools.partialmethod):
        return _another(what, functools.partialmethod, decorate(what.func), *what.args, **what.keywords)
    return None


def _another(descriptor: Any, plain: Any, *arguments: Any, **keywords: Any) -> Any:
    """Make another of a descriptor's class, whose own ``__init__`` may want anything."""
    made = plain.__new__(type(descriptor))
    vars(made).update(vars(descriptor))
    plain.__init__(made, *arguments, **keywords)
    return made


def check_supported(function: Any, decorator: str) -> None:
    """Refuse what is no function of any kind.

    Raises:
        TypeError: saying what was given and what to do.
    """
    kind = type(function)
    if issubclass(kind, (property, functools.cached_property)):
        raise TypeError(f"{decorator} cannot wrap a {kind.__name__}: put @{decorator} below it, next to the def")
    if issubclass(kind, type):
        raise TypeError(
            f"{decorator} cannot wrap the class {function.__qualname__}: decorate the method that does the work"
        )
    if not callable(function):
        raise TypeError(
            f"{decorator} wraps functions, methods and other callables, not {kind.__name__} ({function!r:.80}): "
            f"decorate the function it calls, or use `with {decorator}(): ...`"
        )


def wrap(function: Any, begin: Begin, spec: Spec, decorate: Decorate, *, answers: bool) -> Callable[..., Any]:
    """Give ``function`` with a scope around each of its calls.

    Args:
        function: the callable.
        begin: begins a call's scope.
        spec: what ``begin`` is given.
        decorate: decorates another callable alike.
        answers: whether what a generator yields is the call's value.
    """
    if _says(inspect.iscoroutinefunction, function):
        call = wrap_coroutine(function, begin, spec)
    elif _says(inspect.isasyncgenfunction, function):
        call = wrap_async_generator(function, begin, spec, answers=answers)
    elif _says(_is_generator_function, function):
        call = wrap_generator(function, begin, spec, answers=answers)
    else:
        call = _wrap(function, begin, spec)
    if type(function) is FunctionType and not function.__code__.co_flags & _GENERATOR_FLAGS:
        return functools.update_wrapper(call, function)
    call.__name__ = call.__qualname__ = spec.name
    return TracedCallable(function, call, decorate)


def _says(is_kind: Callable[[Any], bool], function: Any) -> bool:
    """Ask a callable for its kind; an object is of the kind of its ``__call__``."""
    while isinstance(function, functools.partial):
        function = function.func
    return is_kind(function) or is_kind(type(function).__call__)


def _is_generator_function(function: Any) -> bool:
    """Tell a generator function from one whose generators are awaited, as ``types.coroutine`` makes them."""
    if not inspect.isgeneratorfunction(function):
        return False
    return not function.__code__.co_flags & inspect.CO_ITERABLE_COROUTINE


def _wrap(function: Callable[..., Any], begin: Begin, spec: Spec) -> Callable[..., Any]:
    def traced(*args: Any, **kwargs: Any) -> Any:
        if not runtime.enabled:
            # Handing on keywords costs a dictionary, even where there are none.
            return function(*args, **kwargs) if kwargs else function(*args)
        scope = begin_safely(begin, spec, args, kwargs)
        if scope is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as exception:
            scope.raised(exception)
            raise
        if is_awaitable(result):
            return awaited(result, scope)
        scope.returned(result)
        return result

    return traced
