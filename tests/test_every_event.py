"""Every event type of the contract, forced through decorators and ``current_*`` alone, written to a real database."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from observability_events import ObservabilityEventsProcessor
from observability_events.catalogue import CATALOGUE
from observability_events.sampler import AutoAssignSampler
from otel_auto_assign import (
    Flags,
    Settings,
    configure,
    current_inline,
    current_job,
    semconv,
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)

if TYPE_CHECKING:
    from tests.postgres import Connection

ACCEPTANCE = Path(__file__).parents[2] / "shared" / "accept" / "rows.py"

HOLD = {"hold": {"id": "h1"}, "strategy": {"require_adjacency": True, "max_tables": 2}, "alternates": 3}
CACHED = {"hold": None, "reason": "No capacity", "cache_hit": True}


@traced_quote
def quote(answer: Any) -> Any:
    """A planner that gives what it is told to, or raises it."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


@traced_confirm
def confirm(answer: Any = None) -> Any:
    """A confirm that gives what it is told to, or raises it."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


@traced_stage("load", threshold=0.0)
def load() -> None:
    """A stage that is always too slow."""
    time.sleep(0.001)


@traced_job(trigger="test", max_attempts=4)
def job(booking_id: uuid.UUID, *steps: Any) -> Any:
    """A job that takes the steps it is told to, and returns what the last one gave."""
    result = None
    for step in steps:
        result = step()
    return result


@traced_inline(timeout=30, trigger="test")
def inline(booking_id: uuid.UUID, *steps: Any) -> Any:
    """An inline run that takes the steps it is told to."""
    return [step() for step in steps][-1]


def swallowing(error: type[BaseException], function: Any, *arguments: Any) -> Any:
    """Give a step that calls ``function`` and swallows ``error``."""

    def step() -> None:
        with pytest.raises(error):
            function(*arguments)

    return step


def run_everything() -> None:
    """Take every way that has a row of its own."""
    job(uuid.uuid4(), load, lambda: quote(CACHED), swallowing(OSError, quote, OSError("planner rpc failed")), succeed)
    job(uuid.uuid4(), lambda: quote(CACHED), lambda: current_job().hard_stop("No capacity"))
    job(uuid.uuid4(), lambda: current_job().skip_initial("No capacity", previous=4, next=3), adjusted_attempt)
    job(uuid.uuid4(), lambda: current_job().cutoff(30))
    job(uuid.uuid4(), lambda: current_job().already_confirmed())
    inline(uuid.uuid4(), load, lambda: quote(HOLD), lambda: current_inline().hold("h1", idempotency_key="k"), confirm)
    inline(uuid.uuid4(), lambda: quote(CACHED))
    inline(uuid.uuid4(), swallowing(OSError, quote, OSError("planner rpc failed")), lambda: None)
    inline(uuid.uuid4(), lambda: quote(HOLD), lambda: confirm({"success": False, "reason": "rpc failed"}))
    inline(uuid.uuid4(), lambda: current_inline().timed_out(), lambda: quote(HOLD), confirm)
    inline(uuid.uuid4(), swallowing(asyncio.CancelledError, quote, asyncio.CancelledError()), lambda: None)
    traced_quote(booking_id=uuid.uuid4())(lambda: HOLD)()


def succeed() -> None:
    """Quote and confirm in an attempt of its own."""
    with traced_attempt():
        quote(HOLD)
        confirm()


def adjusted_attempt() -> None:
    """An attempt that is adjusted after an inline time-out."""
    current_job().inline_hint("i-1", "INLINE_TIMEOUT", "booking.created")
    with traced_attempt():
        current_job().adjust(require_adjacency=False, max_tables=1)
        quote({"reason": "No suitable tables"})


def run_into(dsn: str, sampler: Sampler) -> None:
    """Run everything with spans sampled by ``sampler`` and rows written to ``dsn``."""
    resource = Resource({semconv.SERVICE_NAME: "every-event", semconv.DEPLOYMENT_ENVIRONMENT_NAME: "test"})
    provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
    processor = ObservabilityEventsProcessor(Settings(dsn=dsn))
    provider.add_span_processor(processor)
    configure(
        settings=Settings(),
        tracer_provider=provider,
        flag_provider=lambda: Flags(retry_policy_v2=True, planner_cache=True),
    )
    run_everything()
    assert provider.force_flush()
    accounts = processor.pipeline.accounts()
    provider.shutdown()
    assert accounts.dropped == {}


def counts(conn: Connection) -> dict[Any, Any]:
    """Give the number of rows of each event type."""
    return dict(conn.execute("SELECT event_type, count(*) FROM observability_events GROUP BY 1").fetchall())  # type: ignore[arg-type]


def test_every_event_type_is_written(dsn: str, conn: Connection, events_table: str) -> None:
    """All of the catalogue, from spans alone."""
    run_into(dsn, AutoAssignSampler(ParentBased(ALWAYS_ON)))
    assert set(counts(conn)) == set(CATALOGUE)


@pytest.mark.skipif(not ACCEPTANCE.exists(), reason="the independent acceptance check is not beside this checkout")
def test_the_acceptance_check_blames_nothing(dsn: str, events_table: str) -> None:
    """An independent program holds the rows against the contract."""
    run_into(dsn, AutoAssignSampler(ParentBased(ALWAYS_ON)))
    run = subprocess.run(
        [sys.executable, ACCEPTANCE, "--dsn", dsn, "--need", "all"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_rows_do_not_depend_on_sampling(dsn: str, conn: Connection, events_table: str) -> None:
    """The same set at ratio 0, 0.1 and 1."""
    seen = []
    for root in (ALWAYS_OFF, TraceIdRatioBased(0.1), TraceIdRatioBased(1.0)):
        run_into(dsn, AutoAssignSampler(ParentBased(root)))
        seen.append(counts(conn))
        conn.execute("DELETE FROM observability_events")
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == len(CATALOGUE)
