"""The contract of a carrier: what brings messages from one process of a cluster to the others.

A carrier knows nothing of rooms, sockets and questions: `cluster.py` does all that, once, for each
of them. It has channels, one for each namespace, and addresses, one for each process in a channel.
Whoever writes a driver runs `sockwave.testing.DriverSuite` against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["Capabilities", "Driver", "Receiver", "SupportsRelay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a carrier can do beyond what all can.

    Attributes:
        is_selective: What is published to some addresses reaches nobody else.
        is_ordered: Messages of one process arrive in the order in which they were published.
        has_strangers: Processes may listen that send no heartbeats, such as servers in JavaScript
            on some carriers. Then everything goes to all.
        echoes: A process that subscribes hears what it publishes itself, too. Then it notices when
            it does not hear any more.
        counts: `Driver.count` knows how many listen.
        notices_ends: `Receiver.addresses_gone` is called when a process has ended without a
            goodbye; else others count it until its heartbeats are missed.
        is_text: Messages without binary parts are JSON, as servers in JavaScript want it; else all
            are msgpack.
        mode: The adapter and those of its arguments that must be the same at all servers, as a
            program writes them; empty where there are none. Servers that differ say so.
    """

    is_selective: bool = False
    is_ordered: bool = True
    has_strangers: bool = False
    echoes: bool = False
    counts: bool = False
    notices_ends: bool = False
    is_text: bool = False
    mode: str = ""


class Receiver(Protocol):
    """Who listens to a channel. Called in the thread of the event loop in which it subscribed, and
    never within a call of the driver."""

    def message_received(self, message: bytes) -> None:
        """A message has come; this does not raise."""

    def messages_lost(self, what: str) -> None:
        """Messages to or from this process were lost, nobody knows which.

        Args:
            what: A sentence for people.
        """

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        """Nobody listens there any more, and what came from there has all been passed on.

        Only of carriers with `Capabilities.notices_ends`. A process that was only cut off, and
        speaks again, is taken back.
        """


class Driver(Protocol):
    """A connection of one process to a carrier, for all of its namespaces.

    Delivery is at most once as far as the carrier allows it: a message that comes twice is told
    from a new one by its number, and one that is lost is lost. What a driver knows to be lost it
    tells its receivers.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; the same all the time."""

    async def start(self) -> None:
        """Connect, if it is not connected. Called before each `subscribe`, maybe while it is under
        way already.

        After a loss it connects again by itself, for ever.

        Raises:
            OSError: There is nobody to connect to; it may be tried again.
        """

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen. When this returns, what others publish from now on is heard.

        Args:
            channel: Of a namespace.
            address: Of this process in the channel, used only once.
            receiver: Gets what is published to all, and to this address. That it gets its own
                messages, and some for others, is allowed.
        """

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer; nothing happens where nobody did. It does not wait."""

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message, in the order of the calls. It neither waits nor fails.

        What cannot be sent at once is kept, before `start` is done too. What is kept is bounded,
        in bytes; what does not fit is dropped, and `Receiver.messages_lost` says so.

        Args:
            to: Addresses of those who should get it; None is everybody.
        """

    async def count(self, channel: str) -> int | None:
        """How many processes listen to a channel, this one included; None if it is not known."""

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than a few seconds, and disconnect.

        Whoever has made the driver closes it, when all adapters are closed. A second time it does
        nothing, and `publish` does nothing any more.
        """


@runtime_checkable
class SupportsRelay(Protocol):
    """What makes adapters, over whose carrier requests can be relayed: `Server(relay=True)`."""

    @property
    def relay_driver(self) -> Driver:
        """What carries them, on channels beside those of namespaces; the same each time."""
