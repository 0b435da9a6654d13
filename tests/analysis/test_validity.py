"""Whether two sides can be compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from otel_auto_assign.analysis.plans import Stage, Unit
from otel_auto_assign.analysis.validity import (
    ALLOCATION_ALARM,
    Exposure,
    Side,
    allocation_chance,
    caps,
    copies,
    faults,
    overlapping,
)
from tests.analysis.cohorts import lognormal, plain

PILOT = Stage("pilot", Unit.RESTAURANT_DAY, 0.5, 28)
DAYS = frozenset((restaurant, day) for restaurant in "ab" for day in range(7))
ON = Side(frozenset({"b1", "b2"}), frozenset({"r1", "r2"}), DAYS, Exposure(on=200), units=14)
OFF = Side(frozenset({"b3", "b4"}), frozenset({"r3", "r4"}), DAYS, Exposure(off=200), units=14)


def test_sides_that_can_be_compared_have_no_fault() -> None:
    """Of any unit, and where there is one side only."""
    for unit in Unit:
        assert faults(replace(PILOT, unit=unit), ON, OFF) == ()
    assert faults(replace(PILOT, exposure=1.0), ON, Side()) == ()
    assert faults(replace(PILOT, exposure=0.0), OFF, Side()) == ()


def test_no_rows_are_no_fault() -> None:
    """They are too little data, which others say."""
    assert faults(PILOT, Side(), Side()) == ()
    assert faults(PILOT, ON, Side()) == ()


@pytest.mark.parametrize(
    ("post", "baseline", "sentence"),
    [
        (Exposure(on=98, off=2), Exposure(off=100), "on in 98.0% of the post side's 100 runs, 99% are needed"),
        (Exposure(on=100), Exposure(off=98, on=2), "off in 98.0% of the baseline's 100 runs, 99% are needed"),
        (
            Exposure(unknown=100),
            Exposure(off=100),
            "on in 0.0% of the post side's 100 runs, 99% are needed; of 100 nobody",
        ),
        (
            Exposure(on=100),
            Exposure(unknown=100),
            "off in 0.0% of the baseline's 100 runs, 99% are needed; of 100 nobody",
        ),
    ],
)
def test_exposure_is_counted(post: Exposure, baseline: Exposure, sentence: str) -> None:
    """99 % must have seen the flags as they should be, and a flag that is not set is neither on nor off."""
    (fault,) = faults(PILOT, replace(ON, exposure=post), replace(OFF, exposure=baseline))
    assert sentence in fault
    assert faults(PILOT, replace(ON, exposure=Exposure(on=99, unknown=1)), replace(OFF, exposure=Exposure(99, 0))) != ()
    assert faults(PILOT, replace(ON, exposure=Exposure(on=99, unknown=1)), replace(OFF, exposure=Exposure(1, 99))) == ()


def test_at_full_exposure_the_flags_must_be_on() -> None:
    """And off before the change."""
    assert faults(replace(PILOT, exposure=1.0), OFF, Side()) != ()
    assert faults(replace(PILOT, exposure=0.0), ON, Side()) != ()


def test_nobody_is_on_both_sides() -> None:
    """A booking or run on both is a fault, named with one example."""
    (booking,) = faults(PILOT, ON, replace(OFF, bookings=OFF.bookings | {"b2"}))
    assert booking == "1 of 4 bookings are on both sides, b2 for one"
    (run,) = faults(PILOT, ON, replace(OFF, runs=ON.runs))
    assert run == "2 runs are on both sides, r1 for one"


@pytest.mark.parametrize(
    ("unit", "both", "invalid"),
    [
        (Unit.BOOKING, 1, True),
        (Unit.RESTAURANT_DAY, 2, False),
        (Unit.RESTAURANT_DAY, 3, True),
        (Unit.WINDOW, 2, False),
        (Unit.WINDOW, 3, True),
    ],
)
def test_where_time_is_switched_a_booking_in_a_hundred_may_be_on_both_sides(
    unit: Unit, both: int, invalid: bool
) -> None:
    """It was tried again under the next day's flags; where bookings are switched one of them is a fault."""
    bookings = [f"b{number}" for number in range(200)]
    post = replace(ON, bookings=frozenset(bookings[:100]))
    baseline = replace(OFF, bookings=frozenset(bookings[100 - both :]))
    assert bool(faults(replace(PILOT, unit=unit), post, baseline)) is invalid


def test_flags_do_not_change_within_a_run() -> None:
    """Such a run belongs to neither side."""
    assert faults(PILOT, replace(ON, mixed_runs=3), OFF) == ("the flags change within 3 runs",)


def test_the_sides_share_restaurants() -> None:
    """Of bookings even the days; of switched days and of windows the restaurants."""
    elsewhere = replace(OFF, restaurant_days=frozenset(("c", day) for day in range(7)))
    other_days = replace(OFF, restaurant_days=frozenset((restaurant, day + 7) for restaurant, day in DAYS))
    for unit in Unit:
        assert any("no restaurant is on both" in one for one in faults(replace(PILOT, unit=unit), ON, elsewhere))
        shared = faults(replace(PILOT, unit=unit), ON, other_days)
        assert bool(shared) is (unit is Unit.BOOKING)


def test_an_allocation_off_plan_is_a_fault() -> None:
    """By the exact test, at one in a thousand; of windows nothing was allocated."""
    assert faults(PILOT, replace(ON, units=26), replace(OFF, units=4)) == (
        "26 of 30 units are on, where 50% were planned (p = 5.9e-05)",
    )
    assert faults(PILOT, replace(ON, units=23), replace(OFF, units=7)) == ()
    assert faults(replace(PILOT, unit=Unit.WINDOW), replace(ON, units=26), replace(OFF, units=4)) == ()
    assert faults(replace(PILOT, exposure=0.9), replace(ON, units=27), replace(OFF, units=3)) == ()


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_chance_of_an_allocation_is_exact(on: int, off: int, share: float) -> None:
    """All outcomes as unlikely as this one or more, added up one by one."""
    chances = binom.pmf(range(on + off + 1), on + off, share)
    assert allocation_chance(on, off, share) == pytest.approx(chances[chances <= chances[on] * (1 + 1e-7)].sum())


def test_one_false_alarm_in_a_thousand() -> None:
    """Over all that can come of sixty units the alarms add up to no more than that."""
    alarms = [on for on in range(61) if allocation_chance(on, 60 - on, 0.5) < ALLOCATION_ALARM]
    assert 0 < binom.pmf(alarms, 60, 0.5).sum() < ALLOCATION_ALARM


def test_what_is_sound_and_cannot_pass() -> None:
    """Windows never, bookings when more than one job in ten ran beside the other side's, switched days always can."""
    assert caps(PILOT, overlap=0.9) == ()
    assert caps(replace(PILOT, unit=Unit.BOOKING), overlap=0.1) == ()
    assert caps(replace(PILOT, unit=Unit.BOOKING), overlap=0.11) == (
        "11% of the jobs ran beside the other side's at the same tables: switch whole days",
    )
    assert len(caps(replace(PILOT, unit=Unit.WINDOW))) == 1


jobs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 8), st.booleans()), max_size=30)


@given(jobs)
def test_overlap_is_that_of_every_pair(found: list[tuple[int, int, int, bool]]) -> None:
    """Each job against each of the other side at its place: begun before the one ended, and the other way round."""
    met = [
        any(
            place == other and on != its and start < begun + length and begun < start + took
            for other, begun, length, its in found
        )
        for place, start, took, on in found
    ]
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    places, starts, lengths, on = columns
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    lasting = all(length > 0 for length in lengths)
    if lasting:
        assert overlapping(places, starts, ends, on) == pytest.approx(sum(met) / len(met) if met else 0.0)
    else:
        assert 0 <= overlapping(places, starts, ends, on) <= 1


def test_jobs_that_only_touch_do_not_overlap() -> None:
    """One ends as the other begins."""
    assert overlapping(["a", "a"], [0, 10], [10, 20], [True, False]) == 0
    assert overlapping(["a", "a"], [0, 9], [10, 20], [True, False]) == 1
    assert overlapping([], [], [], []) == 0


def test_a_copy_is_known() -> None:
    """The same durations on both sides, in whatever order, are one set of data twice; equal counts are not."""
    sample = lognormal(1)
    again = sample.where(sample.values > 0).replaced(sample.values[::-1])
    assert copies({"job_ms": sample, "a_ms": sample}, {"job_ms": again, "a_ms": again}) == (
        "both sides have the same a_ms and job_ms: one is a copy of the other",
    )
    assert copies({"job_ms": sample}, {"job_ms": lognormal(2)}) == ()
    assert copies({"job_ms": sample}, {"inline_ms": sample}) == ()
    assert copies({"job_success": sample}, {"job_success": again}) == ()
    tied = plain([1.0, 2.0] * 40)
    assert copies({"job_ms": tied}, {"job_ms": tied}) == copies({"job_ms": plain([])}, {"job_ms": plain([])}) == ()
