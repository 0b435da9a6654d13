"""Tests of otel_auto_assign.analysis.page.curves: what is drawn is what the figures say."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from otel_auto_assign import semconv
from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.figures import Figure, figures
from otel_auto_assign.analysis.page.curves import MANY_ATTEMPTS, MOST_BUCKETS, Change, read_curves
from otel_auto_assign.analysis.windows import Window
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import NOON, Row, insert

Connection = psycopg.Connection[Any]
pytestmark = pytest.mark.usefixtures("events_table")
FOUR_WEEKS = Window(START, START + timedelta(days=28))


def whole(conn: Connection, window: Window) -> dict[tuple[str, str], Figure]:
    """The figures of a window."""
    return {(one.metric, one.dimension): one for one in figures(conn, window)}


def call(ms: Any, at: timedelta = timedelta(), **context: Any) -> Row:
    """A planner call."""
    return Row(semconv.EVENT_QUOTE, {"durationMs": ms, **context}, NOON + at)


def test_the_curve_and_the_buckets_are_the_figures(conn: Connection) -> None:
    """The same calls, the same p50 and p95, of the whole window and of each stretch by itself."""
    insert(conn, Pilot(per_day=40).rows())
    found = read_curves(conn, FOUR_WEEKS)

    for bucket, window in [
        (found.whole, FOUR_WEEKS),
        *((one, Window(one.start, one.start + found.width)) for one in found.buckets if one.start),
    ]:
        known = whole(conn, window)
        p50, p95 = (known[f"planner_duration_{name}_ms", "cache_hits=excluded"] for name in ("p50", "p95"))
        assert bucket.calls == p50.sample_size
        assert bucket.p == pytest.approx([float(p50.value or 0), float(p95.value or 0)], abs=0.01)
    assert found.width == timedelta(days=1)
    assert sum(one.calls for one in found.buckets) == found.whole.calls


def test_a_curve_has_every_call_of_a_few_and_a_share_of_many(conn: Connection) -> None:
    """It is the durations themselves, in their order, and never more than a few hundred of them."""
    durations = [float(value) for value in np.random.default_rng(3).permutation(150)]
    insert(conn, [call(ms) for ms in durations])
    window = Window(NOON, NOON + timedelta(hours=1))
    assert sorted(set(read_curves(conn, window).whole.curve or [])) == sorted(durations)
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context) SELECT %s, 'a', %s, "
        "jsonb_build_object('durationMs', n) FROM generate_series(1000, 20999) n",
        (NOON, semconv.EVENT_QUOTE),
    )
    curve = read_curves(conn, window).whole.curve or []
    assert (len(curve), curve[-1]) == (201, 20999.0)


def test_what_is_left_out_elsewhere_is_left_out_here(conn: Connection) -> None:
    """Cache hits, what is no number, other environments, other windows."""
    insert(
        conn,
        [
            call(100, environment="production"),
            call(1, environment="production", cache_hit=True),
            call("12.5", environment="production"),
            call(7, environment="staging"),
            call(9, timedelta(hours=-1), environment="production"),
        ],
    )
    window = Window(NOON, NOON + timedelta(hours=1))
    found = read_curves(conn, window, filters=Filters(environments=("production",)))
    assert (found.whole.calls, found.whole.p) == (1, [100.0, 100.0])


def test_a_window_without_rows_has_nothing(conn: Connection) -> None:
    """No calls, no stretch of time, no attempts."""
    found = read_curves(conn, FOUR_WEEKS)
    assert (found.whole.calls, found.whole.p, found.whole.curve, found.buckets, found.attempts) == (
        0,
        None,
        None,
        [],
        {},
    )


def test_attempts_are_counted_for_each_booking(conn: Connection) -> None:
    """As the figures count them; what is very many is one column."""
    rows = [
        Row(semconv.EVENT_ATTEMPT, {"reasonCode": "success"}, NOON, booking=uuid.UUID(int=booking))
        for booking, attempts in enumerate([1, 1, 2, 40], 1)
        for _ in range(attempts)
    ]
    insert(conn, [*rows, Row(semconv.EVENT_ATTEMPT, {}, NOON), Row(semconv.EVENT_ATTEMPT_ERROR, {}, NOON)])
    window = Window(NOON, NOON + timedelta(hours=1))
    assert read_curves(conn, window).attempts == {1: 2, 2: 1, MANY_ATTEMPTS: 1}
    assert whole(conn, window)["job_attempts_sample_size", "bookings"].value == 4


@pytest.mark.parametrize(
    ("length", "per_day", "width"),
    [
        (timedelta(days=28), 60, timedelta(days=1)),
        (timedelta(days=28), 3, timedelta(days=7)),
        (timedelta(days=4), 1, timedelta(hours=6)),
    ],
    ids=["a day has enough", "a week has", "nothing has"],
)
def test_stretches_are_as_short_as_a_p95_allows(
    conn: Connection, length: timedelta, per_day: int, width: timedelta
) -> None:
    """Where no stretch can have one they are short, and none has."""
    insert(conn, Pilot(days=length.days, per_day=per_day).rows())
    found = read_curves(conn, Window(START, START + length))
    assert found.width == width
    assert len(found.buckets) <= MOST_BUCKETS + 1


def test_the_turn_of_a_flag_is_found(conn: Connection) -> None:
    """When most calls began to be under it; a flag that nobody set is neither on nor off."""
    later = START + timedelta(days=5)
    insert(conn, Pilot(days=5, per_day=60, switch=lambda *_: False).rows())
    insert(conn, Pilot(days=5, per_day=60, switch=lambda *_: True, start=later, first_booking=9000, seed=2).rows())
    found = read_curves(conn, Window(START, START + timedelta(days=10)))
    assert [(one.flag, one.on) for one in found.changes] == [("policy", True), ("cache", True)]
    assert all(later <= one.at < later + timedelta(days=1) for one in found.changes)

    conn.execute("UPDATE observability_events SET context = jsonb_set(context, '{flags,source}', '\"default\"')")
    unset = read_curves(conn, Window(START, START + timedelta(days=10)))
    assert unset.changes == []
    assert {one.flag("policy") for one in unset.buckets} == {None}
    assert Change(later, "policy", on=True) not in unset.changes
