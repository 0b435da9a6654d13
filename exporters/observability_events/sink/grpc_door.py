"""OTLP/gRPC: ``TraceService/Export``, on the event loop, so that a call that sends nothing holds no thread.

A collector drops for good what it is answered with any status outside a short list. So every failure is UNAVAILABLE
with RetryInfo, and INVALID_ARGUMENT is only for bytes that can never be read. gRPC's own answers stay:
RESOURCE_EXHAUSTED for a message that is too large, UNIMPLEMENTED for metrics and logs.

https://opentelemetry.io/docs/specs/otlp/#failures
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from observability_events.sink.decoding import PROTOBUF, UndecodableError
from observability_events.sink.receiving import MESSAGE_BYTES, RETRY_SECONDS, LaterError
from otel_auto_assign import _guard

if TYPE_CHECKING:
    from observability_events.sink.receiving import Receiver

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a second sink on the same port is a mistake that must be seen
    ("grpc.max_concurrent_streams", 100),  # of one connection
    ("grpc.server_handshake_timeout_ms", 10_000),  # for who connects and says nothing
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),  # collectors may be told to ping
)
_DETAILS: Final = "grpc-status-details-bin"
_DONE: Final[bytes] = ExportTraceServiceResponse().SerializeToString()  # no partial success: that is never sent again


class GrpcDoor(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc ships no types
    """Takes calls for ``receiver``, with TLS if ``tls`` gives a private key and the certificates that belong to it."""

    def __init__(self, receiver: Receiver, tls: tuple[bytes, bytes] | None = None) -> None:
        self._receiver = receiver
        self._tls = tls
        self._server: Any = aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers([self])

    async def open(self, host: str, port: int) -> int:
        """Take calls from now on; give the port.

        Raises:
            OSError: if the address cannot be had.
        """
        # A use of gRPC's poller that never ends: with its last use it is stopped and waited for. If a call was aborted,
        # that comes with the interpreter's last garbage, and an older grpcio (1.66 was seen) can wait for ever there.
        # https://github.com/grpc/grpc/issues/22365
        aio.init_grpc_aio()
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._tls is None:
                bound = self._server.add_insecure_port(where)
            else:
                bound = self._server.add_secure_port(where, grpc.ssl_server_credentials([self._tls]))
        except RuntimeError:
            bound = 0
        if not bound:
            raise OSError(None, "cannot listen for OTLP/gRPC, the address is in use or not of this machine", where)
        await self._server.start()
        return int(bound)

    async def close(self, grace: float) -> None:
        """Take no more calls, and end those that are not answered after ``grace`` seconds."""
        await self._server.stop(grace)

    def service(self, call: Any) -> Any:
        """Give what handles a call: the bytes of messages are left as they are."""
        return grpc.unary_unary_rpc_method_handler(self._export) if call.method == EXPORT else None

    async def _export(self, request: bytes, context: Any) -> bytes:
        try:
            deadline = self._receiver.deadline(context.time_remaining())
            given = dict(context.invocation_metadata() or ())
            self._receiver.admit(given.get("authorization"))
            with self._receiver.room() as room:
                room.grow(len(request))
                await self._receiver.take(request, PROTOBUF, deadline)
        except UndecodableError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except LaterError as error:
            await _later(context, str(error))
        except Exception as error:
            _guard.swallowed("answering a call", error)
            await _later(context, "a fault of the sink")
        return _DONE


async def _later(context: Any, text: str) -> None:
    """End a call so that it is sent again."""
    code = grpc.StatusCode.UNAVAILABLE
    packed = Packed()
    packed.Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_SECONDS)))
    status = Status(code=code.value[0], message=text, details=[packed])
    await context.abort(code, text, trailing_metadata=((_DETAILS, status.SerializeToString()),))
