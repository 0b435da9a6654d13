"""What a quote or confirm came to, read from its value: the default extractor, the user's, and nonsense."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign import Outcome, _guard, traced_confirm, traced_job, traced_quote
from otel_auto_assign.outcomes import _shapes, default_outcome
from tests.instrumentation.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@dataclass
class Strategy:
    """A planner's strategy."""

    require_adjacency: bool = True
    max_tables: int = 3


@dataclass
class Result:
    """A planner's result as a dataclass."""

    hold: Any = None
    reason: str | None = None
    alternates: Any = 0
    strategy: Strategy = field(default_factory=Strategy)
    cache_hit: bool = False
    planner_stats: Any = None


class Slotted:
    """A planner's result as a class with slots."""

    __slots__ = ("hold", "reason")

    def __init__(self, hold: Any, reason: str | None) -> None:
        self.hold, self.reason = hold, reason


Tuple = namedtuple("Tuple", ["hold", "reason"])  # noqa: PYI024 - as people write them

SNAKE = {
    "hold": {"id": "h1"},
    "reason": "Assigned",
    "alternates": [1, 2],
    "strategy": {"require_adjacency": True, "max_tables": 3},
    "cache_hit": True,
    "planner_stats": {"cache_status": "hit"},
}
CAMEL = {
    "hold": {"id": "h1"},
    "reason": "Assigned",
    "alternates": 2,
    "strategy": {"requireAdjacency": True, "maxTables": 3},
    "plannerStats": {"cacheHit": True, "cacheStatus": "hit"},
}
WHOLE = Outcome(
    hold=True,
    reason="Assigned",
    alternates=2,
    cache_hit=True,
    cache_status="hit",
    require_adjacency=True,
    max_tables=3,
    hold_id="h1",
)


@pytest.mark.parametrize(
    "value",
    [
        SNAKE,
        CAMEL,
        OrderedDict(SNAKE),
        SimpleNamespace(**SNAKE),
        SimpleNamespace(**CAMEL),
        Result(SimpleNamespace(id="h1"), "Assigned", (1, 2), Strategy(), True, {"cache_status": "hit"}),
    ],
)
def test_the_default_reads_what_planners_return(value: Any) -> None:
    """Mappings, dataclasses and objects, snake or camel case."""
    outcome = default_outcome(value)
    outcome.planner_stats = None
    assert outcome == WHOLE


@pytest.mark.parametrize(
    ("value", "success"),
    [
        (None, False),
        (False, False),
        (True, True),
        ({}, False),
        ({"hold": None}, False),
        ({"hold": ""}, False),
        ({"hold": "h"}, True),
        ({"hold": {}}, False),
        ({"hold": {"table": 3}}, True),
        ({"holdId": "h"}, True),
        ({"success": True}, True),
        ({"success": False, "hold": "h"}, False),
        ({"success": "no", "hold": "h"}, True),
        ({"tables": [1]}, False),
        ({"hold": "", "hold_id": "h", "holdId": None}, False),
        ({"hold": None, "holdId": "h"}, True),
        ({5: "odd key", "hold": "h"}, True),
        (Slotted(None, "No capacity"), False),
        (Slotted("h", None), True),
        (Tuple("h", None), True),
        (Tuple(None, "No capacity"), False),
        ("h1", True),
        ("", False),
        (0, False),
        (7, True),
        (uuid.uuid4(), True),
        ([], False),
        ([1], True),
        (object(), True),
    ],
)
def test_success_of_a_quote(recorder: Recorder, value: Any, success: bool) -> None:
    """``success`` when boolean, else a hold that is not empty; anything else that is true succeeds."""
    traced_quote(lambda: value)()
    assert recorder.one("quote")["success"] is success


@pytest.mark.parametrize(
    ("value", "success"),
    [(None, True), (True, True), (False, False), ({"success": False}, False), ({"hold": "h"}, True)],
)
def test_success_of_a_confirm(recorder: Recorder, value: Any, success: bool) -> None:
    """Read the same way, except that None succeeds."""
    traced_confirm(lambda: value)()
    assert recorder.one("confirm")["success"] is success


def test_a_user_s_extractor_comes_first(recorder: Recorder) -> None:
    """It reads what the default would not understand."""

    def read(value: Any, /) -> Outcome:
        return Outcome(success=value[0], reason=value[1], max_tables=value[2])

    @traced_quote(extractor=read)
    def quote() -> Any:
        return (False, "No capacity", 4)

    quote()
    seen = recorder.one("quote")
    assert (seen["success"], seen["reason_code"], seen["strategy.max_tables"]) == (False, "hard.no_capacity", 4)


@pytest.mark.parametrize("nonsense", [None, "success", 7, {"success": True}])
def test_an_extractor_that_gives_nonsense_costs_nothing_else(recorder: Recorder, nonsense: Any) -> None:
    """The default reads the value then; the failure is counted."""
    place = "the extractor of test_an_extractor_that_gives_nonsense_costs_nothing_else.<locals>.quote"
    before = _guard.failures[place]

    @traced_quote(extractor=lambda _value: nonsense)
    def quote() -> Any:
        return {"hold": None, "reason": "No capacity"}

    with _guard.strict(False):
        quote()
    assert recorder.one("quote")["reason_code"] == "hard.no_capacity"
    assert _guard.failures[place] == before + 1


def test_an_extractor_that_raises_is_logged_once_and_counted(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """The application sees its own result."""

    def broken(_value: Any, /) -> Outcome:
        raise RuntimeError("extractor")

    @traced_quote(extractor=broken)
    def quote_of_broken_extractor() -> str:
        return "h"

    with _guard.strict(False), caplog.at_level(logging.WARNING):
        assert [quote_of_broken_extractor() for _ in range(3)] == ["h", "h", "h"]
    assert len([r for r in caplog.records if "quote_of_broken_extractor" in r.getMessage()]) == 1
    assert [q["success"] for q in recorder.all("quote")] == [True, True, True]


def test_odd_values_of_an_extractor_are_made_safe(recorder: Recorder) -> None:
    """What cannot be set on a span is left out."""
    odd: Any = Outcome(
        success="yes",  # type: ignore[arg-type]
        hold_id=object(),  # type: ignore[arg-type]
        alternates=2**70,
        max_tables=Decimal("2.5"),  # type: ignore[arg-type]
        require_adjacency=1,  # type: ignore[arg-type]
        cache_hit="yes",  # type: ignore[arg-type]
        cache_status="x\x00\ud800",
        reason="No capacity \ud800",
    )
    traced_quote(extractor=lambda _value: odd)(lambda: 1)()
    seen = recorder.one("quote")
    assert seen.attributes.keys().isdisjoint({"hold.id", "alternates", "strategy.max_tables"})
    assert (seen["cache_hit"], seen["cache.status"]) == (False, "x\ufffd\ufffd")
    assert seen["reason"] == "No capacity \ufffd"


HOSTILE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.binary(),
        st.decimals(),
        st.datetimes(),
        st.uuids(),
        st.just("x" * 100_000),
        st.just("\ud800\x00"),
        st.just(2**70),
        st.builds(object),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3), st.tuples(inner)
    ),
    max_leaves=6,
)
NAMES = ["hold", "success", "reason", "alternates", "strategy", "cache_hit", "planner_stats", "cacheStatus", "result"]


@given(
    st.one_of(
        HOSTILE,
        st.dictionaries(st.sampled_from(NAMES), HOSTILE),
        st.dictionaries(st.sampled_from(NAMES), HOSTILE).map(lambda d: SimpleNamespace(**d)),
    )
)
def test_whatever_a_planner_returns_becomes_spans_and_rows(value: Any) -> None:
    """No value raises, none is changed, and every attribute is one that OpenTelemetry and PostgreSQL can take."""
    with Recorder(profiling=True) as recording:

        @traced_job
        def job(booking_id: Any) -> Any:
            return traced_quote(lambda: value)()

        assert job(value) is value
        for seen in recording.ended:
            for attribute in seen.attributes.values():
                assert type(attribute) in {bool, int, float, str}
                text = str(attribute)
                text.encode()
                assert "\x00" not in text
                assert len(text) <= 8192
        for row in recording.rows:
            json.dumps(row.context, allow_nan=False).encode()


class Hostile:
    """An object that raises from everything."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __str__(self) -> str:
        raise RuntimeError("str")


@pytest.mark.parametrize("make", [Hostile, lambda: {"hold": Hostile(), "reason": Hostile(), "alternates": Hostile()}])
def test_a_hostile_value_costs_nothing_else(recorder: Recorder, make: Callable[[], Any]) -> None:
    """Its quote is a failure, unknown."""
    value = make()
    with _guard.strict(False):
        assert traced_quote(lambda: value)() is value
    assert recorder.one("quote")["reason_code"] == "unknown"


class Entered:
    """What `async with` takes, and `await`, as the connections of many libraries do."""

    def __await__(self) -> Generator[Any, None, str]:
        yield
        return "h"

    async def __aenter__(self) -> str:
        return "h"

    async def __aexit__(self, *exception: object) -> None:
        return


@pytest.mark.parametrize("entered", [False, True])
def test_what_is_still_to_be_awaited_is_said_to(entered: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It cannot be read before; one clear line names the way out, which is not another kind of function."""

    async def later() -> str:
        return "h"

    @traced_quote
    async def ask() -> Any:
        return Entered() if entered else coroutine

    coroutine = later()
    with Recorder() as recording, _guard.strict(False), caplog.at_level(logging.WARNING):
        asyncio.run(ask())
        with pytest.raises(TypeError, match="to be awaited or entered" if entered else "to be awaited: return"):
            default_outcome(Entered() if entered else coroutine)
    coroutine.close()
    assert recording.one("quote")["success"] is False
    assert "what that gives" in caplog.text
    assert "async def" not in caplog.text


def test_planner_stats_are_recorded_while_profiling_only() -> None:
    """Off it adds nothing."""
    value = {"hold": "h", "planner_stats": {"candidates": 12, "at": dt.date(2026, 1, 2), "bad": float("nan")}}
    for profiling in (True, False):
        with Recorder(profiling=profiling) as recording:
            traced_quote(lambda: value)()
        context = recording.row("auto_assign.quote").context
        assert ("planner_internal" in context) is profiling
        if profiling:
            assert context["planner_internal"] == {"candidates": 12, "at": "2026-01-02", "bad": None}


def test_a_cache_hit_is_true_or_it_is_none(recorder: Recorder) -> None:
    """A word is no boolean."""
    traced_quote(lambda: {"hold": "h", "cache_hit": "yes"})()
    assert recorder.one("quote")["cache_hit"] is False


def test_planners_that_never_repeat_a_shape_fill_no_memory() -> None:
    """The plans of old shapes make room."""
    for number in range(600):
        assert default_outcome({f"key{number}": 1, "hold": "h"}).hold_id == "h"
    assert len(_shapes) <= 256
