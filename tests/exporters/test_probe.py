"""What the probe makes of a table: what is left out, what is refused with a remedy, and that the remedies work."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from observability_events import postgres
from observability_events.failures import TableUnfitError
from tests.exporters.support import NOW, add_parent, count, read, row, settings
from tests.exporters.table_writer import Writer
from tests.postgres import Connection, create_events_table, insert_only_role

if TYPE_CHECKING:
    from collections.abc import Iterator


TABLE = "observability_events"
OUTSIDE = "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$"
BEFORE = "CREATE TRIGGER fills BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION fill()"


@pytest.fixture
def role(conn: Connection, dsn: str, schema: str) -> Iterator[tuple[Writer, str]]:
    """A writer as a role that may insert into the production table and nothing else; and the role's name."""
    create_events_table(conn)
    with insert_only_role(dsn, schema) as (role_dsn, name):
        made = Writer(settings(role_dsn))
        yield made, name
        made.disconnect()


def grant(conn: Connection, role: str, columns: str) -> None:
    """Let the role write to nothing but ``columns``."""
    conn.execute(f"REVOKE INSERT ON {TABLE} FROM {role}".encode())
    conn.execute(f"GRANT INSERT ({columns}) ON {TABLE} TO {role}".encode())


def refusal(writer: Writer) -> str:
    """Give the words in which the table is refused."""
    with pytest.raises(TableUnfitError) as caught:
        writer.write(row())
    return str(caught.value)


def remedy(said: str) -> bytes:
    """Give the SQL in what was said, as one would paste it."""
    found = re.search(r"(?:ALTER TABLE|GRANT|CREATE POLICY) .*?(?=; or set|$)", said, re.MULTILINE)
    assert found, said
    return found[0].encode()


# -- privileges of single columns -----------------------------------------------------------------------------------


def test_a_column_that_may_not_be_written_is_named_with_its_grant(conn: Connection, role: tuple[Writer, str]) -> None:
    """Without one that a row needs nothing is written; the message is one GRANT for all of them, and it helps."""
    writer, name = role
    grant(conn, name, "id, created_at, source, severity, restaurant_id, booking_id")
    said = refusal(writer)
    assert "may not write to event_type, context of" in said
    conn.execute(remedy(said))
    assert writer.write(row()) == 1


def test_a_role_without_any_right_is_told_of_one_grant(conn: Connection, role: tuple[Writer, str]) -> None:
    """One for the table, and none for its columns beside it; pasted, it helps."""
    writer, name = role
    conn.execute(f"REVOKE INSERT ON {TABLE} FROM {name}".encode())
    said = refusal(writer)
    assert said.count("GRANT") == 1
    conn.execute(remedy(said))
    assert writer.write(row()) == 1


def test_columns_that_a_row_can_do_without_are_left_out(
    conn: Connection, role: tuple[Writer, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Ids go to the context, the severity is the table's default, and one line of the log has the GRANT."""
    writer, name = role
    grant(conn, name, "id, created_at, source, event_type, context")
    booking, restaurant = add_parent(conn), uuid.uuid4()

    assert writer.write(row(severity="warning", booking_id=booking, restaurant_id=restaurant)) == 1
    assert read(conn, "severity, booking_id, restaurant_id, context - 'trigger'") == [
        ("info", None, None, {"booking_ref": str(booking), "restaurant_ref": str(restaurant)})
    ]
    (said,) = [record.getMessage() for record in caplog.records]
    assert "rows are written without, and the id is kept in context as restaurant_ref, booking_ref" in said
    assert "GRANT INSERT (severity, restaurant_id, booking_id) ON " in said
    assert said.endswith(f'TO "{name}"')


def test_a_column_is_written_again_when_it_may_be(
    conn: Connection, role: tuple[Writer, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pasted GRANT works without a restart, after a while, and what was said is not said again until then."""
    writer, name = role
    grant(conn, name, "id, created_at, source, event_type, context")
    writer.write(row(severity="warning"))
    writer.disconnect()
    writer.write(row(severity="warning"))
    assert len(caplog.records) == 1
    conn.execute(remedy(caplog.text))
    writer.write(row(severity="warning"))
    assert read(conn, "severity") == [("info",)] * 3

    monkeypatch.setattr(postgres, "LOOK_AGAIN_SECONDS", 0.0)
    given = row(severity="warning")
    writer.write(given)
    assert ("warning",) in read(conn, "severity")


def test_a_severity_that_the_table_does_not_fill_is_needed(conn: Connection, role: tuple[Writer, str]) -> None:
    """Leaving it out would cost every row, so the GRANT is asked for."""
    writer, name = role
    conn.execute(f"ALTER TABLE {TABLE} ALTER severity DROP DEFAULT")
    grant(conn, name, "id, created_at, source, event_type, context, booking_id, restaurant_id")
    conn.execute(remedy(refusal(writer)))
    assert writer.write(row()) == 1


# -- columns that the server fills ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["STORED", "VIRTUAL"])
def test_a_generated_column_where_our_values_belong_is_named(conn: Connection, writer: Writer, kind: str) -> None:
    """With the ALTER TABLE that makes it an ordinary one."""
    if kind == "VIRTUAL" and conn.info.server_version < 180000:
        pytest.skip("PostgreSQL has virtual generated columns from 18 on")
    create_events_table(conn, missing=("source",), extra=f"source text GENERATED ALWAYS AS ('us') {kind}")
    said = refusal(writer)
    assert "generates source, where our values belong" in said
    conn.execute(remedy(said))
    assert writer.write(row()) == 1
    assert read(conn, "source") == [("auto_assign",)]


def test_generated_columns_that_a_row_can_do_without_are_left_out(
    conn: Connection, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """The host may even make the booking of what the context keeps."""
    create_events_table(
        conn,
        foreign_keys=False,
        missing=("severity", "booking_id"),
        extra="severity text GENERATED ALWAYS AS ('info') STORED, "
        "booking_id uuid GENERATED ALWAYS AS ((context->>'booking_ref')::uuid) STORED",
    )
    booking = uuid.uuid4()
    assert writer.write(row(booking_id=booking)) == 1
    assert read(conn, "severity, booking_id") == [("info", booking)]
    assert "generates severity, booking_id; rows are written without" in caplog.text


@pytest.mark.parametrize(
    "kind", ["bigint GENERATED ALWAYS AS IDENTITY", "bigint GENERATED BY DEFAULT AS IDENTITY", "bigserial"]
)
def test_an_id_that_the_server_numbers_is_named(conn: Connection, writer: Writer, kind: str) -> None:
    """With an ALTER TABLE that works, the numbering included."""
    create_events_table(conn, missing=("id",), extra=f"id {kind} PRIMARY KEY")
    said = refusal(writer)
    assert "id is bigint (expected uuid)" in said
    conn.execute(remedy(said).replace("…".encode(), b"gen_random_uuid()"))
    assert writer.write(row()) == 1
    conn.execute(f"INSERT INTO {TABLE} (source, event_type) VALUES ('host', 'booking.made')")  # goes on as before


def test_a_booking_that_the_server_numbers_is_left_to_it(
    conn: Connection, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """An identity takes no value of ours, and needs none."""
    create_events_table(
        conn, foreign_keys=False, missing=("booking_id",), extra="booking_id bigint GENERATED ALWAYS AS IDENTITY"
    )
    booking = uuid.uuid4()
    assert writer.write(row(booking_id=booking)) == 1
    assert read(conn, "booking_id, context->>'booking_ref'") == [(1, str(booking))]
    assert "is bigint, not uuid: it is left to the server, and the id is kept" in caplog.text


# -- domains --------------------------------------------------------------------------------------------------------


def test_a_domain_over_a_time_without_zone_is_utc(conn: Connection, dsn: str, schema: str) -> None:
    """Whatever the session's zone, and however many domains lie upon each other."""
    conn.execute("CREATE DOMAIN inner_time AS timestamp(3)")
    conn.execute("CREATE DOMAIN outer_time AS inner_time CHECK (VALUE > '2000-01-01')")
    create_events_table(conn, missing=("created_at",), extra="created_at outer_time")
    writer = Writer(settings(make_conninfo(dsn, options=f"-csearch_path={schema} -ctimezone=Asia/Tokyo")))
    assert writer.write(row()) == 1
    writer.disconnect()
    assert read(conn, "created_at") == [(NOW.replace(tzinfo=None, microsecond=123000),)]


def test_a_domain_that_has_a_default_fills_its_column(
    conn: Connection, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing needs to be said of it."""
    conn.execute("CREATE DOMAIN tenancy AS text DEFAULT 'one' NOT NULL")
    create_events_table(conn, extra="tenant tenancy, other tenancy NOT NULL")
    assert writer.write(row()) == 1
    assert read(conn, "tenant, other") == [("one", "one")]
    assert caplog.text == ""


@pytest.mark.parametrize("trigger", [False, True])
def test_a_domain_that_refuses_null_is_named(conn: Connection, writer: Writer, trigger: bool) -> None:
    """It refuses before any trigger could fill it."""
    conn.execute("CREATE DOMAIN root AS text NOT NULL")
    conn.execute("CREATE DOMAIN tenancy AS root")
    create_events_table(conn, extra="tenant tenancy")
    if trigger:
        conn.execute(OUTSIDE.format("NEW.tenant := 'one';").encode())
        conn.execute(BEFORE.format(TABLE).encode())
    assert "NOT NULL and without a default (tenant): give them a default" in refusal(writer)
    conn.execute(f"ALTER TABLE {TABLE} ALTER tenant SET DEFAULT 'two'")
    assert writer.write(row()) == 1


# -- triggers, rules, indexes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_trigger_may_fill_what_has_no_default(
    conn: Connection, writer: Writer, partitioned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows are tried, and the log says on what they depend; one on a partition will do."""
    create_events_table(conn, extra="tenant text NOT NULL", partitioned=partitioned)
    conn.execute(OUTSIDE.format("NEW.tenant := 'one';").encode())
    tables = ["observability_events"]
    if partitioned:
        found = conn.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf", (TABLE,))
        tables = [str(name) for (name,) in found.fetchall()]
    for table in tables:
        conn.execute(BEFORE.format(table).encode())
    assert writer.write(row()) == 1
    assert read(conn, "tenant") == [("one",)]
    assert "(tenant); rows are written only if a BEFORE trigger (fills) fills them" in caplog.text


def test_a_trigger_that_does_not_fill_it_costs_the_servers_words(conn: Connection, writer: Writer) -> None:
    """The row is refused by the server, which names the column; the table is not called unfit."""
    create_events_table(conn, extra="tenant text NOT NULL")
    conn.execute(OUTSIDE.format("").encode())
    conn.execute(BEFORE.format(TABLE).encode())
    with pytest.raises(psycopg.errors.NotNullViolation, match="tenant"):
        writer.write(row())


@pytest.mark.parametrize("off", ["DISABLE TRIGGER fills", "ENABLE REPLICA TRIGGER fills"])
def test_a_trigger_that_is_off_fills_nothing(conn: Connection, writer: Writer, off: str) -> None:
    """Neither does one for replication alone."""
    create_events_table(conn, extra="tenant text NOT NULL")
    conn.execute(OUTSIDE.format("NEW.tenant := 'one';").encode())
    conn.execute(BEFORE.format(TABLE).encode())
    conn.execute(f"ALTER TABLE {TABLE} {off}".encode())
    assert "without a default (tenant): give them a default" in refusal(writer)


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(("event", "counts_disabled"), [("UPDATE", True), ("INSERT", False)])
def test_rules_are_named(conn: Connection, writer: Writer, event: str, counts_disabled: bool) -> None:
    """PostgreSQL refuses our statement beside them, whatever they do (one on UPDATE even when it is disabled)."""
    conn.execute(f"CREATE RULE copied AS ON {event} TO {TABLE} DO ALSO NOTIFY seen".encode())
    said = "has rules (copied), beside which PostgreSQL allows no ON CONFLICT: make triggers of them"
    assert said in refusal(writer)
    conn.execute(f"ALTER TABLE {TABLE} DISABLE RULE copied".encode())
    if counts_disabled:
        assert said in refusal(writer)
        conn.execute(f"DROP RULE copied ON {TABLE}".encode())
    assert writer.write(row()) == 1


def test_what_could_swallow_rows_in_a_partition_is_said(
    conn: Connection, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """A unique index of one partition alone is named, and the partitions' copies of an index are not."""
    caplog.set_level(logging.INFO)
    create_events_table(conn, partitioned=True)
    conn.execute(f"CREATE UNIQUE INDEX everywhere ON {TABLE} (created_at)")
    conn.execute(f"CREATE TABLE one PARTITION OF {TABLE} FOR VALUES FROM ('2030-01-01Z') TO ('2031-01-01Z')")
    conn.execute("CREATE UNIQUE INDEX only_here ON one (source)")
    assert writer.write(row()) == 1
    assert "by unique indexes (everywhere, only_here) or BEFORE triggers (none)" in caplog.text


@pytest.mark.parametrize("kind", ["uuid NOT NULL", "always"])
def test_ids_that_may_not_be_null_are_said(
    conn: Connection, writer: Writer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A row without a booking is refused there; the log says so before, with the ALTER TABLE."""
    conn.execute("CREATE DOMAIN always AS uuid NOT NULL")
    create_events_table(conn, foreign_keys=False, missing=("booking_id",), extra=f"booking_id {kind}")
    writer.write(row(booking_id=uuid.uuid4()))
    with pytest.raises(psycopg.errors.NotNullViolation):
        writer.write(row())
    assert "takes no null in booking_id: rows without such an id will be refused" in caplog.text
    conn.execute(remedy(caplog.text))
    writer.disconnect()
    assert writer.write(row()) == 1


# -- row security ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "CREATE POLICY writer ON {table} FOR SELECT TO {role} USING (true)",
        "CREATE POLICY writer ON {table} AS RESTRICTIVE FOR INSERT TO {role} WITH CHECK (true)",
        "CREATE POLICY writer ON {table} FOR INSERT TO pg_monitor WITH CHECK (true)",
    ],
    ids=["none", "for reading", "restrictive", "for others"],
)
def test_row_security_without_a_policy_is_named(conn: Connection, role: tuple[Writer, str], policy: str) -> None:
    """With role, and the policy that helps."""
    writer, name = role
    conn.execute(f"DROP POLICY writer ON {TABLE}")
    conn.execute(policy.format(table=TABLE, role=name).encode())
    said = refusal(writer)
    assert "row security of " in said
    assert f'is on, and no policy lets role "{name}" insert' in said
    conn.execute(remedy(said))
    assert writer.write(row()) == 1


@pytest.mark.parametrize("to", ["PUBLIC", "CURRENT", "GROUP"])
def test_a_policy_for_everybody_or_for_a_group_will_do(conn: Connection, role: tuple[Writer, str], to: str) -> None:
    """The server's own rule for whom a policy counts."""
    writer, name = role
    conn.execute(f"GRANT pg_monitor TO {name}".encode())
    conn.execute(f"DROP POLICY writer ON {TABLE}")
    grantee = {"PUBLIC": "PUBLIC", "CURRENT": name, "GROUP": "pg_monitor"}[to]
    conn.execute(f"CREATE POLICY writer ON {TABLE} TO {grantee} USING (true)".encode())
    assert writer.write(row()) == 1


def test_what_a_policy_refuses_is_told_with_role_and_remedy(conn: Connection, role: tuple[Writer, str]) -> None:
    """The server's words name neither."""
    writer, name = role
    conn.execute(f"DROP POLICY writer ON {TABLE}")
    conn.execute(f"CREATE POLICY writer ON {TABLE} FOR INSERT WITH CHECK (source = 'other')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        writer.write(row())
    said = writer.told(caught.value)
    assert f'(SQLSTATE 42501), as role "{name}": let it in by a policy such as CREATE POLICY' in said
    conn.execute(remedy(said.split(" (table ")[0]))
    assert writer.write(row()) == 1


# -- ids that are texts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "varchar"])
def test_ids_of_any_text_are_written_into_a_text_column(conn: Connection, writer: Writer, kind: str) -> None:
    """Where the host's ids are no uuids its column has them, and the context as ever."""
    create_events_table(conn, foreign_keys=False, missing=("booking_id",), extra=f"booking_id {kind}")
    booking = uuid.uuid4()
    assert writer.write(row(booking_id=booking), row(context={"booking_ref": "b-17"})) == 2
    assert set(read(conn, "booking_id, context->>'booking_ref'")) == {(str(booking), None), ("b-17", "b-17")}


@pytest.mark.parametrize("readable", [True, False])
def test_ids_of_any_text_that_reference_a_parent(conn: Connection, dsn: str, schema: str, readable: bool) -> None:
    """Those that are there are written where we may look; where not, texts stay in the context and cost no row."""
    conn.execute("CREATE TABLE bookings (id text PRIMARY KEY)")
    conn.execute("INSERT INTO bookings VALUES ('b-17')")
    create_events_table(
        conn, foreign_keys=False, missing=("booking_id",), extra="booking_id text REFERENCES bookings (id)"
    )
    with insert_only_role(dsn, schema) as (role_dsn, name):
        if readable:
            conn.execute(f"GRANT SELECT ON bookings TO {name}".encode())
        writer = Writer(settings(role_dsn))
        assert writer.write(*(row(context={"booking_ref": ref}) for ref in ("b-17", "b-18"))) == 2
        writer.disconnect()
    assert set(read(conn, "context->>'booking_ref', booking_id")) == {
        ("b-17", "b-17" if readable else None),
        ("b-18", None),
    }
    assert count(conn) == 2
