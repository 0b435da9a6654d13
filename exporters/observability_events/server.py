"""What the server says of itself, of the way to it and of our role: before a deploy, as findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql

from observability_events.findings import Finding, Verdict
from observability_events.questions import question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from observability_events.connection import Connection
    from otel_auto_assign.settings import Settings

OLDEST: Final = 150_000  # PostgreSQL 15, as the server counts
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_VERIFYING: Final = ("verify-ca", "verify-full")
_MS_PER_S: Final = 1000.0
_TIMES_ASKED: Final = 3  # for our server process: in transaction mode each statement may get another


@dataclass(frozen=True)
class Session:
    """What `sql/session.sql` says."""

    role: str
    superuser: bool
    bypasses_row_security: bool
    database: str
    version: str
    version_number: int
    standby: bool
    read_only: bool
    statement_timeout_ms: int
    idle_timeout_ms: int
    process_id: int

    @property
    def quoted_role(self) -> str:
        """The role as SQL."""
        return sql.Identifier(self.role).as_string()


def session(connection: Connection) -> Session:
    """Ask who we are.

    Raises:
        psycopg.Error: if the question fails.
    """
    found = connection.execute(question("session")).fetchone()
    assert found is not None  # noqa: S101 - for the type checker: there always is a current role
    return Session(*found)


def about_server(found: Session) -> Iterator[Finding]:
    """Say whether rows can be written here at all."""
    subject = "server"
    if found.standby or found.read_only:
        what = "is a standby" if found.standby else "allows this role reading only"
        remedy = "name the primary in the DSN; with several hosts, add target_session_attrs=read-write"
        yield Finding(subject, Verdict.WRONG, f"it {what}", remedy)
    if found.version_number < OLDEST:
        evidence = f"PostgreSQL {found.version} is older than what is tested here"
        yield Finding(subject, Verdict.WARNING, evidence, "use PostgreSQL 15 or newer")
    else:
        yield Finding(subject, Verdict.OK, f'PostgreSQL {found.version}, database "{found.database}"')


def about_encryption(connection: Connection) -> Iterator[Finding]:
    """Say who could read along, or stand in for the server."""
    host, subject = connection.info.host, "encryption"
    mode = {option.keyword: option.val for option in connection.pgconn.info}.get(b"sslmode") or b""
    if host.startswith("/"):
        yield Finding(subject, Verdict.OK, "a socket of this machine")
    elif not connection.pgconn.ssl_in_use:
        verdict = Verdict.OK if host in _LOOPBACK else Verdict.WARNING
        remedy = "" if verdict is Verdict.OK else "add sslmode=verify-full and sslrootcert to the DSN"
        yield Finding(subject, verdict, f"none between here and {host}", remedy)
    elif mode.decode() not in _VERIFYING:
        evidence = f"TLS, but anybody may pose as {host} (sslmode={mode.decode()})"
        yield Finding(subject, Verdict.WARNING, evidence, "add sslmode=verify-full and sslrootcert to the DSN")
    else:
        yield Finding(subject, Verdict.OK, f"TLS, and {host} has proved who it is (sslmode={mode.decode()})")


def about_pooler(connection: Connection, found: Session) -> Iterator[Finding]:
    """Say whether somebody stands between: a pooler gives its clients a number that is no server process's.

    Raises:
        psycopg.Error: if the question fails.
    """
    subject = "pooler"
    if connection.info.backend_pid == found.process_id:
        yield Finding(subject, Verdict.OK, "none")
        return
    processes = {found.process_id} | {session(connection).process_id for _ in range(_TIMES_ASKED)}
    mode = "in transaction mode" if len(processes) > 1 else "in which mode cannot be seen; transaction mode will do"
    if connection.info.get_parameters().get("options"):
        yield Finding(
            subject,
            Verdict.WARNING,
            f"there is one, {mode}: the options of the DSN may be refused or reach its other clients",
            "give the table with its schema, and set the rest by ALTER ROLE",
        )
    else:
        yield Finding(subject, Verdict.OK, f"there is one, {mode}")


def about_role(found: Session) -> Iterator[Finding]:
    """Say what our role may do that no writer of rows needs."""
    subject, remedy = "role", "paste what `otel-auto-assign check --sql role` prints"
    if found.superuser:
        yield Finding(subject, Verdict.WARNING, f"{found.quoted_role} is a superuser", remedy)
    elif found.bypasses_row_security:
        yield Finding(subject, Verdict.WARNING, f"{found.quoted_role} bypasses row security everywhere", remedy)
    else:
        yield Finding(subject, Verdict.OK, f"{found.quoted_role} is an ordinary one")


def about_time_outs(found: Session, settings: Settings) -> Iterator[Finding]:
    """Say whether the server ends what we have lost sight of; we end our own statements on this side."""
    subject = "time-outs"
    missing = [
        name
        for name, given_ms in (
            ("statement_timeout", found.statement_timeout_ms),
            ("idle_in_transaction_session_timeout", found.idle_timeout_ms),
        )
        if not given_ms
    ]
    if missing:
        wanted = server_time_out(settings)
        remedy = "; ".join(f"ALTER ROLE {found.quoted_role} SET {name} = '{wanted}'" for name in missing)
        evidence = f"the server sets none for {' and '.join(missing)}: a session cut off from us may stay for ever"
        yield Finding(subject, Verdict.WARNING, evidence, remedy)
        return
    shown = f"statement_timeout is {found.statement_timeout_ms / _MS_PER_S:g} s"
    if found.statement_timeout_ms < _MS_PER_S:
        remedy = f"ALTER ROLE {found.quoted_role} SET statement_timeout = '{server_time_out(settings)}'"
        yield Finding(subject, Verdict.WARNING, f"{shown}: too short for a batch on a busy server", remedy)
    else:
        yield Finding(
            subject, Verdict.OK, f"{shown}, idle_in_transaction_session_timeout {found.idle_timeout_ms / _MS_PER_S:g} s"
        )


def server_time_out(settings: Settings) -> str:
    """Give the server's time-out that leaves ours the first word."""
    return f"{settings.statement_timeout + 5:.0f}s"
