"""The types that decorated functions keep and that blocks give: `assert_type` fails `make check`, not the run."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, assert_type

from otel_auto_assign import (
    Extractor,
    Outcome,
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
