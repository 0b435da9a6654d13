"""`code.function.name` says whose call a span is."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from otel_auto_assign import (
    semconv,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from tests.instrumentation.recording import Recorder

HERE = __name__


def step(booking_id: str) -> str:
    """Do what there is to do."""
    return booking_id


class Planner:
    """A planner that is called, and one that has methods."""

    def __call__(self, booking_id: str) -> str:
        return booking_id

    @traced_quote
    def method(self, booking_id: str) -> str:
        """Answer."""
        return booking_id

    @traced_quote
    @classmethod
    def of_the_class(cls, booking_id: str) -> str:
        """Answer."""
        return booking_id


@pytest.mark.parametrize(
    ("traced", "span"),
    [
        (traced_job, "job"),
        (traced_attempt, "attempt"),
        (traced_quote, "quote"),
        (traced_confirm, "confirm"),
        (traced_inline, "inline"),
        (functools.partial(traced_stage, threshold=0), "stage"),
    ],
)
def test_every_role(recorder: Recorder, traced: Any, span: str) -> None:
    """Each of the six has the function's name on its span, and a block has none."""
    traced()(step)("b-1")
    with traced():
        pass
    assert [seen[semconv.FUNCTION_NAME] for seen in recorder.all(span)] == [f"{HERE}.step", None]


def test_a_stage_while_profiling() -> None:
    """Its span is another one, made at its start."""
    with Recorder(profiling=True) as recorder:
        traced_stage(step)("b-1")
        assert recorder.one("stage")[semconv.FUNCTION_NAME] == f"{HERE}.step"


def test_children_do_not_share_it(recorder: Recorder) -> None:
    """A run's children carry what the run does, but each the name of its own function."""
    asked = traced_quote(Planner())

    @traced_job
    def job(booking_id: str) -> None:
        asked(booking_id)
        Planner().method(booking_id)
        Planner.of_the_class(booking_id)
        traced_quote(functools.partial(step, booking_id))()

    job("b-1")
    names = [seen.attributes[semconv.FUNCTION_NAME] for seen in recorder.all("quote")]
    assert names == [f"{HERE}.{name}" for name in ("Planner", "Planner.method", "Planner.of_the_class", "step")]
    assert recorder.job[semconv.FUNCTION_NAME] == f"{HERE}.test_children_do_not_share_it.<locals>.job"
    assert all(semconv.FUNCTION_NAME not in seen.attributes for seen in recorder.all("attempt"))
