"""What somebody leaves behind on the context, and what a run leaves behind in memory."""

from __future__ import annotations

import gc
import weakref
from contextvars import copy_context
from typing import Any

from opentelemetry.context import Context, attach, get_current, set_value

from otel_auto_assign import traced_attempt, traced_quote
from otel_auto_assign._spans import NOWHERE, place_in
from tests.instrumentation.planner import HOLD, quote, run_job
from tests.instrumentation.recording import Recorder


def test_the_context_is_left_alone_where_it_is_not_ours() -> None:
    """Somebody who replaced it meanwhile keeps what they set."""
    before = get_current()
    with traced_quote():
        theirs = set_value("theirs", 1, Context())
        attach(theirs)
    assert get_current() is theirs
    attach(before)


def test_what_is_left_behind_on_our_context_does_not_outlive_the_run(recorder: Recorder) -> None:
    """An attach without its detach, and a suspended generator, would poison the thread for every later call."""
    left: list[Any] = []

    def attempts() -> Any:
        with traced_attempt():
            yield

    def body() -> None:
        attach(set_value("tenant", 1))
        left.append(attempts())
        next(left[0])
        quote(HOLD)

    run_job(body)
    quote(HOLD)
    run_job(lambda: quote(HOLD))
    left[0].close()
    direct = recorder.all("quote")[1]
    assert (direct["flow"], direct["late"]) == ("direct", None)
    assert recorder.all("job")[1].parent is None
    assert place_in(get_current()) is NOWHERE


def test_an_attach_left_inside_a_quote_nests_nothing(recorder: Recorder) -> None:
    """Every later quote is a quote of its own."""

    @traced_quote
    def forgetful() -> Any:
        attach(set_value("tenant", 1))
        return HOLD

    run_job(lambda: (forgetful(), quote(HOLD), quote(HOLD)))
    assert [q["nested"] for q in recorder.all("quote")] == [None, None, None]


def test_nothing_of_the_application_s_is_kept_by_its_run(recorder: Recorder) -> None:
    """A task that a job left behind keeps the run, but no result or exception of the planner's."""

    class Result(dict[str, Any]):
        """A mapping that can be watched."""

    kept: list[Any] = []
    watched: list[Any] = []

    def body() -> None:
        result = Result(hold="h", planner_stats=Result())
        watched.extend([weakref.ref(result), weakref.ref(result["planner_stats"])])
        quote(result)
        kept.append(copy_context())

    run_job(body)
    gc.collect()
    assert [reference() for reference in watched] == [None, None]
