"""The contract of a carrier that servers in JavaScript share: what goes over it has their form.

Where `Driver` carries bytes of ours, a `MessageDriver` gets messages as values, and puts each into
the form, and the place, in which the others look for it. All else is as with `Driver`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sockwave.adapters.driver import Receiver

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Capabilities
    from sockwave.adapters.messages import Message
    from sockwave.types import Room

__all__ = ["MessageDriver", "MessageReceiver"]


class MessageReceiver(Receiver, Protocol):
    """Who listens to a channel, and takes messages that are decoded already."""

    def decoded(self, message: Message) -> None:
        """A message has come; this does not raise. The sender of an answer that does not say whose
        it is, as those of some servers in JavaScript, is `ANONYMOUS`."""

    def refused(self, why: str) -> None:
        """What has come is no message: it is counted, and the log says so.

        Args:
            why: A few words for people.
        """

    def has_room(self, room: Room) -> bool:
        """Whether any socket of this process is in a room, or has it as its id."""


@runtime_checkable
class MessageDriver(Protocol):
    """A connection of one process to such a carrier, for all of its namespaces; see `Driver`."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; the same all the time."""

    async def start(self) -> None:
        """Connect, if it is not connected.

        Raises:
            OSError: There is nobody to connect to; it may be tried again.
        """

    async def subscribe(self, channel: str, address: str, receiver: MessageReceiver) -> None:
        """Listen. When this returns, what others publish from now on is heard."""

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer; nothing happens where nobody did. It does not wait."""

    def publish_message(
        self, channel: str, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        """Send a message, in the order of the calls. It does not wait.

        Raises:
            EncodeError: Something in it cannot go on the wire.
        """

    def room_added(self, channel: str, room: Room) -> None:
        """A room, not that of a socket's id, has got its first socket here."""

    def room_dropped(self, channel: str, room: Room) -> None:
        """A room has lost its last socket here."""

    async def count(self, channel: str) -> int | None:
        """How many processes listen to a channel, this one included; None if it is not known."""

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than a few seconds, and disconnect."""
