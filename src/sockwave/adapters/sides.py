"""What the algorithm of a cluster sees of its process: the way out, the sockets
here, and what is kept for lost ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sockwave.adapters.holding import Identified, Place
    from sockwave.adapters.interest import RoomSet
    from sockwave.adapters.members import Member
    from sockwave.adapters.messages import Message, MessageType
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.core.recovery_store import RecoveryStore
    from sockwave.socketio.core.rooms import RoomTable
    from sockwave.types import Room, SocketId

__all__ = ["KeeperHost", "LocalSide", "RoomsWanted", "Sender", "WayOut"]


class WayOut(Protocol):
    """Carries messages to the others."""

    @property
    def is_selective(self) -> bool:
        """Whether a message can go to some members only."""

    @property
    def has_strangers(self) -> bool:
        """Whether processes may listen that send no heartbeats."""

    @property
    def is_ordered(self) -> bool:
        """Whether the others' messages come in the order in which they were sent."""

    @property
    def echoes(self) -> bool:
        """Whether what is sent comes back to the sender, too."""

    @property
    def mode(self) -> str:
        """What must be the same at all members; see `Capabilities`."""

    def send(self, message: Message, to: frozenset[str] | None) -> None:
        """Send to all, or to these at least; it never waits.

        Raises:
            EncodeError: Something in it cannot go on the wire.
        """

    def room_added(self, room: Room) -> None:
        """A room has got its first socket here, for carriers that have a channel for each."""

    def room_dropped(self, room: Room) -> None:
        """It has lost its last one."""

    def count_others(self, counted: Callable[[int], None]) -> None:
        """Find out how many processes there are besides this one, strangers included."""


class LocalSide(Protocol):
    """The sockets of this process, and who wants to know of the cluster."""

    @property
    def parser(self) -> Parser | None:
        """Encodes packets for the sockets here; None is the default one."""

    @property
    def rooms(self) -> RoomSet:
        """All rooms but those of sockets' own ids."""

    def deliver(self, event: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets here."""

    def ask(
        self,
        event: Sequence[Any],
        options: BroadcastOptions,
        answered: Callable[[SocketId, AckResult], None],
    ) -> tuple[list[SocketId], Callable[[], None]]:
        """Send an event that asks for answers.

        Returns:
            Who was asked, and what forgets about it.
        """

    def join(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets into rooms."""

    def leave(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets out of rooms."""

    def disconnect(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets."""

    def describe(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        """Sockets in the form of the wire."""

    def count(self, options: BroadcastOptions) -> int:
        """How many sockets there are."""

    def server_event(self, args: tuple[Any, ...], reply: Callable[[Any], None] | None) -> None:
        """Run handlers for an event of another server, and give their answer."""

    def member_joined(self, member: Member) -> None:
        """Another process was heard for the first time, or again after a silence."""

    def member_left(self, member: Member) -> None:
        """It is gone."""

    def failed(self, what: str) -> None:
        """Something was lost: a sentence about it."""


class Sender(Protocol):
    """The way to the others."""

    def __call__(
        self, type_: MessageType, data: dict[str, Any], to: frozenset[str] | None, /
    ) -> object:
        """Send to all, or to some members."""


class RoomsWanted(Protocol):
    """Which rooms are wanted here."""

    def watch(self, table: RoomTable) -> None:
        """Those of this table are from now on."""

    def unwatch(self, table: RoomTable) -> None:
        """They are no longer."""

    def held(self) -> AbstractContextManager[None]:
        """Sockets move from one table to another within this: no room is dropped between."""


class KeeperHost(Protocol):
    """The process whose sockets they are."""

    @property
    def place(self) -> Place:
        """Its namespace, and bounds."""

    @property
    def store(self) -> RecoveryStore:
        """What it keeps for its own sockets."""

    @property
    def wanted_rooms(self) -> RoomsWanted:
        """Which rooms are wanted here."""

    def clock(self) -> float:
        """Monotonic seconds, those of the logs."""

    def identify(self, id_: SocketId) -> Identified | None:
        """What belongs to one of its own sockets."""

    def supersede(self, pid: str) -> None:
        """Its client is at another process: if its socket is still here, it is lost now."""

    def left_for_good(self) -> None:
        """A lost socket of its own is elsewhere, or will not come back."""
