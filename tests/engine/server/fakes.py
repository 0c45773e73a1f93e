"""Doubles for what transports stand on: a TCP connection, an engine, HTTP exchanges."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sockwave.engine.core.heartbeat import TimingWheel, WheelEntry
from sockwave.engine.core.options import EngineOptions
from sockwave.engine.core.request import Request
from sockwave.engine.io.turns import Turns
from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders
from sockwave.engine.server.sessions.departures import Departures
from sockwave.engine.server.transports.compression import Compressions
from sockwave.errors import TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.transport import Transport
    from sockwave.types import DisconnectReason, SessionId


class FakeTcp(asyncio.Transport):
    """A TCP connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.is_reading_now = True
        self.has_ended = False
        self.in_buffer = 0
        self.end = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.has_ended
        self.written += data
        self.writes += 1

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True

    def is_closing(self) -> bool:
        return self.has_ended

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.end += "eof "

    def get_write_buffer_size(self) -> int:
        return self.in_buffer

    def close(self) -> None:
        self.has_ended = True
        self.end += "close"

    def abort(self) -> None:
        self.has_ended = True
        self.end += "abort"


class FakeHost:
    """An engine as its transports see it; turns of the loop pass when a test says so."""

    def __init__(self, **options: Any) -> None:
        self.options = EngineOptions(**options)
        self.edits_headers = False
        self.now = 0.0
        self.seconds_per_look = 0.0
        self.wheel = TimingWheel()
        self.soon: list[Callable[[], None]] = []
        self.lost: list[object] = []
        self.turns = Turns(self.turn_clock, self.call_soon)
        self.compressions = Compressions(self.turns, self.turn_clock)
        self.departures = Departures(self.turn_clock, self.call_soon)

    def clock(self) -> float:
        return self.now

    def turn_clock(self) -> float:
        self.now += self.seconds_per_look
        return self.now

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        self.wheel.schedule(entry, deadline)

    def cancel(self, entry: WheelEntry) -> None:
        self.wheel.cancel(entry)

    def connection_lost(self, connection: object) -> None:
        self.lost.append(connection)

    def success_headers(
        self, headers: ResponseHeaders, request: Request, new_sid: SessionId | None
    ) -> ResponseHeaders:
        return headers

    def error_headers(self, request: Request) -> ResponseHeaders:
        return ()

    def turn(self) -> None:
        """Call what waits for the next turn."""
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for entry in self.wheel.expire(self.now):
            entry.handle_timeout(self.now)


class FakeReceiver:
    """Keeps what a transport tells its session.

    Attributes:
        on_text: Called with each text packet, before it is kept.
    """

    def __init__(self) -> None:
        self.packets: list[str | bytes] = []
        self.ends: list[tuple[str, str]] = []
        self.times_writable = 0
        self.on_text: Callable[[str], None] = lambda packet: None

    def text_received(self, packet: bytes) -> None:
        try:
            text = packet.decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
        self.packets.append(text)
        self.on_text(text)

    def binary_received(self, data: bytes) -> None:
        self.packets.append(data)

    def transport_writable(self, transport: Transport) -> None:
        self.times_writable += 1

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        self.ends.append((reason.value, description))


class FakeExchange(HttpExchange):
    """A request, and what it was answered with."""

    def __init__(self, method: str = "GET", **headers: str) -> None:
        fields = {
            name.replace("_", "-").encode(): value.encode() for name, value in headers.items()
        }
        super().__init__(Request(method, "/engine.io/", fields, ("192.0.2.1", 5_000)))
        self.answers: list[tuple[int, bytes]] = []
        self.headers: dict[str, str] = {}
        self.was_aborted = False

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        assert not self.answers, "answered twice"
        self.answers.append((status, body))
        self.headers = dict(headers)

    def close_after(self) -> None: ...

    def abort(self) -> None:
        self.was_aborted = True
