"""A process that ends leaves no measurement behind, in whatever order its exit handlers run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from otel_auto_assign import traced_quote

when = sys.argv[1]

@traced_quote
def quote():
    return {"hold": "h"}

def providers():
    trace.set_tracer_provider(TracerProvider())
    reader = PeriodicExportingMetricReader(ConsoleMetricExporter(), export_interval_millis=3_600_000)
    metrics.set_meter_provider(MeterProvider([reader]))

if when == "after":
    quote()
providers()
quote()
quote()
if when == "exit":
    sys.exit(3)
if when == "error":
    raise ValueError("uncaught")
"""


@pytest.mark.parametrize("when", ["before", "after", "exit", "error"])
def test_a_process_that_ends_leaves_nothing_behind(when: str) -> None:
    """The last record and its exemplar are exported, by the provider's own exit handler, whenever it was set up."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM, when], capture_output=True, text=True, timeout=60, check=False)
    data = json.loads(ran.stdout)
    (metric,) = [
        metric
        for scope in data["resource_metrics"][0]["scope_metrics"]
        for metric in scope["metrics"]
        if metric["name"] == "auto_assign.quote.duration"
    ]
    (point,) = metric["data"]["data_points"]

    assert ran.returncode == {"exit": 3, "error": 1}.get(when, 0), ran.stderr
    assert point["count"] == 2
    assert [exemplar["span_id"] for exemplar in point["exemplars"]]


CONFIGURED = """
import sys
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from otel_auto_assign import configure, traced_quote

@traced_quote
def quote():
    return {"hold": "h"}

if sys.argv[1] == "configure first":
    configure()
metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter(), 3_600_000)]))
configure()
configure()
quote()
"""


@pytest.mark.parametrize("order", ["configure first", "provider first"])
def test_what_was_configured_again_leaves_nothing_behind_either(order: str) -> None:
    """The SDK keeps the first of two instruments of one name: its callback serves whatever is in force."""
    ran = subprocess.run(
        [sys.executable, "-c", CONFIGURED, order], capture_output=True, text=True, timeout=60, check=True
    )
    metrics = json.loads(ran.stdout)["resource_metrics"][0]["scope_metrics"][0]["metrics"]

    assert [(m["name"], m["data"]["data_points"][0]["count"]) for m in metrics] == [("auto_assign.quote.duration", 1)]


FORGOTTEN = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from otel_auto_assign import traced_quote

@traced_quote
def quotes():
    yield {"hold": "h"}

trace.set_tracer_provider(TracerProvider())
metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
kept = quotes()
next(kept)
"""


def test_a_call_that_the_end_of_the_interpreter_ends_does_not_hold_it() -> None:
    """Its generator is closed when no thread can run any more: Python 3.11 would wait for ours for ever."""
    ran = subprocess.run([sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, timeout=10, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
