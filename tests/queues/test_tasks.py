"""What Celery makes of functions, each kind of it, as a target: real tasks, run as its workers run them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.debian

TASKS = """
    from celery import Celery, Task, shared_task
    app = Celery("tasks", broker="memory://")
    @app.task
    def plain(booking_id): ...
    @app.task(bind=True, name="another.name")
    def bound(self, booking_id): ...
    @shared_task
    def shared(booking_id): ...
    @shared_task(bind=True)
    def shared_bound(self, booking_id): ...
    @app.task(autoretry_for=(ValueError,))
    def retrying(booking_id): ...
    class Own(Task):
        name = "own"
        def run(self, booking_id): ...
    own = app.register_task(Own())
"""
KINDS = ("plain", "bound", "shared", "shared_bound", "retrying", "own", "Own.run")
RUN = """
    import logging, sys
    from celery.app.trace import build_tracer
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from otel_auto_assign.instrumentor import AutoAssignInstrumentor
    from otel_auto_assign.targets import target_from

    logging.basicConfig(format="%(message)s")
    spans = InMemorySpanExporter()
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
    module, name = sys.argv[1:]
    instrumentor = AutoAssignInstrumentor()
    instrumentor.instrument(targets=[target_from({"call": f"{module}.{name}", "role": "job"})])
    import tasks
    task = tasks.app.tasks[getattr(tasks, name.partition(".")[0].lower()).name]
    for booking in ("b-1", "b-2"):
        build_tracer(task.name, task, app=tasks.app)("id-1", (booking,), {}, {"id": "id-1"})
        instrumentor.uninstrument()
    print(*((span.name, span.attributes["auto_assign.booking.id"]) for span in spans.get_finished_spans()))
"""


def run(folder: Path, module: str, name: str) -> subprocess.CompletedProcess[str]:
    """Trace a task, run it, set it back and run it again; each booking that a span is about is printed."""
    program = [sys.executable, "-c", textwrap.dedent(RUN), module, name]
    return subprocess.run(program, cwd=folder, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_runs_the_traced_task(tmp_path: Path, kind: str) -> None:
    """One span with the id that its argument has; and none after ``uninstrument()``."""
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))
    done = run(tmp_path, "tasks", kind)

    assert (done.returncode, done.stdout) == (0, "('auto_assign.job', 'b-1')\n"), done.stderr


def test_a_shared_task_whose_application_comes_later(tmp_path: Path) -> None:
    """It is refused with a line that says what to do, and Celery makes no application for it."""
    (tmp_path / "early.py").write_text("from celery import shared_task\n@shared_task\ndef shared(booking_id): ...\n")
    (tmp_path / "tasks.py").write_text(
        "import early\nfrom celery import Celery, _state\nassert _state.default_app is None\n"
        "app = Celery('tasks', broker='memory://')\nfrom early import shared\n"
    )
    done = run(tmp_path, "early", "shared")

    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
    assert done.stderr.count("target early.shared (job) is not traced: it is a shared task, and there is no ") == 1
