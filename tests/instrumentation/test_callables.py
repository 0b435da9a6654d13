"""Generators, awaitables, callable objects and threads behave as ever, inside the scope of their call."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
import logging
import multiprocessing
import pickle
import threading
import types
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import get_current

from otel_auto_assign import carry, disable, traced_inline, traced_job, traced_quote
from otel_auto_assign._spans import NOWHERE, place_in
from tests.instrumentation.kinds import Waits, drive
from tests.instrumentation.planner import HOLD, NO_TABLES, quote, run_job

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


@traced_quote
def stream(booking_id: str) -> Generator[Any, Any, Any]:
    """Answer what it is sent, until told to stop."""
    said = yield booking_id
    while said != "stop":
        try:
            said = yield said
        except ValueError as error:
            said = yield error
    return HOLD


@traced_quote
async def async_stream() -> AsyncIterator[Any]:
    """Yield after waiting."""
    try:
        await asyncio.sleep(0)
        yield HOLD
    finally:
        await asyncio.sleep(0)


class Planner:
    """A planner that is called."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def __call__(self, booking_id: str) -> str:
        return f"{booking_id}-{self.number}"

    @traced_quote
    def stream(self, booking_id: str) -> Generator[str, None, None]:
        """Yield once."""
        yield f"{booking_id}-{self.number}"


@traced_quote
@functools.cache
def cached(booking_id: str) -> str:
    """Answer once."""
    return booking_id


@traced_quote
def plain(booking_id: str) -> str:
    """Answer."""
    return booking_id


planner = traced_quote(Planner(7))


def test_a_generator_forwards_everything(recorder: Recorder) -> None:
    """What is sent and thrown comes in, what is yielded and returned comes out, each the very object."""
    steps, error = stream("b"), ValueError("thrown")
    assert next(steps) == "b"
    assert steps.send(5) == 5
    assert steps.throw(error) is error
    with pytest.raises(StopIteration) as stop:
        steps.send("stop")
    assert stop.value.value is HOLD
    assert recorder.one("quote")["success"] is True
    assert recorder.one("quote")["booking.id"] == "b"


def test_a_generator_s_context_is_current_only_while_it_steps(recorder: Recorder) -> None:
    """A quote asked between two steps is not nested in it, one asked inside is; what is set inside waits inside."""

    @traced_quote
    def asks() -> Generator[Any, None, None]:
        with traced_inline():
            yield place_in(get_current()).in_quote
            quote(HOLD)
            yield 2

    steps = asks()
    for expected in (False, 2):
        assert next(steps) == expected
        assert place_in(get_current()) is NOWHERE
        quote(NO_TABLES)
    list(steps)
    assert place_in(get_current()) is NOWHERE
    assert [q["flow"] for q in recorder.all("quote")] == ["direct", "inline", "direct", "direct"]


def test_what_never_starts_leaves_no_span(recorder: Recorder) -> None:
    """An unstarted generator, async generator and coroutine of a coroutine function."""
    unstarted: Any = [stream("b"), async_stream(), traced_quote(functools.partial(asyncio.sleep, 0))()]
    stream("b").close()
    unstarted[2].close()
    del unstarted
    gc.collect()
    assert recorder.ended == []


def test_a_wrong_call_of_a_generator_function_raises_at_once() -> None:
    """Not only at the first step."""
    wrong: Any = stream
    with pytest.raises(TypeError, match="booking_id"):
        wrong()


@pytest.mark.parametrize("end", ["close", "drop", "thread"])
def test_a_generator_that_its_caller_leaves_has_given_what_it_yielded(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    """Closed, forgotten, or closed in another thread: once, with nothing in the log."""
    steps = stream("hold-1")
    next(steps)
    if end == "thread":
        thread = threading.Thread(target=steps.close)
        thread.start()
        thread.join(5)
    elif end == "close":
        steps.close()
    del steps
    gc.collect()
    seen = recorder.one("quote")
    assert (seen["success"], seen["hold.id"], seen["cancelled"]) == (True, "hold-1", None)
    assert caplog.records == []


def test_a_job_whose_generator_is_closed_is_cancelled(recorder: Recorder) -> None:
    """What a job yields is not what it came to."""

    @traced_job
    def job() -> Generator[bool, None, None]:
        yield True

    steps = job()
    next(steps)
    steps.close()
    assert recorder.job["job.result"] == "cancelled"


@pytest.mark.parametrize("way", ["closed in another task", "forgotten"])
def test_an_async_generator_is_left_without_a_complaint(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    """Its cleaning up awaits, and runs in another task."""

    async def main() -> None:
        steps: Any = async_stream()
        assert await anext(steps) is HOLD
        assert place_in(get_current()) is NOWHERE
        if way == "forgotten":
            kept.append(steps)
        else:
            await asyncio.create_task(steps.aclose())

    kept: list[Any] = []
    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert recorder.one("quote")["success"] is True
    assert caplog.records == []


def test_a_future_stays_the_very_object(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """The span ends when it is done; a failure that nobody looks at is still complained of."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        assert traced_quote(lambda: future)() is future
        assert recorder.ended == []
        future.set_result(HOLD)
        assert await future is HOLD
        await asyncio.sleep(0)
        assert recorder.one("quote")["success"] is True
        failed = traced_quote(loop.create_future)()
        failed.set_exception(ValueError("unseen"))
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert recorder.all("quote")[1].failed
    assert "never retrieved" in caplog.text


async def hold() -> Any:
    """Take a while."""
    await asyncio.sleep(0)
    return quote(HOLD)


def test_a_coroutine_that_a_plain_function_returns_stays_one(recorder: Recorder) -> None:
    """For a task, for gather, for await; quotes inside are nested, those beside are not."""
    ask: Any = traced_quote(lambda: hold())  # noqa: PLW0108 - a plain function

    async def main() -> list[Any]:
        coroutine = ask()
        assert inspect.iscoroutine(coroutine)
        assert inspect.isawaitable(coroutine)
        assert place_in(get_current()) is NOWHERE
        return [await coroutine, await asyncio.create_task(ask()), *await asyncio.gather(ask())]

    assert asyncio.run(main()) == [HOLD] * 3
    assert [q["nested"] for q in recorder.all("quote")] == [True, None] * 3


def test_a_task_cancelled_before_its_first_step_ends_the_span(recorder: Recorder) -> None:
    """The call that made its coroutine has started."""

    async def main() -> None:
        task = asyncio.create_task(traced_quote(lambda: hold())())  # noqa: PLW0108 - a plain function
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert recorder.one("quote")["cancelled"] is True


def test_a_returned_coroutine_that_nobody_awaits_is_cancelled(recorder: Recorder) -> None:
    """Once, when it is forgotten; Python says as ever that it was not awaited."""
    kept = [traced_quote(lambda: hold())()]  # noqa: PLW0108 - a plain function
    with pytest.warns(RuntimeWarning, match="coroutine 'hold' was never awaited"):
        kept.clear()
    gc.collect()
    assert recorder.one("quote")["cancelled"] is True


def test_ids_come_from_the_arguments_of_every_kind(recorder: Recorder) -> None:
    """Also those that a partial holds."""
    planner("b1")
    traced_quote(functools.partial(plain.__wrapped__, "b2"))()  # type: ignore[attr-defined]
    list(Planner().stream("b3"))
    list(Planner.stream(Planner(), "b4"))
    cached("b5")
    traced_quote(Planner().__call__)("b6")
    assert [q["booking.id"] for q in recorder.all("quote")] == ["b1", "b2", "b3", "b4", "b5", "b6"]


def test_what_is_behind_the_decorator_can_be_reached() -> None:
    """Kinds, signatures, attributes, caches."""
    assert inspect.isgeneratorfunction(stream)
    assert inspect.isgeneratorfunction(Planner().stream)
    assert inspect.isasyncgenfunction(async_stream)
    assert inspect.signature(stream) == inspect.signature(stream.__wrapped__)  # type: ignore[attr-defined]
    assert planner.number == 7
    assert isinstance(planner, Planner)
    cached.cache_clear()
    cached("b")
    cached("b")
    assert cached.cache_info().hits == 1


def test_turned_off_the_caller_gets_the_bare_object(recorder: Recorder) -> None:
    """A generator of the function itself."""
    disable()
    assert stream("b").gi_code is stream.__wrapped__.__code__  # type: ignore[attr-defined]
    assert planner("b") == "b-7"
    assert recorder.ended == []


def test_pickles_and_copies(recorder: Recorder) -> None:
    """Functions by name, objects by what they are, decorated again."""
    for named in (stream, plain, cached, Planner.stream):
        assert pickle.loads(pickle.dumps(named)) is named  # noqa: S301 - our own bytes
        assert copy.deepcopy(named) is copy.copy(named) is named
    for made in (
        *(pickle.loads(pickle.dumps(planner, protocol)) for protocol in range(2, 6)),  # noqa: S301 - our own bytes
        copy.copy(planner),
        copy.deepcopy(planner),
        functools.partial(pickle.loads(pickle.dumps(traced_quote(functools.partial(Planner(7)))))),  # noqa: S301 - ours
    ):
        assert made("b") == "b-7"
    assert list(pickle.loads(pickle.dumps(Planner(3).stream))("b")) == ["b-3"]  # noqa: S301 - our own bytes
    assert len(recorder.all("quote")) == 8


def test_a_spawned_process_calls_them() -> None:
    """By name and by value, with nothing but what pickle carries."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(planner, ["a", "b"]) == ["a-7", "b-7"]
        assert pool.map(plain, ["a"]) == ["a"]


def test_carry_takes_the_run_into_threads(recorder: Recorder) -> None:
    """Of an executor, of a loop, and of one's own; without it a quote there is in no job's count."""

    async def in_executor() -> None:
        await asyncio.get_running_loop().run_in_executor(None, carry(quote), NO_TABLES)
        await asyncio.to_thread(quote, NO_TABLES)

    def body() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(carry(quote), NO_TABLES).result()
            pool.submit(quote, NO_TABLES).result()
        thread = threading.Thread(target=carry(quote), args=(NO_TABLES,))
        thread.start()
        thread.join(5)
        asyncio.run(in_executor())

    run_job(body)
    assert [q["flow"] for q in recorder.all("quote")] == ["job", "direct", "job", "job", "job"]
    assert recorder.job["job.attempts_used"] == 4


def test_what_is_carried_beyond_the_end_of_its_run_is_late(recorder: Recorder) -> None:
    """And turned off it is the function itself."""
    carried: list[Any] = []
    run_job(lambda: carried.append(carry(quote)))
    carried[0](HOLD)
    assert recorder.one("quote")["late"] is True
    assert recorder.job["job.attempts_used"] == 0
    disable()
    assert carry(quote) is quote


class Registered(classmethod):  # type: ignore[type-arg]
    """A descriptor of the application's, made in its own way."""

    def __init__(self, registry: str, function: Any) -> None:
        super().__init__(function)
        self.registry = registry


class Static(staticmethod):  # type: ignore[type-arg]
    """Likewise."""

    def __init__(self, *, function: Any) -> None:
        super().__init__(function)


class Partial(functools.partialmethod):  # type: ignore[type-arg]
    """Likewise."""

    def __init__(self, registry: str, function: Any) -> None:
        super().__init__(function, "b")
        self.registry = registry


def test_a_descriptor_of_the_application_s_stays_what_it_is(recorder: Recorder) -> None:
    """A subclass of classmethod, staticmethod or partialmethod with a constructor and attributes of its own."""

    class Team:
        of_class: Any = traced_quote(Registered("r", lambda cls, booking_id: (cls, booking_id)))
        static: Any = traced_quote(Static(function=lambda booking_id: booking_id))
        partial: Any = traced_quote(Partial("p", lambda _self, booking_id: booking_id))

    assert Team().of_class("b") == (Team, "b")
    assert (Team.static("b"), Team().partial()) == ("b", "b")
    kept = vars(Team)
    assert [type(kept[name]) for name in ("of_class", "static", "partial")] == [Registered, Static, Partial]
    assert (kept["of_class"].registry, kept["partial"].registry) == ("r", "p")
    assert [q["booking.id"] for q in recorder.all("quote")] == ["b", "b", "b"]


@types.coroutine
def step() -> Generator[None, None, Any]:
    """A coroutine as they were before there was ``async def``."""
    yield None
    return quote(HOLD)


@pytest.mark.parametrize("way", ["yield from", "await", "by hand", "task"])
def test_a_generator_based_coroutine_is_followed(recorder: Recorder, way: str) -> None:
    """By whatever drives it: each step inside, what it returns is the call's value."""
    ask: Any = traced_quote(step)

    @types.coroutine
    def delegates() -> Generator[None, None, Any]:
        return (yield from ask())

    async def awaits() -> Any:
        return await ask()

    if way == "task":
        assert asyncio.run(awaits()) is HOLD
    else:
        steps = {"yield from": delegates, "await": awaits, "by hand": ask}[way]()
        assert (next(steps) if way == "by hand" else steps.send(None)) is None
        assert place_in(get_current()) is NOWHERE
        with pytest.raises(StopIteration) as stop:
            steps.send(None)
        assert stop.value.value is HOLD
    nested, answered = recorder.all("quote")
    assert (nested["nested"], answered["nested"], answered["success"]) == (True, None, True)


def test_a_future_that_is_never_done_is_cancelled_when_it_is_forgotten(recorder: Recorder) -> None:
    """Until then its call has not ended; afterwards, once, without a complaint."""
    loop = asyncio.new_event_loop()
    future = traced_quote(loop.create_future)()
    gc.collect()
    assert recorder.ended == []
    del future
    gc.collect()
    loop.close()
    assert recorder.one("quote")["cancelled"] is True


def test_an_awaitable_that_is_returned_twice_is_two_to_its_callers(recorder: Recorder) -> None:
    """Each call is followed by itself; what the callers get compares equal, but is not one object (decision 0005)."""
    shared = Waits(lambda: "h")
    ask: Any = traced_quote(lambda: shared)
    first, second = ask(), ask()
    assert first == second == shared
    assert first is not second
    assert [drive(first), drive(second)] == ["h", "h"]
    assert [q["hold.id"] for q in recorder.all("quote")] == ["h", "h"]


def undecorated(booking_id: str) -> str:
    """Answer."""
    return booking_id


decorated = traced_quote(undecorated)


def test_a_function_that_is_decorated_under_another_name_does_not_pickle() -> None:
    """Functions pickle by name, and under its name there is another: pickle says so, as of any other decorator's."""
    with pytest.raises(pickle.PicklingError, match=r"not the same object as .*undecorated"):
        pickle.dumps(decorated)
    assert pickle.loads(pickle.dumps(traced_quote(functools.partial(undecorated))))("b") == "b"  # noqa: S301 - our own
