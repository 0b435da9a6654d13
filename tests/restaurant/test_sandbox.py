"""Where the demo works: never where a variable says."""

import subprocess

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from examples.embedded_postgres import EmbeddedPostgres
from examples.restaurant.options import UsageError
from examples.restaurant.sandbox import Sandbox, forget_other_databases, open_sandbox


def test_no_variable_is_left_that_could_pick_a_database() -> None:
    """Whatever libpq or this product would read is gone; the rest of the environment is not."""
    names = ("SUPABASE_DB_URL", "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN", "PGHOST", "PGOPTIONS", "PGSERVICE", "PATH")
    environ = dict.fromkeys(names, "production")

    forget_other_databases(environ)

    assert environ == {"PATH": "production"}


@pytest.mark.parametrize(
    "dsn",
    [
        "host=/tmp/so-cket port=5433 user=me dbname=day options='-csearch_path=demo -cwork_mem=1MB'",
        "postgresql://me:s%40cret%2F@db.example.org:6432/my%20day?sslmode=require&options=-csearch_path%3Ddemo",
    ],
)
def test_a_uri_says_the_same_as_its_dsn(dsn: str) -> None:
    """The URI handed to other tools leads to the same server, user and schema."""
    sandbox = Sandbox(dsn, "demo", "PostgreSQL", None)

    assert conninfo_to_dict(sandbox.uri()) == conninfo_to_dict(dsn)


def test_a_program_finds_the_schema_by_the_environment_alone(server_dsn: str) -> None:
    """Psql without an argument works in the sandbox's schema, and the schema is gone afterwards."""
    with open_sandbox(server_dsn) as sandbox:
        shown = subprocess.run(
            [
                EmbeddedPostgres().bin_dir / "psql",
                "-XAtc",
                "SELECT current_schema(), to_regclass('bookings') IS NOT NULL",
            ],
            env=sandbox.environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        with psycopg.connect(sandbox.uri()) as conn:
            assert conn.execute("SELECT current_schema()").fetchone() == (sandbox.schema,)

    assert shown == f"{sandbox.schema}|t\n"
    with psycopg.connect(server_dsn) as conn:
        assert conn.execute("SELECT to_regnamespace(%s)", (sandbox.schema,)).fetchone() == (None,)


@pytest.mark.parametrize("dsn", ["host=/nowhere user=me", "port=http", "not a dsn"])
def test_a_server_that_cannot_be_used_is_a_usage_error(dsn: str) -> None:
    """One line, which names the option."""
    with pytest.raises(UsageError, match=r"\A--dsn: .+\Z"), open_sandbox(dsn):
        pass
