"""A socket of a server, as the user of an emitter holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sockwave.socketio.core.remote_socket import RemoteFacts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.emitters.operators import Operator
    from sockwave.socketio.core.cluster_contract import RemoteDetails
    from sockwave.socketio.core.events import Args, Event
    from sockwave.types import Json, Room

__all__ = ["Fetched"]

R = TypeVar("R")


class Fetched(RemoteFacts, Generic[R]):
    """What a socket was when its server was asked, and what can be done to it without an answer.

    Args:
        operator: Reaches it alone.
        details: What its server told.
    """

    __slots__ = ("_reaching",)

    def __init__(self, operator: Operator[R], details: RemoteDetails) -> None:
        super().__init__(details)
        self._reaching = operator

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> R: ...
    @overload
    def emit(self, event: str, *args: Json) -> R: ...
    def emit(self, event: Any, *args: Any) -> R:  # type: ignore[misc] # see `AnyEvent`
        """Send an event to this client; it is encoded at the call.

        Delivery: at most once; nothing happens when the socket has left meanwhile.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._reaching.emit(event, *args)

    def join(self, *rooms: Room | Iterable[Room]) -> R:
        """Let the socket enter rooms, there; `rooms` does not change.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._reaching.sockets_join(*rooms)

    def leave(self, *rooms: Room | Iterable[Room]) -> R:
        """Let the socket leave rooms, there; `rooms` does not change.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._reaching.sockets_leave(*rooms)

    def disconnect(self, *, close: bool = False) -> R:
        """Take this client out of the namespace.

        Args:
            close: End the whole connection, with its sockets in other namespaces.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._reaching.disconnect_sockets(close=close)
