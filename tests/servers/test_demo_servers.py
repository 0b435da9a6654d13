"""The demo with real servers behind it, as a person runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from examples.restaurant.questions import read_questions
from tests.restaurant.test_demo import POISON, ROOT, alive, day, environment, family, read_until

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
import json, os, sys, urllib.request
import psycopg
from confluent_kafka.admin import AdminClient
with psycopg.connect("") as conn:
    jobs = conn.execute("SELECT context->>'trace_id' FROM observability_events"
                        " WHERE event_type = 'auto_assign.summary'").fetchall()
    kinds = conn.execute("SELECT count(DISTINCT event_type), count(*) FROM observability_events").fetchone()
def names(trace):
    with urllib.request.urlopen(f"{os.environ['JAEGER']}/traces/{trace}") as answer:
        return {span["operationName"] for span in json.load(answer)["data"][0]["spans"]}
topics = AdminClient({"bootstrap.servers": os.environ["KAFKA"], "log_level": 4}).list_topics(timeout=10).topics
print("LOOK", json.dumps({"jobs": len(jobs), "traces": sum("auto_assign.job" in names(trace) for trace, in jobs),
                          "kinds": kinds, "topics": sorted(topics)}))
sys.exit(7)
"""


def test_it_ends_as_the_demo_does_and_with_a_trace_read_back(tmp_path: Path) -> None:
    """The same invariants, on rows made by the sink; every job's trace is in Jaeger. The environment has no say."""
    look = tmp_path / "look.py"
    look.write_text(LOOK, encoding="utf-8")
    options = ("--bookings", day(tmp_path), "--scale", "0.001", "--out", tmp_path / "out", "--then", f"python {look}")
    done = subprocess.run(
        [sys.executable, "-m", "examples.servers", *map(str, options)],
        cwd=ROOT, env=environment(**POISON), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (7, ""), done.stdout
    assert done.stdout.count("  0 violations  ") == len(read_questions("invariants"))
    assert "read back from Jaeger  trace " in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("LOOK ")]
    seen = json.loads(line.removeprefix("LOOK "))
    assert seen["jobs"] == seen["traces"] > 0
    kinds, rows = seen["kinds"]
    assert kinds > 5
    assert rows > 100
    assert {"otel.rows", "otel.traces"} <= set(seen["topics"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_broken_off_it_leaves_no_server_behind(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever it has started ends with it."""
    options = ["--bookings", str(day(tmp_path)), "--scale", "1", "--out", str(tmp_path)]
    running = subprocess.Popen(
        [sys.executable, "-m", "examples.servers", *options],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        read_until(running.stdout, "twice")
        processes = family(running.pid)
        assert len(processes) > 6, "the demo, PostgreSQL, its keeper, Kafka, Jaeger, a sink and the Collector"

        running.send_signal(number)

        assert running.wait(60) == 128 + number
        deadline = time.monotonic() + 10
        while (left := alive(processes)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == set()
    finally:
        running.kill()
        running.communicate()
