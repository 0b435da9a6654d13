"""The writer on a real table, in every shape a deployment may have."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from observability_events.failures import TableUnfitError
from tests.exporters.support import NOW, add_parent, count, read, row, settings
from tests.exporters.table_writer import Writer
from tests.postgres import COLUMNS, Connection, create_events_table, insert_only_role


@pytest.mark.usefixtures("events_table")
def test_writes_every_column(conn: Connection, writer: Writer) -> None:
    """What is written is what was given, to the microsecond and the last nested null."""
    booking, restaurant = add_parent(conn), add_parent(conn, "restaurants")
    context = {"text": 'quote " back \\ ü 🍽', "n": 1.5, "big": 2**62, "list": [1, None, {"a": True}], "none": None}
    given = row(severity="warning", context=context, booking_id=booking, restaurant_id=restaurant)

    assert writer.write(given) == 1
    assert read(conn, ", ".join(COLUMNS)) == [
        (given.id, NOW, given.source, given.event_type, "warning", context, restaurant, booking)
    ]


@pytest.mark.usefixtures("events_table")
def test_writing_twice_changes_nothing(conn: Connection, writer: Writer) -> None:
    """A row whose id is in the table, or twice in the batch, is passed over and not counted as new."""
    first, second = row(), row()

    assert writer.write(first, first) == 1
    assert writer.write(first, second) == 1
    assert count(conn) == 2


@pytest.mark.usefixtures("events_table")
def test_what_fails_at_the_commit_is_not_written(conn: Connection, writer: Writer) -> None:
    """A deferred constraint is checked when the statement is done: its error is the batch's, and the next goes in."""
    conn.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.severity = 'warning' THEN RAISE 'not here'; END IF; RETURN NULL; END $$"
    )
    conn.execute(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON observability_events DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no()"
    )
    with pytest.raises(psycopg.errors.RaiseException, match="not here"):
        writer.write(row(), row(severity="warning"))
    assert writer.write(row()) == 1
    assert count(conn) == 1


SHAPES: dict[str, dict[str, Any]] = {
    "production": {},
    "without foreign keys": {"foreign_keys": False},
    "further columns": {
        "extra": "tenant text NOT NULL DEFAULT 'one', seen boolean, n int GENERATED ALWAYS AS (1) STORED"
    },
    "partitioned": {"partitioned": True},
    "partitioned without foreign keys": {"partitioned": True, "foreign_keys": False},
    "without severity": {"missing": ("severity",)},
    "json": {"missing": ("context",), "extra": "context json"},
    "text": {"missing": ("context", "severity"), "extra": "context text, severity varchar(10)"},
    "enumeration": {"missing": ("severity",), "extra": "severity level"},
    "domains": {"missing": ("severity", "event_type"), "extra": "severity grave, event_type dotted"},
    "text ids": {"missing": ("id",), "foreign_keys": False, "extra": "id text PRIMARY KEY"},
    "varchar ids": {"missing": ("id",), "foreign_keys": False, "extra": "id varchar(36) PRIMARY KEY"},
    "no fractions": {"missing": ("created_at",), "extra": "created_at timestamptz(0)"},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_shapes_of_the_table(conn: Connection, writer: Writer, shape: dict[str, Any]) -> None:
    """Whatever the table has more, less or otherwise, rows go in, and go in once."""
    conn.execute("CREATE TYPE level AS ENUM ('info', 'warning', 'error', 'critical')")
    conn.execute("CREATE DOMAIN grave AS level CHECK (VALUE <> 'critical')")
    conn.execute("CREATE DOMAIN dotted AS text CHECK (VALUE LIKE '%.%' AND VALUE NOT LIKE '%.started')")
    create_events_table(conn, **shape)
    booking = add_parent(conn)
    rows = [row(booking_id=booking), row()]

    assert writer.write(*rows) == 2
    assert writer.write(*rows) == 0
    assert sorted(read(conn, "id::uuid, booking_id, context::text::jsonb->>'trigger'")) == sorted(
        [(rows[0].id, booking, "test"), (rows[1].id, None, "test")]
    )


@pytest.mark.parametrize("name", ["other.events", 'other."Events of us"', "other.Straße"])
def test_other_schema_and_name(conn: Connection, dsn: str, schema: str, name: str) -> None:
    """A table is found by its qualified name, quoted or not, outside of the search path."""
    conn.execute(f"CREATE SCHEMA {schema}_other".encode())
    try:
        full = name.replace("other.", f"{schema}_other.")
        create_events_table(conn, name=full)
        writer = Writer(settings(dsn, table=full))
        assert writer.write(row()) == 1
        assert count(conn, full) == 1
        writer.disconnect()
    finally:
        conn.execute(f"DROP SCHEMA {schema}_other CASCADE".encode())


def test_missing_reference_columns(conn: Connection, writer: Writer) -> None:
    """Without the columns for booking and restaurant their ids stay in the context."""
    create_events_table(conn, missing=("booking_id", "restaurant_id"))
    booking, restaurant = uuid.uuid4(), uuid.uuid4()

    writer.write(row(booking_id=booking, restaurant_id=restaurant))
    assert read(conn, "context") == [
        ({"trigger": "test", "booking_ref": str(booking), "restaurant_ref": str(restaurant)},)
    ]


@pytest.mark.parametrize("kind", ["text", "varchar(36)", "character(36)"])
def test_ids_may_be_texts(conn: Connection, writer: Writer, kind: str) -> None:
    """Ids of bookings that are texts are written, referenced and found dangling as uuids are."""
    conn.execute(f"CREATE TABLE bookings (id {kind} PRIMARY KEY)".encode())
    extra = f"booking_id {kind} REFERENCES bookings (id)"
    create_events_table(conn, foreign_keys=False, missing=("booking_id",), extra=extra)
    booking, gone = add_parent(conn), uuid.uuid4()

    assert writer.write(row(booking_id=booking), row(booking_id=gone)) == 2
    assert set(read(conn, "booking_id::text, context->>'booking_ref'")) == {(str(booking), None), (None, str(gone))}


@pytest.mark.parametrize("kind", ["bigint", "varchar(20)", "boolean"])
def test_a_column_that_holds_no_uuid_stays_empty(
    conn: Connection, writer: Writer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Bookings numbered otherwise cost no row: the id is kept in the context, and the log says so once."""
    conn.execute(f"CREATE TABLE bookings (id {kind} PRIMARY KEY)".encode())
    extra = f"booking_id {kind} REFERENCES bookings (id)"
    create_events_table(conn, foreign_keys=False, missing=("booking_id",), extra=extra)
    booking = uuid.uuid4()

    assert writer.write(row(booking_id=booking)) == 1
    assert writer.write(row(context={"booking_ref": "4711"})) == 1
    assert sorted(read(conn, "booking_id, context->>'booking_ref'"), key=str) == sorted(
        [(None, "4711"), (None, str(booking))], key=str
    )
    known = kind.replace("varchar", "character varying")
    assert [record.getMessage().split(" of ")[0] for record in caplog.records] == ["column booking_id"]
    assert f"is {known}, not uuid: it stays empty, and the id is kept in context as booking_ref" in caplog.text


def test_times_without_zone_are_utc(conn: Connection, dsn: str, schema: str) -> None:
    """Whatever the zone of the session, the column holds the contract's UTC."""
    create_events_table(conn, missing=("created_at",), extra="created_at timestamp")
    writer = Writer(settings(make_conninfo(dsn, options=f"-csearch_path={schema} -ctimezone=Asia/Tokyo")))
    assert writer.write(row()) == 1
    writer.disconnect()
    assert read(conn, "created_at") == [(NOW.replace(tzinfo=None),)]


UNFIT = {
    "id bigint": ("id is bigint (expected uuid)", "ALTER COLUMN id TYPE uuid USING …"),
    "id varchar(20)": ("id is character varying(20) (expected uuid)", "ALTER COLUMN id TYPE uuid USING …"),
    "created_at date": (
        "created_at is date (expected timestamptz)",
        "ALTER COLUMN created_at TYPE timestamptz USING …",
    ),
    "event_type integer": ("event_type is integer (expected text)", "ALTER COLUMN event_type TYPE text USING …"),
    "event_type varchar(30)": (
        "event_type is character varying(30) (expected text)",
        "ALTER COLUMN event_type TYPE text USING …",
    ),
    "context varchar(200)": (
        "context is character varying(200) (expected jsonb)",
        "ALTER COLUMN context TYPE jsonb USING …",
    ),
    "severity level": ("severity is level (expected text)", "ALTER COLUMN severity TYPE text USING …"),
    "context bytea": ("context is bytea (expected jsonb)", "ALTER COLUMN context TYPE jsonb USING …"),
    "booking_id bigint NOT NULL": ("booking_id is bigint (expected uuid)", "ALTER COLUMN booking_id DROP NOT NULL"),
}


@pytest.mark.parametrize(("definition", "said"), UNFIT.items())
def test_a_type_that_cannot_hold_our_values_is_named(
    conn: Connection, writer: Writer, schema: str, definition: str, said: tuple[str, str]
) -> None:
    """One message names column, type, what is expected, and the remedy; once it is applied the row goes in."""
    conn.execute("CREATE TYPE level AS ENUM ('low', 'high')")
    column = definition.split(" ", maxsplit=1)[0]
    create_events_table(conn, foreign_keys=False, missing=(column,), extra=definition)
    found, remedy = said
    with pytest.raises(TableUnfitError) as caught:
        writer.write(row())
    assert f"table {schema}.observability_events has columns of types that cannot hold our values: {found}: " in str(
        caught.value
    )
    assert f"ALTER TABLE {schema}.observability_events {remedy}; or set" in str(caught.value)
    conn.execute(f"ALTER TABLE observability_events {remedy.replace('…', 'NULL')}".encode())
    assert writer.write(row()) == 1


@pytest.mark.parametrize("partitioned", [False, True])
def test_dangling_ids_are_kept_where_the_parent_can_be_read(
    conn: Connection, writer: Writer, partitioned: bool
) -> None:
    """A role that may read the parents writes a dangling id at once: column null, value in the context."""
    create_events_table(conn, partitioned=partitioned)
    booking, gone = add_parent(conn), uuid.uuid4()

    assert writer.write(row(booking_id=booking, restaurant_id=gone), row(booking_id=gone)) == 2
    assert sorted(read(conn, "booking_id, restaurant_id, context - 'trigger'"), key=str) == sorted(
        [(booking, None, {"restaurant_ref": str(gone)}), (None, None, {"booking_ref": str(gone)})], key=str
    )


@pytest.mark.parametrize("partitioned", [False, True])
def test_dangling_id_is_blamed_on_its_column(conn: Connection, dsn: str, schema: str, partitioned: bool) -> None:
    """Where the parent cannot be read, the constraint's name tells the column."""
    create_events_table(conn, partitioned=partitioned)
    with insert_only_role(dsn, schema) as (role_dsn, _):
        writer = Writer(settings(role_dsn))
        for column in ("booking_id", "restaurant_id"):
            with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
                writer.write(row(**{column: uuid.uuid4()}))
            assert writer.dangling(caught.value) == column
        writer.disconnect()


@pytest.mark.usefixtures("events_table")
def test_parent_under_row_security_is_not_joined(conn: Connection, dsn: str, schema: str) -> None:
    """A booking hidden from the role by a policy is not mistaken for one that does not exist."""
    booking = add_parent(conn)
    with insert_only_role(dsn, schema) as (role_dsn, role):
        conn.execute(f"GRANT SELECT ON bookings TO {role}".encode())
        conn.execute("ALTER TABLE bookings ENABLE ROW LEVEL SECURITY")
        writer = Writer(settings(role_dsn))
        writer.write(row(booking_id=booking))
        writer.disconnect()
    assert read(conn, "booking_id") == [(booking,)]


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("row_security", [True, False])
def test_role_with_insert_alone(conn: Connection, dsn: str, schema: str, row_security: bool) -> None:
    """INSERT is all that is needed, for rows that are there already, too."""
    booking, given = add_parent(conn), row()
    with insert_only_role(dsn, schema, row_security=row_security) as (role_dsn, _):
        writer = Writer(settings(role_dsn))
        assert writer.write(given, row(booking_id=booking)) == 2
        assert writer.write(given) == 0
        writer.disconnect()
    assert count(conn) == 2


def test_missing_table_is_named_with_role_and_remedy(writer: Writer) -> None:
    """The message names table, role and what to set."""
    with pytest.raises(TableUnfitError, match=r"table observability_events does not exist.*role \".+\".*EVENTS_TABLE"):
        writer.write(row())


@pytest.mark.usefixtures("events_table")
def test_missing_permission_is_named_with_role_and_remedy(conn: Connection, dsn: str, schema: str) -> None:
    """The message names table, role and the GRANT; so it does for the schema."""
    with insert_only_role(dsn, schema) as (role_dsn, role):
        conn.execute(f"REVOKE INSERT ON observability_events FROM {role}".encode())
        writer = Writer(settings(role_dsn))
        with pytest.raises(TableUnfitError, match=rf'GRANT INSERT ON {schema}.observability_events TO "{role}"'):
            writer.write(row())
        conn.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM {role}".encode())
        writer.disconnect()
        writer = Writer(settings(role_dsn, table=f"{schema}.observability_events"))
        with pytest.raises(TableUnfitError, match=rf'GRANT USAGE ON SCHEMA .* TO "{role}"'):
            writer.write(row())
        writer.disconnect()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"extra": "tenant text NOT NULL"}, "tenant.*give them a default"),
        ({"missing": ("event_type",)}, "no column event_type"),
    ],
)
def test_unfit_tables_are_explained(conn: Connection, writer: Writer, shape: dict[str, Any], message: str) -> None:
    """A table that cannot take our rows is refused before the first row, in words."""
    create_events_table(conn, **shape)
    with pytest.raises(TableUnfitError, match=message):
        writer.write(row())


def test_what_could_cost_rows_in_silence_is_said(
    conn: Connection, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing column, an id that is not unique, further unique indexes and BEFORE triggers are named in the log."""
    caplog.set_level(logging.INFO)
    create_events_table(conn, missing=("id", "severity"), extra="id uuid")
    conn.execute("CREATE UNIQUE INDEX one_a_time ON observability_events (created_at)")
    conn.execute("CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
    conn.execute("CREATE TRIGGER look BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION pass()")
    assert writer.write(row(), row()) == 1
    for said in ("has no column severity", "no unique index with id", "(one_a_time)", "(look)"):
        assert caplog.text.count(said) == 1


@pytest.mark.usefixtures("events_table")
def test_leaves_nothing_in_the_session(dsn: str) -> None:
    """Nothing of what a statement sets outlives it, so a pooler's next client finds the session as it was."""
    made = []

    class Kept(Writer):
        def _connected(self) -> Any:
            made.append(super()._connected())
            return made[-1]

    writer = Kept(settings(dsn))
    for _ in range(8):  # psycopg would prepare the sixth
        writer.write(row())
    state = made[-1].execute("SELECT current_setting('application_name'), current_setting('lock_timeout')").fetchone()
    assert state == ("otel-auto-assign", "0")
    assert made[-1].execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    writer.disconnect()


def test_dangling_ids_below_a_partition_with_names_of_its_own(conn: Connection, dsn: str, schema: str) -> None:
    """A partition that was attached has its own names of constraints; errors name those."""
    create_events_table(conn, partitioned=True)
    conn.execute("CREATE TABLE old (LIKE observability_events INCLUDING ALL)")
    conn.execute(
        "ALTER TABLE old ADD CONSTRAINT own_name FOREIGN KEY (booking_id) REFERENCES bookings (id) ON DELETE SET NULL"
    )
    conn.execute(
        "ALTER TABLE observability_events ATTACH PARTITION old FOR VALUES FROM ('2020-01-01Z') TO ('2021-01-01Z')"
    )
    with insert_only_role(dsn, schema) as (role_dsn, _):
        writer = Writer(settings(role_dsn))
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as caught:
            writer.write(row(created_at=NOW.replace(year=2020), booking_id=uuid.uuid4()))
        assert caught.value.diag.constraint_name == "own_name"
        assert writer.dangling(caught.value) == "booking_id"
        writer.disconnect()


def test_texts_of_the_server_show_no_data_of_the_row(conn: Connection, writer: Writer) -> None:
    """What is told of a failure has the server's message and SQLSTATE, not its detail, which quotes the row."""
    create_events_table(conn, extra="CHECK (source <> 'secret source')")
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        writer.write(row(source="secret source", context={"who": "guest 42"}))
    told = writer.told(caught.value)
    assert "23514" in told
    assert "secret source" not in told
    assert "guest 42" not in told


def test_unreachable_servers_are_told_without_the_password() -> None:
    """A refused connection is told with the server's address, and without the password."""
    writer = Writer(settings("postgresql://u:hunter2secret@127.0.0.1:1/x"))
    with pytest.raises(psycopg.OperationalError) as caught:
        writer.write(row())
    told = writer.told(caught.value)
    assert "127.0.0.1" in told
    assert "hunter2" not in told
