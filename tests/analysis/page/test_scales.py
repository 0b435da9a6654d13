"""Tests of otel_auto_assign.analysis.page.scales."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_auto_assign.analysis.page.scales import log_marks, log_scale, moment_text, ms_text

DURATIONS = st.floats(-1e15, 1e15, allow_nan=False) | st.sampled_from([0.0, 1e-300, 5e-324, 1e15])


@given(st.lists(DURATIONS))
def test_every_duration_has_a_place(values: list[float]) -> None:
    """However small, large, alike or few they are; a longer one is never to the left of a shorter one."""
    scale = log_scale(values, 9, 98)
    places = [scale(value) for value in sorted(values)]
    assert all(9 <= place <= 98 for place in places)
    assert places == sorted(places)


@given(st.lists(DURATIONS), st.sampled_from([(9, 98, 14), (218, 26, 24)]))
def test_marks_are_on_the_axis_and_apart(values: list[float], axis: tuple[int, int, int]) -> None:
    """Their words never run into each other."""
    start, end, apart = axis
    scale = log_scale(values, start, end)
    marks = log_marks(scale, apart)
    places = sorted(scale(mark) for mark in marks)
    assert all(scale.low * 0.999 <= mark <= scale.high * 1.001 for mark in marks)
    assert all(after - before >= apart for before, after in itertools.pairwise(places))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 ms"), (0.00012, "0.00012 ms"), (12.345, "12.3 ms"), (999.4, "999 ms"), (999.6, "1 s"), (12_000, "12 s"),
     (99_960, "100 s"), (207_984, "208 s"), (2_576_035, "2,576 s"), (1e15, "1,000,000,000,000 s")],
)  # fmt: skip
def test_durations_in_words(value: float, text: str) -> None:
    """Three digits, in the unit that a person would use."""
    assert ms_text(value) == text


def test_moments_in_words() -> None:
    """As exactly as the steps need it."""
    moment = datetime(2026, 9, 1, 12, 30, 15, tzinfo=UTC)
    assert [moment_text(moment, step) for step in (86_400, 3600, 1)] == ["1 Sep 2026", "1 Sep 12:30", "12:30:15"]
