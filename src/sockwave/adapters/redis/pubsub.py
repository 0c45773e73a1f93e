"""A driver of bytes on plain channels of Redis, whose names are those of the channels of `Driver`.

Requests that are relayed go this way, beside whatever carries broadcasts, as those of
`@socket.io/cluster-engine` do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.redis.carrier import Carrier
from sockwave.adapters.redis.ears import MAX_MESSAGE
from sockwave.adapters.redis.subscriber import CHANNEL
from sockwave.adapters.renewed_bytes import RenewedBytesDriver

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Driver, Receiver
    from sockwave.adapters.redis.places import Place

__all__ = ["DEFAULT_NAME", "PubSubDriver", "relay_driver"]

DEFAULT_NAME: Final = "socket.io"
"""What the channels of broadcasts begin with, where users say nothing else."""

_logger: Final = logging.getLogger("sockwave.adapters")


def relay_driver(place: Place, name: str, max_backlog: int) -> Driver:
    """The carrier of requests of a server.

    Args:
        place: Where Redis is.
        name: What its channels of broadcasts begin with. Servers with another one know nothing of
            each other, so it stands in front of these channels, too; not the default one, as in
            the reference.
        max_backlog: Bytes that are kept while they cannot be sent.
    """
    prefix = "" if name == DEFAULT_NAME else f"{name}."
    return RenewedBytesDriver(
        lambda: PubSubDriver(place, prefix=prefix, max_backlog=max_backlog),
        PubSubDriver.capabilities,
    )


class PubSubDriver:
    """Reaches all who listen at the same Redis; see `Driver`.

    Args:
        place: Where Redis is.
        prefix: What stands in front of the names of channels.
        max_backlog: Bytes that are kept while they cannot be sent.
    """

    capabilities: Final = Capabilities(echoes=True, counts=True)

    def __init__(self, place: Place, *, prefix: str = "", max_backlog: int) -> None:
        self._prefix = prefix
        self._receivers: dict[str, dict[str, Receiver]] = {}
        self._carrier = Carrier(place, "PUBLISH", max_backlog, self._lost)

    async def start(self) -> None:
        """Connect, for ever; the first failure is raised."""
        await self._carrier.start()

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen."""
        receivers = self._receivers.setdefault(channel, {})
        receivers[address] = receiver

        def heard(name: bytes, data: bytes) -> None:
            if len(data) > MAX_MESSAGE:
                _logger.warning("a message of %d bytes on %s is dropped", len(data), channel)
                return
            for each in list(receivers.values()):
                each.message_received(data)

        self._carrier.listen(CHANNEL, self._prefix + channel, heard)
        await self._carrier.settle()

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        receivers = self._receivers.get(channel)
        if receivers is not None and receivers.pop(address, None) is not None and not receivers:
            del self._receivers[channel]
            self._carrier.leave(CHANNEL, self._prefix + channel)

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message, to all in any case."""
        self._carrier.publish(self._prefix + channel, message)

    async def count(self, channel: str) -> int | None:
        """How many processes listen; None if that is not known now."""
        return await self._carrier.count("NUMSUB", self._prefix + channel)

    async def aclose(self) -> None:
        """Send what is kept, and disconnect."""
        await self._carrier.aclose()

    def _lost(self, what: str) -> None:
        loop = asyncio.get_running_loop()
        for receivers in self._receivers.values():
            for receiver in receivers.values():  # later: this may be within a call
                loop.call_soon(receiver.messages_lost, what)
