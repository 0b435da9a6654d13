"""Tests of otel_auto_assign.instrumentor: targets are traced where they are, and set back."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import traced_quote
from otel_auto_assign.instrumentor import AutoAssignInstrumentor
from otel_auto_assign.targets import target_from

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder
    from tests.zero_code.conftest import Host, Instrument
from tests.zero_code.planner import REQUEST, quote_in


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


def test_what_was_taken_from_a_module_meanwhile_is_set_back_too(
    host: Host, instrument: Instrument, recorder: Recorder
) -> None:
    """A module that came later, by ``from x import f``, has the traced one; afterwards the identical original."""
    original = host.load("planner").quote
    instrument(quote_in(host, "quote"))
    host.write("later", "from HOST.planner import quote as ask\nfrom HOST import planner")
    later = host.load("later")
    assert later.ask is later.planner.quote is not original
    AutoAssignInstrumentor().uninstrument()

    assert later.ask is later.planner.quote is original


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


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "call", ["quote.quote", "planner.Planner.quote", "planner.planner.quote", "planner.of_object", "planner.quote"]
)
def test_a_package_that_hides_its_modules(
    host: Host, instrument: Instrument, recorder: Recorder, when: str, call: str
) -> None:
    """A name that is a module's and an object's in its package is looked for in the module, then in the object."""
    host.write("quote", "def quote(request): ...")
    host.write(
        "planner",
        """
        class Planner:
            def quote(self, request): ...
            def of_object(self, request): ...
        planner = Planner()
        """,
    )
    host.write("__init__", "from HOST.quote import quote\nfrom HOST.planner import planner")
    sys.modules.pop(host.name, None)
    if when == "before":
        host.load("planner")
    (report,) = instrument(quote_in(host, "quote") | {"call": f"{host.name}.{call}"})
    host.load("planner")
    assert report.state == "traced"
    module: Any = sys.modules[f"{host.name}.{call.partition('.')[0]}"]
    (module.quote if call == "quote.quote" else getattr(module.planner, call.rpartition(".")[2]))(REQUEST)
    assert len(recorder.all("quote")) == 1


def test_what_cannot_be_set_back_keeps_no_other(
    host: Host, instrument: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    """An object that takes no more changes is said; everything else is as before."""
    host.write(
        "planner",
        """
        class Planner:
            closed = False
            def quote(self, request): ...
            def __setattr__(self, name, value):
                if self.closed: raise AttributeError("closed")
                object.__setattr__(self, name, value)
            __delattr__ = None
        planner = Planner()
        def quote(request): ...
        """,
    )
    module = host.load("planner")
    before = module.quote
    instrument(quote_in(host, "quote"), quote_in(host, "planner.quote"))
    module.Planner.closed = True
    AutoAssignInstrumentor().uninstrument()

    assert module.quote is before
    assert "quote of Planner was wrapped by somebody else after us, or takes no more changes" in caplog.text


def test_a_method_of_a_metaclass_is_bound_as_ever(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """Named by the class, it is called with that class; so is a method of a module's own class with its module."""
    host.write(
        "planner",
        """
        import sys, types
        class Meta(type):
            def quote(cls, request): return {"assignment": cls.__name__}
        class Planner(metaclass=Meta): ...
        class Module(types.ModuleType):
            def quote(self, request): return {"assignment": self.__name__}
        sys.modules[__name__].__class__ = Module
        """,
    )
    module = host.load("planner")
    reports = instrument(quote_in(host), quote_in(host, "quote"))

    assert [report.state for report in reports] == ["traced", "traced"]
    assert module.Planner.quote(REQUEST) == {"assignment": "Planner"}
    assert module.quote(REQUEST) == {"assignment": f"{host.name}.planner"}
    assert len(recorder.all("quote")) == 2
    AutoAssignInstrumentor().uninstrument()
    assert "quote" not in vars(module.Planner)
    assert "quote" not in vars(module)


@pytest.mark.parametrize("kind", ["types.ModuleType", "object"])
def test_a_module_that_replaces_itself(host: Host, instrument: Instrument, recorder: Recorder, kind: str) -> None:
    """Whoever imports it gets what it has put into ``sys.modules``, and that is what is traced."""
    host.write(
        "planner",
        f"""
        import sys, types
        class Planner({kind}):
            def quote(self, request): return {{"assignment": "h"}}
        sys.modules[__name__] = Planner({"__name__" if kind != "object" else ""})
        def quote(request): raise AssertionError("nobody can call it")
        """,
    )
    (report, missing) = instrument(quote_in(host, "quote"), quote_in(host, "quite"))
    host.load("planner").quote(REQUEST)

    assert (report.state, missing.state) == ("traced", "refused")
    assert missing.detail == f"{host.name}.planner has no attribute 'quite'"
    assert len(recorder.all("quote")) == 1


def test_a_module_that_its_package_imports_when_asked(host: Host, instrument: Instrument, recorder: Recorder) -> None:
    """It is imported when the application asks for it, not by us, and traced then."""
    host.write(
        "__init__",
        """
        import importlib
        def __getattr__(name):
            if name == "planner": return importlib.import_module("HOST.planner")
            raise AttributeError(name)
        """,
    )
    sys.modules.pop(host.name, None)
    (report,) = instrument(quote_in(host, "quote"))
    package = __import__(host.name)
    assert f"{host.name}.planner" not in sys.modules
    assert report.state == "waiting"
    package.planner.quote(REQUEST)
    assert report.state == "traced"
    assert len(recorder.all("quote")) == 1


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


def test_whatever_goes_wrong_later_instrumentors_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """``opentelemetry-instrument`` stops at the first that raises; and there is nothing to set back then."""
    from otel_auto_assign import _guard, instrumentor

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(instrumentor, "_wire_rows", fail)
    before = len(_guard.failures)
    with _guard.strict(False):
        AutoAssignInstrumentor().instrument(targets=[])
        AutoAssignInstrumentor().uninstrument()
    assert len(_guard.failures) == before + 1


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
