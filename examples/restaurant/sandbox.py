"""Where the demo works: a schema that it creates and drops, on a server of its own or on the one it was told."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from examples.embedded_postgres import EmbeddedPostgres
from examples.restaurant.options import UsageError
from observability_events.connection import dsn_problem, told

_HERE: Final = Path(__file__).parent
SCHEMA_SQL: Final = b"".join(
    file.read_bytes() for file in (_HERE.parent / "observability_events.sql", _HERE / "schema.sql")
)
_DSN_VARIABLES: Final = ("SUPABASE_DB_URL", "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN")


@dataclass(frozen=True)
class Sandbox:
    """The demo's place.

    Attributes:
        dsn: Leads to the schema by its search path.
        schema: The schema's name.
        server: What a person calls the server.
        programs: The folder with ``psql`` in it, where the demo brought one.
    """

    dsn: str
    schema: str
    server: str
    programs: Path | None

    def uri(self) -> str:
        """Give the DSN as the URI that any tool understands; the search path is part of it."""
        parts = {key: str(value) for key, value in conninfo_to_dict(self.dsn).items()}
        user, password = quote(parts.pop("user", ""), safe=""), quote(parts.pop("password", ""), safe="")
        login = f"{user}:{password}@" if password else f"{user}@" if user else ""
        place = f"{login}/{quote(parts.pop('dbname', ''), safe='')}"
        return f"postgresql://{place}?{urlencode(parts, quote_via=quote)}"

    def environment(self) -> dict[str, str]:
        """Give the variables by which libpq programs, and this product, find the schema."""
        parts = conninfo_to_dict(self.dsn)
        known = {option.keyword.decode(): option.envvar for option in pq.Conninfo.get_defaults()}
        found = {name.decode(): str(parts[key]) for key, name in known.items() if name and key in parts}
        return {**found, "SUPABASE_DB_URL": self.uri()}


def forget_other_databases(environ: MutableMapping[str, str]) -> None:
    """Drop what the environment says of databases, so that no variable of a shell ever picks ours.

    Nor does one switch the SDK off: a demo that writes nothing proves nothing.
    """
    for name in list(environ):
        if name in _DSN_VARIABLES or name.startswith("PG") or name == "OTEL_SDK_DISABLED":
            del environ[name]


@contextmanager
def open_sandbox(dsn: str | None) -> Iterator[Sandbox]:
    """Open a sandbox on the server ``dsn``, or on a new one; at the end of the block nothing of it is left.

    Raises:
        UsageError: If the server cannot be used.
    """
    if dsn is not None:
        with _own_schema(dsn, programs=None) as sandbox:
            yield sandbox
        return
    with EmbeddedPostgres() as server, _own_schema(server.dsn, programs=server.bin_dir) as sandbox:
        yield sandbox


@contextmanager
def _own_schema(dsn: str, *, programs: Path | None) -> Iterator[Sandbox]:
    schema = f"restaurant_demo_{uuid.uuid4().hex[:12]}"
    if (problem := dsn_problem(dsn)) is not None:
        raise UsageError(f"--dsn: {problem}")
    try:
        options = " ".join(filter(None, (str(conninfo_to_dict(dsn).get("options") or ""), f"-csearch_path={schema}")))
        scoped = make_conninfo(dsn, options=options, connect_timeout=conninfo_to_dict(dsn).get("connect_timeout", 10))
        with psycopg.connect(scoped, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            version = conn.info.server_version // 10_000
    except psycopg.Error as error:
        raise UsageError(f"--dsn: {told(error, dsn)}") from None
    try:
        with psycopg.connect(scoped, autocommit=True) as conn:
            conn.execute(SCHEMA_SQL)
        yield Sandbox(scoped, schema, f"PostgreSQL {version}{', embedded' if programs else ''}", programs)
    finally:
        _drop(scoped, schema)


def _drop(dsn: str, schema: str) -> None:
    try:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
    except psycopg.OperationalError:
        return  # the server has gone, and what was on an embedded one with it
