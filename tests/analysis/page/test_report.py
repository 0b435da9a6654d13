"""Tests of otel_auto_assign.analysis.page.report: the page of a window."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from otel_auto_assign import semconv
from otel_auto_assign.analysis.figures import report
from otel_auto_assign.analysis.page.curves import read_curves
from otel_auto_assign.analysis.page.report import SPLIT, report_page
from otel_auto_assign.analysis.windows import Window
from tests.analysis.flows import job
from tests.analysis.page.pages import Element, assert_sound, chart, read, table
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import NOON, Row, insert

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")
DAY = Window(NOON, NOON + timedelta(days=1))
FOUR_WEEKS = Window(START, START + timedelta(days=28))
EVIL = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&\u202e\n"


def made(conn: Connection, window: Window, *by: str) -> str:
    """The page of a window."""
    found = report(conn, window, splits=[*by, *({SPLIT} - {*by})])
    return report_page(found, read_curves(conn, window), by=by)


def tiles(page: Element) -> dict[str, tuple[str, str]]:
    """What stands in the tiles: label, value, and how many it is of."""
    found = [tuple(part.text for part in one.all("dt", "dd")) for one in page.all("dl")[0].all("div")]
    return {label: (value, under) for label, value, under in found}


def test_every_chart_has_its_table_and_the_figures_are_the_reports(conn: Connection) -> None:
    """Five charts, and under each the numbers that `report` prints."""
    insert(conn, Pilot(per_day=40).rows())
    page = assert_sound(made(conn, FOUR_WEEKS))
    known = {(one.metric, one.dimension): one for one in report(conn, FOUR_WEEKS).figures}

    assert all(chart(page, name) for name in ("durations", "timeline", "reasons", "cache", "attempts"))
    p95 = known["planner_duration_p95_ms", "cache_hits=excluded"]
    assert p95.value is not None
    shown = f"{float(p95.value) / 1000:.3g} s"
    assert ["p95", shown, f"{p95.sample_size:,}"] in table(page, "Planner calls, cache hits left out")
    assert tiles(page)["Planner p95, without cache hits"] == (shown, f"of {p95.sample_size:,} calls")
    lines = table(page, "Each day: planner calls")
    assert len(lines) == 29
    assert sum(int(line[1].replace(",", "")) for line in lines[1:]) == p95.sample_size
    share = known["reason_share_pct", semconv.CODE_NO_CAPACITY]
    assert [semconv.CODE_NO_CAPACITY, f"{share.value:.1f} %"] in table(page, "Attempts by reason")
    assert ["2", "1,120", "50.0 %"] in table(page, "Attempts of 2,240 bookings")
    assert "†" not in "".join(cell for row in table(page, "Planner calls, cache hits left out") for cell in row)


def test_the_turn_of_a_flag_is_marked(conn: Connection) -> None:
    """Both flags, where they were turned; and in words for who does not see it."""
    later = START + timedelta(days=14)
    insert(conn, Pilot(days=14, per_day=60, switch=lambda *_: False).rows())
    insert(conn, Pilot(days=14, per_day=60, switch=lambda *_: True, start=later, first_booking=9000, seed=2).rows())
    page = assert_sound(made(conn, FOUR_WEEKS))
    drawn = chart(page, "timeline")
    assert drawn is not None
    words = [one for one in drawn.all("text") if one.text.endswith(" on")]
    assert [one.text for one in words] == ["retry_policy_v2 on", "planner_cache on"]
    assert {one.attributes["x"] for one in words} == {"53.5%"}  # the middle of an axis from 9 to 98
    assert "Most calls were with retry_policy_v2 on from 15 Sep 2026 UTC; planner_cache on" in page.text


def test_a_switchback_is_not_marked(conn: Connection) -> None:
    """Its single turns say nothing, and it is said where to ask."""
    insert(conn, Pilot(days=14, per_day=60, switch=lambda day, *_: day % 2 == 0).rows())
    page = assert_sound(made(conn, Window(START, START + timedelta(days=14))))
    assert "The flags were turned 26 times and the single changes are not marked" in page.text
    assert "retry_policy_v2 on" not in "".join(one.text for one in page.all("text"))


def test_a_gap_in_time_is_a_gap_in_the_line(conn: Connection) -> None:
    """Between days without a call nothing is drawn: nobody saw what was there."""
    later = START + timedelta(days=20)
    insert(conn, Pilot(days=4, per_day=60).rows())
    insert(conn, Pilot(days=4, per_day=60, start=later, first_booking=9000, seed=2).rows())
    drawn = chart(assert_sound(made(conn, FOUR_WEEKS)), "timeline")
    assert drawn is not None
    assert [one.attributes["class"] for one in drawn.all("path")] == ["b thin", "b thin", "b", "b"]


def test_an_empty_window_says_so_and_draws_nothing(conn: Connection) -> None:
    """In words, without a chart, a table or a zero."""
    page = assert_sound(made(conn, DAY))
    assert "There is nothing to report: no row of auto-assign is in this window." in page.text
    assert page.all("svg", "table", "dl") == []


def test_three_calls_carry_no_quantile(conn: Connection) -> None:
    """They are drawn as they are; no p95, no p50, and the page says what it would take."""
    insert(conn, [row for n in range(3) for row in job(f"{n:016x}", booking=uuid.UUID(int=n + 1))])
    page = assert_sound(made(conn, DAY))
    drawn = chart(page, "durations")
    assert drawn is not None
    assert drawn.all("path")
    assert not {one.text[:3] for one in drawn.all("text")} & {"p50", "p95", "95%"}
    assert chart(page, "timeline") is None
    assert tiles(page)["Planner p95, without cache hits"] == ("-", "3 calls, and it takes 59")
    assert "No p50 and no p95 is drawn: a p50 takes 5 calls, a p95 59." in page.text
    rows = {row[0]: row[1] for row in table(page, "Planner calls, cache hits left out")}
    assert (rows["p95"], rows["max"]) == ("900 ms †", "900 ms")
    assert "† So few rows put no upper limit on such a quantile" in page.text


@pytest.mark.parametrize("rows", [1, 400])
def test_what_others_wrote_is_inert(conn: Connection, rows: int) -> None:
    """Reasons and environments full of markup are text, in every chart and table, and the page stays small."""
    for n in range(rows):
        evil = {"reasonCode": f"{EVIL}{n}" + "x" * 5000, "environment": f"{EVIL}{n}"}
        insert(conn, [Row(r.event_type, {**r.context, **evil}, r.at, r.source) for r in job(f"{n:016x}")])
    page = assert_sound(made(conn, DAY, "environment", "reason", "strategy"))
    drawn = chart(page, "reasons")
    assert drawn is not None
    assert drawn.all("text")[0].text.startswith("<script>document.title=")
    assert any("<img src=x onerror=alert(1)>\"'& " in row[0] for row in table(page, "Attempts by reason"))
    assert "\u202e" not in page.text
    if rows > 1:
        assert "The 10 most frequent are drawn, 390 others are not." in page.text
        assert re.search(r"and \d+ more, which are not shown here: --csv has them", page.text)


def test_a_large_window_is_a_small_page(conn: Connection) -> None:
    """Fifty thousand calls weigh no more than five hundred."""
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context) SELECT "
        "%s::timestamptz + n * interval '1 second', 'auto_assign', %s, jsonb_build_object('durationMs', "
        "round((100 * exp(random() * 8))::numeric, 3), 'reasonCode', 'hard.r' || n %% 700) "
        "FROM generate_series(1, 50000) n",
        (NOON, semconv.EVENT_QUOTE),
    )
    page = made(conn, DAY, "reason")
    assert_sound(page)
    assert len(page) < 100_000


def test_only_what_was_asked_for_is_in_the_tables(conn: Connection) -> None:
    """The page needs figures by reason for a chart; its tables have them only if somebody wants them."""
    insert(conn, job())
    captions = [one.text for one in read(made(conn, DAY)).all("caption")]
    assert [text for text in captions if text.endswith(", by reason")] == []
    captions = [one.text for one in read(made(conn, DAY, "reason")).all("caption")]
    assert "How long, how many, by reason" in captions
