"""Decorated functions stay what they were; ids come from named arguments; what is not supported is refused."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import pickle
import threading
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import traced_attempt, traced_confirm, traced_inline, traced_job, traced_quote, traced_stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.instrumentation.recording import Recorder

ALL = [traced_job, traced_attempt, traced_quote, traced_confirm, traced_inline, traced_stage]


def plain(booking_id: str, *, deep: bool = False) -> str:
    """A planner."""
    return booking_id + str(deep)


async def coroutine(booking_id: str) -> str:
    """An async planner."""
    return booking_id


@traced_quote
def picklable() -> str:
    """A decorated function of a module."""
    return "h"


class Planner:
    """A planner as a class."""

    def __init__(self) -> None:
        self.calls = 0

    @traced_quote
    def quote(self, booking_id: str) -> str:
        """Count the call."""
        self.calls += 1
        return booking_id

    @traced_quote()
    async def aquote(self, booking_id: str) -> str:
        """Count the call."""
        self.calls += 1
        return booking_id


@pytest.mark.parametrize("traced", ALL)
@pytest.mark.parametrize("form", ["bare", "called"])
def test_a_decorated_function_stays_what_it_was(recorder: Recorder, traced: Any, form: str) -> None:
    """Name, doc, signature, ``__wrapped__``, ``iscoroutinefunction``, results."""
    for function in (plain, coroutine):
        decorated = traced(function) if form == "bare" else traced()(function)
        assert decorated.__name__ == function.__name__
        assert decorated.__doc__ == function.__doc__
        assert decorated.__wrapped__ is function
        assert inspect.signature(decorated) == inspect.signature(function)
        assert inspect.iscoroutinefunction(decorated) is inspect.iscoroutinefunction(function)
    assert traced(plain)("b", deep=True) == "bTrue"
    assert len(recorder.ended) == (traced is not traced_stage)


def test_methods_are_bound_as_ever(recorder: Recorder) -> None:
    """On the instance and through the class."""
    planner = Planner()
    assert planner.quote("b1") == "b1"
    assert Planner.quote(planner, booking_id="b2") == "b2"
    with pytest.raises(StopIteration, match="b3"):
        planner.aquote("b3").send(None)
    assert planner.calls == 3
    assert [q["booking.id"] for q in recorder.all("quote")] == ["b1", "b2", "b3"]


def test_a_decorated_function_pickles_by_name() -> None:
    """As any function of a module does."""
    assert pickle.loads(pickle.dumps(picklable)) is picklable  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (property(plain), "put @traced_.* below it"),
        (functools.cached_property(plain), "put @traced_.* below it"),
        (classmethod(property(plain)), "put @traced_.* below it"),  # type: ignore[arg-type]
        (Planner, "the class Planner: decorate the method"),
        (functools.singledispatchmethod(plain), "not singledispatchmethod"),
        (7, "not int"),
    ],
)
@pytest.mark.parametrize("traced", ALL)
def test_what_cannot_be_wrapped_is_refused(traced: Any, what: Any, words: str) -> None:
    """At decoration, in one sentence that says what was given and what to do."""
    with pytest.raises(TypeError, match=words) as refused:
        traced(what)
    assert traced.__name__ in str(refused.value)


@pytest.mark.parametrize(
    "refuse",
    [
        lambda: traced_inline(timeout=0),
        lambda: traced_inline(timeout=float("nan")),
        lambda: traced_inline(timeout=1e300),
        lambda: traced_job(max_attempts=-1),
        lambda: traced_job(max_attempts=2**70),
        lambda: traced_job(max_attempts=2.5),  # type: ignore[call-overload]
        lambda: traced_job(max_attempts=True),
        lambda: traced_stage("x", threshold=-0.1),
    ],
)
def test_impossible_options_are_refused(refuse: Callable[[], Any]) -> None:
    """They are the developer's mistake, seen at import."""
    with pytest.raises(ValueError, match="must be"):
        refuse()


BOOKING = SimpleNamespace(id=uuid.UUID(int=5), restaurant_id=9, status="pending")


@pytest.mark.parametrize(
    ("function", "call", "expected"),
    [
        (lambda booking_id, restaurant_id: None, lambda f: f("b", "r"), ("b", "r")),
        (lambda bookingId, restaurantId: None, lambda f: f(restaurantId="r", bookingId="b"), ("b", "r")),  # noqa: N803
        (lambda self, *, booking_id=3, restaurant_id=None: None, lambda f: f(1), ("3", None)),
        (lambda booking: None, lambda f: f(BOOKING), (str(BOOKING.id), "9")),
        (lambda booking: None, lambda f: f({"id": "b", "restaurantId": "r"}), ("b", "r")),
        (lambda booking: None, lambda f: f("b"), ("b", None)),
        (lambda booking, restaurant_id: None, lambda f: f(BOOKING, "mine"), (str(BOOKING.id), "mine")),
        (lambda restaurant, **rest: None, lambda f: f(SimpleNamespace(id="r"), booking_id="b"), ("b", "r")),
        (lambda restaurant: None, lambda f: f("r"), (None, "r")),
        (lambda *args: None, lambda f: f("b"), (None, None)),
        (lambda booking_id: None, lambda f: f(None), (None, None)),
        (lambda booking_id: None, lambda f: f(object()), (None, None)),
    ],
)
def test_ids_come_from_named_arguments(
    recorder: Recorder, function: Any, call: Any, expected: tuple[str | None, str | None]
) -> None:
    """By name, position or default; from a booking object; nothing from anywhere else."""
    call(traced_job(function))
    assert (recorder.job["booking.id"], recorder.job["restaurant.id"]) == expected


def test_status_trigger_and_inline_attempt_come_from_arguments_too(recorder: Recorder) -> None:
    """The options of the decorator come first."""

    @traced_job
    def job(booking: Any, trigger: str = "cron", inline_attempt_id: str | None = None) -> None: ...

    @traced_job(trigger="fixed")
    def other(booking: Any, trigger: str) -> None: ...

    @traced_job(status="fixed")
    def third(booking: Any, attempt_id: str) -> None: ...

    job(BOOKING, inline_attempt_id="i-1")
    other(BOOKING, "argument")
    third(BOOKING, "not an inline run's")
    first, second, last = recorder.all("job")
    assert (last["booking.status"], last["inline.attempt_id"]) == ("fixed", None)
    assert (first["booking.status"], first["trigger"], first["inline.attempt_id"]) == ("pending", "cron", "i-1")
    assert second["trigger"] == "fixed"


def test_children_carry_what_the_run_knows(recorder: Recorder) -> None:
    """A child's own arguments count only where the run does not know."""

    @traced_quote
    def quote(booking_id: str, restaurant_id: str) -> None: ...

    @traced_job
    def job(booking_id: str) -> None:
        quote("other", "r-of-quote")

    job("b")
    seen = recorder.one("quote")
    assert (seen["booking.id"], seen["restaurant.id"]) == ("b", "r-of-quote")
    assert seen["job.id"] == f"{recorder.job.id:016x}"


def test_a_wrong_call_raises_what_it_always_raised(recorder: Recorder) -> None:
    """The host's TypeError, and the span of a call that failed."""
    decorated: Any = traced_quote(plain)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        decorated()
    assert recorder.one("quote").failed


def test_decimals_are_numbers_of_seconds(recorder: Recorder) -> None:
    """As thresholds and time-outs."""
    with traced_inline(timeout=Decimal("2.5")), traced_stage("s", threshold=Decimal(30)):  # type: ignore[call-overload]
        pass
    assert recorder.inline["inline.timeout_ms"] == 2500


def test_one_object_serves_threads_and_tasks_at_once(recorder: Recorder) -> None:
    """Each leaves what it entered itself."""
    attempt = traced_attempt()
    both_inside = threading.Barrier(2)

    @traced_job
    def job(booking_id: str) -> None:
        with attempt:
            both_inside.wait(5)
            picklable()
            if booking_id == "bad":
                raise ValueError(booking_id)
        picklable()

    def run(booking_id: str) -> None:
        with contextlib.suppress(ValueError):
            job(booking_id)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("good", "bad")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    results = {j["booking.id"]: (j["job.result"], j["job.attempts_used"]) for j in recorder.all("job")}
    assert results == {"good": ("succeeded", 2), "bad": ("error", 1)}

    async def task(name: str) -> None:
        with attempt:
            await asyncio.sleep(0.01 if name == "first" else 0)
            with traced_quote(booking_id=name):
                pass

    async def tasks() -> None:
        await asyncio.gather(task("first"), task("second"))

    asyncio.run(tasks())
    parents = {q["booking.id"]: q.parent for q in recorder.all("quote") if q["booking.id"] in {"first", "second"}}
    assert len(set(parents.values())) == 2
    attempt.__exit__(None, None, None)  # once too often: nothing to leave


@pytest.mark.parametrize(
    ("decorator", "option", "value", "error", "said"),
    [
        (traced_job, "max_attempts", -1, ValueError, "must be a whole number, zero or more"),
        (traced_job, "max_attempts", 2**70, ValueError, "must be a whole number, zero or more"),
        (traced_inline, "timeout", 0, ValueError, "must be a number of seconds above zero"),
        (traced_inline, "timeout", float("nan"), ValueError, "must be a number of seconds above zero"),
        (traced_stage, "threshold", -0.1, ValueError, "must be a number of seconds, zero or more"),
        (traced_stage, "threshold", float("inf"), ValueError, "must be a number of seconds, zero or more"),
        *((one, "extractor", 5, TypeError, "must be a function") for one in (traced_job, traced_quote, traced_confirm)),
        (traced_inline, "extractor", "planner.read", TypeError, "must be a function"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    decorator: Any, option: str, value: Any, error: type[Exception], said: str
) -> None:
    """Where the function is decorated, and not at its first call: the sentence names decorator, option and value."""
    with pytest.raises(error) as raised:
        decorator(**{option: value})
    assert str(raised.value).startswith(f"{decorator.__name__}({option}={value!r}): {said}")
