"""What a plain function returns to be awaited is followed as far as it is the call's, and is otherwise left alone."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import get_current

from otel_auto_assign import _guard, traced_quote
from otel_auto_assign._spans import NOWHERE, place_in
from tests.instrumentation.kinds import Waits, drive
from tests.instrumentation.planner import HOLD, NO_TABLES, quote

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


class Entered(Waits):
    """What database drivers return: to be awaited, or entered."""

    async def __aenter__(self) -> Any:
        return HOLD

    async def __aexit__(self, *_: object) -> None:
        """Leave."""


def test_what_may_also_be_entered_stays_the_very_object(recorder: Recorder) -> None:
    """Nobody knows yet which it will be: the call ends when the function returns, and the log says what to do."""
    made = Entered(str)
    with _guard.strict(False):
        assert traced_quote(lambda: made)() is made
    assert len(recorder.all("quote")) == 1
    assert sum(_guard.failures.values()) == 1


def test_a_generator_is_not_for_awaiting(recorder: Recorder) -> None:
    """A plain function that hands one on has ended; only those of `types.coroutine` are awaited."""

    def generator() -> Iterator[int]:
        yield 1

    made = generator()
    assert traced_quote(lambda: made)() is made
    assert len(recorder.all("quote")) == 1


async def later(answer: Any) -> Any:
    """Answer after a while."""
    await asyncio.sleep(0)
    if isinstance(answer, BaseException):
        raise answer
    return answer


@pytest.mark.parametrize("when", ["done before", "done afterwards"])
@pytest.mark.parametrize("way", ["task", "awaitable", "coroutine"])
def test_the_call_s_value_is_what_the_awaitable_gives(recorder: Recorder, way: str, when: str) -> None:
    """A hold, none, or an exception: whatever it is that is awaited."""
    error = ValueError("own")

    async def main() -> None:
        for answer in (HOLD, NO_TABLES, error):
            made: Any = later(answer)
            if way == "task":
                made = asyncio.create_task(made)
                if when == "done before":
                    await asyncio.wait([made])
            elif way == "awaitable":
                made = AwaitedBy(made)
            try:
                assert await traced_quote(lambda made=made: made)() is answer
            except ValueError as raised:
                assert raised is error  # noqa: PT017 - the others must not raise
            await asyncio.sleep(0)

    asyncio.run(main())
    assert [(q["success"], q.failed) for q in recorder.all("quote")] == [(True, False), (False, False), (False, True)]


class AwaitedBy:
    """An awaitable whose iterator is another's."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __await__(self) -> Any:
        return self._inner.__await__()


def test_a_task_that_is_cancelled_cancels_the_call(recorder: Recorder) -> None:
    """Its future is asked without raising."""

    async def main() -> None:
        task = traced_quote(lambda: asyncio.create_task(later(HOLD)))()
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)

    asyncio.run(main())
    assert recorder.one("quote")["cancelled"] is True


@pytest.mark.parametrize("when", ["done before", "done afterwards"])
def test_a_failure_that_nobody_looks_at_is_still_complained_of(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    """Ours was no look."""

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        if when == "done before":
            future.set_exception(ValueError("unseen"))
        followed = traced_quote(lambda: future)()
        if when != "done before":
            followed.set_exception(ValueError("unseen"))
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(main())
        gc.collect()
    assert recorder.one("quote").failed
    assert ["never retrieved" in record.getMessage() for record in caplog.records] == [True]


class Foreign:
    """A future of another library's: it says that it is one, and has nothing of asyncio's inside."""

    _asyncio_future_blocking = False

    def __init__(self, error: BaseException | None) -> None:
        self._error = error
        self.callbacks: list[Any] = []

    def __await__(self) -> Generator[Any, Any, Any]:
        yield self

    def done(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> Any:
        return HOLD

    def add_done_callback(self, callback: Any) -> None:
        self.callbacks.append(callback)


def test_a_future_of_another_library_is_asked_in_public(recorder: Recorder) -> None:
    """By `exception()` and `result()`."""
    for future in (Foreign(ValueError("theirs")), Foreign(None)):
        assert traced_quote(lambda future=future: future)() is future
        assert len(recorder.all("quote")) == (future._error is None)
        future.callbacks[0](future)
    failed, held = recorder.all("quote")
    assert (failed.failed, failed.message, held["success"]) == (True, "theirs", True)


class Bare:
    """An iterator behind an `__await__` that has nothing but `__next__`."""

    def __init__(self) -> None:
        self.steps = iter([None, None])

    def __await__(self) -> Bare:
        return self

    def __iter__(self) -> Bare:
        return self

    def __next__(self) -> Any:
        assert place_in(get_current()) is not NOWHERE
        return next(self.steps)


def test_an_iterator_with_nothing_but_next_can_be_thrown_into_and_closed(recorder: Recorder) -> None:
    """As `await` would: the exception is raised where it waits; closing it is a cancellation."""
    error = ValueError("thrown")
    steps: Any = traced_quote(functools.partial(Bare))().__await__()
    next(steps)
    assert place_in(get_current()) is NOWHERE
    with pytest.raises(ValueError, match="thrown") as raised:
        steps.throw(error)
    assert raised.value is error

    steps = traced_quote(functools.partial(Bare))().__await__()
    next(steps)
    steps.close()
    failed, closed = recorder.all("quote")
    assert (failed.failed, failed["cancelled"], closed["cancelled"]) == (True, None, True)


class Echo:
    """An awaitable that hands out what is sent to it."""

    def __await__(self) -> Generator[Any, Any, Any]:
        said = yield "first"
        return (yield said)


def test_what_is_sent_reaches_the_awaitable(recorder: Recorder) -> None:
    """Event loops send nothing, others do."""
    steps: Any = traced_quote(functools.partial(Echo))().__await__()
    assert next(steps) == "first"
    assert steps.send(5) == 5
    with pytest.raises(StopIteration) as stop:
        steps.send(HOLD)
    assert stop.value.value is HOLD
    assert recorder.one("quote")["success"] is True


def test_a_second_awaiting_is_not_the_call_s(recorder: Recorder) -> None:
    """An awaitable that may be awaited again is handed through then."""
    made = traced_quote(lambda: Waits(lambda: "h"))()
    assert [drive(made), drive(made)] == ["h", "h"]
    quote(HOLD)
    assert [q["nested"] for q in recorder.all("quote")] == [None, None]


def test_an_awaitable_that_nobody_awaits_is_cancelled(recorder: Recorder) -> None:
    """Once, when it is forgotten; one that was left half-way, too."""
    _: Any = traced_quote(lambda: Waits(str))()
    _ = traced_quote(lambda: Waits(str, 5))().__await__()
    next(_)
    del _
    gc.collect()
    assert [q["cancelled"] for q in recorder.all("quote")] == [True, True]


def test_a_context_between_call_and_awaiting_is_the_caller_s(recorder: Recorder) -> None:
    """What the caller asks before it awaits is not nested."""
    made: Any = traced_quote(lambda: Waits(lambda: "h"))()
    quote(HOLD)
    assert drive(made) == "h"
    assert [q["nested"] for q in recorder.all("quote")] == [None, None]
