"""The sink as a process: both doors open, until it is told to end; then what is in hand is finished.

::

    starting ──► both doors listen ──signal──► draining: nothing new ──► all answered, or the time is up ──► ended
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from observability_events.sink.grpc_door import GrpcDoor
from observability_events.sink.http_door import HttpDoor
from observability_events.sink.receiving import Receiver
from observability_events.sink.setup import SetupError, said, told_to_end
from observability_events.sink.writing import SinkWriter
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import address

if TYPE_CHECKING:
    from otel_auto_assign.settings import Settings

__all__ = ["SetupError", "run"]

ANSWERING_SECONDS: Final = 2.0  # for answers to reach their senders, when nothing is written any more

_log = SafeLog(__name__)


def run(settings: Settings) -> None:
    """Be a sink until SIGTERM or SIGINT.

    Raises:
        SetupError: if certificate, key or token cannot be read, or no door is open.
        OSError: if an address cannot be had.
    """
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    ended = told_to_end()
    grpc_at, http_at = address(settings.sink_grpc), address(settings.sink_http)
    if grpc_at is None and http_at is None:
        raise SetupError("both doors are off: there is nothing to do")
    token, tls = token_of(settings), _tls(settings)
    writer = SinkWriter(settings)
    receiver = Receiver(writer, settings, token)
    doors: list[GrpcDoor | HttpDoor] = []
    try:
        for protocol, at in (("grpc", grpc_at), ("http", http_at)):
            if at is None:
                continue
            door = _door(protocol, receiver, tls)
            doors.append(door)
            port = await door.open(*at)
            _log.info("listening for OTLP/%s on %s:%d%s", protocol, at[0], port, " with TLS" if tls else "")
            _warn(at[0], secret=bool(token), encrypted=tls is not None)
        writer.start()
        await ended.wait()
        _log.info("told to end: nothing more is taken, what is in hand is finished")
    finally:
        receiver.draining = True
        grace = settings.shutdown_timeout
        closing = [door.close(grace + ANSWERING_SECONDS) for door in doors]
        await asyncio.gather(*closing, asyncio.to_thread(writer.close, grace))
        receiver.close()
    accounts = writer.accounts()
    _log.info(
        "ended: %d rows committed, %d of them were there before, %d dead letters, %d left with their senders",
        accounts.committed,
        accounts.already_present,
        accounts.dead_lettered,
        accounts.handed_over,
    )


def _door(protocol: str, receiver: Receiver, tls: tuple[bytes, bytes, ssl.SSLContext] | None) -> GrpcDoor | HttpDoor:
    if protocol == "grpc":
        return GrpcDoor(receiver, None if tls is None else tls[:2])
    return HttpDoor(receiver, None if tls is None else tls[2])


def token_of(settings: Settings) -> str:
    """Give what senders must know; empty where they need not.

    Raises:
        SetupError: if its file cannot be read, or holds none: nobody is let in by mistake.
    """
    if settings.sink_token or not settings.sink_token_file:
        return settings.sink_token.strip()
    try:
        token = Path(settings.sink_token_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"the token cannot be read from {settings.sink_token_file}: {said(error)}") from None
    if not token:
        raise SetupError(f"there is no token in {settings.sink_token_file}")
    return token


def _tls(settings: Settings) -> tuple[bytes, bytes, ssl.SSLContext] | None:
    """Give key, certificates and a context with both; read once, so a renewed certificate needs a restart."""
    certificate, key = settings.sink_certificate, settings.sink_key
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise SetupError("TLS needs both, a certificate and its key: give the other one, too")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        return Path(key).read_bytes(), Path(certificate).read_bytes(), context
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"{certificate} and {key} cannot be used for TLS: {said(error)}") from None


def _warn(host: str, *, secret: bool, encrypted: bool) -> None:
    """Say what a door is open to, unless it is this machine alone."""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if local:
        return
    if not secret:
        _log.warning("whoever reaches %s can write rows: set OTEL_AUTO_ASSIGN_SINK_TOKEN", host)
    if not encrypted:
        _log.warning("what is sent to %s can be read on its way, a token included: set up TLS", host)
