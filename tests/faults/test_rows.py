"""Rows that the database cannot take cost nobody but themselves; and what a span may hold costs no row at all."""

from __future__ import annotations

import random
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from observability_events.delivery import SUSPECTS
from observability_events.rows import all_rows_of
from otel_auto_assign import semconv
from tests.exporters.spans import EVERY
from tests.exporters.support import add_parent, count, read, row
from tests.postgres import create_events_table, insert_only_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.exporters.spans import Recipe
    from tests.faults.conftest import NewHost
    from tests.postgres import Connection

NOON = 1_795_348_800_000_000_000

REFUSING = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.source = 'poison' THEN RAISE 'no table for ann@example.org, +44 20 7946 0958'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.mark.parametrize("place", [0, 57, 99])
def test_one_poison_row_in_a_batch_costs_itself_alone(
    conn: Connection, dsn: str, hosts: NewHost, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a hundred rows ninety-nine are written and one is refused, wherever it stands; its data are not logged."""
    create_events_table(conn, extra="CHECK (source <> 'poison')")
    host = hosts(dsn, schedule_delay=60.0)
    rows = [row() for _ in range(100)]
    rows[place] = row(source="poison", context={"who": "guest 42"})
    host.give_rows(*rows)
    assert host.settles()
    assert host.refused == {rows[place].id: "23514"}
    assert count(conn) == 99
    assert "guest 42" not in caplog.text
    assert "poison" not in caplog.text


def test_half_of_the_rows_are_poison(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """In any order: the other half is written."""
    create_events_table(conn, extra="CHECK (source <> 'poison')")
    host = hosts(dsn, schedule_delay=60.0)
    rows = [row(source="poison" if number % 2 else "auto_assign") for number in range(300)]
    rows.sort(key=lambda one: one.key)  # random ids: in no order
    host.give_rows(*rows)
    assert host.settles(30)
    assert host.refused.keys() == {one.id for one in rows if one.source == "poison"}
    assert count(conn) == 150


@pytest.mark.usefixtures("events_table")
def test_a_trigger_that_raises_for_one_row_costs_that_row(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """What the application's trigger says of it may name a person: it is logged without addresses and numbers."""
    conn.execute(REFUSING.encode())
    host = hosts(dsn, schedule_delay=60.0)
    host.give_rows(row(), row(source="poison"), row())
    assert host.settles()
    assert list(host.refused.values()) == ["P0001"]
    assert "refused for good: no table for [e-mail], [phone] (SQLSTATE P0001)" in caplog.text
    host.give_rows(*(row(source="poison") for _ in range(SUSPECTS)))
    assert not host.settles(0.3)  # alone, nothing proves them guilty: it may be the table
    assert "no table for [e-mail], [phone] (SQLSTATE P0001)" in caplog.text
    assert "ann@example.org" not in caplog.text
    assert "7946" not in caplog.text
    host.give()
    assert host.settles()
    assert count(conn) == 3


@pytest.mark.usefixtures("events_table")
def test_a_row_refused_by_row_security_costs_that_row(
    conn: Connection, dsn: str, schema: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """Its SQLSTATE is that of a missing privilege, yet others are written: the policy is against this row alone."""
    with insert_only_role(dsn, schema) as (role_dsn, role):
        policy = f"AS RESTRICTIVE FOR INSERT TO {role} WITH CHECK (source <> 'poison')"
        conn.execute(f"CREATE POLICY no ON observability_events {policy}".encode())
        host = hosts(role_dsn, schedule_delay=60.0)
        host.give_rows(*(row() for _ in range(20)), row(source="poison"))
        assert host.settles()
        host.pipeline.shutdown()
    assert list(host.refused.values()) == ["42501"]
    assert 'refused for good: new row violates row-level security policy "no" for table' in caplog.text
    assert count(conn) == 20


@pytest.mark.usefixtures("events_table")
def test_a_role_with_insert_alone_under_row_security_writes_every_event(
    conn: Connection, dsn: str, schema: str, hosts: NewHost
) -> None:
    """It can read nothing, not even a booking: every kind of row, some there already, some with dangling ids."""
    booking = add_parent(conn)
    with insert_only_role(dsn, schema) as (role_dsn, _):
        host = hosts(role_dsn, schedule_delay=60.0)
        for _ in range(2):
            for recipe in {id(recipe): recipe for recipe in EVERY.values()}.values():
                host.give_span(recipe.span(), all_rows_of)
        host.give(2, booking__id=str(booking))
        assert host.settles()
        host.give_rows(*[row(), row()] * 2)
        assert host.settles()
        host.pipeline.shutdown()
    assert {kind for (kind,) in read(conn, "event_type")} == set(EVERY)
    assert host.pipeline.accounts().already_present == 2


@pytest.mark.usefixtures("events_table")
def test_an_id_twice_is_one_row(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """Twice within a batch, in two batches, from two writers: one row, and the others count as already present."""
    first, second = hosts(dsn, batch_size=10, schedule_delay=60.0), hosts(dsn)
    twins = [row() for _ in range(5)]
    first.give_rows(*twins, *twins)
    first.give_rows(*twins)
    assert first.settles()
    second.give_rows(*twins)
    assert second.settles()
    assert count(conn) == 5
    assert (first.pipeline.accounts().already_present, second.pipeline.accounts().already_present) == (10, 5)


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("may_look", [True, False])
def test_thousands_of_dangling_ids_cost_no_row(
    conn: Connection, dsn: str, schema: str, hosts: NewHost, may_look: bool
) -> None:
    """Each is found, its column emptied and its value kept, whether the role may look bookings up or not."""
    booking = add_parent(conn)
    dangling = [str(uuid.uuid4()) for _ in range(2000 if may_look else 1000)]
    with insert_only_role(dsn, schema) as (role_dsn, _):
        host = hosts(dsn if may_look else role_dsn, schedule_delay=60.0)
        for one in dangling:
            host.give(1, booking__id=one)
            host.give(1, booking__id=str(booking))
        assert host.settles(60)
        host.pipeline.shutdown()
    assert {kept for (kept,) in read(conn, "context->>'booking_ref'")} == {None, *dangling}
    assert read(conn, "booking_id").count((booking,)) == len(dangling)


HOSTILE: dict[str, Any] = {
    "NUL": "a\x00b",
    "surrogate": "lone \ud800",
    "bytes": b"\xff\xfe",
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "a huge integer": 2**80,
    "a huge float": 1e308,
    "a megabyte": "x " * 500_000,
    "a megabyte without a blank": "y" * 1_000_000,
    "quotes": "\"'\\{}[]$1%s",
    "an empty text": "",
    "a list": ["a", None, 1],
}


ATTRIBUTES = [
    value for name, value in vars(semconv).items() if name.isupper() and str(value).startswith("auto_assign.")
]


def hostile(recipe: Recipe, value: object) -> Iterator[ReadableSpan]:
    """Spans like ``recipe``'s with ``value`` in one attribute each, in all, in the resource, and as its message."""
    plain = recipe.span()
    known = dict(plain.attributes or {})
    filled = [{**known, name: value} for name in known] + [{**dict.fromkeys(ATTRIBUTES, value), **known}]
    for attributes in [*filled, dict.fromkeys(ATTRIBUTES, value)]:
        yield ReadableSpan(
            recipe.name,
            context=SpanContext(random.getrandbits(128), random.getrandbits(64), is_remote=False),
            resource=SimpleNamespace(attributes=dict.fromkeys((semconv.SERVICE_NAME, "other"), value)),  # type: ignore[arg-type] # hostile
            attributes=attributes,
            status=SimpleNamespace(status_code=2 if recipe.error else 0, description=value),  # type: ignore[arg-type] # hostile
            start_time=plain.start_time,
            end_time=plain.end_time,
        )


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_an_attribute_holds_costs_no_row(conn: Connection, dsn: str, hosts: NewHost, value: object) -> None:
    """In any attribute of any of our spans, in the resource, and as the message of an error: the row is written."""
    host = hosts(dsn, schedule_delay=60.0)
    for recipe in {id(recipe): recipe for recipe in EVERY.values()}.values():
        for given in hostile(recipe, value):
            host.give_span(given, all_rows_of)
    assert host.settles(30)
    assert host.refused == {}
    assert conn.execute("SELECT max(length(context::text)) < 20000 FROM observability_events").fetchone() == (True,)


TIMES = {
    "end before start": (NOON, NOON - 5_000_000_000),
    "a clock that stepped back an hour": (NOON, NOON - 3_600_000_000_000),
    "no end": (NOON, None),
    "no start": (None, NOON),
    "neither": (None, None),
    "the beginning of time": (0, 1),
    "before it": (-1, 5),
    "the end of 64 bits": (2**63 - 2, 2**63 - 1),
    "beyond them": (2**70, 2**71),
    "no numbers": ("now", 1.5),
}


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(("start", "end"), TIMES.values(), ids=TIMES.keys())
def test_whatever_the_clock_did_costs_no_row(conn: Connection, dsn: str, hosts: NewHost, start: Any, end: Any) -> None:
    """No duration is negative, and every row is written."""
    host = hosts(dsn, schedule_delay=60.0)
    for recipe in {id(recipe): recipe for recipe in EVERY.values()}.values():
        context = SpanContext(random.getrandbits(128), random.getrandbits(64), is_remote=False)
        attributes = recipe.span().attributes
        host.give_span(
            ReadableSpan(recipe.name, context, attributes=attributes, start_time=start, end_time=end), all_rows_of
        )
    assert host.settles()
    assert host.refused == {}
    negative = "SELECT count(*) FROM observability_events WHERE (context->>'durationMs')::float < 0"
    assert conn.execute(negative.encode()).fetchone() == (0,)


@pytest.mark.usefixtures("events_table")
def test_a_clock_that_steps_back_between_two_spans_mixes_no_rows_up(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """The same times come twice: ids are of the span, not of the moment, and both rows are there."""
    host = hosts(dsn)
    host.give(50)
    host.give(50)  # the spans of this module all have the same times
    assert host.settles()
    assert count(conn) == 100
    assert conn.execute("SELECT count(DISTINCT created_at) FROM observability_events").fetchone() == (1,)
