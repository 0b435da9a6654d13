"""A proxy before the database that can fall silent, hold answers, dawdle, refuse, or break the line.

::

    client ── up ──► Proxy ──► server
           ◄─ down ──

Each direction is a `Direction` of its own, so that a statement may arrive and its answer not.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 65536
_LOOK_SECONDS = 0.05  # how long a direction that is held may overlook that the proxy was closed


class Direction:
    """One way through the proxy, of all its connections.

    Attributes:
        passing: Bytes go on while it is set.
        delay: Seconds that each chunk is kept.
        bytes: How many went through.
    """

    def __init__(self) -> None:
        self.passing = threading.Event()
        self.passing.set()
        self.delay = 0.0
        self.bytes = 0
        self._allowed: int | None = None

    def cut_after(self, count: int) -> None:
        """Let ``count`` more bytes through, then break the connection that has sent them."""
        self._allowed = count

    def take(self, data: bytes) -> tuple[bytes, bool]:
        """Give what of ``data`` may go on, and whether the line breaks behind it."""
        if self._allowed is None or len(data) < self._allowed:
            if self._allowed is not None:
                self._allowed -= len(data)
            return data, False
        data, self._allowed = data[: self._allowed], None
        return data, True


class Proxy:
    """Listens on a TCP port of this machine and passes bytes on to the server of ``dsn``.

    Attributes:
        dsn: ``dsn``, through the proxy.
        up: From the clients to the server.
        down: From the server to the clients.
        connections: How many were accepted until now.
    """

    def __init__(self, dsn: str) -> None:
        known = conninfo_to_dict(dsn)
        host, port = str(known.get("host") or "localhost"), int(known.get("port") or 5432)
        self._upstream = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self.up = Direction()
        self.down = Direction()
        self.connections = 0
        self.dsn = make_conninfo(dsn, host="127.0.0.1", port=self._port, sslmode="disable")

    def blackhole(self) -> None:
        """Swallow everything in silence from now on; connections stay open and are accepted."""
        self.up.passing.clear()
        self.down.passing.clear()

    def release(self) -> None:
        """Let pass what was held back, and all that comes."""
        self.up.passing.set()
        self.down.passing.set()

    def cut(self) -> None:
        """Reset every open connection; new ones are passed on."""
        with self._lock:
            open_now, self._sockets = self._sockets, []
        for end in open_now:
            _reset(end)

    def refuse(self) -> None:
        """Reset every open connection, and refuse new ones as a machine does on which nothing listens."""
        self._stop_listening()
        self.cut()

    def accept(self) -> None:
        """Accept connections again, on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._spawn(self._accept)

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.release()
        self._stop_listening()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type] # one of our methods
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        listener = self._listener
        while not self._closed:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.socket(socket.AF_UNIX if isinstance(self._upstream, str) else socket.AF_INET)
            with self._lock:
                self._sockets += [client, server]
            try:
                server.connect(self._upstream)
            except OSError:
                _reset(client)
                continue
            self._spawn(self._pump, client, server, self.up)
            self._spawn(self._pump, server, client, self.down)

    def _pump(self, source: socket.socket, sink: socket.socket, way: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                time.sleep(way.delay)
                while not way.passing.wait(_LOOK_SECONDS) and not self._closed:
                    pass
                if self._closed:
                    return
                data, breaks = way.take(data)
                sink.sendall(data)
                way.bytes += len(data)
                if breaks:
                    _reset(source)
                    _reset(sink)
                    return
            sink.shutdown(socket.SHUT_WR)


def _reset(end: socket.socket) -> None:
    """Close a connection so that the other side is told at once, by RST."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()
