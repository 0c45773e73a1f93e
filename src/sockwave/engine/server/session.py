"""A session as its user holds it: the core, with handlers and the request it began with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_handler,
    fit,
    remove_handler,
)
from sockwave.engine.core.session import Session
from sockwave.engine.core.session_v3 import SessionV3
from sockwave.engine.core.transport import SharedPacket
from sockwave.errors import TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.server.driver import Driver
    from sockwave.types import DisconnectReason, SessionId

__all__ = ["ServerSession", "ServerSessionV3"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.engine")


class ServerSession(Session):
    """One client of an engine, over whatever transport it uses at the moment.

    Attributes:
        id: A credential: whoever knows it can take part in the session.
        request: The first HTTP request.
        transport: Its `name` tells `polling` from `websocket`.
        protocol: Revision of Engine.IO that the client speaks, 4 or 3.

    Events: `message` (str or bytes), `close` (reason, description), `drain`, `upgrade`.
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
        if self._handlers is None:
            self._handlers = {}
        add_handler(self._handlers, event, handler)
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler, or all of an event."""
        if self._handlers is not None:
            remove_handler(self._handlers, event, handler)

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


async def _guarded(awaitable: Any, event: str) -> None:
    try:
        await awaitable
    except Exception:
        _logger.exception("a handler of the session event %r failed", event)
