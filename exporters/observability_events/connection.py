"""The exporter's own connection: its parameters, a deadline on every statement, and texts without secrets."""

from __future__ import annotations

import math
import os
import re
import selectors
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, unquote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from observability_events import wire
from observability_events.failures import DeadlineError
from otel_auto_assign.values import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from otel_auto_assign.settings import Settings

APPLICATION_NAME: Final = "otel-auto-assign"
SINK_APPLICATION_NAME: Final = "otel-auto-assign-sink"
"""By these names the server knows who writes rows, in the application's process and behind a collector; `doctor` looks
for them in ``pg_stat_activity``."""
CANCEL_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.05  # how long a wait for the server may overlook that its deadline was moved
TOLD_CHARACTERS: Final = 1000  # an error with our remedy
_SCHEMES: Final = ("postgresql://", "postgres://")
_SECRETS: Final = ("password", "sslpassword")
_SPELLED: Final = re.compile(r"(?:^postgres(?:ql)?://[^/?#@:]*:|[?&](?:ssl)?password=)([^@&]+)")

Result = TypeVar("Result")


def nothing() -> bool:
    """Have nothing else to do while the server is waited for."""
    return False


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose statements end at ``deadline``, whatever the network and the server do.

    The wait is ours, so a stopped server, a silent network and a shutdown from another thread (which moves the
    deadline to the past) all end it; time-outs of the server or of TCP end none of the three. The connection is of
    no use afterwards.
    """

    deadline: float = math.inf  # by time.monotonic()
    meanwhile: Callable[[], bool] = staticmethod(nothing)
    """Called in the place of waiting, again and again until it gives false; short, for the deadline is looked at
    between two calls."""
    given_up = False  # whether a statement may still run on the server

    def wait(
        self,
        gen: Generator[Any, Any, Result],
        interval: float | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Drive ``gen``, a conversation with the server, to its end.

        Raises:
            DeadlineError: when the deadline comes first.
        """
        try:
            wanted = next(gen)
            more = True  # to be done meanwhile
            with selectors.DefaultSelector() as selector:
                key = selector.register(self.pgconn.socket, wanted)
                while True:
                    remaining = self.deadline - time.monotonic()
                    if remaining <= 0:
                        self.given_up = True
                        raise DeadlineError("the server did not answer in time")
                    ready = selector.select(0 if more else min(remaining, LOOK_SECONDS))
                    if not ready:
                        more = more and self.meanwhile()
                        continue
                    wanted = gen.send(ready[0][1])
                    if wanted != key.events:
                        key = selector.modify(key.fd, wanted)
        except StopIteration as end:
            result: Result = end.value
            return result

    def together(self, before: bytes, statement: bytes, arrays: Sequence[wire.Array]) -> int:
        """Run two statements in one transaction and one round trip; give how many rows the second one wrote.

        They go in libpq's pipeline mode, the server's end of which is one transaction up to the sync. psycopg's own
        pipelines are left alone: a deadline in the middle of one has it wait again, and hides what has happened.

        Raises:
            psycopg.Error: what the server or the connection said; the connection can be used if that is still open.
            DeadlineError: when the deadline comes first.
        """
        if not psycopg.capabilities.has_pipeline():  # a libpq before 14: the same in four round trips
            with self.transaction():
                self.execute(before)
                return psycopg.RawCursor(self).execute(statement, arrays).rowcount
        return self.wait(self._together(before, statement, [array.data for array in arrays]))

    def _together(self, before: bytes, statement: bytes, values: list[bytes]) -> Generator[int, int, int]:
        """See `together`: give what is to be waited for, as selectors have it, and take what has come."""
        pgconn = self.pgconn
        pgconn.enter_pipeline_mode()
        pgconn.send_query_params(before, None)
        pgconn.send_query_params(statement, values, param_formats=[pq.Format.BINARY] * len(values))
        pgconn.pipeline_sync()
        while pgconn.flush():
            if (yield selectors.EVENT_READ | selectors.EVENT_WRITE) & selectors.EVENT_READ:
                pgconn.consume_input()
        written, error = 0, None
        while True:
            while pgconn.is_busy():
                yield selectors.EVENT_READ
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:  # between two statements
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                break
            if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
                error = error or psycopg.errors.error_from_result(result)
                if pgconn.status == pq.ConnStatus.BAD:
                    raise error
            written = result.command_tuples or 0
        pgconn.exit_pipeline_mode()
        if error is not None:
            raise error
        return written

    def give_up(self) -> None:
        """Ask the server to end the statement that was given up, briefly.

        Without it a statement that waits for a lock of the host's would go on waiting, one more after each retry,
        until the server had no connection left. Not asked of a libpq before 17, which cannot do it in limited time.
        """
        if self.given_up and psycopg.capabilities.has_cancel_safe():
            try:
                self.cancel_safe(timeout=CANCEL_SECONDS)
            except psycopg.Error:  # it cannot be reached: what it does is beyond us
                pass


def connect(settings: Settings, application_name: str = APPLICATION_NAME) -> Connection:
    """Connect as ``settings`` say, known to the server by ``application_name``.

    Nothing is set in the session and no ``options`` are sent: through a pooler they would reach other clients.
    Connections through psycopg's default settings may differ in their encoding, hence the explicit one. What the host's
    instrumentation has put around ``connect`` is gone round: its statements are not ours to trace, and where it is
    taken off again `connect` no longer gives a connection of our class, but one without a deadline.

    Raises:
        psycopg.Error: without a SQLSTATE, whatever the cause is.
    """
    plain = getattr(psycopg.Connection.connect, "__func__", None)  # through any wrapper, and through what is left of it
    make: Callable[..., Connection] = Connection.connect if plain is None else partial(plain, Connection)
    connection = make(
        settings.dsn,
        autocommit=True,
        prepare_threshold=None,  # poolers in transaction mode lose prepared statements
        connect_timeout=max(2, math.ceil(settings.connect_timeout)),  # libpq knows whole seconds, two at least
        application_name=application_name,
        client_encoding="UTF8",
    )
    for kind, dumper in wire.DUMPERS.items():
        connection.adapters.register_dumper(kind, dumper)
    return connection


def dsn_problem(dsn: str) -> str | None:
    """Say what is wrong with ``dsn`` in one sentence without any part of it, or give None.

    libpq's own messages quote what they could not parse, and that may be the password. A password with a character
    that should have been escaped makes libpq take parts of it for a host, a port or a database, which messages show.
    What comes after a NUL it would not even see.
    """
    scheme = next((known for known in _SCHEMES if dsn.startswith(known)), None)
    try:
        if "\0" in dsn:
            raise ValueError
        conninfo_to_dict(dsn)
        if scheme is not None:
            address = dsn.removeprefix(scheme).split("?", 1)[0]
            authority, _, path = address.partition("/")
            if authority.count("@") > 1 or "@" in path:
                raise ValueError
    except (psycopg.Error, ValueError):
        return (
            "the DSN is not a valid PostgreSQL connection string "
            "(in a URI, special characters of the password must be percent-encoded)"
        )
    return None


def told(error: BaseException, dsn: str) -> str:
    """Give the text of ``error`` on one line, without what is secret in ``dsn``, e-mail addresses and phone numbers.

    Of the server's messages only the first line: the details that follow quote the failing row. What a trigger of the
    host's raises may name a person in the first line, too.
    """
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        text = f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})"
    else:
        text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
    return without_secrets(text, dsn)


def without_secrets(text: str, dsn: str) -> str:
    """Give ``text`` without what is secret in ``dsn``, and without ``dsn`` itself."""
    for secret in sorted(_secrets(dsn), key=len, reverse=True):  # the whole before its parts, or it is not found
        text = text.replace(secret, "…")
    return scrub(text, TOLD_CHARACTERS)


def _secrets(dsn: str) -> set[str]:
    try:
        parsed = conninfo_to_dict(dsn)
    except psycopg.Error:
        return {dsn}
    values = {str(parsed[name]) for name in _SECRETS if parsed.get(name)} | {os.environ.get("PGPASSWORD", "")}
    spelled = set(_SPELLED.findall(dsn))  # what a URI says of a password, however much of it is percent-encoded
    return {form for value in values | spelled if value for form in (value, unquote(value), quote(value, safe=""), dsn)}
