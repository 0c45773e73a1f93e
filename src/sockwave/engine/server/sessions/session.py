"""A session as its user holds it: the core, with handlers and the request it began with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.engine.core.handlers import NO_HANDLERS, Handler
from sockwave.engine.core.session import Session, SessionDriver
from sockwave.engine.core.session_v3 import SessionV3
from sockwave.engine.core.states import State
from sockwave.engine.core.transport import SLICE, SharedPacket
from sockwave.engine.io.local_events import LocalEvents
from sockwave.errors import TextEncodingError
from sockwave.observe import UpgradeFailed
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.in_turn import InTurn
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.session import SessionSink
    from sockwave.engine.core.transport import Outgoing, Transport
    from sockwave.engine.core.upgrade import UpgradeProbe
    from sockwave.observe import Observers
    from sockwave.types import SessionId

__all__ = [
    "ServerSession",
    "ServerSessionDriver",
    "ServerSessionV3",
    "SessionPacket",
    "WatchedSession",
]

_logger: Final = logging.getLogger("sockwave.engine")


_TYPES: Final = ("open", "close", "ping", "pong", "message", "upgrade", "noop")


@dataclass(frozen=True, slots=True)
class SessionPacket:
    """An Engine.IO packet, as handlers of `packet`, `packet_create` and `flush` get it.

    Attributes:
        type: `open`, `close`, `ping`, `pong`, `message`, `upgrade` or `noop`.
        data: What follows the type; bytes for a binary message.
        compress: Whether the transport may compress it; of one from the client always True.
    """

    type: str
    data: str | bytes = ""
    compress: bool = True


class ServerSessionDriver(SessionDriver, Protocol):
    """What drives sessions whose application has handlers."""

    ends: InTurn
    """Ends of sessions, whose handlers may cause others."""

    observers: Observers
    """Who is told what happens."""

    def is_foreign_thread(self) -> bool:
        """Whether the caller is in another thread than the event loop."""

    def call_from_thread(self, callback: Callable[..., object], *args: Any) -> None:
        """Hand a call to the loop."""

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> object:
        """Run a coroutine and own it until it ends."""

    def application_failed(self, error: BaseException) -> None:
        """A function of the application raised; some errors end the program."""


class ServerSession(Session, LocalEvents):
    """One client of an engine, over whatever transport it uses at the moment.

    Attributes:
        id: A credential: whoever knows it can take part in the session.
        request: The first HTTP request.
        transport: Its `name` tells `polling` from `websocket`.
        protocol: Revision of Engine.IO that the client speaks, 4 or 3.

    Events: `message` (str or bytes), `close` (reason, description), `drain`; `upgrading` and
    `upgrade` (transport) when another transport is tried and takes over; `heartbeat` when the
    client shows life; `packet` and `packet_create` (SessionPacket) for each one that comes, and
    that is queued; `flush` (list of SessionPacket) for those that go to the transport together.
    """

    __slots__ = ("_handlers", "request")
    _driver: ServerSessionDriver

    def __init__(
        self, id: SessionId, transport: Transport, driver: ServerSessionDriver, request: Request
    ) -> None:
        super().__init__(id, transport, driver)
        self.request: Request = request
        self.sink: SessionSink = self
        self._handlers = NO_HANDLERS

    @property
    def remote_address(self) -> str:
        """Host that the first request came from; empty on a Unix socket."""
        return self.request.client[0] if self.request.client else ""

    def send(self, data: str | bytes, *, compress: bool = True) -> None:
        """Queue a message; messages arrive in the order of the calls, over any transport.

        It goes out at the end of this turn of the loop. May be called from any thread. Dropped once
        the session closes.

        Args:
            data: Text, or bytes as a binary message.
            compress: False keeps it out of compression on polling, and on a WebSocket with
                permessage-deflate.
        """
        packet: bytes | SharedPacket
        if isinstance(data, str):
            packet = b"4" + data.encode()
            size = len(packet)
            if not compress:
                packet = SharedPacket(packet, compress=False)
        else:
            packet = SharedPacket(bytes(data), is_binary=True, compress=compress)
            size = len(data)
        if self._driver.is_foreign_thread():
            self._driver.call_from_thread(self.send_packet, packet, size)
        else:
            self.send_packet(packet, size)

    def close(self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE) -> None:
        """Close in an orderly way: what was sent goes out first, and new messages are dropped.

        May be called from any thread.
        """
        if self._driver.is_foreign_thread():
            self._driver.call_from_thread(super().close, reason)
        else:
            super().close(reason)

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        if event in _WATCHED_EVENTS or (event == "message" and self.sink is not self):
            self._watch()
        super()._add(event, handler, is_once=is_once)

    def _watch(self) -> None:
        """Become a session whose packets somebody looks at, unless there are none any more."""
        if self.state is not State.CLOSED:
            self.__class__ = WatchedSession
            self._driver.broadcast_write.refuse_for(self)

    def _go_on(self, running: Coroutine[Any, Any, None]) -> None:
        self._driver.spawn(running)

    def _local_handler_failed(self, event: str, error: BaseException) -> None:
        _logger.exception("a handler of the session event %r failed", event)
        self._driver.application_failed(error)

    # --- what happens to it -----------------------------------------------------------------------

    def probe_failed(self, probe: UpgradeProbe) -> None:
        """Stay on the first transport, and tell who observes that."""
        observers = self._driver.observers
        if (functions := observers.upgrade_failed) and self.is_tried_by(probe):
            observers.tell(functions, UpgradeFailed(self.id, probe.transport_name))
        super().probe_failed(probe)

    def probed(self, transport: Transport) -> None:
        """Tell the `upgrading` handlers."""
        self.emit_local("upgrading", transport)

    def text_message(self, packet: bytes) -> None:
        """Hand a text message to the `message` handlers."""
        try:
            text = packet[1:].decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
        self.emit_local("message", text)

    def binary_message(self, data: bytes) -> None:
        """Hand a binary message to the `message` handlers."""
        self.emit_local("message", data)

    def session_drained(self) -> None:
        """Tell the `drain` handlers."""
        self.emit_local("drain")

    def session_closed(self, reason: DisconnectReason, description: str) -> None:
        """Tell the `close` handlers; nobody else can hold on to the session through it."""
        if self._handlers:
            self._driver.ends.run(self._tell_closed, reason, description)

    def _tell_closed(self, reason: DisconnectReason, description: str) -> None:
        self.emit_local("close", reason, description)
        self._handlers = NO_HANDLERS


class ServerSessionV3(SessionV3, ServerSession):
    """One client of Engine.IO 3."""

    __slots__ = ()

    def _watch(self) -> None:
        if self.state is not State.CLOSED:
            self.__class__ = _WatchedSessionV3
            self._driver.broadcast_write.refuse_for(self)


_WATCHED_EVENTS: Final = frozenset({"packet", "packet_create", "flush", "heartbeat"})


class WatchedSession(ServerSession):
    """A session whose packets somebody looks at.

    A session becomes one, by a change of its class, with the first handler of such an event: then
    all other sessions pay nothing for these events, not even a question. But as long as there is
    one, broadcasts go through the sessions, see `broadcast_write.py`.
    """

    __slots__ = ()

    def text_received(self, packet: bytes) -> None:
        """Tell of a packet, then take it."""
        if not self.is_open:
            return
        self.emit_local("packet", received := _received(packet))
        if received.type == "message" and self.sink is not self:
            self.emit_local("message", received.data)
        super().text_received(packet)
        if packet[:1] == (b"2" if self.protocol == 3 else b"3") and self.is_open:
            self.emit_local("heartbeat")

    def binary_received(self, data: bytes) -> None:
        """Tell of a binary message, then take it."""
        if self.is_open:
            self.emit_local("packet", SessionPacket("message", data))
            if self.sink is not self:
                self.emit_local("message", data)
            super().binary_received(data)

    def send_packet(self, packet: Outgoing, size: int) -> None:
        """Tell of a packet, then queue it."""
        if self.is_open:
            self.emit_local("packet_create", _sent(packet))
            super().send_packet(packet, size)

    def flush(self) -> None:
        """Tell of the packets that go to the transport now, then hand them on."""
        if self.pending and self.transport.is_writable and self.backlog <= SLICE:
            self.emit_local("flush", [_sent(packet) for packet in self.pending])
        super().flush()

    def _write_slice(self, packets: list[Outgoing]) -> None:
        self.emit_local("flush", [_sent(packet) for packet in packets])
        super()._write_slice(packets)

    def _closed(self, reason: DisconnectReason, description: str) -> None:
        self._driver.broadcast_write.allow_for(self)
        super()._closed(reason, description)

    def _send_first(self, packet: bytes) -> None:
        self.emit_local("packet_create", _sent(packet))
        super()._send_first(packet)

    def _watch(self) -> None:
        """It is one already."""


class _WatchedSessionV3(WatchedSession, ServerSessionV3):
    """The same of Engine.IO 3."""

    __slots__ = ()


def _received(packet: bytes) -> SessionPacket:
    kind = packet[:1]
    known = _TYPES[int(kind)] if kind.isdigit() and int(kind) < len(_TYPES) else "error"
    return SessionPacket(known, packet[1:].decode("utf-8", "replace"))


def _sent(packet: Outgoing) -> SessionPacket:
    if isinstance(packet, bytes):
        return _received(packet)
    if packet.is_binary:
        return SessionPacket("message", packet.data, packet.compress)
    return replace(_received(packet.data), compress=packet.compress)
