"""What an adapter offers beyond `Adapter` where connections are recovered, in two steps.

The namespace calls these in this order: `begin` when a new socket is let in, `save` when it is
lost, `restore` when its client asks to have it back, `replay` when it is let in again, or `save`
once more if it was lost before that. Between `restore` and `replay` the middlewares may run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sockwave.socketio.core.cluster_contract import ClusterHost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.socketio.core.acks import AckClock
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.recovery_options import Recovery
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.types import SocketId

__all__ = [
    "KeepsSessions",
    "MirroredSocket",
    "RecoveringHost",
    "RecoveryMeans",
    "SupportsHaste",
    "SupportsMirrors",
    "SupportsRecovery",
    "SupportsRevocation",
    "SupportsSupersession",
    "SupportsWatch",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryMeans:
    """What an adapter that recovers needs of its server.

    Attributes:
        clock: Monotonic time and deadlines.
        options: Bounds.
        grace: Seconds that events are kept beyond `max_disconnection_duration`.
        max_replay: Bytes that may be sent to one client at once.
        vacated: To be called when the last session that was kept has expired.
    """

    clock: AckClock
    options: Recovery
    grace: float
    max_replay: int
    vacated: Callable[[], None]


class RecoveringHost(ClusterHost, Protocol):
    """A namespace of a cluster whose sockets may be recovered."""

    @property
    def recovery_means(self) -> RecoveryMeans | None:
        """None where nobody is recovered."""


class MirroredConnection(Protocol):
    """The connection of such a socket."""

    @property
    def id(self) -> str:
        """Of its session."""


class MirroredSocket(Protocol):
    """A socket of which other processes have a copy."""

    pid: str | None
    """Its secret."""

    @property
    def data(self) -> dict[str, Any]:
        """What the application keeps with it."""

    @property
    def conn(self) -> MirroredConnection:
        """The connection that it is on."""


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


@runtime_checkable
class KeepsSessions(Protocol):
    """An adapter that knows whether its namespace is needed while nobody is there. When that is
    over it calls `RecoveryMeans.vacated`."""

    @property
    def has_saved(self) -> bool:
        """Whether somebody may come back."""


@runtime_checkable
class SupportsHaste(Protocol):
    """What an adapter offers beyond `SupportsRecovery` where sockets get events later than they are
    emitted."""

    def hasten(self, id_: SocketId) -> None:
        """Something goes directly to a socket: it gets what was emitted to it before, at once."""


@runtime_checkable
class SupportsSupersession(Protocol):
    """What an adapter offers beyond `SupportsRecovery` where clients may come to another process
    before theirs has noticed their loss."""

    def when_wanted(self, wanted: Callable[[str], None]) -> None:
        """Call back with the secret of a client that has come to another process."""


@runtime_checkable
class SupportsWatch(Protocol):
    """What an adapter offers beyond `SupportsRecovery` where sockets are kept elsewhere, too, while
    they are connected here."""

    def watch(self, id_: SocketId, socket: MirroredSocket) -> None:
        """A socket was let in, after `begin` or `replay`: its secret and data are kept, too."""

    def touched(self, id_: SocketId) -> None:
        """The application was given the data of a socket, and may change it."""


@runtime_checkable
class SupportsMirrors(SupportsSupersession, SupportsWatch, Protocol):
    """What an adapter offers beyond `SupportsRecovery` where several processes are one server:
    what is kept for a socket is kept by another process, too."""

    def is_here(self, id_: SocketId) -> bool:
        """Whether a socket is here, or was lost here and is not elsewhere."""
