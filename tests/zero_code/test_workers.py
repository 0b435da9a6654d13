"""Tests of otel_auto_assign._workers and _leaving: processes that leave by os._exit do something before."""

from __future__ import annotations

import importlib
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import _guard, _leaving
from otel_auto_assign._workers import HORSE_SECONDS, RQS_WORKERS, Providers
from otel_auto_assign.instrumentor import AutoAssignInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.zero_code.conftest import Host, Instrument


@pytest.fixture
def steps() -> Iterator[list[object]]:
    """What was done, in its order, the last things before leaving included."""
    done: list[object] = []
    _leaving.before_leaving(done.append)
    yield done
    _leaving.forget(done.append)


@pytest.fixture
def rq(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands for RQ, which is imported already: its worker has the method from a base, and a work horse says so."""

    class BaseWorker:
        is_horse = False

        def __init__(self, steps: list[object]) -> None:
            self.steps = steps

        def perform_job(self, job: Any, queue: Any = None) -> object:
            self.steps.append("job")
            if isinstance(job, BaseException):
                raise job
            return job

    class Worker(BaseWorker): ...

    class Horse(Worker):
        is_horse = True

    module: Any = types.ModuleType(RQS_WORKERS)
    module.BaseWorker, module.Worker, module.Horse = BaseWorker, Worker, Horse
    monkeypatch.setitem(sys.modules, RQS_WORKERS, module)
    of_other_tests = importlib.import_module("wrapt.importer")._post_import_hooks  # wrapt 1 would not see the module
    monkeypatch.delitem(of_other_tests, RQS_WORKERS, raising=False)
    return module


def target(host: Host) -> dict[str, object]:
    """Some target: without one nothing is done to anybody."""
    return {"call": f"{host.name}.planner.quote", "role": "quote"}


def test_a_work_horse_leaves_when_its_job_is_done(
    host: Host, instrument: Instrument, rq: Any, steps: list[object]
) -> None:
    """Its job is done first, what it gives and raises is untouched; a worker that goes on does not leave."""
    instrument(target(host))
    job, error = object(), KeyError("of the job's")

    assert rq.Horse(steps).perform_job(job, queue=None) is job
    assert steps == ["job", HORSE_SECONDS]
    with pytest.raises(KeyError) as caught:
        rq.Horse(steps).perform_job(error)
    assert caught.value is error
    assert steps == ["job", HORSE_SECONDS] * 2
    rq.Worker(steps).perform_job(job)
    assert steps[4:] == ["job"]


def test_rqs_method_is_set_back(host: Host, instrument: Instrument, rq: Any) -> None:
    """After ``uninstrument()`` it is the identical one, and without targets it always was; nothing is flushed then."""
    before = vars(rq.BaseWorker)["perform_job"]
    flushed = [*_leaving._last]
    instrument()
    assert vars(rq.BaseWorker)["perform_job"] is before
    AutoAssignInstrumentor().uninstrument()
    instrument(target(host))
    assert vars(rq.BaseWorker)["perform_job"] is not before
    assert len(_leaving._last) == len(flushed) + 1
    AutoAssignInstrumentor().uninstrument()
    assert vars(rq.BaseWorker)["perform_job"] is before
    assert _leaving._last == flushed


def test_another_rq_costs_nothing(host: Host, instrument: Instrument, rq: Any) -> None:
    """One whose worker has no such method is left as it is, and the targets are traced."""
    del rq.BaseWorker.perform_job
    with _guard.strict(False):
        (report,) = instrument(target(host))
    host.load("planner")
    assert report.state == "traced"


def test_a_module_that_is_no_longer_there_costs_nothing(host: Host, instrument: Instrument, rq: Any) -> None:
    """Whoever takes RQ out of ``sys.modules`` has the targets traced all the same."""
    instrument(target(host))
    AutoAssignInstrumentor().uninstrument()
    del sys.modules[RQS_WORKERS]
    (report,) = instrument(target(host))
    host.load("planner")
    assert report.state == "traced"


def test_what_fails_at_the_end_stops_nothing(steps: list[object]) -> None:
    """The next is called all the same, in the order that was asked for."""

    def fail(seconds: float | None) -> None:
        steps.append("failing")
        raise ZeroDivisionError

    _leaving.before_leaving(fail, first=True)
    try:
        with _guard.strict(False):
            _leaving.leave(2.0)
    finally:
        _leaving.forget(fail)
    assert steps == ["failing", 2.0]
    assert _guard.failures


def test_another_celery_costs_nothing() -> None:
    """One without the signal is let alone; nothing is raised into the import of it."""
    with _guard.strict(False):
        _leaving._end_with_celerys(object())
    assert _guard.failures


class _Provider:
    """One of the SDK's, whose flush takes as long as it is told, or raises."""

    def __init__(self, go_on: threading.Event | None = None) -> None:
        self.asked: list[int] = []
        self._go_on = go_on

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.asked.append(timeout_millis)
        if self._go_on is None:
            raise ConnectionError
        return self._go_on.wait(30)


def test_a_collector_that_is_away_holds_nobody() -> None:
    """The end goes on after the time that it has, while the exporter still waits."""
    go_on = threading.Event()
    provider = _Provider(go_on)
    Providers({"tracer_provider": provider}).flush(0.05)
    (still,) = [thread for thread in threading.enumerate() if thread.name == "otel-auto-assign-flush"]
    go_on.set()
    still.join(30)
    assert provider.asked == [50]


def test_spans_metrics_and_logs_are_sent() -> None:
    """What one exporter raises is swallowed, and keeps no other from sending."""
    given = {f"{name}_provider": _Provider() for name in ("tracer", "meter", "logger")}
    with _guard.strict(False):
        Providers(given).flush(0.5)
    assert [provider.asked for provider in given.values()] == [[500], [500], [500]]
    assert _guard.failures


def test_a_provider_that_cannot_flush_is_none_of_ours() -> None:
    """The API's stand-ins have nothing to send."""
    Providers({}).flush(5)
    assert not _guard.failures
