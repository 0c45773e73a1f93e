"""What a server keeps of a socket that is lost and may come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockwave.types import Room, SocketId

__all__ = ["SavedSession"]


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A socket that was lost and may come back.

    Attributes:
        id: Of the socket.
        pid: Its secret: whoever knows it is the client.
        rooms: At the moment of the loss, without the one of its own id.
        data: Of the application; the object itself.
        connection: Of which connection it was lost, maybe with sockets of other namespaces.
    """

    id: SocketId
    pid: str
    rooms: tuple[Room, ...]
    data: dict[str, Any]
    connection: str = ""
