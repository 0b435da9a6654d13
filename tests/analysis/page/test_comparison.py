"""Tests of otel_auto_assign.analysis.page.comparison: the page of two sides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from otel_auto_assign.analysis import comparison_text
from otel_auto_assign.analysis.comparison import Comparison, compare
from otel_auto_assign.analysis.looks import Reader
from otel_auto_assign.analysis.page.comparison import comparison_page
from otel_auto_assign.analysis.page.reasons import read_reasons
from otel_auto_assign.analysis.plan_files import default_plan, read_plan
from otel_auto_assign.analysis.windows import Window
from tests.analysis.page.pages import assert_sound, chart, table
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import insert

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")
WINDOW = Window(START, START + timedelta(days=28))
STAGE = replace(read_plan(default_plan()).stage("proof"), exposure=0.5)


def compared(conn: Connection, pilot: Pilot | None = None) -> Comparison:
    """What `compare` finds of a pilot."""
    insert(conn, pilot.rows() if pilot else [])
    sides = Reader(conn, datetime(2027, 1, 1, tzinfo=UTC), "observability_events", ZoneInfo("UTC")).sides(STAGE, WINDOW)
    return compare(sides, STAGE, WINDOW)


def page_of(conn: Connection, found: Comparison, *remarks: str) -> str:
    """The page of it."""
    return comparison_page(found, read_reasons(conn, WINDOW), remarks)


def test_the_page_says_what_the_terminal_says(conn: Connection) -> None:
    """The template cell by cell; each goal and guardrail with its finding and why; both sides drawn."""
    found = compared(conn, Pilot())
    page = assert_sound(page_of(conn, found, "No gate."))
    template, beside, *judged = comparison_text.grids(found)
    for grid in (template, beside):
        assert table(page, grid.title) == [list(grid.header), *map(list, grid.rows)]
    items = [[part.text for part in one.all("p")] for one in page.all("li") if one.all("p")]
    rows = [row for grid in judged for row in grid.rows]
    assert [item[0] for item in items] == [f"{row[0]}: {row[2]}" for row in rows]
    assert [item[2].lower() for item in items] == [f"{row[-1]}.".lower() for row in rows]
    assert "Goals: 4 met, 2 missed, 1 undecided, 1 only shown. Guardrails: 6 held." in page.text
    assert all(chart(page, name) for name in ("durations", "shift", "course", "attempts", "reasons", "cache"))
    assert "No gate." in page.text


def test_the_shift_has_its_band_and_its_table(conn: Connection) -> None:
    """The p95 in it is the template's, with the same interval; the band is as wide as the interval."""
    found = compared(conn, Pilot())
    page = assert_sound(page_of(conn, found))
    (p95,) = [row for row in comparison_text.grids(found)[0].rows if row[0] == "planner p95"]
    lines = {row[0]: row for row in table(page, "Each quantile")}
    assert lines["p95"][3:] == [p95[3], p95[4]]
    drawn = chart(page, "shift")
    assert drawn is not None
    band, line = drawn.all("path")
    assert (band.attributes["class"], line.attributes["class"]) == ("band", "b")
    around, along = (
        [tuple(map(float, place.split(","))) for place in (one.attributes["d"] or "").strip("MZ").split("L")]
        for one in (band, line)
    )
    upper, lower = around[: len(along)], around[len(along) :][::-1]
    assert [x for x, _ in upper] == [x for x, _ in lower] == [x for x, _ in along]
    assert all(high < middle < low for (_, high), (_, middle), (_, low) in zip(upper, along, lower, strict=True))


def test_four_bookings_show_no_shift(conn: Connection) -> None:
    """Their calls are drawn; no quantile of them is, and the page says what it takes."""
    page = assert_sound(page_of(conn, compared(conn, Pilot(days=2, per_day=2))))
    assert chart(page, "durations")
    assert chart(page, "shift") is None
    assert "No band where there is no interval: the post side has 4 bookings, 20 are needed." in page.text
    assert [row[1:] for row in table(page, "First planner call") if row[0] == "p95"] == [["-", "-"]]


def test_what_cannot_be_compared_says_so_first(conn: Connection) -> None:
    """Before any figure, and no goal is met."""
    page = assert_sound(page_of(conn, compared(conn, Pilot(switch=lambda *_: None))))
    assert "INVALID: the flags of 1120 of 1120 runs nobody knows, and unset is not off." in page.text
    assert "Goals: 7 undecided, 1 only shown." in page.text or "nothing to compare" in page.text


def test_nothing_is_said_to_be_nothing(conn: Connection) -> None:
    """Without a run on either side there is no table and no chart to be misread."""
    page = assert_sound(page_of(conn, compared(conn)))
    assert "There is nothing to compare: no job and no inline run began in this time." in page.text
    assert page.all("table", "svg") == []


def test_one_side_alone_is_drawn_and_the_other_missed(conn: Connection) -> None:
    """It says which side has no rows; nothing is compared."""
    page = assert_sound(page_of(conn, compared(conn, Pilot(switch=lambda *_: True))))
    assert "The baseline side has no planner call of a job." in page.text
    assert chart(page, "durations")
    assert chart(page, "shift") is None


def test_names_of_a_plan_are_text(conn: Connection) -> None:
    """A goal called by a script is a goal with an odd name."""
    found = compared(conn, Pilot(days=14))
    evil = "<script>alert(1)</script>" * 50
    judged = tuple(replace(one, claim=replace(one.claim, name=evil), why=evil) for one in found.judgements)
    page = assert_sound(page_of(conn, replace(found, judgements=judged, faults=(evil,)), evil))
    assert page.text.count("<script>alert(1)</script>") > 10
