"""The types that decorated functions keep and that blocks give: `assert_type` fails `make check`, not the run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Coroutine, Generator
from typing import TYPE_CHECKING, Any, assert_type

from otel_auto_assign import (
    Extractor,
    Outcome,
    carry,
    current_inline,
    current_job,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from otel_auto_assign.handles import Handle, InlineHandle, JobHandle

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


@traced_quote
def bare(booking_id: str, *, tables: int = 2) -> bool:
    """A bare decorator keeps parameters and result."""
    return bool(booking_id) and tables > 1


@traced_job(trigger="cron", max_attempts=3)
def called(booking_id: str) -> list[int]:
    """So does a called one."""
    return [len(booking_id)]


@traced_inline(timeout=2.5)
async def coroutine(booking_id: str) -> float:
    """A coroutine function stays one."""
    return float(len(booking_id))


class Planner:
    """Methods stay methods."""

    @traced_attempt
    def attempt(self, number: int) -> str:
        """A method."""
        return str(number)

    @traced_stage("load", threshold=0.5)
    def load(self) -> None:
        """A named stage."""


@traced_quote
def generator(booking_id: str) -> Generator[str, int, bool]:
    """A generator function keeps what it yields, is sent and returns."""
    return (yield booking_id) > 1


@traced_quote()
async def async_generator(booking_id: str) -> AsyncGenerator[str, int]:
    """So does an async one."""
    yield booking_id


@traced_quote
def later(booking_id: str) -> asyncio.Future[int]:
    """What is returned to be awaited stays what it is."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    future.set_result(len(booking_id))
    return future


class Team:
    """Class and static methods, above their decorators and below."""

    @traced_quote
    @classmethod
    def class_above(cls, number: int) -> list[int]:
        """Above."""
        return [number]

    @classmethod
    @traced_quote
    def class_below(cls, number: int) -> list[int]:
        """Below."""
        return [number]

    @traced_quote
    @staticmethod
    def static_above(number: int) -> list[int]:
        """Above."""
        return [number]

    @staticmethod
    @traced_quote
    def static_below(number: int) -> list[int]:
        """Below."""
        return [number]

    @property
    @traced_quote
    def size(self) -> int:
        """Below a property."""
        return 4


class Asks:
    """A callable object."""

    tables = 2

    def __call__(self, booking_id: str) -> bool:
        """Answer."""
        return bool(booking_id)


asks = traced_quote(Asks())
partial = traced_job(functools.partial(Asks(), "b"))


def read(value: Any, /) -> Outcome:
    """A plain function is an Extractor."""
    return Outcome(success=bool(value))


extractor: Extractor = read


def test_types_are_kept(recorder: Recorder) -> None:
    """As the type checker sees them, and at run time."""
    assert assert_type(bare("b", tables=3), bool) is True
    assert assert_type(called("b"), list[int]) == [1]
    assert_type(coroutine("b"), Coroutine[Any, Any, float]).close()
    assert assert_type(Planner().attempt(4), str) == "4"
    Planner().load()
    if TYPE_CHECKING:
        bare(1)  # type: ignore[arg-type]
        called()  # type: ignore[call-arg]
        Planner().attempt("4")  # type: ignore[arg-type]
        traced_inline(timeout="2")  # type: ignore[call-overload]


def test_types_of_every_other_kind_are_kept(recorder: Recorder) -> None:
    """Generators, class and static methods, callable objects, partials, awaitables."""
    steps = assert_type(generator("b"), Generator[str, int, bool])
    assert assert_type(next(steps), str) == "b"
    assert_type(async_generator("b"), AsyncGenerator[str, int])
    assert assert_type(Team.class_above(4), list[int]) == assert_type(Team().class_below(4), list[int]) == [4]
    assert assert_type(Team.static_above(4), list[int]) == assert_type(Team().static_below(4), list[int]) == [4]
    assert assert_type(Team().size, int) == 4
    assert assert_type(asks, Asks).tables == 2
    assert assert_type(asks("b"), bool)
    assert assert_type(partial, functools.partial[bool])()
    assert assert_type(carry(bare)("b", tables=1), bool) is False

    async def main() -> int:
        return assert_type(await later("b"), int)

    assert asyncio.run(main()) == 1
    if TYPE_CHECKING:
        generator(1)  # type: ignore[arg-type]
        steps.send("1")  # type: ignore[arg-type]
        Team.class_above("4")  # type: ignore[arg-type]
        Team.static_above()  # type: ignore[call-arg]
        asks(1)  # type: ignore[arg-type]
        later(1)  # type: ignore[arg-type]
        traced_quote(7)  # type: ignore[call-overload]


def test_blocks_give_their_handles(recorder: Recorder) -> None:
    """A job's block its job handle, an inline run's its own, the others one that records."""
    with traced_job() as job, traced_inline() as inline:
        assert isinstance(assert_type(job, JobHandle), JobHandle)
        assert isinstance(assert_type(inline, InlineHandle), InlineHandle)
    with traced_quote(extractor=extractor) as quote, traced_confirm() as confirm, traced_stage("s") as stage:
        assert {type(handle) for handle in (quote, confirm, stage)} == {Handle}
        assert_type(quote, Handle)
    assert_type(current_job(), JobHandle)
    assert_type(current_inline(), InlineHandle)
