"""What lasts is said once, and what comes and goes does not fill the log."""

from __future__ import annotations

import logging

import pytest

from observability_events.complaints import LINES_AT_ONCE, REMARKS_REMEMBERED, SECONDS_A_LINE, Complaint, Remarks
from otel_auto_assign._guard import SafeLog


class Said:
    """A complaint with a clock that is turned by hand, and the lines that it has led to."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.time = 0.0
        self._caplog = caplog
        self.complaint = Complaint(SafeLog(__name__), "well again", clock=lambda: self.time)

    @property
    def lines(self) -> list[str]:
        """Level and text of each line."""
        return [f"{record.levelname} {record.getMessage()}" for record in self._caplog.records]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    """A complaint, and what was logged."""
    return Said(caplog)


def test_a_trouble_that_lasts_is_two_lines(said: Said) -> None:
    """One at its beginning, one at its end; being well is none."""
    said.complaint.over()
    for _ in range(100):
        said.complaint.trouble("refused")
        said.time += 10
    said.complaint.over()
    said.complaint.over()
    assert said.lines == ["WARNING refused", "INFO well again"]


def test_another_trouble_is_said_at_once(said: Said) -> None:
    """What is wrong may change before it is mended."""
    for text in ("down", "starting up", "starting up", "no table"):
        said.complaint.trouble(text)
    assert said.lines == ["WARNING down", "WARNING starting up", "WARNING no table"]


@pytest.mark.parametrize("texts", [("down", None), ("down", "starting up"), ("down", "starting up", None)])
def test_what_comes_and_goes_does_not_fill_the_log(said: Said, texts: tuple[str | None, ...]) -> None:
    """However often it turns in a day, the lines of warning are a few, then one in ten minutes."""
    turns = 24 * 360
    for turn in range(turns):
        text = texts[turn % len(texts)]
        said.complaint.over() if text is None else said.complaint.trouble(text)
        said.time += 86_400 / turns
    warnings = [line for line in said.lines if line.startswith("WARNING")]
    assert LINES_AT_ONCE < len(warnings) <= LINES_AT_ONCE + 86_400 / SECONDS_A_LINE
    assert len(said.lines) <= 2 * len(warnings)


def test_what_was_passed_over_is_said_when_it_lasts(said: Said) -> None:
    """A trouble that began when there was no line left is said when one is due, with the number of failures before."""
    for _ in range(LINES_AT_ONCE):
        said.complaint.trouble("down")
        said.complaint.over()
    before = len(said.lines)
    for _ in range(120):
        said.complaint.trouble("down")
        said.time += 10
    said.complaint.over()
    assert said.lines[before:] == ["WARNING down (60 failures before it were not logged)", "INFO well again"]


def test_a_remark_is_made_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is seen; another one is made at once, and not all that were ever made are remembered."""
    caplog.set_level(logging.INFO)
    now = [0.0]
    remarks = Remarks(SafeLog(__name__), clock=lambda: now[0])
    for _ in range(100):
        remarks.warning("no index")
        remarks.info("a trigger")
        now[0] += 72
    assert [record.getMessage() for record in caplog.records] == ["no index", "a trigger"] * 2
    for number in range(3 * REMARKS_REMEMBERED):
        remarks.info(f"{number}")
    assert len(remarks._made_at) <= REMARKS_REMEMBERED
