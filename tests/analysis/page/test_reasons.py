"""Tests of otel_auto_assign.analysis.page.reasons: both sides, by the flags of the rows or by their window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from otel_auto_assign import semconv
from otel_auto_assign.analysis.figures import Figure, figures
from otel_auto_assign.analysis.page.reasons import Tally, read_reasons, reason_sections
from otel_auto_assign.analysis.windows import Window
from tests.analysis.flows import flags
from tests.analysis.page.pages import chart, read, table
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import NOON, Row, insert

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")
FULL, TAKEN = semconv.CODE_NO_CAPACITY, semconv.CODE_HOLD_CONFLICT
HOUR = Window(NOON, NOON + timedelta(hours=1))
SIDES = (("baseline", "a", "off"), ("post", "b", "on"))


def attempt(code: str, **context: Any) -> Row:
    """An attempt that came to this."""
    return Row(semconv.EVENT_ATTEMPT, {"reasonCode": code, **context}, NOON)


def call(code: str, *, hit: bool = False, **context: Any) -> Row:
    """A planner call."""
    return Row(semconv.EVENT_QUOTE, {"reasonCode": code, "durationMs": 5, "cache_hit": hit, **context}, NOON)


def test_rows_are_on_the_side_of_their_flags(conn: Connection) -> None:
    """On, off, or neither where one is on, nobody says, or it is only a default."""
    insert(
        conn,
        [
            attempt(FULL, flags=flags(on=True)),
            attempt(FULL, flags=flags(on=True)),
            attempt(TAKEN, flags=flags()),
            attempt(TAKEN, flags=flags(source="default")),
            attempt(TAKEN, flags=flags() | {"planner_cache": True}),
            attempt(TAKEN),
            call(FULL, hit=True, flags=flags(on=True)),
            call(FULL, flags=flags(on=True)),
            call(FULL, flags=flags(on=True), durationMs="n/a"),
        ],
    )
    found = read_reasons(conn, HOUR)
    assert found.post == {FULL: Tally(FULL, None, attempts=2, calls=2, hits=1)}
    assert found.baseline == {TAKEN: Tally(TAKEN, None, attempts=1, calls=0, hits=0)}
    assert found.neither == 3
    page = read("".join(reason_sections(found, SIDES, 10)))
    assert table(page, "Attempts of each side") == [
        ["reason", "baseline", "post"], [FULL, "0.0 % of 1", "100.0 % of 2"], [TAKEN, "100.0 % of 1", "0.0 % of 2"],
    ]  # fmt: skip
    assert table(page, "Calls that the cache answered")[1:] == [[FULL, "- of 0", "50.0 % of 2"]]
    assert "3 attempts and calls are on neither side" in page.text
    drawn = chart(page, "cache")
    assert drawn is not None
    assert [one.text for one in drawn.all("text")] == [FULL, "-", "50.0 %"]


def test_windows_are_the_figures_of_each(conn: Connection) -> None:
    """Whatever the flags of their rows: shares and cache hits are what `report` says of each window."""
    insert(conn, Pilot().rows())
    conn.execute(
        "UPDATE observability_events SET context = context || '{\"cache_hit\": true}' "
        "WHERE event_type = 'auto_assign.quote' AND random() < 0.3"
    )
    half = START + timedelta(days=14)
    before, window = Window(START, half), Window(half, half + timedelta(days=14))
    found = read_reasons(conn, window, before=before)
    for side, of in ((found.baseline, before), (found.post, window)):
        known: dict[tuple[str, str, str], Figure] = {
            (one.metric, one.dimension, one.split): one for one in figures(conn, of, splits=["reason"])
        }
        total = sum(one.attempts for one in side.values())
        for one in side.values():
            share = known["reason_share_pct", one.reason, ""]
            hits = known["planner_cache_hit_pct", "all", f"reason={one.reason}"]
            assert (share.sample_size, hits.sample_size) == (total, one.calls)
            assert 100 * one.attempts / total == pytest.approx(float(share.value or 0), abs=0.01)
            assert 100 * one.hits / one.calls == pytest.approx(float(hits.value or 0), abs=0.01)
    assert found.neither == 0


def test_nothing_is_said(conn: Connection) -> None:
    """No rows, no charts, a sentence each."""
    page = read("".join(reason_sections(read_reasons(conn, HOUR), SIDES, 10)))
    assert page.all("svg", "table") == []
    assert page.text.count("There is nothing of this on either side.") == 2
