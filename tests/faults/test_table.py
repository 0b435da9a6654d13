"""The table is not as it was: rows wait, the log names the remedy, and once it is applied they are written.

Nothing is refused for what the table lacks, and nothing needs a restart.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.exporters.support import add_parent, count, read, row, until
from tests.postgres import create_events_table, insert_only_role

if TYPE_CHECKING:
    from tests.faults.conftest import NewHost
    from tests.faults.host import Host
    from tests.postgres import Connection


def written(conn: Connection, rows: int) -> bool:
    """Whether ``rows`` rows are in the table."""
    return count(conn) == rows


def holds(host: Host, rows: int) -> None:
    """Assert that ``rows`` new rows wait, however often they are tried, and that none is refused."""
    host.give(rows)
    for _ in range(4):
        assert not host.settles(0.15)
    assert host.waiting == rows
    assert host.refused == {}


MENDED = {
    "table": (
        "ALTER TABLE observability_events RENAME TO elsewhere",
        "table observability_events does not exist",
        "ALTER TABLE elsewhere RENAME TO observability_events",
    ),
    "needed column": (
        "ALTER TABLE observability_events RENAME event_type TO kind",
        "has no column event_type",
        "ALTER TABLE observability_events RENAME kind TO event_type",
    ),
    "column of ours of another type": (
        "ALTER TABLE observability_events DROP severity, ADD severity integer",
        "severity is integer (expected text)",
        "ALTER TABLE observability_events DROP severity, ADD severity text",
    ),
    "column of the host's made NOT NULL": (
        """
        ALTER TABLE observability_events ADD tenant text DEFAULT 'one';
        ALTER TABLE observability_events ALTER tenant DROP DEFAULT, ALTER tenant SET NOT NULL
        """,
        "NOT NULL and without a default (tenant)",
        "ALTER TABLE observability_events ALTER tenant SET DEFAULT 'one'",
    ),
    "generated column in the place of ours": (
        "ALTER TABLE observability_events DROP source, ADD source text GENERATED ALWAYS AS ('x') STORED",
        "source",
        "ALTER TABLE observability_events ALTER source DROP EXPRESSION",
    ),
    "CHECK that nothing passes": (
        "ALTER TABLE observability_events ADD CONSTRAINT no CHECK (source = 'x') NOT VALID",
        "every such row is refused",
        "ALTER TABLE observability_events DROP CONSTRAINT no",
    ),
    "trigger that raises for all": (
        """
        CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER no BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION no()
        """,
        "every such row is refused",
        "DROP TRIGGER no ON observability_events",
    ),
}


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(("broken", "said", "mended"), MENDED.values(), ids=MENDED.keys())
@pytest.mark.parametrize("when", ["before the first row", "in the middle"])
def test_what_is_missing_and_then_mended_costs_no_row(
    conn: Connection,
    dsn: str,
    hosts: NewHost,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    said: str,
    mended: str,
    when: str,
) -> None:
    """Broken before the first row or in the middle of the stream: said, waited for, mended, written."""
    host = hosts(dsn)
    if when == "in the middle":
        host.give(5)
        assert host.settles()
    conn.execute(broken.encode())
    holds(host, 20)
    assert said in caplog.text
    conn.execute(mended.encode())
    assert host.settles()


@pytest.mark.usefixtures("events_table")
def test_a_column_of_less_weight_that_goes_and_comes_back_stops_nothing(
    conn: Connection, dsn: str, hosts: NewHost
) -> None:
    """Without the column for bookings rows are written, their ids in the context; in its place when it is back."""
    booking = add_parent(conn)
    host = hosts(dsn)
    host.give(1, booking__id=str(booking))
    assert host.settles()
    conn.execute("ALTER TABLE observability_events RENAME booking_id TO former_id")
    host.give(2, booking__id=str(booking))
    assert host.settles()
    assert set(read(conn, "former_id, context->>'booking_ref'")) == {(booking, None), (None, str(booking))}
    conn.execute("ALTER TABLE observability_events RENAME former_id TO booking_id")
    conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'")
    host.give(3, booking__id=str(booking))
    assert host.settles()
    assert read(conn, "booking_id").count((booking,)) == 4


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("constraint", ["ALTER booking_id SET NOT NULL", "ADD CHECK (booking_id IS NOT NULL)"])
def test_a_column_of_ours_made_not_null_holds_only_the_rows_without_it(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture, constraint: str
) -> None:
    """Rows that have a booking are written; the others wait, for the table was changed and not they are at fault."""
    booking = add_parent(conn)
    host = hosts(dsn)
    host.give(1, booking__id=str(booking))
    assert host.settles()
    conn.execute(f"ALTER TABLE observability_events {constraint}".encode())
    for round_ in (1, 2):
        host.give(5)
        host.give(5, booking__id=str(booking))
        until(partial(written, conn, 1 + 5 * round_))
        assert not host.settles(0.2)
        assert count(conn) == 1 + 5 * round_
    assert host.refused == {}
    assert "every such row is refused" in caplog.text
    conn.execute("ALTER TABLE observability_events ALTER booking_id DROP NOT NULL")
    conn.execute("ALTER TABLE observability_events DROP CONSTRAINT IF EXISTS observability_events_booking_id_check")
    assert host.settles()
    assert count(conn) == 21


@pytest.mark.usefixtures("events_table")
def test_a_dangling_id_in_a_column_made_not_null_is_the_rows_own_fault(
    conn: Connection, dsn: str, hosts: NewHost
) -> None:
    """It can be written neither with its id nor without: it is refused, and does not wait for ever."""
    booking = add_parent(conn)
    conn.execute("ALTER TABLE observability_events ALTER booking_id SET NOT NULL")
    host = hosts(dsn)
    host.give(5, booking__id=str(booking))
    host.give(2, booking__id=str(uuid.uuid4()))
    assert host.settles()
    assert list(host.refused.values()) == ["23502"] * 2
    assert count(conn) == 5


def test_a_partition_that_is_missing_is_waited_for(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """Partitions are made late rather than never: rows of a time that has none yet are kept."""
    create_events_table(conn, partitioned=True)
    host = hosts(dsn)
    host.give(5)
    assert host.settles()
    later = row().created_at.replace(year=2031)
    host.give_rows(*(row(created_at=later) for _ in range(5)), row(), row())
    assert not host.settles(0.5)
    assert "no partition of relation" in caplog.text
    conn.execute("CREATE TABLE p31 PARTITION OF observability_events FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')")
    assert host.settles()
    assert count(conn) == 12


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("taken", ["INSERT ON observability_events", "USAGE ON SCHEMA {schema}"])
def test_permission_taken_and_given_back_costs_no_row(
    conn: Connection, dsn: str, schema: str, hosts: NewHost, caplog: pytest.LogCaptureFixture, taken: str
) -> None:
    """One message names the GRANT; once given, the rows are written."""
    with insert_only_role(dsn, schema) as (role_dsn, role):
        host = hosts(role_dsn, table=f"{schema}.observability_events")
        host.give(3)
        assert host.settles()
        conn.execute(f"REVOKE {taken.format(schema=schema)} FROM {role}".encode())
        holds(host, 5)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "GRANT" in caplog.text
        conn.execute(f"GRANT {taken.format(schema=schema)} TO {role}".encode())
        assert host.settles()
        host.pipeline.shutdown()
    assert count(conn) == 8


@pytest.mark.usefixtures("events_table")
def test_a_policy_taken_away_costs_no_row(conn: Connection, dsn: str, schema: str, hosts: NewHost) -> None:
    """Without any policy row-level security refuses every row: they wait until there is one again."""
    with insert_only_role(dsn, schema) as (role_dsn, role):
        host = hosts(role_dsn)
        host.give(3)
        assert host.settles()
        conn.execute("DROP POLICY writer ON observability_events")
        holds(host, 20)
        conn.execute(f"CREATE POLICY writer ON observability_events FOR INSERT TO {role} WITH CHECK (true)".encode())
        assert host.settles()
        host.pipeline.shutdown()
    assert count(conn) == 23
