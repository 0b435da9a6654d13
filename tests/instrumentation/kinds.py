"""Every kind of callable and block that may be traced, each called to its end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Protocol, TypeVar

Leave = Callable[[], str]
"""Leaves the function that calls it: gives what it returns, or raises."""
Steps = Generator[int, Any, str]
F = TypeVar("F")


class Decorates(Protocol):
    """A decorator, as a type checker sees it."""

    def __call__(self, function: F, /) -> F: ...


class Waits:
    """An awaitable of the application's own."""

    def __init__(self, leave: Leave, pauses: int = 1) -> None:
        self._leave, self._pauses = leave, pauses

    def __await__(self) -> Generator[Any, Any, str]:
        for _ in range(self._pauses):
            yield None
        return self._leave()


def drive(awaitable: Awaitable[Any]) -> Any:
    """Await without an event loop, which would treat SystemExit and KeyboardInterrupt its own way."""
    steps = awaitable.__await__()
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value


def exhaust(generator: Generator[Any, Any, Any]) -> Any:
    """Take all that a generator yields, and give what it returns."""
    try:
        while True:
            next(generator)
    except StopIteration as stop:
        return stop.value


def exhaust_async(generator: AsyncIterator[Any]) -> Any:
    """Take all that an async generator yields, and give the last of it."""

    async def last() -> Any:
        value = None
        async for value in generator:  # noqa: B007 - the last one is what is asked for
            pass
        return value

    return drive(last())


async def waits(leave: Leave) -> str:
    """Wait once, then leave."""
    await Waits(str, 1)
    return leave()


def function(traced: Any, leave: Leave) -> Any:
    """A plain function."""
    return traced(lambda: leave())()  # noqa: PLW0108 - a function of its own, each time


def lines(traced: Decorates, leave: Leave) -> Any:
    """Everything that a class may hold."""

    class Base:
        @traced
        def method(self) -> str:
            return leave()

        @traced
        @classmethod
        def class_above(cls) -> str:
            return leave()

        @classmethod
        @traced
        def class_below(cls) -> str:
            return leave()

        @traced
        @staticmethod
        def static_above() -> str:
            return leave()

        @staticmethod
        @traced
        def static_below() -> str:
            return leave()

        @property
        @traced
        def under_property(self) -> str:
            return leave()

        @traced
        def with_argument(self, left: Leave) -> str:
            return left()

        partial_method = traced(functools.partialmethod(lambda _self, left: left(), leave))

    class Heir(Base):
        def method(self) -> str:
            return super().method()

    return Heir()


def waiting_lines(traced: Decorates, leave: Leave) -> Any:
    """What a class may hold that makes steps."""

    class Planner:
        @traced
        async def async_method(self) -> str:
            return await waits(leave)

        @traced
        def generator_method(self) -> Steps:
            yield 1
            return leave()

    return Planner()


class Callable_:  # noqa: N801 - not the type
    """A callable object."""

    def __init__(self, leave: Leave) -> None:
        self.leave = leave

    def __call__(self) -> str:
        return self.leave()


class AsyncCallable:
    """A callable object whose call is awaited."""

    def __init__(self, leave: Leave) -> None:
        self.leave = leave

    async def __call__(self) -> str:
        return await waits(self.leave)


def cached_below(traced: Decorates, leave: Leave) -> Any:
    """A cache under the decorator."""

    @traced
    @functools.cache
    def called() -> str:
        return leave()

    return called()


def cached_above(traced: Decorates, leave: Leave) -> Any:
    """A cache on top of the decorator."""

    @functools.lru_cache
    @traced
    def called() -> str:
        return leave()

    return called()


def coroutine_function(traced: Decorates, leave: Leave) -> Any:
    """A coroutine function."""

    @traced
    async def called() -> str:
        return await waits(leave)

    return drive(called())


def generator_function(traced: Decorates, leave: Leave) -> Any:
    """A generator function that yields before it leaves."""

    @traced
    def called() -> Steps:
        yield 1
        return leave()

    return exhaust(called())


def async_generator_function(traced: Decorates, leave: Leave) -> Any:
    """An async generator function that yields before it leaves."""

    @traced
    async def called() -> AsyncIterator[Any]:
        yield 1
        yield await waits(leave)

    return exhaust_async(called())


def returns_future(traced: Decorates, leave: Leave) -> Any:
    """A plain function whose future is done already."""
    loop = asyncio.new_event_loop()

    @traced
    def called() -> asyncio.Future[str]:
        future = loop.create_future()
        try:
            future.set_result(leave())
        except BaseException as error:
            future.set_exception(error)
        return future

    try:
        return drive(called())
    finally:
        loop.close()


def block(traced: Any, leave: Leave) -> Any:
    """A block."""
    with traced():
        return leave()


def async_block(traced: Any, leave: Leave) -> Any:
    """A block in a coroutine."""

    async def called() -> str:
        async with traced():
            return await waits(leave)

    return drive(called())


KINDS: dict[str, Callable[[Any, Leave], Any]] = {
    "function": function,
    "inherited method": lambda traced, leave: lines(traced, leave).method(),
    "method": lambda traced, leave: lines(traced, leave).with_argument(leave),
    "classmethod, above": lambda traced, leave: lines(traced, leave).class_above(),
    "classmethod, below": lambda traced, leave: type(lines(traced, leave)).class_below(),
    "staticmethod, above": lambda traced, leave: lines(traced, leave).static_above(),
    "staticmethod, below": lambda traced, leave: lines(traced, leave).static_below(),
    "below property": lambda traced, leave: lines(traced, leave).under_property,
    "partialmethod": lambda traced, leave: lines(traced, leave).partial_method(),
    "bound method": lambda traced, leave: traced(Callable_(leave).__call__)(),
    "callable object": lambda traced, leave: traced(Callable_(leave))(),
    "async callable object": lambda traced, leave: drive(traced(AsyncCallable(leave))()),
    "partial": lambda traced, leave: traced(functools.partial(lambda left: left(), leave))(),
    "partial of a coroutine function": lambda traced, leave: drive(traced(functools.partial(waits, leave))()),
    "above a cache": cached_below,
    "below a cache": cached_above,
    "coroutine function": coroutine_function,
    "async method": lambda traced, leave: drive(waiting_lines(traced, leave).async_method()),
    "generator function": generator_function,
    "generator method": lambda traced, leave: exhaust(waiting_lines(traced, leave).generator_method()),
    "async generator function": async_generator_function,
    "returning a coroutine": lambda traced, leave: drive(traced(lambda: waits(leave))()),
    "returning a future": returns_future,
    "returning an awaitable": lambda traced, leave: drive(traced(lambda: Waits(leave))()),
    "block": block,
    "async block": async_block,
}
"""Calls of one callable of each kind, decorated by the first argument and leaving by the second."""


async def forever() -> None:
    """Wait for somebody to end it."""
    await asyncio.sleep(30)


def _decorated(traced: Decorates) -> Callable[[], Any]:
    @traced
    async def called() -> None:
        await forever()

    return called


async def from_generator(traced: Decorates) -> None:
    """Wait inside a step of an async generator."""

    @traced
    async def called() -> AsyncIterator[int]:
        await forever()
        yield 1

    async for _ in called():
        pass


async def in_block(traced: Any) -> None:
    """Wait inside a block."""
    with traced():
        await forever()


async def from_task(traced: Any) -> None:
    """Wait for a task that a plain function returned."""
    await traced(lambda: asyncio.create_task(forever()))()


class Forever:
    """A callable object that waits."""

    async def __call__(self) -> None:
        await forever()


WAITING: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "coroutine function": _decorated,
    "callable object": lambda traced: traced(Forever()),
    "partial": lambda traced: traced(functools.partial(forever)),
    "returning a coroutine": lambda traced: traced(lambda: forever()),  # noqa: PLW0108 - a function of its own
    "returning an awaitable": lambda traced: functools.partial(_awaits, traced(lambda: Waits(str, 10**9))),
    "returning a task": lambda traced: functools.partial(from_task, traced),
    "async generator": lambda traced: functools.partial(from_generator, traced),
    "block": lambda traced: functools.partial(in_block, traced),
}
"""Functions of each kind whose coroutine waits until somebody ends it, decorated by the argument."""


async def _awaits(function: Callable[[], Awaitable[Any]]) -> None:
    await function()
