"""Rows on the standard output: what is shown, when, and that nobody is hurt by where it goes."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from observability_events import ObservabilityEventsExporter, ObservabilityEventsProcessor, Pipeline, console
from observability_events.console import as_json
from observability_events.rows import all_rows_of
from otel_auto_assign import Settings, semconv
from tests.exporters.spans import EVERY, Recipe
from tests.exporters.support import row, settings, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

COLUMNS = ["id", "created_at", "source", "event_type", "severity", "context", "restaurant_id", "booking_id"]
ENVIRON = {
    name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE", "PG", "PYTHON"))
}
PROGRAM = """
import os, sys
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from otel_auto_assign import traced_job

_OTelSDKConfigurator().configure(auto_instrumentation_version="")
assign = traced_job(lambda booking_id: False)
"""


def shown_by(pipeline: Pipeline, *spans: ReadableSpan) -> None:
    """Have the pipeline write the rows of spans."""
    for given in spans:
        assert pipeline.accept(all_rows_of, given)
    assert pipeline.flush(5)
    pipeline.shutdown()


@contextmanager
def pipe_as_stdout(monkeypatch: pytest.MonkeyPatch, *, blocking: bool) -> Iterator[int]:
    """Have the process print into a pipe that holds 4 KiB; give the end to read from, which the test closes."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocking)
    with os.fdopen(writer, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        yield reader


def lines_of(spans: Sequence[ReadableSpan]) -> list[bytes]:
    """Give the lines that the rows of spans are."""
    return [as_json(row) for given in spans for row in all_rows_of(given)]


def run(program: str, *, stdout: Any = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an application whose environment chooses the exporter, and nothing else of OpenTelemetry."""
    chosen = {
        "OTEL_TRACES_EXPORTER": "observability_events",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        **environ,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + program],
        env=ENVIRON | chosen, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("recipe", EVERY.values(), ids=EVERY)
def test_a_row_is_one_line_with_every_column(recipe: Recipe) -> None:
    """In the table's order, ids and times as texts, and the context as it will be stored."""
    for made in all_rows_of(recipe.span()):
        line = as_json(made)
        assert b"\n" not in line
        found = json.loads(line)
        assert list(found) == COLUMNS
        assert found == {
            "id": str(made.id),
            "created_at": made.created_at.isoformat(),
            "source": made.source,
            "event_type": made.event_type,
            "severity": made.severity,
            "context": made.context,
            "restaurant_id": str(made.restaurant_id),
            "booking_id": str(made.booking_id),
        }


@pytest.mark.parametrize("capture", ["capsys", "capfd"])
def test_the_setting_prints_instead_of_writing(request: pytest.FixtureRequest, capture: str) -> None:
    """With a DSN, too: nobody connects there. A standard output that is no file takes the same lines."""
    captured: pytest.CaptureFixture[str] = request.getfixturevalue(capture)
    pipeline = Pipeline(settings("host=/no/such/folder", console=True))
    given = [span(semconv.SPAN_JOB), span()]
    shown_by(pipeline, *given)

    expected = [as_json(row).decode() for each in given for row in all_rows_of(each)]
    assert captured.readouterr().out.splitlines() == expected
    assert pipeline.accounts().committed == len(expected) == 3


def test_no_row_is_printed_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """A processor and an exporter in one process make the same rows; another standard output gets them once, too."""
    job, quote = span(semconv.SPAN_JOB), span()
    first, second = Pipeline(settings("", console=True)), Pipeline(settings("", console=True))
    shown_by(first, job)
    shown_by(second, quote, job)

    kinds = [json.loads(line)["event_type"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == [semconv.EVENT_STARTED, semconv.EVENT_SUMMARY, semconv.EVENT_QUOTE]
    assert (first.accounts().already_present, second.accounts().already_present) == (0, 2)


def test_two_doors_at_once_print_each_row_once() -> None:
    """Threads that have the same rows at the same time print each of them once in all."""
    rows = [row() for _ in range(2000)]
    printed: dict[bytes, object] = {}
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda _: [new for one in rows for new in console._new_in(printed, [one])], range(4))
    assert sorted(new.key for part in parts for new in part) == sorted(one.key for one in rows)


def test_a_bounded_number_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten: a process that prints for days does not grow."""
    monkeypatch.setattr(console, "ROWS_REMEMBERED", 3)
    rows = [row() for _ in range(5)]
    printed: dict[bytes, object] = {}
    for one in rows:
        console._new_in(printed, [one])
    assert list(printed) == [one.key for one in rows[2:]]


def test_what_was_not_printed_may_be_yet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that one door lost is not taken for printed when the other has it."""
    given = span()
    with monkeypatch.context() as broken:
        broken.setattr(sys.stdout, "write", lambda _: 1 / 0)
        lost = Pipeline(settings("", console=True))
        shown_by(lost, given)
        assert lost.accounts().dropped == {"not_printed": 1}
    shown_by(Pipeline(settings("", console=True)), given)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_without_a_dsn_the_exporter_prints(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """And says in one line of the log that nothing is written."""
    exporter = ObservabilityEventsExporter(settings(""))
    shown_by(exporter.pipeline, span())
    assert [json.loads(line)["event_type"] for line in capsys.readouterr().out.splitlines()] == [semconv.EVENT_QUOTE]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "no DSN is set: rows are printed to the standard output, not written"
    ]


def test_without_a_dsn_the_processor_prints_only_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    """It stands in code, where a missing DSN is a mistake: it drops, counts and logs, unless the setting says print."""
    silent = ObservabilityEventsProcessor(settings(""))
    silent.on_end(span())
    assert silent.pipeline.accounts().dropped == {"no_dsn": 1}
    silent.shutdown()
    assert capsys.readouterr().out == ""

    told = ObservabilityEventsProcessor(Settings.from_environment({"OTEL_EXPORTER_OBSERVABILITY_EVENTS_CONSOLE": "1"}))
    told.on_end(span())
    told.shutdown()
    assert semconv.EVENT_QUOTE in capsys.readouterr().out


def test_the_environment_is_enough() -> None:
    """`OTEL_TRACES_EXPORTER=observability_events` and no DSN: an application's rows are on its standard output."""
    done = run("assign('b-17')")
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, done.stderr
    assert [line["event_type"] for line in lines] == [semconv.EVENT_STARTED, semconv.EVENT_SUMMARY]
    assert [line["context"]["booking_ref"] for line in lines] == ["b-17", "b-17"]


def test_a_reader_that_has_gone_changes_nothing() -> None:
    """Neither the exit code nor a word of Python's own at the exit; the log says once that rows are lost."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run("for _ in range(3): assign('b'), trace.get_tracer_provider().force_flush()", stdout=writer)
    os.close(writer)

    assert done.returncode == 0
    assert done.stderr.count("rows cannot be printed and are lost: ") == 1
    assert "Exception ignored" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("gone", ["sys.stdout.close()", "sys.stdout = None", "os.close(1)"])
def test_a_standard_output_that_has_gone_changes_nothing(gone: str) -> None:
    """Closed by the application, taken away, or closed below Python's feet."""
    done = run(f"{gone}; assign('b'); sys.exit(7)")
    assert done.returncode == 7
    assert done.stderr.count("rows cannot be printed and are lost: ") == 1


def test_a_reader_that_stands_still_does_not_keep_the_application() -> None:
    """A full pipe holds up our thread and no other; at the exit it gets the shutdown's time-out."""
    reader, writer = os.pipe()
    os.write(writer, b"x" * 65536)
    done = run(
        "assign('b'); print('the end', file=sys.stderr)",
        stdout=writer,
        OTEL_EXPORTER_OBSERVABILITY_EVENTS_SHUTDOWN_TIMEOUT="0.1",
    )
    os.close(reader)
    os.close(writer)
    assert done.returncode == 0
    assert "the end" in done.stderr


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("length", [0, 1000, 7000])
def test_a_slow_reader_gets_every_line_whole(monkeypatch: pytest.MonkeyPatch, blocking: bool, length: int) -> None:
    """Also where others (a shell, a child of the application) have made the standard output non-blocking."""
    internal = json.dumps({"statistics": ["x" * 100] * (length // 100)})
    given = [span(planner__internal=internal) for _ in range(50)] + [span(semconv.SPAN_JOB)]
    assert max(map(len, lines_of(given))) > length
    pipeline = Pipeline(settings("", console=True))
    read: list[bytes] = []
    with pipe_as_stdout(monkeypatch, blocking=blocking) as reader:
        slow = threading.Thread(target=lambda: read.extend(iter(lambda: os.read(reader, 100), b"")), daemon=True)
        for each in given:
            assert pipeline.accept(all_rows_of, each)
        slow.start()
        assert pipeline.flush(5)
        pipeline.shutdown(timeout=1)
    slow.join()  # the pipe's other end is closed
    os.close(reader)
    assert b"".join(read).splitlines() == lines_of(given)
    assert pipeline.accounts().committed == 52


def test_who_is_faster_costs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our look and our writing somebody else may have filled the pipe: we look again."""
    full = [True, True]
    write = os.write

    def once(descriptor: int, data: bytes) -> int:
        if full:
            full.pop()
            raise BlockingIOError
        return write(descriptor, data)

    given = span()
    pipeline = Pipeline(settings("", console=True))
    with pipe_as_stdout(monkeypatch, blocking=False) as reader:
        monkeypatch.setattr(os, "write", once)
        shown_by(pipeline, given)
        assert (full, pipeline.accounts().committed) == ([], 1)
        assert os.read(reader, 4096).splitlines() == lines_of([given])
        os.close(reader)


def test_what_a_reader_leaves_behind_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was printed before it left counts as written, the rest as not printed; the accounts balance."""
    pipeline = Pipeline(settings("", console=True, batch_size=50))
    with pipe_as_stdout(monkeypatch, blocking=True) as reader:
        for _ in range(50):
            assert pipeline.accept(all_rows_of, span(reason="x" * 500))
        while os.read(reader, 1) != b"\n":
            pass
        os.close(reader)
        assert pipeline.accept(all_rows_of, span())
        assert pipeline.flush(5)
        accounts = pipeline.accounts()
        pipeline.shutdown()
    assert accounts.balanced
    assert 1 <= accounts.committed < 50
    assert accounts.dropped == {"not_printed": 51 - accounts.committed}
    assert [record.getMessage()[:36] for record in caplog.records] == ["rows cannot be printed and are lost:"]


@pytest.mark.parametrize("blocking", [True, False])
def test_the_end_does_not_wait_for_a_reader_that_stands_still(
    monkeypatch: pytest.MonkeyPatch, blocking: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its thread ends with the shutdown's time-out, and what it held is counted, and said in the log."""
    pipeline = Pipeline(settings("", console=True))
    with pipe_as_stdout(monkeypatch, blocking=blocking) as reader:
        for _ in range(50):
            assert pipeline.accept(all_rows_of, span(reason="x" * 500))
        pipeline.shutdown(timeout=0.1)
        assert "otel-auto-assign-writer" not in {thread.name for thread in threading.enumerate()}
        os.close(reader)
    accounts = pipeline.accounts()
    assert accounts.balanced
    assert accounts.pending == 0
    assert accounts.dropped["not_printed"] == 50 - accounts.committed
    assert "rows cannot be printed and are lost: nobody reads the standard output" in caplog.text
