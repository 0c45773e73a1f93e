"""What an adapter offers beyond `Adapter` where connections are recovered, in two steps.

The namespace calls these in this order: `begin` when a new socket is let in, `save` when it is
lost, `restore` when its client asks to have it back, `replay` when it is let in again, or `save`
once more if it was lost before that. Between `restore` and `replay` the middlewares may run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.types import SocketId

__all__ = ["SupportsRecovery", "SupportsRevocation"]


@runtime_checkable
class SupportsRecovery(Protocol):
    """What an adapter offers beyond `Adapter` where sockets can be recovered.

    Attributes:
        epoch: What its offsets begin with, twelve random characters and a point, so that clients
            tell them from arguments; empty for other offsets.
    """

    @property
    def epoch(self) -> str:
        """See above."""

    def begin(self, id_: SocketId) -> None:
        """A new socket is let in: log what is sent to it from now on."""

    def save(self, session: SavedSession) -> None:
        """A socket is lost, or was lost again before it was let in; it is still in its rooms."""

    def restore(
        self, pid: str, offset: str | None
    ) -> SavedSession | Awaitable[SavedSession | None] | None:
        """Take a session out, if all that its client has missed is still there.

        An offset of None says that nothing that is logged has arrived yet.

        The socket is in its rooms again but gets nothing until `replay`. None means that nothing of
        the session is kept any longer.
        """

    def replay(self, id_: SocketId) -> list[EncodedPacket] | None:
        """What a restored socket has missed until now: it is let in, and gets all that follows.

        Returns:
            None when some of it has left the log meanwhile.
        """


@runtime_checkable
class SupportsRevocation(Protocol):
    """What an adapter offers beyond `SupportsRecovery`: sockets that are away can be taken out of
    rooms, put into rooms and disconnected, before they come back. `add` and `remove` reach them."""

    def may_return(self, id_: SocketId) -> bool:
        """Whether a socket is lost and may come back, or is back and not let in yet."""

    def select_lost(self, options: BroadcastOptions) -> list[SocketId]:
        """Which of those a broadcast would reach."""

    def revoke(self, id_: SocketId) -> str | None:
        """One of those must not come back: its client is a new one.

        Returns:
            The connection that it was lost with, if it was lost.
        """

    def lost_with(self, connection: str) -> list[SocketId]:
        """Those that were lost with a connection and are not back."""
