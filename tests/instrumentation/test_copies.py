"""A decorated object is bound, named, copied and pickled as what it is."""

from __future__ import annotations

import copy
import functools
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import carry, traced_job, traced_quote

if TYPE_CHECKING:
    from tests.instrumentation.recording import Recorder


class Planner:
    """A planner with a memory."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def __call__(self, booking_id: str) -> int:
        self.seen.append(booking_id)
        return len(self.seen)


def test_a_copy_shares_what_a_copy_shares(recorder: Recorder) -> None:
    """A shallow one is another object with the same parts; a deep one has its own, each part once."""
    seen: list[str] = []
    planner = traced_quote(Planner(seen))
    shallow, (deep, again, own) = copy.copy(planner), copy.deepcopy((planner, planner, seen))
    shallow.other = True  # type: ignore[attr-defined]
    assert not hasattr(planner, "other")
    assert (planner("a"), shallow("b"), deep("c"), again("d")) == (1, 2, 1, 2)
    assert deep.seen is own
    assert (seen, own) == (["a", "b"], ["c", "d"])
    assert [q["booking.id"] for q in recorder.all("quote")] == ["a", "b", "c", "d"]


class Noting:
    """A descriptor of the application's that is called where it stands in a class."""

    def __init__(self, gives: Any) -> None:
        self.gives, self.name = gives, ""

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if self.gives is self else self.gives

    def __call__(self, booking_id: str = "self") -> str:
        return booking_id


def test_descriptors_of_the_application_give_what_they_give(recorder: Recorder) -> None:
    """What is called is traced, whatever the descriptor makes of it; what is not called is handed through."""
    itself = Noting(None)
    itself.gives = itself

    class Team:
        function: Any = traced_quote(Noting(lambda booking_id: booking_id))
        value: Any = traced_quote(Noting(7))
        same: Any = traced_quote(itself)
        planner: Any = traced_quote(Planner([]))

    assert Team().function("b1") == "b1"
    assert Team().value == 7
    assert (Team.same(booking_id="b2"), Team().same()) == ("b2", "self")  # inspect finds no signature: by its name
    assert itself.name == "same"
    assert Team().planner("b3") == 1
    assert [q["booking.id"] for q in recorder.all("quote")] == ["b1", "b2", None, "b3"]


def nested() -> Any:
    """Make what no module knows by its name."""

    def inner(booking_id: str) -> Any:
        yield booking_id

    return inner


def test_what_no_module_knows_by_name_does_not_pretend_to(recorder: Recorder) -> None:
    """It pickles as what it is, and so fails where that does; a callable object with a name of another is itself."""
    with pytest.raises((pickle.PicklingError, AttributeError), match="nested"):
        pickle.dumps(traced_quote(nested()))
    planner = Planner(["a"])
    planner.__qualname__ = "Planner"  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(traced_quote(planner)))("b") == 2  # noqa: S301 - our own bytes


def test_a_span_s_log_name_is_a_text(recorder: Recorder) -> None:
    """Of a partial its function's, of an object its class's, whatever the object calls itself."""
    planner = Planner([])
    planner.__qualname__ = 7  # type: ignore[attr-defined]
    for decorated in (traced_quote(planner), traced_quote(functools.partial(functools.partial(planner)))):
        assert decorated._self_call.__name__ == "Planner"  # type: ignore[union-attr]


def test_what_is_carried_leaves_the_thread_as_it_was(recorder: Recorder) -> None:
    """Also where the function raises; it keeps its name and takes keywords."""

    @traced_quote
    def ask(booking_id: str, *, fail: bool = False) -> str:
        """Answer."""
        if fail:
            raise ValueError(booking_id)
        return booking_id

    with traced_job():
        carried = carry(ask)
    assert (carried.__name__, carried.__doc__) == ("ask", "Answer.")
    with pytest.raises(ValueError, match="b1"):
        carried("b1", fail=True)
    assert carried(booking_id="b2") == "b2"
    ask("b3")
    assert [q["late"] for q in recorder.all("quote")] == [True, True, None]
