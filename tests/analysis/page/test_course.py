"""Tests of otel_auto_assign.analysis.page.course: both sides of a comparison through time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from otel_auto_assign.analysis.page.course import Course, course, course_section
from otel_auto_assign.analysis.samples import Sample
from tests.analysis.page.pages import Element, chart, read, table

FIRST = datetime(2026, 9, 1, tzinfo=UTC)
SIDES = (("baseline", "a", "baseline (flags off)"), ("post", "b", "post (flags on)"))


def calls(days: Sequence[int], *, a_day: int, start: int = 0) -> Sample:
    """Calls of 1, 2, 3 … ms on some days after the first."""
    numbers = np.repeat(FIRST.toordinal() + np.array(days), a_day)
    return Sample.of(np.arange(start + 1, start + len(numbers) + 1), bookings=np.arange(len(numbers)), days=numbers)


def section_of(found: Course | None, since: datetime | None = None) -> Element:
    """The section, read as a browser would."""
    return read(course_section(SIDES, found, since))


@pytest.mark.parametrize(("a_day", "width"), [(60, 1), (10, 7), (5, 14), (1, 7), (0, 0)])
def test_stretches_are_as_short_as_a_p95_allows(a_day: int, width: int) -> None:
    """Days, weeks, or more; where none carries a p95 as short as a p50 allows."""
    found = course({"baseline": calls(range(28), a_day=a_day), "post": calls(range(28), a_day=a_day)})
    assert (found.width if found else 0) == width


def test_a_stretch_is_what_the_sample_has_of_it() -> None:
    """Its p50 and p95 as everywhere else, in the chart's table and against the right day."""
    post = calls(range(7, 14), a_day=10, start=1000)
    found = course({"baseline": calls(range(14), a_day=10), "post": post})
    section = section_of(found, FIRST + timedelta(days=7))
    assert table(section, "7 days at a time")[1:] == [
        ["1 Sep 2026", "70", "35.5 ms", "66.5 ms", "0", "-", "-"],
        ["8 Sep 2026", "70", "106 ms", "137 ms", "70", "1.04 s", "1.07 s"],
    ]
    assert np.quantile(post.values, 0.95) == pytest.approx(1066.55)
    drawn = chart(section, "course")
    assert drawn is not None
    assert len([one for one in drawn.all("circle") if one.attributes["class"] == "a"]) == 2
    assert len([one for one in drawn.all("circle") if one.attributes["class"] == "b"]) == 1
    (flag,) = [one for one in drawn.all("line") if one.attributes["class"] == "flag"]
    assert flag.attributes["x1"] == "53.5%"  # in the middle of an axis from 9 % to 98 %


def test_no_line_goes_over_days_that_nobody_saw() -> None:
    """Two runs of days, two lines of each statistic."""
    found = course({"baseline": calls([0, 1, 2, 10, 11, 12], a_day=60)})
    drawn = chart(read(course_section(SIDES[:1], found, None)), "course")
    assert drawn is not None
    assert [one.attributes["class"] for one in drawn.all("path")] == ["a thin", "a thin", "a", "a"]


def test_what_few_calls_cannot_carry_is_not_drawn() -> None:
    """A p95 of ten calls is left out and named; of four there is no chart, and why is said."""
    few = section_of(course({name: calls([0, 1], a_day=10) for name in ("baseline", "post")}))
    assert "4 stretches have fewer than 59 calls, and no p95" in few.text
    assert [row[3] for row in table(few, "Day by day")[1:]] == ["-", "-"]
    none = section_of(course({name: calls([0, 1], a_day=2) for name in ("baseline", "post")}))
    assert "Nothing is drawn: a p50 takes 5 calls." in none.text
    assert chart(none, "course") is None
    assert "There is no planner call of a job on either side." in section_of(course({})).text
