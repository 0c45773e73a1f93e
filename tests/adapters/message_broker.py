"""A carrier in one process that takes messages as values, as those do that JavaScript shares."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.adapters import Capabilities, MemoryBroker
from sockwave.adapters.messages import decode_message, encode_message

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.memory import MemoryDriver
    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.messages import Message
    from sockwave.types import Room

__all__ = ["MemoryMessageDriver", "message_broker"]

SHARED: Final = Capabilities(has_strangers=True, counts=True, echoes=True)
"""What carriers can do that have servers in JavaScript as strangers."""


def message_broker() -> MemoryBroker:
    """What such drivers share."""
    return MemoryBroker(capabilities=SHARED)


class MemoryMessageDriver:
    """One of its drivers: on top of one that carries bytes, and it hears itself."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._inner: MemoryDriver = broker.driver()
        self._receivers: dict[tuple[str, str], MessageReceiver] = {}
        self._is_closed = False

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def start(self) -> None:
        await self._inner.start()

    async def subscribe(self, channel: str, address: str, receiver: MessageReceiver) -> None:
        self._receivers[channel, address] = receiver
        await self._inner.subscribe(channel, address, _Decoding(receiver))

    def unsubscribe(self, channel: str, address: str) -> None:
        self._receivers.pop((channel, address), None)
        self._inner.unsubscribe(channel, address)

    def publish_message(
        self, channel: str, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        data = encode_message(message)
        self._inner.publish(channel, data, to=to)
        asyncio.get_running_loop().call_soon(self._hear_oneself, channel, data)

    def _hear_oneself(self, channel: str, data: bytes) -> None:
        for (name, _), receiver in list(self._receivers.items()):
            if name == channel and not self._is_closed:
                receiver.decoded(decode_message(data))

    def room_added(self, channel: str, room: Room) -> None: ...

    def room_dropped(self, channel: str, room: Room) -> None: ...

    async def count(self, channel: str) -> int | None:
        return await self._inner.count(channel)

    async def aclose(self) -> None:
        self._is_closed = True
        await self._inner.aclose()


class _Decoding:
    """Decodes for who wants messages."""

    def __init__(self, receiver: MessageReceiver) -> None:
        self._decoded = receiver.decoded
        self.messages_lost = receiver.messages_lost
        self.addresses_gone = receiver.addresses_gone

    def message_received(self, message: bytes) -> None:
        self._decoded(decode_message(message))
