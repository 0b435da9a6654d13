"""The kit that users get for their own tests."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
import pytest
from opentelemetry import trace
from opentelemetry.metrics import get_meter_provider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from observability_events import AutoAssignSampler
from otel_auto_assign import (
    Flags,
    Outcome,
    Settings,
    _guard,
    _runs,
    add_reason,
    configure,
    current_inline,
    disable,
    reasons,
    semconv,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from otel_auto_assign._runtime import runtime
from otel_auto_assign.testing import ManualClock, Recording
from tests.exporters.support import add_parent

if TYPE_CHECKING:
    from tests.postgres import Connection

pytest_plugins = ["pytester"]


@traced_quote
def quote(tables: int) -> dict[str, Any]:
    """A planner that finds a table for those who ask for more than one."""
    return {"hold": "h-1"} if tables > 1 else {"hold": None, "reason": "No suitable tables"}


@traced_job(trigger="cron")
def assign(booking_id: object) -> bool:
    """A job of two attempts."""
    return any(quote(tables)["hold"] for tables in (1, 2))


JOB_EVENTS = sorted(
    [semconv.EVENT_STARTED, *[semconv.EVENT_QUOTE, semconv.EVENT_ATTEMPT] * 2, semconv.EVENT_SUMMARY,
     semconv.EVENT_SUCCEEDED]
)  # fmt: skip


def test_the_fixture_gives_spans_and_rows(auto_assign: Recording) -> None:
    """What a call leaves behind: rows, their JSON, and the spans they were made from."""
    assign("b-17")
    assert auto_assign.events() == JOB_EVENTS
    assert auto_assign.row(semconv.EVENT_SUMMARY).context["result"] == "succeeded"
    assert [span.name.rpartition(".")[2] for span in auto_assign.spans] == ["quote", "attempt"] * 2 + ["job"]
    dicts = auto_assign.dicts()
    assert orjson.loads(orjson.dumps(dicts)) == dicts
    assert [(row["id"], row["context"]) for row in dicts] == [(str(row.id), row.context) for row in auto_assign.rows]


def test_every_run_gives_the_same() -> None:
    """Ids, times and so all bytes; another seed gives other rows, which can lie in one table with the first."""
    made = []
    for seed in ("a", "a", "b"):
        with Recording(seed=seed) as seen:
            assign("b-17")
        made.append(seen.dicts())
    assert made[0] == made[1]
    assert {row["id"] for row in made[0]}.isdisjoint(row["id"] for row in made[2])
    assert {row["created_at"] for row in made[0]} == {"2026-01-01T12:00:00+00:00"}


def test_time_passes_when_it_is_told_to(auto_assign: Recording) -> None:
    """Durations, slow stages and time-outs are those that the test says."""

    @traced_stage("load", threshold=1.0)
    def load(seconds: float) -> None:
        auto_assign.clock.advance(seconds)

    @traced_inline(timeout=12)
    def inline() -> None:
        load(1.0)
        load(1.5)
        auto_assign.clock.advance(9.5)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        inline()
    assert auto_assign.row(semconv.EVENT_INLINE_TIMEOUT).context["elapsedMs"] == 12_000.0
    assert auto_assign.row(semconv.EVENT_INLINE_STAGE_SLOW).context["durationMs"] == 1500.0
    assert auto_assign.clock.now == datetime(2026, 1, 1, 12, 0, 12, tzinfo=UTC)


def test_time_can_be_real(auto_assign: Recording) -> None:
    """For real timers: the inline run sees that its time-out has passed."""

    @traced_inline(timeout=0.01)
    async def inline() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)

    auto_assign.configure(real_time=True)
    before = datetime.now(UTC)
    with pytest.raises(TimeoutError):
        asyncio.run(inline())
    assert auto_assign.row(semconv.EVENT_INLINE_TIMEOUT).created_at >= before


def test_a_clock_of_its_own() -> None:
    """A manual clock begins where it is told to."""
    clock = ManualClock(datetime(2027, 2, 3, tzinfo=UTC))
    clock.advance(0.5)
    assert clock() == int(clock.now.timestamp() * 1e9)


def test_flags_and_settings_are_the_test_s(auto_assign: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """As values, as a provider, or for flags as in production by the environment; settings never by it."""
    monkeypatch.setenv("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", "true")
    monkeypatch.setenv("OTEL_AUTO_ASSIGN_ENABLED", "false")
    sources = []
    for flags in (Flags(retry_policy_v2=False, planner_cache=False), lambda: Flags(True, True), None):
        auto_assign.configure(flags=flags, settings=Settings(inline_timeout=3))
        assign("b-17")
        assert runtime.settings.inline_timeout == 3
        sources.append(auto_assign.rows[-1].context["flags"])
    assert sources == [
        {"retry_policy_v2": False, "planner_cache": False, "source": "provider"},
        {"retry_policy_v2": True, "planner_cache": True, "source": "provider"},
        {"retry_policy_v2": True, "planner_cache": False, "source": "env"},
    ]


def test_all_is_put_back() -> None:
    """Settings, switch, tracer, flags, time, reasons; the global providers were never touched."""

    def in_force() -> list[Any]:
        return [
            *(getattr(runtime, name) for name in runtime.__slots__), _runs.wall_ns, _runs.ticks_ns, _guard._strict,
            reasons.classify("the kitchen burns"), trace.get_tracer_provider(), get_meter_provider(),
        ]  # fmt: skip

    mine = Settings(profiling=True)
    configure(settings=mine, flag_provider=lambda: Flags(True, True))
    before = in_force()
    with _guard.strict(False):
        before[-4] = False
        with Recording() as seen:
            assert in_force() != before
            disable()
            add_reason("kitchen burns", "hard.kitchen")
            assert reasons.classify("the kitchen burns") == "hard.kitchen"
            seen.configure(settings=Settings(enabled=False))
        assert in_force() == before


def test_a_missing_row_is_explained(auto_assign: Recording) -> None:
    """The failure of a test says what every span gave, and why it gave no such row."""
    assign("b-17")
    with pytest.raises(AssertionError, match=r"0 rows auto_assign\.failed, not one") as none:
        auto_assign.row(semconv.EVENT_FAILED)
    assert "the job came to 'succeeded', not to 'exhausted'" in str(none.value)
    with pytest.raises(AssertionError, match=r"2 rows auto_assign\.quote, not one"):
        auto_assign.row(semconv.EVENT_QUOTE)
    with Recording() as nothing, pytest.raises(AssertionError, match="no span has ended"):
        nothing.row(semconv.EVENT_SUMMARY)


def broken(value: object) -> Outcome:
    """An extractor with a fault."""
    raise LookupError


def test_a_fault_is_raised_in_the_test(auto_assign: Recording) -> None:
    """What production would log and swallow, an extractor's fault for one, is raised where it happens."""
    with pytest.raises(LookupError):
        traced_quote(extractor=broken)(lambda: None)()
    _guard.failures.clear()


def test_a_fault_that_the_code_under_test_catches_fails_it_all_the_same() -> None:
    """Code that swallows every exception cannot swallow ours unseen."""
    recording = Recording()

    def careless() -> None:
        with recording:
            try:
                traced_quote(extractor=broken)(lambda: None)()
            except Exception:  # noqa: S110 - what a careless application does
                pass

    with pytest.raises(AssertionError, match=r"a fault was raised in code that caught it: .*the extractor of "):
        careless()
    with Recording(strict=False), _guard.strict(False):
        traced_quote(extractor=broken)(lambda: None)()


def test_a_disabled_sdk_is_enabled_for_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_SDK_DISABLED` is for the application's other tests."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with Recording() as seen:
        assign("b-17")
    assert seen.events() == JOB_EVENTS


def test_a_sampler_of_the_user_s() -> None:
    """Rows do not depend on sampling with our sampler; without it, nobody sees the spans."""
    for sampler, expected in ((AutoAssignSampler(ALWAYS_OFF), JOB_EVENTS), (ALWAYS_OFF, [])):
        with Recording(sampler=sampler) as seen:
            assign("b-17")
        assert seen.events() == expected


def test_late_rows_can_be_told_apart(auto_assign: Recording) -> None:
    """What arrives after its run."""

    @traced_inline(timeout=1)
    def inline() -> None:
        current_inline().timed_out()
        quote(2)

    inline()
    assert auto_assign.events(late=False) == [semconv.EVENT_INLINE_TIMEOUT]
    assert auto_assign.events(late=True) == [semconv.EVENT_QUOTE, semconv.EVENT_INLINE_QUOTE_RESULT]


def test_metrics_are_read_where_they_are_recorded(auto_assign: Recording) -> None:
    """Each histogram by its attributes, with its exemplars."""
    assert auto_assign.metrics == []
    histogram = auto_assign.meter_provider.get_meter("t").create_histogram("t.duration", "s")
    for seconds, outcome in ((0.5, "yes"), (1.5, "yes"), (4.0, "no")):
        histogram.record(seconds, {"outcome": outcome})
    assert [(p.metric, p.unit, p.attributes, p.count, p.total) for p in auto_assign.metrics] == [
        ("t.duration", "s", {"outcome": "yes"}, 2, 2.0),
        ("t.duration", "s", {"outcome": "no"}, 1, 4.0),
    ]


# -- with a database ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("events_table")
def test_rows_come_back_from_the_database(auto_assign: Recording, dsn: str, conn: Connection) -> None:
    """As the database has them, then it is as it was; again and again, whatever an earlier run left behind."""
    booking = add_parent(conn)
    assign(booking)
    for keep in (True, False, False):
        assert auto_assign.written(dsn, keep=keep) == auto_assign.rows
        left = conn.execute("SELECT id FROM observability_events").fetchall()
        assert {row.id for row in auto_assign.rows} == {found for (found,) in left} if keep else not left


@pytest.mark.usefixtures("events_table")
def test_what_the_database_makes_of_a_row_shows(auto_assign: Recording, dsn: str) -> None:
    """A booking that is not there is null, its id kept beside."""
    booking = uuid.uuid4()
    assign(booking)
    (summary,) = (row for row in auto_assign.written(dsn) if row.event_type == semconv.EVENT_SUMMARY)
    assert (summary.booking_id, summary.context["booking_ref"]) == (None, str(booking))
    assert auto_assign.row(semconv.EVENT_SUMMARY).booking_id == booking


@pytest.mark.usefixtures("events_table")
def test_a_refused_row_fails_the_test(auto_assign: Recording, dsn: str, conn: Connection) -> None:
    """With its event type and the SQLSTATE; the other rows do not stay behind."""
    conn.execute("ALTER TABLE observability_events ADD CHECK (event_type <> 'auto_assign.summary')")
    assign("b-17")
    with pytest.raises(AssertionError, match=r"Refused, with SQLSTATE: \['auto_assign.summary: 23514'\]"):
        auto_assign.written(dsn)
    assert conn.execute("SELECT 1 FROM observability_events").fetchall() == []


def test_a_table_that_is_missing_is_said(auto_assign: Recording, dsn: str) -> None:
    """By the database's own error, at once."""
    assign("b-17")
    with pytest.raises(psycopg.errors.UndefinedTable):
        auto_assign.written(dsn, table="no_such_table")


# -- the plugin ---------------------------------------------------------------------------------------------------


def test_the_plugin_costs_nothing_unused(pytester: pytest.Pytester) -> None:
    """A pytest that has it installed and does not use it imports neither the SDK nor the instrumentation for it."""
    pytester.makepyfile("""
        import sys

        def test_modules(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("auto_assign")
            ours = {name for name in sys.modules if name.startswith(("otel_auto_assign", "observability_events"))}
            assert ours == {"otel_auto_assign", "otel_auto_assign._version", "otel_auto_assign.pytest_plugin"}
            assert not any(name.startswith(("opentelemetry", "psycopg")) for name in sys.modules)
    """)
    pytester.runpytest_subprocess("-p", "no:randomly", "-W", "error").assert_outcomes(passed=1)


def test_the_plugin_names_a_missing_extra(pytester: pytest.Pytester) -> None:
    """Without the extra the test fails with the line that installs it."""
    pytester.makepyfile("""
        import sys
        sys.modules["psycopg"] = None

        def test_it(auto_assign):
            pass
    """)
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*auto_assign needs psycopg: pip install 'otel-auto-assign*postgres*'"])


def test_the_metrics_of_decorated_calls_are_among_them(auto_assign: Recording) -> None:
    """Durations are those that the test's clock says, and exemplars lead to the test's spans."""

    @traced_job
    def job() -> None:
        auto_assign.clock.advance(2.5)

    job()

    points = {point.metric: point for point in auto_assign.metrics}
    assert {name: (point.unit, point.count, point.total) for name, point in points.items()} == {
        "auto_assign.job.duration": ("s", 1, 2.5),
        "auto_assign.job.attempts": ("{attempt}", 1, 0),
    }
    (span,) = auto_assign.spans
    assert span.context is not None
    assert {exemplar.span_id for exemplar in points["auto_assign.job.duration"].exemplars} == {span.context.span_id}
