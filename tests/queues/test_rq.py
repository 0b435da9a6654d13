"""The same jobs by RQ: alone, where the carrier in the message holds the trace, and with RQ's own instrumentation."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from examples.restaurant import layout
from examples.restaurant.sandbox import open_sandbox
from examples.zero_code import services
from examples.zero_code.bookings.house import DATABASE
from examples.zero_code.collector import Collector, Span
from examples.zero_code.evening import RESTAURANT, orphans
from otel_auto_assign import semconv
from tests.project.sources import ROOT
from tests.queues.test_celery import ACCEPT, line_of, one
from tests.queues.test_leaving import LATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from examples.restaurant.sandbox import Sandbox

pytestmark = pytest.mark.debian

CELERYS = "examples.zero_code.bookings.jobs.assign_tables"
RQS = "tests.queues.rq_jobs.assign_tables"
INSTRUMENTED = "with its instrumentation"
THEIRS = ["perform", "consume default", "publish default", "POST /bookings"]
"""Its spans, from the job up."""
KINDS = {
    "2": {"quote": 1, "quote_result": 1, "confirm_succeeded": 1, "succeeded": 1},
    "8": {"quote": 2, "quote_result": 1, "no_hold": 1, "started": 1, "attempt": 1, "succeeded": 1, "summary": 1},
    "400": {"quote": 4, "quote_result": 1, "no_hold": 1, "started": 1, "attempt": 3, "failed": 1, "summary": 1},
}
"""Of the rows of each party, without their flow."""


@dataclass(frozen=True)
class Bookings:
    """What came of three bookings: their ids, all spans, and booking, event type and context of each row.

    ``instrumented``: RQ's instrumentation was on, and each booking a request with a span.
    """

    ids: dict[str, str]
    spans: list[Span]
    rows: list[tuple[str, str, dict[str, Any]]]
    sandbox: Sandbox
    instrumented: bool

    def trace(self, party: str) -> list[Span]:
        """The spans of a booking's trace."""
        (inline,) = [
            span
            for span in self.spans
            if span.name == semconv.SPAN_INLINE and span.attributes[semconv.BOOKING_ID] == self.ids[party]
        ]
        return [span for span in self.spans if span.trace == inline.trace]


@pytest.fixture(scope="module", params=["rq.worker.SimpleWorker", "rq.worker.Worker", INSTRUMENTED])
def bookings(
    server_dsn: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Bookings]:
    """Three bookings, and a worker that runs until nothing is left to do: in one process, or forked for each job.

    Nothing is written or sent but at the end of a process, which a forked one leaves by ``os._exit``.
    """
    folder = tmp_path_factory.mktemp("rq")
    config = folder / "auto_assign.toml"
    config.write_text(services.CONFIG.read_text().replace(CELERYS, RQS))
    with services.redis(folder) as place, open_sandbox(server_dsn) as sandbox, Collector() as collector:
        with psycopg.connect(sandbox.dsn) as conn:
            layout.save(conn, RESTAURANT, layout.design(RESTAURANT))
        environ = {
            DATABASE: sandbox.dsn,
            **services.tracing(sandbox, collector, folder),
            "OTEL_AUTO_ASSIGN_CONFIG": str(config),
            "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DURABILITY": "memory",
            **LATE,
        }
        theirs = request.param == INSTRUMENTED
        desk = ("python", "-m", "tests.queues.rq_desk", *(["--traced"] if theirs else []))
        ids = json.loads(traced(folder, environ, *desk, str(place), RESTAURANT, *KINDS))
        kind = ("-c", "tests.queues.rq_traced") if theirs else ("--worker-class", request.param)
        traced(folder, environ, "rq", "worker", "--url", f"unix://{place}", "--burst", *kind)
        with psycopg.connect(sandbox.dsn, autocommit=True) as conn:
            rows = conn.execute(
                "SELECT booking_id::text, event_type, context FROM observability_events ORDER BY created_at"
            ).fetchall()
        yield Bookings(ids, collector.spans(), rows, sandbox, theirs)


def traced(folder: Path, environ: dict[str, str], *command: str) -> str:
    """Run a command under ``opentelemetry-instrument`` to its end; give what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE", "PG"))}
    done = subprocess.run(
        [services.program("opentelemetry-instrument"), services.program(command[0]), *command[1:]],
        cwd=ROOT, env=kept | environ, check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    (folder / f"{command[0]}.log").write_text(done.stderr)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("party", KINDS)
def test_the_rows_are_complete(bookings: Bookings, party: str) -> None:
    """Each booking has the rows that Celery's has, and the job's know the inline run."""
    found = [(kind, context) for booking, kind, context in bookings.rows if booking == bookings.ids[party]]
    assert Counter(kind.rpartition(".")[2] for kind, _ in found) == KINDS[party]
    for kind, context in found:
        if kind == semconv.EVENT_SUMMARY:
            assert context["attemptsUsed"] == KINDS[party]["attempt"]
            assert context["inline_reason"]
            assert (context["inline_trigger"], context["trigger"]) == ("web", "queue")
    assert len({context["trace_id"] for _, context in found}) == 1


@pytest.mark.parametrize("party", ["8", "400"])
def test_the_job_is_in_the_requests_trace(bookings: Bookings, party: str) -> None:
    """In a worker of RQ no span is current, so the job is the carrier's child; else that of RQ's instrumentation.

    In either case there is one trace, and a link to the inline run.
    """
    trace = bookings.trace(party)
    inline, job = one(trace, semconv.SPAN_INLINE), one(trace, semconv.SPAN_JOB)

    assert line_of(trace, job) == [semconv.SPAN_JOB, *(THEIRS if bookings.instrumented else [semconv.SPAN_INLINE])]
    assert job.links == (inline.id,)
    assert job.attributes[semconv.INLINE_ATTEMPT_ID] == inline.attributes[semconv.INLINE_ATTEMPT_ID]
    assert job.attributes[semconv.INLINE_REASON] == inline.attributes[semconv.REASON]


def test_no_span_is_twice_or_without_its_parent(bookings: Bookings) -> None:
    """Each is there once, and below one that is there."""
    spans = bookings.spans
    assert len({(span.trace, span.id) for span in spans}) == len(spans) > 3
    assert orphans(spans) == []


def test_the_contract_holds(bookings: Bookings) -> None:
    """The independent check of the rows blames nothing, where it is at hand."""
    if not ACCEPT.is_file():
        pytest.skip("the independent check is not here")
    command = [services.program("python"), str(ACCEPT), "--dsn", bookings.sandbox.dsn]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
