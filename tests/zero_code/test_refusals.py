"""What cannot be traced is refused in one clear line, and costs nothing else."""

from __future__ import annotations

import gc
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign._patches import router_of

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder
    from tests.zero_code.conftest import Host, Instrument

from tests.zero_code.planner import REQUEST, quote_in


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


def test_what_raises_when_it_is_looked_at_costs_no_other_target(
    host: Host, instrument: Instrument, recorder: Recorder
) -> None:
    """An object of the host's whose attributes raise is refused by itself; the targets after it are traced."""
    host.write(
        "planner",
        """
        class Lazy:
            def __getattr__(self, name): raise ConnectionError("not there yet")
        lazy = Lazy()
        class Service:
            @property
            def planner(self): raise ConnectionError("not there yet")
        service = Service()
        def quote(request): ...
        """,
    )
    names = ("lazy.quote", "service.planner.quote", "quote")
    lazy, service, good = instrument(*(quote_in(host, name) for name in names))
    host.load("planner").quote(REQUEST)

    assert (lazy.state, lazy.detail) == ("refused", "looking for its 'quote' raised ConnectionError")
    assert (service.state, service.detail) == ("refused", "looking for its 'planner' raised ConnectionError")
    assert good.state == "traced"
    assert len(recorder.all("quote")) == 1


def test_below_what_is_traced_nothing_is(host: Host, instrument: Instrument) -> None:
    """The parts of a traced object are ours by then, and none of the host's."""
    host.write("planner", "class Ask:\n    def __call__(self, request): ...\nquote = Ask()")
    first, second = instrument(quote_in(host, "quote"), quote_in(host, "quote.__call__"))
    host.load("planner")

    assert (first.state, second.state) == ("traced", "refused")
    assert second.detail == f"{host.name}.planner.quote is traced already"


def test_a_shared_task_before_its_application_is_refused(
    host: Host, instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at it would make an application of its own, whose task no worker calls."""
    state: Any = types.ModuleType("celery._state")
    state.default_app = None
    state._tls = types.SimpleNamespace(current_app=None)
    monkeypatch.setitem(sys.modules, "celery._state", state)
    host.write(
        "planner",
        """
        class Proxy:
            def __getattr__(self, name): raise AssertionError("it was looked at")
        Proxy.__module__ = "celery.local"
        quote = Proxy()
        """,
    )
    (report,) = instrument(quote_in(host, "quote"))
    host.load("planner")

    assert report.state == "refused"
    assert "import the module that makes the application before this one" in report.detail


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


@pytest.mark.parametrize(
    "taken", ["from builtins import len as quote", "from math import sqrt as quote", "from json import dumps as quote"]
)
def test_functions_of_pythons_own_are_refused(host: Host, instrument: Instrument, taken: str) -> None:
    """Everybody calls them by some name, and so do we: the names that others have for them stay untouched."""
    import builtins
    import json
    import math

    before = builtins.len, math.sqrt, json.dumps
    host.write("planner", taken)
    (report,) = instrument(quote_in(host, "quote") | {"arguments": {}})
    host.load("planner")

    assert (builtins.len, math.sqrt, json.dumps) == before
    assert report.state == "refused"
    assert "is one of Python's own functions" in report.detail


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ask.__call__", "Python looks for __call__ in the class: name Ask.__call__"),
        ("Planner.quote", "it is abstract: name it in the class that does the work"),
    ],
)
def test_what_is_never_called_is_refused(host: Host, instrument: Instrument, name: str, why: str) -> None:
    """An object's own special method and an abstract one could be set, and no call would ever reach them."""
    host.write(
        "planner",
        """
        from abc import ABC, abstractmethod
        class Ask:
            def __call__(self, request): ...
        ask = Ask()
        class Planner(ABC):
            @abstractmethod
            def quote(self, request): ...
        """,
    )
    (report,) = instrument(quote_in(host, name))
    host.load("planner")
    assert (report.state, report.detail) == ("refused", why)


@pytest.mark.parametrize("name", ["ByInit.__new__", "ByNew.__init__"])
def test_what_every_object_has_is_refused(host: Host, instrument: Instrument, name: str) -> None:
    """Python's own ``__new__`` and ``__init__`` take the arguments of the other, unless a class has both."""
    host.write(
        "planner",
        """
        class ByInit:
            def __init__(self, request): ...
        class ByNew:
            def __new__(cls, request): return object.__new__(cls)
        """,
    )
    (report,) = instrument(quote_in(host, name) | {"arguments": {}})
    planner = host.load("planner")

    assert planner.ByInit(1)
    assert planner.ByNew(1)
    owner, _, missing = name.partition(".")
    assert report.state == "refused"
    assert report.detail == f"{owner} has no {missing} of its own, only Python's: name a method that it defines"
