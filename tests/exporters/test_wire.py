"""Rows survive the binary format, whatever is in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from observability_events import wire
from observability_events.postgres import PostgresWriter
from tests.exporters.support import read, row, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Connection

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(-1e15, 1e15)  # beyond, jsonb gives floats back as integers
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it


@pytest.fixture
def writer(dsn: str) -> Iterator[PostgresWriter]:
    """A writer into the test's schema."""
    made = PostgresWriter(settings(dsn))
    yield made
    made.disconnect()


@pytest.mark.usefixtures("events_table")
@given(st.lists(st.tuples(TIMES, TEXT, st.dictionaries(TEXT, JSON, max_size=4), st.none() | st.uuids()), min_size=1))
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_arrives_as_it_was(conn: Connection, writer: PostgresWriter, values: list[Any]) -> None:
    """Times of every year, texts of every script and any JSON are read back equal, null where nothing was given."""
    conn.execute("TRUNCATE observability_events")
    rows = {
        one.id: one
        for when, text, context, parent in values
        for one in [row(created_at=when, source=text, context={"c": context}, restaurant_id=parent)]
    }
    assert writer.insert([wire.encode(one) for one in rows.values()]) == len(rows)
    columns = "id, created_at, source, context - 'restaurant_ref', context->>'restaurant_ref'"
    found = read(conn, columns)
    assert len(found) == len(rows)
    for key, when, source, context, parent in found:
        expected = rows[key]
        given_parent = None if expected.restaurant_id is None else str(expected.restaurant_id)
        assert (when, source, context, parent) == (expected.created_at, expected.source, expected.context, given_parent)
