"""The database looked at before a deploy: what is found wrong in each of its parts, on a real server."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from observability_events.catalogue import CATALOGUE
from observability_events.checkup import at_database, without_database, worst
from observability_events.findings import Finding, Verdict
from observability_events.server import Session, about_encryption, about_pooler, about_server
from tests.exporters.support import count, locked, settings
from tests.faults.proxy import Proxy
from tests.postgres import TABLE, Connection, create_events_table, insert_only_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from observability_events import connection as connections

OK, WARNING, WRONG = Verdict.OK, Verdict.WARNING, Verdict.WRONG


def found(dsn: str, subject: str, *, trial: bool = False, **changes: Any) -> list[Finding]:
    """Give what is found about ``subject``."""
    return [one for one in at_database(settings(dsn, **changes), trial=trial) if one.subject == subject]


def the_one(dsn: str, subject: str, *, trial: bool = False, **changes: Any) -> Finding:
    """Give the only finding about ``subject``."""
    (finding,) = found(dsn, subject, trial=trial, **changes)
    return finding


@contextmanager
def careful_role(dsn: str, schema: str) -> Iterator[tuple[str, str]]:
    """Give a role as it should be, its time-outs included, as `insert_only_role` does."""
    with insert_only_role(dsn, schema) as (role_dsn, name):
        options = f"-csearch_path={schema},public -crole={name} -cstatement_timeout=15s "
        options += "-cidle_in_transaction_session_timeout=15s"
        yield make_conninfo(role_dsn, options=options), name


@pytest.mark.usefixtures("events_table")
def test_where_all_is_well_everything_is_ok(conn: Connection, dsn: str, schema: str) -> None:
    """A role with INSERT alone, under row security, into the production table: no warning, and no row left behind."""
    with careful_role(dsn, schema) as (role_dsn, _):
        findings = list(at_database(settings(role_dsn), trial=True))
    assert [str(one) for one in findings if one.verdict is not OK] == []
    assert worst(findings) is OK
    assert count(conn) == 0
    assert {one.subject for one in findings} == {
        "server", "encryption", "pooler", "role", "time-outs", "table", "permission",
        "swallowed rows", "row security", "locks", "columns", "foreign keys", "trial insert",
    }  # fmt: skip


@pytest.mark.usefixtures("events_table")
def test_a_superuser_is_warned_of(dsn: str) -> None:
    """It can do all that a writer should not; the remedy is the SQL of a role."""
    superuser, owner = found(dsn, "role")
    assert superuser.evidence.endswith("is a superuser")
    assert "owns" in owner.evidence
    assert {superuser.verdict, owner.verdict} == {WARNING}
    assert "--sql role" in superuser.remedy


def test_rights_to_change_rows_are_warned_of(conn: Connection, dsn: str, schema: str) -> None:
    """INSERT is enough."""
    create_events_table(conn)
    with careful_role(dsn, schema) as (role_dsn, name):
        conn.execute(f"GRANT SELECT, DELETE ON {TABLE} TO {name}".encode())
        conn.execute(f"ALTER ROLE {name} BYPASSRLS".encode())
        bypasses, deletes = found(role_dsn, "role")
        assert "bypasses row security" in bypasses.evidence
        assert f'"{name}" may DELETE {schema}.{TABLE}' in deletes.evidence
        assert the_one(role_dsn, "row security").evidence == f'on for others, not for "{name}"'


def test_a_missing_table_ends_the_questions(dsn: str) -> None:
    """It is wrong, with what to set; the server was looked at before."""
    *_, last = at_database(settings(dsn))
    assert (last.subject, last.verdict) == ("table", WRONG)
    assert "does not exist" in last.evidence
    assert "EVENTS_TABLE" in last.remedy


@pytest.mark.usefixtures("events_table")
def test_missing_time_outs_are_named_with_the_sql(conn: Connection, dsn: str, schema: str) -> None:
    """Both at once, for the role; they leave our own time-out the first word."""
    with insert_only_role(dsn, schema) as (role_dsn, name):
        finding = the_one(role_dsn, "time-outs", statement_timeout=5.0)
        assert finding.remedy == (
            f"ALTER ROLE \"{name}\" SET statement_timeout = '10s'; "
            f"ALTER ROLE \"{name}\" SET idle_in_transaction_session_timeout = '10s'"
        )
        conn.execute(finding.remedy.encode())
        short = make_conninfo(role_dsn, options="-cstatement_timeout=500ms -cidle_in_transaction_session_timeout=1s")
        finding = the_one(short, "time-outs")
        assert (finding.verdict, "is 0.5 s: too short" in finding.evidence) == (WARNING, True)


@pytest.mark.usefixtures("events_table")
def test_a_short_deadlock_timeout_is_warned_of(dsn: str) -> None:
    """We give way to the host in a quarter of it, which may be too soon for any row to go in."""
    options = f"{psycopg.conninfo.conninfo_to_dict(dsn)['options']} -cdeadlock_timeout=20ms"
    finding = the_one(make_conninfo(dsn, options=options), "locks")
    assert (finding.verdict, "given way to after 5 ms" in finding.evidence) == (WARNING, True)


@pytest.mark.usefixtures("events_table")
def test_a_session_that_may_only_read_is_wrong(dsn: str) -> None:
    """As on a standby, or where somebody has set it so."""
    options = f"{psycopg.conninfo.conninfo_to_dict(dsn)['options']} -cdefault_transaction_read_only=on"
    wrong, _ = found(make_conninfo(dsn, options=options), "server")
    assert (wrong.verdict, wrong.evidence) == (WRONG, "it allows this role reading only")


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"standby": True}, WRONG, "it is a standby"),
        ({"version": "14.9", "version_number": 140009}, WARNING, "PostgreSQL 14.9 is older than what is tested"),
    ],
)
def test_servers_that_are_not_here(changes: dict[str, Any], verdict: Verdict, said: str) -> None:
    """A standby, and a PostgreSQL too old."""
    values: dict[str, Any] = {
        "role": "w", "superuser": False, "bypasses_row_security": False, "database": "d", "version": "18.1",
        "version_number": 180001, "standby": False, "read_only": False, "statement_timeout_ms": 1,
        "idle_timeout_ms": 1, "process_id": 1,
    }  # fmt: skip
    first, *_ = about_server(Session(**(values | changes)))
    assert (first.verdict, said in first.evidence, bool(first.remedy)) == (verdict, True, True)


@pytest.mark.parametrize(
    ("host", "encrypted", "mode", "verdict", "said"),
    [
        ("db.example", False, "prefer", WARNING, "none between here and db.example"),
        ("localhost", False, "prefer", OK, "none between here and localhost"),
        ("db.example", True, "require", WARNING, "anybody may pose as db.example (sslmode=require)"),
        ("db.example", True, "verify-full", OK, "db.example has proved who it is"),
    ],
)
def test_encryption(host: str, encrypted: bool, mode: str, verdict: Verdict, said: str) -> None:
    """Without certificates at hand, from what libpq would say."""
    option = SimpleNamespace(keyword=b"sslmode", val=mode.encode())
    libpq = SimpleNamespace(ssl_in_use=encrypted, info=[option])
    connection = SimpleNamespace(info=SimpleNamespace(host=host), pgconn=libpq)
    (finding,) = about_encryption(cast("connections.Connection", connection))
    assert (finding.verdict, said in finding.evidence, bool(finding.remedy)) == (verdict, True, verdict is WARNING)


@pytest.mark.usefixtures("events_table")
def test_a_line_in_the_clear_is_seen(dsn: str) -> None:
    """On a real connection over TCP."""
    with Proxy(dsn) as proxy:
        assert the_one(proxy.dsn, "encryption").evidence == "none between here and 127.0.0.1"


# -- the table --------------------------------------------------------------------------------------------------------


def test_what_the_probe_finds_is_found(conn: Connection, dsn: str, schema: str) -> None:
    """Columns, grants, indexes and triggers are judged as the exporter will judge them."""
    create_events_table(conn, missing=("severity",), extra="UNIQUE (created_at, source)")
    with careful_role(dsn, schema) as (role_dsn, name):
        conn.execute(f"REVOKE INSERT ON {TABLE} FROM {name}".encode())
        conn.execute(f"GRANT INSERT (id, created_at, source, event_type, context) ON {TABLE} TO {name}".encode())
        absent, ungranted = found(role_dsn, "columns")
        assert "has no column severity" in absent.evidence
        assert "GRANT INSERT (restaurant_id, booking_id)" in ungranted.remedy
        assert {absent.verdict, ungranted.verdict} == {WARNING}
        assert f"{TABLE}_created_at_source_key" in the_one(role_dsn, "swallowed rows").evidence
        conn.execute(f"DROP POLICY writer ON {TABLE}")
        finding = the_one(role_dsn, "row security", trial=True)
        assert finding.verdict is WRONG
        conn.execute(finding.remedy.encode())
        assert the_one(role_dsn, "row security").verdict is OK


def test_a_sequence_that_may_not_be_drawn_from_is_wrong(conn: Connection, dsn: str, schema: str) -> None:
    """A host's serial column costs every row; an identity, and a default in whose place we send a value, do not."""
    create_events_table(conn, extra="n bigserial, m bigint GENERATED ALWAYS AS IDENTITY")
    conn.execute("CREATE SEQUENCE other")
    conn.execute(f"ALTER TABLE {TABLE} ALTER context SET DEFAULT to_jsonb(nextval('other'))")
    with careful_role(dsn, schema) as (role_dsn, _):
        finding = the_one(role_dsn, "columns")
        assert (finding.verdict, f"{schema}.{TABLE}_n_seq" in finding.evidence) == (WRONG, True)
        conn.execute(finding.remedy.encode())
        assert the_one(role_dsn, "columns").verdict is OK
        assert the_one(role_dsn, "trial insert", trial=True).verdict is OK


@pytest.mark.usefixtures("events_table")
def test_what_a_policy_demands_is_shown(conn: Connection, dsn: str, schema: str) -> None:
    """One that lets every row in is well; with others it depends on the rows."""
    with careful_role(dsn, schema) as (role_dsn, name):
        assert the_one(role_dsn, "row security").evidence == "on, and every row is let in (writer)"
        conn.execute(f"CREATE POLICY ours ON {TABLE} AS RESTRICTIVE USING (source = 'elsewhere')")
        finding = the_one(role_dsn, "row security")
        assert finding.verdict is WARNING
        assert "(ours demands (source = 'elsewhere'::text))" in finding.evidence
        conn.execute(f"DROP POLICY ours ON {TABLE}")
        conn.execute(f"DROP POLICY writer ON {TABLE}")
        conn.execute(f"CREATE POLICY writer ON {TABLE} FOR INSERT TO {name} WITH CHECK (severity = 'info')".encode())
        finding = the_one(role_dsn, "row security")
        assert "(writer demands (severity = 'info'::text))" in finding.evidence
        trial = the_one(role_dsn, "trial insert", trial=True)
        assert (trial.verdict, "row-level security" in trial.evidence) == (WRONG, True)


def test_foreign_keys_say_how_a_dangling_id_is_found(conn: Connection, dsn: str, schema: str) -> None:
    """By a look at the parent, where the role may; else by trying."""
    create_events_table(conn)
    with careful_role(dsn, schema) as (role_dsn, name):
        conn.execute(f"GRANT SELECT ON bookings TO {name}".encode())
        bookings, restaurants = found(role_dsn, "foreign keys")
        assert bookings.evidence.endswith('"bookings"; ids that are not there are found by a look at it')
        assert "are found by trying" in restaurants.evidence
    conn.execute(f"DROP TABLE {TABLE}")
    create_events_table(conn, foreign_keys=False)
    assert the_one(dsn, "foreign keys").evidence == "none"


def partitioned(conn: Connection, *days: tuple[int, int], by: str = "RANGE (created_at)") -> None:
    """Create a partitioned table with a partition for each span of days from today, by whole days."""
    create_events_table(conn, foreign_keys=False, missing=("id",), extra="id uuid")
    conn.execute(f"ALTER TABLE {TABLE} RENAME TO old")
    conn.execute(f"CREATE TABLE {TABLE} (LIKE old) PARTITION BY {by}".encode())
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for first, last in days:
        bounds = [(today + timedelta(days=day)).isoformat() for day in (first, last)]
        name = f"part_{uuid.uuid4().hex[:8]}"
        conn.execute(
            f"CREATE TABLE {name} PARTITION OF {TABLE} FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')".encode()
        )


@pytest.mark.parametrize(
    ("days", "verdict", "said"),
    [
        ((), WRONG, "has none for rows of now"),
        (((-30, -1),), WRONG, "has none for rows of now"),
        (((-1, 3),), WARNING, "in 3 days"),
        (((-1, 3), (3, 9)), OK, "2, with one for each of the next 7 days"),
    ],
)
def test_partitions_of_the_coming_days(
    conn: Connection, dsn: str, days: tuple[tuple[int, int], ...], verdict: Verdict, said: str
) -> None:
    """A missing partition is seen before its day comes."""
    partitioned(conn, *days)
    finding = the_one(dsn, "partitions")
    assert (finding.verdict, said in finding.evidence) == (verdict, True), finding


@pytest.mark.parametrize(
    ("by", "partitions", "verdict"),
    [
        ("LIST (source)", ("FOR VALUES IN ('auto_assign')",), OK),
        ("LIST (source)", ("FOR VALUES IN ('bookings')",), WRONG),
        ("LIST (source)", ("DEFAULT",), OK),
        ("LIST (source)", ("DEFAULT", "FOR VALUES IN ('bookings')"), OK),
        ("HASH (id)", ("FOR VALUES WITH (MODULUS 2, REMAINDER 0)", "FOR VALUES WITH (MODULUS 2, REMAINDER 1)"), OK),
        (
            "RANGE (date_trunc('day', created_at AT TIME ZONE 'UTC'))",
            ("FOR VALUES FROM ('2020-01-01') TO (MAXVALUE)",),
            OK,
        ),
    ],
)
def test_partitions_of_every_kind(
    conn: Connection, dsn: str, by: str, partitions: tuple[str, ...], verdict: Verdict
) -> None:
    """The catalogue's own conditions decide, so lists, hashes, expressions and defaults are understood."""
    partitioned(conn, by=by)
    for number, values in enumerate(partitions):
        conn.execute(f"CREATE TABLE part_{number} PARTITION OF {TABLE} {values}".encode())
    assert the_one(dsn, "partitions").verdict is verdict


def test_partitions_below_partitions(conn: Connection, dsn: str) -> None:
    """A partition that is partitioned itself takes what its own partitions take."""
    partitioned(conn, by="LIST (source)")
    conn.execute(f"CREATE TABLE ours PARTITION OF {TABLE} DEFAULT PARTITION BY RANGE (created_at)")
    conn.execute("CREATE TABLE past PARTITION OF ours FOR VALUES FROM (MINVALUE) TO ('2020-01-01Z')")
    assert the_one(dsn, "partitions").verdict is WRONG
    conn.execute("CREATE TABLE now PARTITION OF ours FOR VALUES FROM ('2020-01-01Z') TO (MAXVALUE)")
    assert the_one(dsn, "partitions").verdict is OK


def test_partitions_by_a_column_of_the_hosts_cannot_be_told(conn: Connection, dsn: str) -> None:
    """What is in it only the host knows."""
    conn.execute(
        f"CREATE TABLE {TABLE} (id uuid, created_at timestamptz, source text, event_type text, tenant int) "
        "PARTITION BY LIST (tenant)"
    )
    conn.execute(f"CREATE TABLE part PARTITION OF {TABLE} FOR VALUES IN (1)")
    finding = the_one(dsn, "partitions")
    assert (finding.verdict, finding.remedy) == (WARNING, "use --try-insert")


# -- the trial --------------------------------------------------------------------------------------------------------


def test_the_trial_finds_what_no_catalogue_tells(conn: Connection, dsn: str) -> None:
    """CHECK constraints, deferred triggers that raise, triggers that swallow; and nothing is left behind."""
    create_events_table(conn)
    assert found(dsn, "trial insert") == []
    conn.execute(f"ALTER TABLE {TABLE} ADD CONSTRAINT few CHECK (event_type <> 'auto_assign.attempt')")
    finding = the_one(dsn, "trial insert", trial=True)
    assert (finding.verdict, '"few"' in finding.evidence, "23514" in finding.evidence) == (WRONG, True, True)

    conn.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT few")
    conn.execute("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$")
    conn.execute(
        f"CREATE CONSTRAINT TRIGGER late AFTER INSERT ON {TABLE} DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no()"
    )
    assert "not here" in the_one(dsn, "trial insert", trial=True).evidence

    conn.execute(f"DROP TRIGGER late ON {TABLE}")
    conn.execute(
        "CREATE FUNCTION fewer() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.severity = 'error' THEN RETURN NULL; END IF; RETURN NEW; END $$"
    )
    conn.execute(f"CREATE TRIGGER swallow BEFORE INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION fewer()")
    finding = the_one(dsn, "trial insert", trial=True)
    assert finding.evidence == f"1 of {len(CATALOGUE)} rows were swallowed without an error"

    conn.execute(f"DROP TRIGGER swallow ON {TABLE}")
    assert the_one(dsn, "trial insert", trial=True).verdict is OK
    assert count(conn) == 0


@pytest.mark.usefixtures("events_table")
def test_a_locked_table_is_no_fault(dsn: str) -> None:
    """The trial lets go of it as the exporter does, and says so."""
    with locked(dsn, f"LOCK TABLE {TABLE} IN SHARE MODE"):
        finding = the_one(dsn, "trial insert", trial=True)
    assert (finding.verdict, "not tried" in finding.evidence) == (WARNING, True)


# -- the way there ----------------------------------------------------------------------------------------------------


def test_what_cannot_be_reached_is_said_without_the_password() -> None:
    """As the last finding, with what to look at."""
    (finding,) = at_database(settings("postgresql://ann:hunter2@127.0.0.1:1/x"))
    assert (finding.subject, finding.verdict) == ("connection", WRONG)
    assert "127.0.0.1" in finding.evidence
    assert "hunter2" not in str(finding)


@pytest.mark.usefixtures("events_table")
def test_a_silent_network_ends_with_the_deadline(dsn: str) -> None:
    """In the middle of the questions: what was found until then is known."""
    with Proxy(dsn) as proxy:
        findings = at_database(settings(proxy.dsn, statement_timeout=0.3))
        first = next(findings)
        proxy.blackhole()
        *_, last = findings
    assert (first.subject, last.subject) == ("server", "connection")
    assert "did not answer in time" in last.evidence


@pytest.mark.usefixtures("events_table")
def test_a_pooler_is_told_by_its_numbers(dsn: str) -> None:
    """It gives its clients a number of its own; options in the DSN may then reach others."""
    with psycopg.connect(dsn) as real:
        connection = SimpleNamespace(
            info=SimpleNamespace(backend_pid=1, get_parameters=lambda: {"options": "-cwork_mem=1MB"}),
            execute=real.execute,
        )
        process_id = real.info.backend_pid
        told = SimpleNamespace(process_id=process_id)
        (finding,) = about_pooler(cast("connections.Connection", connection), cast("Session", told))
        assert (finding.verdict, "in which mode cannot be seen" in finding.evidence) == (WARNING, True)
        connection.info.get_parameters = dict
        told.process_id = -1
        (finding,) = about_pooler(cast("connections.Connection", connection), cast("Session", told))
        assert (finding.verdict, finding.evidence) == (OK, "there is one, in transaction mode")


@pytest.mark.parametrize(
    ("dsn", "verdict", "said"),
    [
        ("", WRONG, "none is set"),
        ("postgresql://ann:p@ss@h/x", WRONG, "not a valid PostgreSQL connection string"),
        ("postgresql://ann:geheim@db.example:6543/app", OK, "host=db.example port=6543 dbname=app"),
        ("service=bookings", OK, "service=bookings"),
    ],
)
def test_the_dsn(dsn: str, verdict: Verdict, said: str) -> None:
    """Where to, never as whom."""
    first, *_ = without_database(settings(dsn), {})
    assert (first.subject, first.verdict, said in first.evidence) == ("dsn", verdict, True)
    assert "geheim" not in first.evidence
    assert "ann" not in first.evidence
