"""What the application says of its job: under which names it is found, and at no risk."""

from __future__ import annotations

from typing import Any

import pytest

from otel_auto_assign import current_inline, current_job, traced_attempt, traced_inline, traced_job
from tests.instrumentation.planner import HOLD, quote
from tests.instrumentation.recording import Recorder
from tests.instrumentation.test_never_hurt import Detached


@pytest.mark.parametrize("handle", [current_job, current_inline])
def test_handles_are_safe_anywhere(recorder: Recorder, handle: Any) -> None:
    """Outside a run, with odd values, and after the end: nothing happens, nothing raises."""
    odd: list[Any] = [None, object(), float("nan"), 2**70, "\ud800", -1, []]

    def say(of: Any) -> None:
        for value in odd:
            if hasattr(of, "timed_out"):
                of.hold(value, idempotency_key=value)
                of.timed_out()
            else:
                of.booking(restaurant_id=value, status=value)
                of.max_attempts(value)
                of.hard_stop(value)
                of.cutoff(value)
                of.already_confirmed()
                of.skip_initial(value, previous=value, next=value)
                of.adjust(require_adjacency=value, max_tables=value)
                of.inline_hint(value, value, value)
        of.record(odd)

    say(handle())
    kept: list[Any] = []
    with traced_job() if handle is current_job else traced_inline() as inside:
        say(handle())
        kept.append(inside)
    say(kept[0])
    assert len(recorder.ended) == 1


def test_what_the_job_learns_has_its_own_names(recorder: Recorder) -> None:
    """What was given at the start stays; later children and the summary know more."""

    @traced_job
    def job(booking_id: str) -> None:
        current_job().booking(restaurant_id="r9", status="pending")
        current_job().inline_hint("i-1", "INLINE_TIMEOUT", "booking.created")
        quote(HOLD)

    job("b")
    assert (recorder.job["restaurant.id"], recorder.job["job.restaurant.id"]) == (None, "r9")
    assert recorder.one("quote")["restaurant.id"] == "r9"
    assert "restaurant_ref" not in recorder.row("auto_assign.started").context
    summary = recorder.row("auto_assign.summary").context
    assert summary["restaurant_ref"] == "r9"
    assert (summary["inline_attempt_id"], summary["inline_reason"]) == ("i-1", "INLINE_TIMEOUT")


def test_an_adjustment_counts_for_the_open_attempt_else_the_next(recorder: Recorder) -> None:
    """Said between two attempts it is the next one's, even where the last one still holds."""

    @traced_job(max_attempts=4)
    def job() -> None:
        with traced_attempt():
            current_job().adjust(max_tables=1)
            quote(HOLD)
        current_job().adjust(require_adjacency=False, max_tables=2)
        with traced_attempt():
            pass  # it asks nothing: the adjustment is for the one that does
        quote(HOLD)

    job()
    rows = [r.context for r in recorder.rows if r.event_type == "auto_assign.inline_timeout_adjustment"]
    assert [(r["attempt_index"], r["adjustedMaxTables"], r["maxAttempts"]) for r in rows] == [(0, 1, 4), (1, 2, 4)]
    assert rows[1]["adjustedRequireAdjacency"] is False


def test_words_of_the_application_are_words(recorder: Recorder) -> None:
    """An object is no trigger and no status; what a text says of a person is hidden."""

    @traced_job
    def job(booking: Any, trigger: Any) -> None:
        current_job().inline_hint("i", "x", "+44 20 7946 0958")

    job({"id": 1, "status": "call +44 20 7946 0958"}, Detached())
    assert recorder.job["trigger"] == "unknown"
    assert recorder.job["booking.status"] == "call [phone]"
    assert recorder.job["inline.trigger"] == "[phone]"
