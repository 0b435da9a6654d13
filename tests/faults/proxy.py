"""A proxy before the database that can fall silent or break the line."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from types import TracebackType

_CHUNK = 65536


class Proxy:
    """Listens on a TCP port of this machine and passes bytes on to the server of ``dsn`` while ``passing`` is set."""

    def __init__(self, dsn: str) -> None:
        known = conninfo_to_dict(dsn)
        host, port = str(known.get("host") or "localhost"), int(known.get("port") or 5432)
        self._upstream = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self.passing = threading.Event()
        self.passing.set()
        self.dsn = make_conninfo(dsn, host="127.0.0.1", port=self._listener.getsockname()[1], sslmode="disable")

    def blackhole(self) -> None:
        """Swallow everything in silence from now on; connections stay open and are accepted."""
        self.passing.clear()

    def cut(self) -> None:
        """Reset every open connection; new ones are passed on."""
        with self._lock:
            open_now, self._sockets = self._sockets, []
        for end in open_now:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.passing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _spawn(self, target: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type] # one of our methods
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX if isinstance(self._upstream, str) else socket.AF_INET)
            with self._lock:
                self._sockets += [client, server]
            try:
                server.connect(self._upstream)
            except OSError:
                self.cut()
                continue
            self._spawn(self._pump, client, server)
            self._spawn(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                while not self.passing.wait(0.05):
                    if self._closed:
                        return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
