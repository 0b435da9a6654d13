"""Whatever rows there are, the server's figures are those that the contract's definitions give row by row."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_auto_assign import semconv
from otel_auto_assign.analysis.events import SPLITS, Filters
from otel_auto_assign.analysis.figures import Figure, report
from otel_auto_assign.analysis.windows import Window
from tests.analysis import brute_force
from tests.analysis.rows import Row, insert

Connection = psycopg.Connection[Any]
WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
BOOKINGS = [uuid.UUID(int=n) for n in range(1, 5)]
RESTAURANTS = [uuid.UUID(int=n) for n in range(1, 3)]

odd = st.sampled_from(["12.5", "n/a", "true", "", [], {}, [1]])
"""What may stand where a number or a boolean belongs."""
numbers = st.one_of(
    st.integers(0, 10_000), st.floats(0, 1e6, allow_nan=False), st.just(None), st.booleans(), st.integers(-5, -1), odd
)
booleans = st.one_of(st.booleans(), st.just(None), odd, st.integers(0, 1))
texts = st.sampled_from(["hard.no_capacity", "success", "transient.timeout", None])
contexts = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "planner_duration_ms": numbers,
            "durationMs": numbers,
            "cache_hit": booleans,
            "hasHold": booleans,
            "late": booleans,
            "reasonCode": texts,
            "result": st.sampled_from([*sorted(semconv.RESULTS), "perhaps", None]),
            "booking_ref": st.sampled_from(["00000000-0000-0000-0000-000000000001", "b-17", None]),
            "environment": st.sampled_from(["production", "staging", None]),
            "flow": st.sampled_from(["job", "inline", None]),
        },
    ),
    st.sampled_from([None, [], 5, "text", True]),
)
rows = st.builds(
    Row,
    event_type=st.sampled_from([*sorted(semconv.EVENTS), "capacity.hold.created"]),
    context=contexts,
    source=st.sampled_from([semconv.SOURCE_JOB, semconv.SOURCE_INLINE, "other"]),
    booking=st.sampled_from([*BOOKINGS, None]),
    restaurant=st.sampled_from([*RESTAURANTS, None]),
)


def as_values(figures: list[Figure]) -> brute_force.Values:
    """Give value and sample size by metric and dimension."""
    return {
        (figure.metric, figure.dimension): (None if figure.value is None else float(figure.value), figure.sample_size)
        for figure in figures
    }


def assert_same(found: list[Figure], rows: list[Row]) -> None:
    """Compare with the definitions."""
    assert_equal(found, brute_force.figures(rows))


def assert_equal(found: list[Figure], expected: brute_force.Values) -> None:
    """Compare to the two decimals that the server gives."""
    values = as_values(found)
    assert {name: sample for name, (_, sample) in values.items()} == {
        name: sample for name, (_, sample) in expected.items()
    }
    assert {name: value for name, (value, _) in values.items()} == {
        name: None if value is None else pytest.approx(value, abs=0.00501) for name, (value, _) in expected.items()
    }


@pytest.mark.usefixtures("events_table")
@given(drawn=st.lists(rows, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_metric_is_what_its_definition_says(conn: Connection, drawn: list[Row]) -> None:
    """Of the whole, filtered, and of each part; and every row is counted, read or not."""
    conn.execute("TRUNCATE observability_events")
    insert(conn, drawn)
    told = report(conn, WINDOW, splits=["environment"])
    assert_same([figure for figure in told.figures if not figure.split], drawn)
    assert sum(told.rows.values()) == len(drawn)

    for environment in ("production", "staging"):
        part = [row for row in drawn if brute_force.key(row, "environment") == environment]
        expected = {name: found for name, found in brute_force.figures(part).items() if found[1]}
        assert_equal([figure for figure in told.figures if figure.split == f"environment={environment}"], expected)
        filtered = report(conn, WINDOW, filters=Filters(environments=(environment,)))
        assert_same(filtered.figures, part)


@pytest.mark.usefixtures("events_table")
@given(drawn=st.lists(rows, max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filters_and_parts_take_the_rows_they_name(conn: Connection, drawn: list[Row]) -> None:
    """By restaurant and without sources; the parts of a split are all there are."""
    conn.execute("TRUNCATE observability_events")
    insert(conn, drawn)
    first = RESTAURANTS[0]
    told = report(conn, WINDOW, filters=Filters(restaurants=(str(first),), without_sources=("other", "test")))
    assert_same(told.figures, [row for row in drawn if row.restaurant == first and row.source != "other"])

    every = report(conn, WINDOW, splits=list(SPLITS)).figures
    calls = {(f.split, f.dimension): f.sample_size for f in every if f.metric == "planner_duration_p50_ms"}
    for split in SPLITS:
        parts = sum(n for (part, dimension), n in calls.items() if part.startswith(split) and dimension == "all")
        assert parts == calls["", "all"]
