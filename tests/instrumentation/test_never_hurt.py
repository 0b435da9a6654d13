"""Whatever goes wrong on our side, or is switched off, the application's call is its own."""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import weakref
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.context import Context, attach, detach, get_current, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import NoOpTracerProvider

from otel_auto_assign import (
    Flags,
    _guard,
    _runs,
    configure,
    current_inline,
    current_job,
    disable,
    enable,
    traced_attempt,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from otel_auto_assign._spans import NOWHERE, place_in
from tests.instrumentation.recording import Recorder
from tests.instrumentation.test_job_rules import HOLD, NO_TABLES, confirm, quote, run_job

if TYPE_CHECKING:
    from collections.abc import Callable


class Broken(SpanProcessor):
    """A span processor of the host's that raises."""

    def __init__(self, at: str) -> None:
        self._at = at

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if self._at == "start":
            raise RuntimeError("processor")

    def on_end(self, span: ReadableSpan) -> None:
        if self._at == "end":
            raise RuntimeError("processor")


def whole_job() -> Any:
    """A job with everything in it."""

    def body() -> Any:
        current_job().max_attempts(3)
        with traced_attempt(), traced_stage("s", threshold=0):
            return quote(HOLD), confirm()

    return run_job(body)


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_span_processor_that_raises_does_not_reach_the_application(recorder: Recorder, at: str) -> None:
    """The SDK has no guard of its own; ours is around it."""
    recorder.provider.add_span_processor(Broken(at))
    with _guard.strict(False):
        assert whole_job() == (HOLD, None)
        with pytest.raises(ValueError, match="mine"):
            quote(ValueError("mine"))


def test_a_fault_in_starting_a_span_leaves_the_call_alone(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call happens once, without a span."""
    somebody = "ann"

    def fails(*_arguments: object) -> None:
        raise RuntimeError(f"{somebody}@example.org")

    for module in ("_scopes", "_children", "_stages"):
        monkeypatch.setattr(f"otel_auto_assign.{module}.start_span", fails)
    with _guard.strict(False), caplog.at_level(logging.WARNING):
        assert whole_job() == (HOLD, None)
        with traced_attempt() as handle:
            handle.record(1)
    assert recorder.ended == []
    assert "the application is not affected" in caplog.text
    assert "Traceback" not in caplog.text
    assert "ann@" not in caplog.text, "a message may be the host's, and name a person"
    assert "in fails" in caplog.text, "but where it failed is there"


def test_a_flag_provider_that_fails_falls_back_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raising, or giving anything but Flags of booleans."""
    monkeypatch.setenv("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", "true")
    monkeypatch.delenv("PLANNER_CACHE_ENABLED", raising=False)

    def raises() -> Flags:
        raise RuntimeError("provider")

    bad: list[Callable[[], Any]] = [raises, lambda: None, lambda: Flags(1, 0), lambda: Flags(True, True, ["x"])]  # type: ignore[arg-type]
    for provider in bad:
        with Recorder(flags=provider) as recording, _guard.strict(False):
            whole_job()
        assert recording.job["flags.source"] == "env"
        assert recording.job["flags.retry_policy_v2"] is True


@pytest.mark.parametrize(
    ("v2", "cache", "expected"),
    [
        (None, None, (False, False, "default")),
        ("", "", (False, False, "default")),
        ("true", None, (True, False, "env")),
        ("1", "on", (True, True, "env")),
        ("false", "true", (False, False, "env")),
        (None, "true", (False, False, "env")),
        ("perhaps", "true", (False, False, "env")),
    ],
)
def test_flags_come_from_the_environment(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, v2: str | None, cache: str | None, expected: Any
) -> None:
    """Unset is not off: the source tells them apart; the cache has an effect only under v2."""
    for name, value in (("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", v2), ("PLANNER_CACHE_ENABLED", cache)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    whole_job()
    for seen in recorder.ended:
        assert (seen["flags.retry_policy_v2"], seen["flags.planner_cache"], seen["flags.source"]) == expected
    assert all(row.context["flags"] == row.context["featureFlags"] for row in recorder.rows)


def test_flags_are_read_once_a_run() -> None:
    """A flag that turns while a job runs does not split its rows."""
    answers = iter([Flags(retry_policy_v2=True, planner_cache=True), Flags(retry_policy_v2=False, planner_cache=False)])
    with Recorder(flags=lambda: next(answers)) as recording:
        whole_job()
    assert {seen["flags.planner_cache"] for seen in recording.ended} == {True}
    assert recording.job["flags.source"] == "provider"


def test_the_kill_switch_works_at_run_time(recorder: Recorder) -> None:
    """What has started is finished, nothing new is started, and back again."""

    @traced_job
    def job() -> None:
        disable()
        quote(HOLD)
        with traced_attempt() as handle:
            handle.record(HOLD)
        enable()
        quote(HOLD)

    job()
    assert recorder.job["job.attempts_used"] == 1
    assert len(recorder.all("quote")) == 1
    assert len(recorder.all("attempt")) == 1


def test_the_kill_switch_works_at_start() -> None:
    """``OTEL_AUTO_ASSIGN_ENABLED=false``: the setting."""
    with Recorder(enabled=False) as recording:
        assert whole_job() == (HOLD, None)
    assert recording.ended == []


def test_suppress_instrumentation_is_honoured(recorder: Recorder) -> None:
    """The host's own way to ask for silence."""
    with suppress_instrumentation():
        assert whole_job() == (HOLD, None)
        with traced_inline() as handle:
            handle.timed_out()
    token = attach(set_value("suppress_instrumentation", True))  # its name before it had a key
    whole_job()
    detach(token)
    assert recorder.ended == []


def test_without_a_provider_nothing_is_recorded_and_nothing_breaks() -> None:
    """The API alone: spans that record nothing."""
    configure(tracer_provider=NoOpTracerProvider())
    assert whole_job() == (HOLD, None)


def test_unsampled_runs_keep_their_context(recorder: Recorder) -> None:
    """A dropped job's children are dropped with it."""
    with Recorder(sampler=ALWAYS_OFF) as dropped:
        assert whole_job() == (HOLD, None)
    assert dropped.ended == []


class QuotesOnly(Sampler):
    """Samples quotes and nothing else."""

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, *_more: Any, **_named: Any
    ) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE if name == "auto_assign.quote" else Decision.DROP)

    def get_description(self) -> str:
        return "QuotesOnly"


def test_a_sampled_child_of_a_dropped_run_is_whole() -> None:
    """A sampler may decide by name."""
    with Recorder(sampler=QuotesOnly()) as recording:
        whole_job()
    assert recording.one("quote")["success"] is True


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


def test_a_clock_that_steps_back_makes_no_negative_span(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall clock and monotonic clock are read once a run."""
    steps = iter(range(2_000_000_000_000_000_000, 0, -1_000_000_000))
    monkeypatch.setattr(_runs, "wall_ns", lambda: next(steps))
    whole_job()
    assert all(seen.end >= seen.start for seen in recorder.ended)
    assert all(recorder.job.start <= seen.start <= seen.end <= recorder.job.end for seen in recorder.ended)


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


class Detached:
    """An object whose attribute cannot be loaded any more."""

    id = 5

    @property
    def restaurant_id(self) -> str:
        raise RuntimeError("DetachedInstanceError")

    alternates = restaurant_id


def test_an_argument_whose_attribute_raises_costs_that_attribute_only(recorder: Recorder) -> None:
    """The job has its rows, the attempt its quote and confirm."""

    @traced_quote
    def quoted(booking: Detached) -> Any:
        return HOLD

    @traced_job
    def job(booking: Detached) -> None:
        quoted(booking)
        confirm()

    job(Detached())
    assert (recorder.job["booking.id"], recorder.job["restaurant.id"]) == ("5", None)
    assert recorder.job["job.result"] == "succeeded"


def test_an_attribute_of_a_result_that_raises_costs_that_fact_only(recorder: Recorder) -> None:
    """A hold stays one; methods say nothing."""
    value: Any = Detached()
    value.hold = value
    value.reason = value.__init__
    quote(value)
    seen = recorder.one("quote")
    assert (seen["success"], seen["alternates"], seen["reason"]) == (True, None, None)
    assert seen["hold.id"] == "5"


class FailsOnce(SpanProcessor):
    """A span processor that raises at the n-th start of a span of some name."""

    def __init__(self, name: str, number: int) -> None:
        self._name, self._left = name, number

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        if span.name == self._name:
            self._left -= 1
            if self._left == 0:
                raise RuntimeError("processor")


@pytest.mark.parametrize("name", ["auto_assign.quote", "auto_assign.confirm", "auto_assign.attempt"])
def test_a_span_that_cannot_be_started_is_taken_back(recorder: Recorder, name: str) -> None:
    """The calls before and after it count as ever, and no attempt waits for it."""
    recorder.provider.add_span_processor(FailsOnce(name, 2))

    def body() -> None:
        quote(HOLD)
        confirm(False)
        quote(HOLD)
        confirm(False)
        quote(HOLD)
        confirm()

    with _guard.strict(False):
        run_job(body)
    assert recorder.job["job.result"] == "succeeded"
    summary = recorder.row("auto_assign.summary").context
    assert summary["attemptsUsed"] == recorder.events().count("auto_assign.attempt")
    assert [a[0] for a in recorder.attempts if a[0] is not None] == list(range(summary["attemptsUsed"]))
    assert all(code != "transient.abort" for _, _, code in recorder.attempts)


class Locked(SpanProcessor):
    """A span processor of the host's with a lock of its own, which also says something of the current job."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = threading.Event()

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.inside.set()
        with self.lock:
            current_job().max_attempts(3)


def test_a_processor_s_lock_and_ours_do_not_wait_for_each_other(recorder: Recorder) -> None:
    """Spans are started outside the run's lock."""
    processor = Locked()
    run: list[Any] = []

    def body() -> None:
        run.append(current_job()._run)
        recorder.provider.add_span_processor(processor)
        with processor.lock:
            thread = threading.Thread(target=copy_context().run, args=(quote, HOLD), daemon=True)
            thread.start()
            assert processor.inside.wait(5)
            assert run[0].lock.acquire(timeout=5)
            run[0].lock.release()
        thread.join(5)
        assert not thread.is_alive()

    run_job(body)
    assert recorder.job["job.attempts_used"] == 1


class UnreadableError(Exception):
    """An exception that cannot even be looked at."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("class")

    @__class__.setter
    def __class__(self, value: Any) -> None: ...

    def __str__(self) -> str:
        raise RuntimeError("str")


def test_an_exception_that_cannot_be_read_still_has_its_summary(recorder: Recorder) -> None:
    """A job ends whatever ended it."""

    def body() -> None:
        quote(NO_TABLES)
        raise UnreadableError

    with _guard.strict(False), contextlib.suppress(BaseException):  # what pytest.raises could not look at either
        run_job(body)
    assert recorder.row("auto_assign.summary").context["result"] == "error"


def test_a_fault_in_finishing_still_ends_the_span(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job has its summary and an inline run its terminal, even then."""

    def fails(*_arguments: object) -> None:
        raise RuntimeError("fault of ours")

    monkeypatch.setattr("otel_auto_assign._job_run.JobRun.end", fails)
    monkeypatch.setattr("otel_auto_assign._inline_run.InlineRun.end", fails)
    with _guard.strict(False):
        run_job(lambda: None)
        traced_inline(lambda: None)()
    assert recorder.events() == [
        "auto_assign.started",
        "auto_assign.summary",
        "inline_auto_assign.operation_aborted",
    ]


def test_words_of_the_application_are_words(recorder: Recorder) -> None:
    """An object is no trigger and no status; what a text says of a person is hidden."""

    @traced_job
    def job(booking: Any, trigger: Any) -> None:
        current_job().inline_hint("i", "x", "+44 20 7946 0958")

    job({"id": 1, "status": "call +44 20 7946 0958"}, Detached())
    assert recorder.job["trigger"] == "unknown"
    assert recorder.job["booking.status"] == "call [phone]"
    assert recorder.job["inline.trigger"] == "[phone]"


def test_a_stage_s_name_is_made_safe(recorder: Recorder) -> None:
    """It may come from anywhere."""
    with traced_stage("x" * 300 + "\ud800", threshold=0):
        pass
    assert len(recorder.one("stage")["stage.name"]) == 200


def test_a_flag_provider_that_calls_a_traced_function_asks_itself_once() -> None:
    """Inside it nothing is instrumented."""
    calls = []

    def provider() -> Flags:
        calls.append(quote(HOLD))
        return Flags(retry_policy_v2=True, planner_cache=True)

    with Recorder(flags=provider) as recording:
        run_job(lambda: None)
    assert len(calls) == 1
    assert recording.all("quote") == []


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
