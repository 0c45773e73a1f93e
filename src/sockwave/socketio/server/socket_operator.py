"""How the next event to one socket is sent: `socket.volatile`, `compress` and `timeout`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.core.outgoing import check_event_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sockwave.socketio.server.socket import Socket
    from sockwave.types import Json, Room

__all__ = ["SocketOperator"]


@dataclass(frozen=True, slots=True)
class SocketOperator:
    """How the next event to one socket is sent; made by `volatile`, `compress`, `timeout`."""

    _socket: Socket
    _flags: BroadcastFlags = field(default_factory=BroadcastFlags)

    @property
    def volatile(self) -> Self:
        """Drop the event if the client cannot take it at once."""
        return replace(self, _flags=replace(self._flags, volatile=True))

    def compress(self, compress: bool) -> Self:
        """Let the transport compress the event, or not."""
        return replace(self, _flags=replace(self._flags, compress=compress))

    def timeout(self, seconds: float) -> Self:
        """Set how long the acknowledgement is waited for."""
        return replace(self, _flags=replace(self._flags, timeout=seconds))

    @property
    def broadcast(self) -> BroadcastOperator[Socket]:
        """Reach everybody in the namespace but this socket, with these flags."""
        options = BroadcastOptions(excluded=(self._socket.id,), flags=self._flags)
        return BroadcastOperator(self._socket.namespace, options)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach the other sockets of these rooms, with these flags."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """The same as `to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach everybody but this socket and those in these rooms, with these flags."""
        return self.broadcast.except_(*rooms)

    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None:
        """Send an event; see `Socket.emit`.

        Args:
            ack: With `timeout()`, called as `ack(None, *args)`, or `ack(error)` when the time is
                over or the socket has left.
        """
        check_event_name(event)
        self._socket._emit((event, *args), self._flags, ack)

    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for its acknowledgement; see `Socket.emit_with_ack`."""
        check_event_name(event)
        flags = self._flags if timeout is None else replace(self._flags, timeout=timeout)
        return await self._socket._emit_and_wait((event, *args), flags)
