"""How the next event to one client is sent, or to others with the same flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.emit_operator import EmitOperator
from sockwave.socketio.core.operators import BroadcastOperator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.server.socket import Socket
    from sockwave.types import Room

__all__ = ["SocketOperator"]


class SocketOperator(EmitOperator["Socket"]):
    """Flags for the next event; made by `volatile`, `compress` and `timeout` of a socket."""

    __slots__ = ()

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
