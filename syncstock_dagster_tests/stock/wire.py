"""A proxy between a client and PostgreSQL that can stop, cut or watch at every single round trip.

What belongs here: the wire. It forwards bytes, numbers the round trips of all connections through it, and asks a hook
before each request reaches the server and before each answer reaches the client. What does not: any expectation.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal, NamedTuple
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

#: Frontend messages after which a client waits: simple query, sync, end of a copy.
_ENDS_OF_REQUEST = {b"Q", b"S", b"c"}
#: Backend messages that end an answer: ready for query, ready to take a copy.
_ENDS_OF_ANSWER = {b"Z", b"G"}


class Trip(NamedTuple):
    """One round trip: its number over all connections, where it is, what it says, and on which backend."""

    number: int
    phase: Literal["request", "answer"]
    sql: str
    backend_pid: int


#: Told of every trip, twice; says whether to go on or to cut the connection there. It may block: the wire waits.
Hook = Callable[[Trip], Literal["go on", "cut"]]


class Wire:
    """A listening proxy; ``url`` is the database's own address with this proxy in between."""

    def __init__(self, url: str, hook: Hook = lambda _: "go on") -> None:
        parts = conninfo_to_dict(url)
        host, port = str(parts.get("host", "localhost")), int(parts.get("port", 5432) or 5432)
        self._server: tuple[int, str | tuple[str, int]] = (
            (socket.AF_UNIX, f"{host}/.s.PGSQL.{port}")
            if host.startswith("/")
            else (socket.AF_INET, (host, port))
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        login = ":".join(quote(str(parts[name]), safe="") for name in ("user", "password") if parts.get(name))
        self.url = (
            f"postgresql://{login}{'@' if login else ''}127.0.0.1:{self._listener.getsockname()[1]}"
            f"/{quote(str(parts['dbname']), safe='')}?sslmode=disable&gssencmode=disable"
        )
        self.hook = hook
        self.trips: list[str] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        with self._lock:
            for one in self._open:
                _close(one)

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            family, address = self._server
            server = socket.socket(family, socket.SOCK_STREAM)
            try:
                server.connect(address)
            except OSError:
                _close(client)
                continue
            with self._lock:
                self._open |= {client, server}
            connection = _Connection(self, client, server)
            threading.Thread(target=connection.carry_requests, daemon=True).start()
            threading.Thread(target=connection.carry_answers, daemon=True).start()

    def number(self, sql: str) -> int:
        """Number a new round trip."""
        with self._lock:
            self.trips.append(sql)
            return len(self.trips)


class _Connection:
    """One client's connection to one backend."""

    def __init__(self, wire: Wire, client: socket.socket, server: socket.socket) -> None:
        self.wire, self.client, self.server = wire, client, server
        self.backend_pid = 0
        self.waiting: list[Trip] = []  # requests that have not been answered, oldest first
        self.started = False

    def carry_requests(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._forward_startup()
            sql = ""
            while True:
                kind, body = _read_message(self.client)
                if kind in {b"Q", b"P"}:
                    sql = body.split(b"\x00")[0 if kind == b"Q" else 1].decode(errors="replace") or sql
                if kind in _ENDS_OF_REQUEST:
                    trip = Trip(self.wire.number(sql), "request", sql, self.backend_pid)
                    if self.wire.hook(trip) == "cut":
                        break
                    self.waiting.append(trip)
                self.server.sendall(_message(kind, body))
        self.close()

    def _forward_startup(self) -> None:
        length = _read(self.client, 4)
        self.server.sendall(length + _read(self.client, struct.unpack("!I", length)[0] - 4))

    def carry_answers(self) -> None:
        answer = b""
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, body = _read_message(self.server)
                answer += _message(kind, body)
                if kind == b"K":
                    (self.backend_pid,) = struct.unpack("!I", body[:4])
                if kind in _ENDS_OF_ANSWER and self.waiting:
                    trip = self.waiting.pop(0)._replace(phase="answer")
                    if self.wire.hook(trip) == "cut":
                        answer = b""
                        break
                # While a connection is being made, every message is an answer of its own.
                if kind in _ENDS_OF_ANSWER or not self.started:
                    self.started = self.started or kind == b"Z"
                    self.client.sendall(answer)
                    answer = b""
        # Whatever was said last, a terminated backend's farewell among it.
        with contextlib.suppress(OSError):
            self.client.sendall(answer)
        self.close()

    def close(self) -> None:
        for one in (self.client, self.server):
            _close(one)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _read_message(source: socket.socket) -> tuple[bytes, bytes]:
    head = _read(source, 5)
    return head[:1], _read(source, struct.unpack("!I", head[1:])[0] - 4)


def _read(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def cut_once(number: int, phase: Literal["request", "answer"]) -> Hook:
    """Cut the connection at one round trip, before or after the server has done what it says; never again."""

    def hook(trip: Trip) -> Literal["go on", "cut"]:
        return "cut" if (trip.number, trip.phase) == (number, phase) else "go on"

    return hook
