"""A FastAPI and Celery application under ``opentelemetry-instrument``: its spans, its rows, and its neighbours."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from examples.restaurant.app import App
from examples.restaurant.instrumented import INSTRUMENTED
from examples.zero_code.__main__ import show
from examples.zero_code.bookings.house import RULES
from examples.zero_code.evening import QUEUED, SEATED, TURNED_AWAY, Evening, orphans, spend
from examples.zero_code.services import Services, running
from otel_auto_assign import semconv
from tests.project.sources import ROOT
from tests.restaurant.support import floor, open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from examples.zero_code.collector import Span
    from tests.instrumentation.recording import Recorder

pytestmark = pytest.mark.debian

OURS = "otel_auto_assign"
PSYCOPG = "opentelemetry.instrumentation.psycopg"
CELERY = "opentelemetry.instrumentation.celery"
ASGI = {"opentelemetry.instrumentation.asgi", "opentelemetry.instrumentation.fastapi"}
ACCEPT = ROOT.parent / "shared/accept/rows.py"


@pytest.fixture(scope="module")
def services(server_dsn: str) -> Iterator[Services]:
    """The application's processes, which still run."""
    with running(server_dsn) as started:
        yield started


@pytest.fixture(scope="module")
def evening(services: Services) -> Evening:
    """What came of its bookings."""
    return spend(services)


def one(spans: list[Span], name: str) -> Span:
    """The only span whose name begins so."""
    found = [span for span in spans if span.name.startswith(name)]
    assert len(found) == 1, f"{len(found)} spans {name}"
    return found[0]


def line_of(spans: list[Span], span: Span) -> list[str]:
    """The names from a span up to the root of its trace."""
    by_id = {one.id: one for one in spans}
    names = [span.name]
    while span.parent:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def test_everything_arrives(evening: Evening) -> None:
    """All spans and rows that were waited for have come."""
    assert evening.complete


@pytest.mark.parametrize("booking", [QUEUED, TURNED_AWAY])
def test_one_trace_from_the_request_to_the_job(evening: Evening, booking: str) -> None:
    """Request, message, worker and job are one line in one trace; the job is linked to the inline run beside it."""
    trace = evening.trace(booking)
    inline, job = one(trace, semconv.SPAN_INLINE), one(trace, semconv.SPAN_JOB)
    task = "examples.zero_code.bookings.jobs.assign_tables"

    assert line_of(trace, job) == [semconv.SPAN_JOB, f"run/{task}", f"apply_async/{task}", "POST /bookings"]
    assert line_of(trace, inline) == [semconv.SPAN_INLINE, "POST /bookings"]
    assert job.links == (inline.id,)
    assert job.attributes[semconv.INLINE_ATTEMPT_ID] == inline.attributes[semconv.INLINE_ATTEMPT_ID]
    assert job.attributes[semconv.INLINE_REASON] == inline.attributes[semconv.REASON]
    assert job.attributes[semconv.INLINE_TRIGGER] == "web"
    assert {trace_id for kind, of, trace_id, _ in evening.rows if of == evening.bookings[booking]} == {trace[0].trace}


def test_no_span_is_twice_or_without_its_parent(evening: Evening) -> None:
    """Two instrumentations see each request and each job, and each thing is there once."""
    spans = evening.spans
    assert len({(span.trace, span.id) for span in spans}) == len(spans)
    assert orphans(spans) == []
    assert [span.name for span in spans if not span.parent] == ["POST /bookings"] * 3
    count = Counter(span.name.partition("/")[0] for span in spans)
    expected = {semconv.SPAN_INLINE: 3, semconv.SPAN_JOB: 2, semconv.SPAN_QUOTE: 7, "run": 2, "apply_async": 2}
    assert {name: count[name] for name in expected} == expected


def test_the_rows_of_each_job_are_complete(evening: Evening) -> None:
    """One start, one summary, and as many attempts as it says."""
    for booking, result, attempts in ((QUEUED, "succeeded", 1), (TURNED_AWAY, "exhausted", 3)):
        kinds = evening.kinds(booking)
        (summary,) = [
            context
            for kind, of, _, context in evening.rows
            if kind == semconv.EVENT_SUMMARY and of == evening.bookings[booking]
        ]
        assert kinds[semconv.EVENT_STARTED] == kinds[semconv.EVENT_SUMMARY] == 1
        assert (summary["result"], summary["attemptsUsed"], kinds[semconv.EVENT_ATTEMPT]) == (
            result,
            attempts,
            attempts,
        )
        assert {summary["inline_trigger"], summary["trigger"]} == {"web", "queue"}
        assert summary["inline_attempt_id"]
        assert summary["inline_reason"]


def test_the_rows_are_those_of_the_decorated_restaurant(
    evening: Evening, dsn: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same three fates in the restaurant that has our decorators in its source: the same rows, kind by kind."""
    for name in ("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", "PLANNER_CACHE_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    with open_house(dsn, floor((2, True)), RULES) as house:
        app = App(house.database, house.time.clock(), RULES, INSTRUMENTED)
        seated, queued, turned_away = house.book(2), house.book(2), house.book(400)
        assert app.inline.request(seated).confirmed
        assert not app.inline.request(queued).confirmed
        app.cancel(seated)
        assert app.job.run(queued.id, "queue").result == "succeeded"
        assert not app.inline.request(turned_away).confirmed
        assert app.job.run(turned_away.id, "queue").result == "exhausted"
        app.inline.close()

    for name, booking in ((SEATED, seated), (QUEUED, queued), (TURNED_AWAY, turned_away)):
        decorated = Counter(row.event_type for row in recorder.rows if str(row.booking_id) == str(booking.id))
        assert evening.kinds(name) == dict(sorted(decorated.items())), name


def test_the_contract_holds(evening: Evening, services: Services) -> None:
    """The independent check of the rows blames nothing, where it is at hand."""
    if not ACCEPT.is_file():
        pytest.skip("the independent check is not here")
    command = [
        sys.executable,
        str(ACCEPT),
        "--dsn",
        services.sandbox.dsn,
        "--need",
        *(kind for kind, *_ in evening.rows),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_planners_queries_are_below_its_quotes(evening: Evening) -> None:
    """What the psycopg instrumentation sees in a quote or a confirm is a child of that span."""
    trace = evening.trace(QUEUED)
    quotes = [span for span in trace if span.name == semconv.SPAN_QUOTE]
    statements = {
        span.id: [query.name for query in trace if query.scope == PSYCOPG and query.parent == span.id]
        for span in (*quotes, one(trace, semconv.SPAN_CONFIRM))
    }
    asked, confirmed = statements[quotes[-1].id], statements[one(trace, semconv.SPAN_CONFIRM).id]
    assert asked == ["SELECT", "SELECT", "DELETE", "SELECT", "SELECT", "INSERT", "INSERT"]
    assert confirmed == ["SELECT", "INSERT", "UPDATE", "DELETE", "INSERT", "UPDATE"]


def test_our_own_writes_are_no_spans(evening: Evening) -> None:
    """The neighbours are there, and none of them has seen a statement or a request of ours."""
    scopes = {span.scope for span in evening.spans}
    assert {OURS, PSYCOPG, CELERY} <= scopes
    assert scopes - {OURS, PSYCOPG, CELERY} <= ASGI
    queries = [str(span.attributes.get("db.statement", "")) for span in evening.spans if span.scope == PSYCOPG]
    assert len(queries) > 10
    assert [query for query in queries if not query or "observability_events" in query or "unnest($1" in query] == []


@pytest.mark.parametrize(
    ("log", "said", "around"),
    [
        ("web", "no table at once for a party of 8", semconv.SPAN_INLINE),
        ("worker", "succeeded after 1 attempts", semconv.SPAN_JOB),
    ],
)
def test_log_lines_carry_the_ids(evening: Evening, services: Services, log: str, said: str, around: str) -> None:
    """A line that the application logs within a run of ours names our span."""
    (line,) = [line for line in (services.logs / f"{log}.log").read_text().splitlines() if said in line]
    trace = evening.trace(QUEUED)
    found = re.search(r"trace_id=([0-9a-f]+) span_id=([0-9a-f]+)", line)
    assert found is not None, line
    assert found.groups() == (trace[0].trace, one(trace, around).id)


def test_nothing_went_wrong_in_the_processes(evening: Evening, services: Services) -> None:
    """No warning of ours, and no traceback of anybody's, is in their logs; each target was found."""
    for log, targets in (("web", 6), ("worker", 5)):  # the worker has no desk
        text = (services.logs / f"{log}.log").read_text()
        assert "Traceback" not in text
        ours = [line for line in text.splitlines() if f"[{OURS}" in line or "[observability_events" in line]
        assert [line for line in ours if " INFO " not in line] == []
        assert sum("is traced as" in line for line in ours) == targets, ours


def test_the_starter_shows_it(evening: Evening) -> None:
    """Two traces as trees, the rows as a table, and that no span is without its parent."""
    out = io.StringIO()
    show(Console(file=out, width=120), evening)
    shown = out.getvalue()
    assert shown.count("POST /bookings  ") == 2
    assert "auto_assign.job" in shown
    assert "(linked to the inline run)" in shown
    assert re.search(r"auto_assign.summary +1 +1\b", shown)
    assert f"{len(evening.spans)} spans, 0 of them without their parent" in shown
