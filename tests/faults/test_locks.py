"""Others hold what we need: their transactions never fail because of us, and nothing of ours is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.exporters.support import add_parent, count, locked, read, row, until
from tests.postgres import TABLE, insert_only_role

if TYPE_CHECKING:
    from tests.faults.conftest import NewHost
    from tests.postgres import Connection

pytestmark = pytest.mark.usefixtures("events_table")

WAITING = b"""
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign' AND wait_event_type = 'Lock'
"""


def waits_for_a_lock(conn: Connection) -> bool:
    """Whether a statement of ours waits for a lock."""
    return conn.execute(WAITING).fetchone() == (1,)


def test_a_booking_that_is_locked_for_long_stops_only_its_own_rows(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows of other bookings are written, again and again; those of the locked one when the application lets go."""
    free, held = add_parent(conn), add_parent(conn)
    host = hosts(dsn)
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", held) as application:
        for round_ in (1, 2):
            host.give(2, booking__id=str(held))
            host.give(10, booking__id=str(free))
            until(lambda round_=round_: count(conn) == 10 * round_)  # type: ignore[misc] # the round's own
            until(lambda round_=round_: host.waiting == 2 * round_)  # type: ignore[misc] # the round's own
        application.execute("UPDATE bookings SET note = 'mine' WHERE id = %s", (held,))
        application.commit()
    assert host.settles()
    assert len(read(conn, "id")) == 24
    assert conn.execute("SELECT note FROM bookings WHERE id = %s", (held,)).fetchone() == ("mine",)
    assert host.pipeline.accounts().dropped == {}


def test_rows_set_aside_are_tried_again_however_long_the_delay_is(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """They have waited for their batch already: the schedule delay is not for them."""
    held = add_parent(conn)
    host = hosts(dsn, schedule_delay=60.0)
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", held):
        host.give(1, booking__id=str(held))
        assert not host.settles(0.6)
    until(lambda: count(conn) == 1)


def test_a_booking_that_is_deleted_while_its_rows_wait_costs_no_row(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """The application deletes what it has locked: the rows come without it, its id in the context."""
    held = add_parent(conn)
    host = hosts(dsn)
    with locked(dsn, "DELETE FROM bookings WHERE id = %s", held) as application:
        host.give(3, booking__id=str(held))
        assert not host.settles(0.5)
        application.commit()
    assert host.settles()
    assert read(conn, "booking_id, context->>'booking_ref'") == [(None, str(held))] * 3


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_transaction_of_the_applications_is_never_the_deadlocks_victim(
    conn: Connection, dsn: str, hosts: NewHost, seconds: float
) -> None:
    """It takes two bookings in the order opposite to ours: it commits, also when our own check for deadlocks is over.

    Each session checks once, after its deadlock_timeout: if ours waited for longer, the application's would find the
    circle and be given up.
    """
    dsn = make_conninfo(dsn, options="-cdeadlock_timeout=200ms " + options(dsn))
    first, second = sorted(add_parent(conn) for _ in range(2))
    host = hosts(dsn, schedule_delay=60.0)
    host.give()
    assert host.settles()
    with psycopg.connect(dsn, application_name="host") as application:
        application.execute("SELECT FROM bookings WHERE id = %s FOR UPDATE", (second,))
        host.give_rows(row(booking_id=first), row(booking_id=second))
        host.settles(0.01)
        until(lambda: waits_for_a_lock(conn))
        time.sleep(seconds)
        application.execute("SELECT FROM bookings WHERE id = %s FOR UPDATE", (first,))  # closes the circle
        application.commit()
        assert host.settles()
    assert count(conn) == 3


@pytest.mark.parametrize("seconds", [0.0, 0.3])
@pytest.mark.parametrize("tables", [("bookings", TABLE), (TABLE, "bookings")], ids=["bookings first", "ours first"])
@pytest.mark.parametrize("may_read", [True, False], ids=["we may read bookings", "we may not"])
def test_a_migration_of_the_applications_is_never_the_deadlocks_victim(
    conn: Connection, dsn: str, schema: str, hosts: NewHost, tables: tuple[str, str], seconds: float, *, may_read: bool
) -> None:
    """It alters bookings and our table in one transaction, in either order and with any time between: it commits.

    Where our role may read bookings, our statement names it, and has the locks of both before anything in it runs.
    """
    quick = "-cdeadlock_timeout=200ms "
    booking = add_parent(conn)
    with insert_only_role(dsn, schema) as (role_dsn, role):
        if may_read:
            conn.execute(f"GRANT SELECT ON bookings TO {role}".encode())
        host = hosts(make_conninfo(role_dsn, options=quick + str(conninfo_to_dict(role_dsn)["options"])))
        host.give()
        assert host.settles()
        with psycopg.connect(make_conninfo(dsn, options=quick + options(dsn)), application_name="host") as application:
            application.execute(f"ALTER TABLE {tables[0]} ADD mended text".encode())
            host.give(booking__id=str(booking))
            until(lambda: waits_for_a_lock(conn))
            time.sleep(seconds)
            application.execute(f"ALTER TABLE {tables[1]} ADD mended text".encode())
            application.commit()
        assert host.settles()
        host.pipeline.shutdown()
    assert sorted(read(conn, "booking_id::text"), key=str) == [(str(booking),), (None,)]


def test_a_locked_table_is_waited_for(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """A long ALTER TABLE: rows wait, no statement of ours queues up for long, and none is taken apart for it."""
    host = hosts(dsn, statement_timeout=60.0, batch_size=50)
    host.give()
    assert host.settles()
    with locked(dsn, "LOCK TABLE observability_events") as application:
        host.give(500)
        until(lambda: "SQLSTATE 55P03" in caplog.text)
        for _ in range(4):
            assert not host.settles(0.3)
            sessions = "SELECT count(*) <= 1 FROM pg_stat_activity WHERE application_name = 'otel-auto-assign'"
            assert conn.execute(sessions.encode()).fetchone() == (True,)
        assert len(host.pipeline._writing._delivery._groups) == 1
        application.execute("ALTER TABLE observability_events ADD note text")
        application.commit()
    assert host.settles()
    assert count(conn) == 501


def test_a_serialization_failure_is_tried_again(
    conn: Connection, dsn: str, hosts: NewHost, caplog: pytest.LogCaptureFixture
) -> None:
    """Under REPEATABLE READ a row that another session has just committed gives 40001, not "already present"."""
    host = hosts(make_conninfo(dsn, options="-cdefault_transaction_isolation=repeatable\\ read " + options(dsn)))
    host.give()
    assert host.settles()
    twin = row()
    with locked(
        dsn, "INSERT INTO observability_events (id, source, event_type) VALUES (%s, 'x', 'x')", twin.id
    ) as other:
        host.give_rows(twin, row())
        until(lambda: waits_for_a_lock(conn))
        other.commit()
    assert host.settles()
    assert "SQLSTATE 40001" in caplog.text
    assert host.pipeline.accounts().already_present == 1
    assert count(conn) == 3


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_transaction_that_the_server_gave_up_is_tried_again(
    conn: Connection, dsn: str, hosts: NewHost, sqlstate: str
) -> None:
    """Whoever's the fault was, the rows are good: a trigger gives up three times, as a deadlock among others would."""
    conn.execute("CREATE SEQUENCE times")
    conn.execute(
        f"""
        CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('times') <= 3 THEN RAISE 'given up' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN NULL;
        END $$
        """.encode()
    )
    conn.execute("CREATE TRIGGER t AFTER INSERT ON observability_events FOR STATEMENT EXECUTE FUNCTION give_up()")
    host = hosts(dsn)
    host.give(10)
    assert host.settles()
    assert conn.execute("SELECT last_value FROM times").fetchone() == (4,)
    assert count(conn) == 10


def test_a_statement_that_the_server_cancels_is_tried_in_halves(conn: Connection, dsn: str, hosts: NewHost) -> None:
    """A statement_timeout (57014) that a whole batch exceeds: its parts are fast enough, and none is lost."""
    body = "BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END"
    conn.execute(f"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$".encode())
    conn.execute("CREATE TRIGGER t BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION dawdle()")
    host = hosts(make_conninfo(dsn, options="-cstatement_timeout=300 " + options(dsn)), schedule_delay=60.0)
    host.give(40)
    assert host.settles()
    assert count(conn) == 40


def options(dsn: str) -> str:
    """What ``dsn`` already sends as options."""
    with psycopg.connect(dsn) as conn:
        return conn.info.get_parameters()["options"]
