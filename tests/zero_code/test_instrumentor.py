"""Tests of otel_auto_assign.instrumentor: targets are traced where they are, and set back."""

from __future__ import annotations

import asyncio
import gc
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import traced_quote
from otel_auto_assign._patches import router_of
from otel_auto_assign.instrumentor import AutoAssignInstrumentor
from otel_auto_assign.targets import target_from

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder
    from tests.zero_code.conftest import Host, Instrument

REQUEST = {"id": "b-1", "tables": 2}


def quote_in(host: Host, name: str = "Planner.quote") -> dict[str, object]:
    """The planner's target as in a file."""
    return {
        "call": f"{host.name}.planner.{name}",
        "role": "quote",
        "arguments": {"booking_id": "request.id"},
        "result": {"hold": "assignment.hold_id", "reason": "why"},
    }


def test_what_is_imported_later_is_traced(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """A target waits for its module; ids, hold and reason are found where the file says they are."""
    (report,) = instrument(quote_in(host))
    assert report.state == "waiting"

    planner = host.load("planner").Planner()
    assert planner.quote(REQUEST)["assignment"] == {"hold_id": "h-1"}
    planner.quote(REQUEST | {"tables": 1})
    good, bad = recorder.all("quote")

    assert (report.state, report.detail) == ("traced", "Planner.quote")
    assert (good["booking.id"], good["success"]) == ("b-1", True)
    assert (bad["success"], bad["reason_code"]) == (False, "hard.no_suitable_tables")


def test_what_is_imported_already_is_traced(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """So is it under the names that other modules gave it by ``from x import f`` before."""
    host.write("before", "from HOST.planner import quote as ask\n")
    before = host.load("before")
    (report,) = instrument(quote_in(host, "quote"))
    host.write("after", "from HOST.planner import quote\n")

    before.ask(REQUEST)
    host.load("after").quote(REQUEST)
    assert len(recorder.all("quote")) == 2
    assert report.detail == f"{host.name}.planner.quote, {host.name}.before.ask"


@pytest.mark.parametrize("name", ["Planner.of_class", "Planner.of_static", "Inherits.quote", "planner.quote", "quote"])
def test_every_attribute_is_set_back_to_the_identical_object(
    host: Host, instrument: Instrument, recorder: Recorder, name: str
) -> None:
    """Class methods, static methods, inherited ones, those of an object and functions: traced, then as before."""
    module = host.load("planner")
    before = {
        (owner, key): value
        for owner in (module, module.Planner, module.Inherits, module.planner)
        for key, value in vars(owner).items()
    }
    instrument(quote_in(host, name))
    call = module
    for part in name.split("."):
        call = getattr(call, part)
    arguments = (module.Inherits(), REQUEST) if name == "Inherits.quote" else (REQUEST,)
    call(*arguments)
    assert len(recorder.all("quote")) == 1

    AutoAssignInstrumentor().uninstrument()
    after = {
        (owner, key): value
        for owner in (module, module.Planner, module.Inherits, module.planner)
        for key, value in vars(owner).items()
    }
    assert after.keys() == before.keys()
    assert all(after[place] is before[place] for place in before)


def test_an_end_before_the_import_leaves_no_trace(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """The hook that waits for the import is inert after ``uninstrument()``."""
    instrument(quote_in(host))
    AutoAssignInstrumentor().uninstrument()
    host.load("planner").Planner().quote(REQUEST)

    assert recorder.ended == []


def test_what_somebody_set_since_is_left_alone(
    host: Host, instrument: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    """Another's wrapper around ours is not thrown away; the log says so."""
    module = host.load("planner")
    instrument(quote_in(host, "quote"))
    module.quote = theirs = lambda request: None
    AutoAssignInstrumentor().uninstrument()

    assert module.quote is theirs
    assert "was wrapped by somebody else after us" in caplog.text


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("planner.quite", "has no attribute 'quite'"),
        ("planner.Planner.quite", "planner.Planner has no attribute 'quite'"),
        ("planner.Plan.quote", "planner has no attribute 'Plan'"),
        ("planner.Planner", "cannot wrap the class Planner"),
        ("planner.REQUIRED", "wraps functions, methods and other callables, not int"),
        ("planner.Planner.slow", "cannot wrap a property"),
        ("planner.decorated", "it is traced already"),
        ("planner.no_request", "it has no argument 'request': it has (booking)"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line(
    host: Host, instrument: Instrument, recorder: Recorder, caplog: pytest.LogCaptureFixture, call: str, why: str
) -> None:
    """It says why; the host's import goes on, and the target beside it is traced."""
    host.write(
        "planner",
        """
        from otel_auto_assign import traced_quote
        REQUIRED = 5
        class Planner:
            @property
            def slow(self): return 1
        @traced_quote
        def decorated(request): ...
        def no_request(booking): ...
        def quote(request): ...
        """,
    )
    said = quote_in(host) | {"call": f"{host.name}.{call}"}
    bad, good = instrument(said, quote_in(host, "quote"))
    host.load("planner").quote(REQUEST)

    assert (bad.state, good.state) == ("refused", "traced")
    assert why in bad.detail
    assert f"target {host.name}.{call} (quote) is not traced: " in caplog.text
    assert len(recorder.all("quote")) == 1


def test_routes_are_refused(host: Host, instrument: Instrument, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route holds the function itself: its calls would pass the traced one by, and the line says what to do."""
    monkeypatch.setitem(sys.modules, "starlette", types.ModuleType("starlette"))
    host.write(
        "planner",
        """
        class Route:
            def __init__(self, endpoint): self.endpoint = endpoint
        Route.__module__ = "starlette.routing"
        routes = []
        table = {}
        def route(f):
            routes.append(Route(f))
            return f
        @route
        def quote(request): ...
        """,
    )
    (report,) = instrument(quote_in(host, "quote"))
    host.load("planner")

    assert report.state == "refused"
    assert report.detail.startswith("starlette.routing.Route took the function itself while its module ran")


def test_looking_for_routes_takes_no_time_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """All objects are looked at some times at most, whatever holds the function; and never without a framework."""
    looked: list[int] = []
    referrers = gc.get_referrers

    def counted(*things: object) -> list[Any]:
        looked.append(len(things))
        return referrers(*things)

    monkeypatch.setattr(gc, "get_referrers", counted)

    def quote(request: object) -> None: ...

    assert router_of(quote) is None
    assert looked == []
    monkeypatch.setitem(sys.modules, "starlette", types.ModuleType("starlette"))
    held: list[object] = [[[quote] for _ in range(100)], {"quote": (quote,)}]
    assert router_of(quote) is None
    assert 1 < len(looked) <= 4
    del looked[:]
    held += [[quote] for _ in range(5000)]
    assert router_of(quote) is None
    assert router_of(5) is None
    assert looked == [1]


def test_of_a_task_its_run_is_traced(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """A queue holds the task object, which calls ``run``."""
    host.write(
        "planner",
        """
        class Task:
            def __init__(self, run): self.run = run
            def __call__(self, *args): return self.run(*args)
            def delay(self, *args): return self(*args)
            apply_async = delay
        queue = []
        @Task
        def quote(request): return {"assignment": "h"}
        queue.append(quote)
        """,
    )
    (report,) = instrument(quote_in(host, "quote"))
    module = host.load("planner")
    module.queue[0].delay(REQUEST)

    assert report.state == "traced"
    assert len(recorder.all("quote")) == 1
    AutoAssignInstrumentor().uninstrument()
    module.queue[0].delay(REQUEST)
    assert len(recorder.all("quote")) == 1


def test_a_hook_that_fails_does_not_break_the_import(
    host: Host, instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong in us while the host imports, the import succeeds."""
    from otel_auto_assign import _guard, instrumentor

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(instrumentor, "patch", fail)
    instrument(quote_in(host))
    with _guard.strict(False):
        assert host.load("planner").quote(REQUEST)
    assert _guard.failures


def test_importing_inside_an_import(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """Modules that import each other half-way, and keep each other's functions, are traced all the same."""
    host.write("planner", "def quote(request): ...\nfrom HOST import other\n")
    host.write("other", "from HOST.planner import quote\ndef ask(request): return quote(request)\n")
    instrument(quote_in(host, "quote"))
    host.load("planner")
    sys.modules[f"{host.name}.other"].ask(REQUEST)

    assert len(recorder.all("quote")) == 1


def test_two_targets_of_one_callable(host: Host, instrument: Instrument) -> None:
    """The second is refused: one call is one span."""
    first, second = instrument(quote_in(host, "quote"), quote_in(host, "quote"))
    host.load("planner")
    assert (first.state, second.state) == ("traced", "refused")


def test_what_was_never_imported_is_told_at_the_end(
    host: Host, instrument: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    """At the exit the log names the targets that were never traced, and why."""
    instrument(quote_in(host), {"call": "__main__:quote", "role": "quote"})
    watch = AutoAssignInstrumentor()._watch
    assert watch is not None
    watch._tell_waiting()

    assert f"target {host.name}.planner.Planner.quote was never traced: none of {host.name}, " in caplog.text
    assert "runs as __main__ and is not imported" in caplog.text


def test_nothing_of_a_decorated_source_changes(recorder: Recorder) -> None:
    """Decorators and targets share everything: a target's callable is as one decorated by hand."""

    def quote(request: dict[str, object]) -> dict[str, object]:
        return {"hold": request["id"]}

    by_target = target_from({"call": "a.b", "role": "quote"}).decorate(quote)
    assert traced_quote(quote)(REQUEST) == by_target(REQUEST)
    first, second = recorder.all("quote")
    assert first.attributes == second.attributes


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_carrier_is_written_where_the_file_says(
    host: Host, instrument: Instrument, recorder: Recorder, kind: str
) -> None:
    """What an inline run returns takes along what the job has to know, and the job finds it in its message."""
    host.write(
        "flows",
        f"""
        import asyncio
        from HOST.planner import quote
        {kind} seat(request, note):
            quote(request)
            return {{"seated": False, "note": note}}
        def job(booking, message): ...
        """,
    )
    instrument(
        quote_in(host, "quote"),
        {"call": f"{host.name}.flows.seat", "role": "inline", "trigger": "web", "result": {"carrier": "note"}},
        {"call": f"{host.name}.flows.job", "role": "job", "arguments": {"carrier": "message.note"}},
    )
    flows = host.load("flows")
    note: dict[str, str] = {}
    answer = flows.seat(REQUEST | {"tables": 1}, note)
    flows.job("b-1", {"note": (asyncio.run(answer) if kind == "async def" else answer)["note"]})
    inline, job = recorder.one("inline"), recorder.one("job")

    assert [link.context.span_id for link in job.span.links] == [inline.id]
    assert (job.parent, job["inline.attempt_id"]) == (inline.id, inline["inline.attempt_id"])
    assert (job["inline.reason"], job["inline.trigger"]) == ("No suitable tables", "web")


@pytest.mark.parametrize("note", [None, 5, "text", ()])
def test_what_is_no_mapping_gets_no_carrier(
    host: Host, instrument: Instrument, recorder: Recorder, note: object
) -> None:
    """The result is left as it is, and the run's span is whole."""
    host.write("flows", "def seat(note): return {'note': note}")
    instrument({"call": f"{host.name}.flows.seat", "role": "inline", "result": {"carrier": "note"}})

    assert host.load("flows").seat(note) == {"note": note}
    assert recorder.one("inline")["inline.outcome"] == "no_hold"
