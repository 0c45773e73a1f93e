"""A session as its user holds it: the core, with handlers and the request it began with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    add_once,
    check_handler,
    fit,
    listeners_of,
    remove_handler,
)
from sockwave.engine.core.session import Session
from sockwave.engine.core.session_v3 import SessionV3
from sockwave.engine.core.transport import SharedPacket
from sockwave.errors import TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing, Transport
    from sockwave.engine.server.driver import Driver
    from sockwave.types import DisconnectReason, SessionId

__all__ = ["ServerSession", "ServerSessionV3", "SessionPacket", "WatchedSession"]

F = TypeVar("F", bound=Handler)
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


class ServerSession(Session):
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
    _driver: Driver

    def __init__(
        self, id: SessionId, transport: Transport, driver: Driver, request: Request
    ) -> None:
        super().__init__(id, transport, driver)
        self.request = request
        self.sink = self
        self._handlers: HandlerTable | None = None

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

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler, as a call or as a decorator; `def` or `async def`."""
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        add_handler(self._table(event), event, handler)
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Register a handler for one call."""
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        add_once(self._table(event), event, handler)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all of an event, or all."""
        if self._handlers is not None:
            remove_handler(self._handlers, event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of an event, as they were registered."""
        return listeners_of(self._handlers, event)

    def _table(self, event: str) -> HandlerTable:
        if event in _WATCHED_EVENTS:
            self._watch()
        if self._handlers is None:
            self._handlers = {}
        return self._handlers

    def _watch(self) -> None:
        """Become a session whose packets somebody looks at."""
        self.__class__ = WatchedSession

    def emit_local(self, event: str, *args: Any) -> None:
        """Call this session's handlers of an event, on this side only."""
        if self._handlers is None:
            return
        for handler in self._handlers.get(event, ()):
            try:
                result = handler(*fit(handler, args))
                if hasattr(result, "__await__"):
                    self._driver.spawn(_guarded(result, event))
            except Exception:
                _logger.exception("a handler of the session event %r failed", event)

    # --- what happens to it -----------------------------------------------------------------------

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
        self.emit_local("close", reason, description)
        self._handlers = None


class ServerSessionV3(SessionV3, ServerSession):
    """One client of Engine.IO 3."""

    __slots__ = ()

    def _watch(self) -> None:
        self.__class__ = _WatchedSessionV3


_WATCHED_EVENTS: Final = frozenset({"packet", "packet_create", "flush", "heartbeat"})


class WatchedSession(ServerSession):
    """A session whose packets somebody looks at.

    A session becomes one, by a change of its class, with the first handler of such an event: then
    all other sessions pay nothing for these events, not even a question.
    """

    __slots__ = ()

    def text_received(self, packet: bytes) -> None:
        """Tell of a packet, then take it."""
        if not self.is_open:
            return
        self.emit_local("packet", _received(packet))
        super().text_received(packet)
        if packet[:1] == (b"2" if self.protocol == 3 else b"3") and self.is_open:
            self.emit_local("heartbeat")

    def binary_received(self, data: bytes) -> None:
        """Tell of a binary message, then take it."""
        if self.is_open:
            self.emit_local("packet", SessionPacket("message", data))
            super().binary_received(data)

    def send_packet(self, packet: Outgoing, size: int) -> None:
        """Tell of a packet, then queue it."""
        if self.is_open:
            self.emit_local("packet_create", _sent(packet))
            super().send_packet(packet, size)

    def flush(self) -> None:
        """Tell of the packets that go to the transport now, then hand them on."""
        if self._pending and self.transport.is_writable:
            self.emit_local("flush", [_sent(packet) for packet in self._pending])
        super().flush()

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


async def _guarded(awaitable: Any, event: str) -> None:
    try:
        await awaitable
    except Exception:
        _logger.exception("a handler of the session event %r failed", event)
