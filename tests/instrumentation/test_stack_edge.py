"""At the end of the stack: the host's RecursionError is its own, and what stands here is clean afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import get_current

from otel_auto_assign import (
    _guard,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder

ROLES = [traced_job, traced_inline, traced_attempt, traced_quote, traced_confirm, traced_stage]
ROOM = range(80)
"""Frames that are left for a traced function: from just enough for it and its decorator, to enough for all."""


def at_depth(frames: int, call: Callable[[], Any]) -> Any:
    """Make ``call`` from ``frames`` calls down."""
    return call() if frames <= 0 else at_depth(frames - 1, call)


def deepest() -> int:
    """Find from how deep a function can be called under a decorator that does nothing: Python's versions differ."""
    return next(depth for depth in range(sys.getrecursionlimit(), 0, -1) if is_room(depth))


def is_room(depth: int) -> bool:
    """Tell whether two calls, one in the other, can be made from ``depth`` calls down."""
    try:
        at_depth(depth, lambda: at_depth(0, str))
    except RecursionError:
        return False
    return True


def endless(raised: list[BaseException]) -> None:
    """Call itself without end, and note what that raises."""
    try:
        endless(raised)
    except RecursionError as error:
        raised.append(error)
        raise


@pytest.mark.parametrize("traced", ROLES)
@pytest.mark.parametrize("kind", ["function", "coroutine function"])
def test_a_recursion_error_is_the_host_s_own(recorder: Recorder, traced: Any, kind: str) -> None:
    """Wherever the stack ends: the caller catches the very object, no context stays, and no span ends twice."""
    raised: list[BaseException] = []

    def function() -> None:
        endless(raised)

    async def coroutine() -> None:
        endless(raised)

    def driven() -> None:
        made().send(None)

    made = traced(coroutine)
    call = traced(function) if kind == "function" else driven
    before, end = get_current(), deepest() - 2  # for what stands between the decorator and the one that has no end
    for room in ROOM:
        raised.clear()
        with _guard.strict(False), pytest.raises(RecursionError) as caught:
            at_depth(end - room, call)
        assert get_current() is before
        assert {id(error) for error in raised} == {id(caught.value)}
    assert len({seen.id for seen in recorder.ended}) == len(recorder.ended)


@pytest.mark.parametrize("traced", ROLES)
def test_a_function_that_has_room_returns(recorder: Recorder, traced: Any) -> None:
    """Even where there is none for a span."""
    before, end, call = get_current(), deepest() - 1, traced(lambda: "h")  # one for the list's own frame
    with _guard.strict(False):
        assert [at_depth(end - room, call) for room in ROOM] == ["h"] * len(ROOM)
    assert get_current() is before
    assert len({seen.id for seen in recorder.ended}) == len(recorder.ended)
