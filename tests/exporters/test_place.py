"""When a segment may be let go: never before all who entered it are settled."""

from __future__ import annotations

from pathlib import Path

from observability_events.place import Place


def enter(place: Place) -> int:
    """Take a number."""
    return next(place.numbers)


def test_it_is_finished_when_sealed_and_settled() -> None:
    """Neither alone is enough."""
    place = Place(Path("x"))
    enter(place)
    place.settle()
    before = place.finished
    place.seal()
    assert (before, place.finished) == (False, True)


def test_those_in_between_are_waited_for() -> None:
    """One that has its number when the segment is sealed may be about to write: it is not finished before."""
    place = Place(Path("x"))
    first, second = enter(place), enter(place)
    place.seal()
    place.settle()
    before = place.finished
    place.gone.append(second)
    assert (before, place.finished) == (False, True)
    assert (first, second) == (0, 1)


def test_those_who_come_late_are_not_waited_for() -> None:
    """One that took its number after the seal has seen it, and is not counted, whenever it goes."""
    place = Place(Path("x"))
    enter(place)
    place.seal()
    late = enter(place)
    place.gone.append(late)
    before = place.finished
    place.settle()
    assert (before, place.finished) == (False, True)


def test_a_record_is_settled_when_all_its_rows_are() -> None:
    """Of a span that makes three rows each counts; one that makes none is settled at once."""
    place = Place(Path("x"), records=2)
    place.made(3)
    place.made(0)
    seen = []
    for _ in range(3):
        place.settle()
        seen.append(place.finished)
    assert seen == [False, False, True]
