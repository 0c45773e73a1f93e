"""The suite of carriers for those that take messages as values, which have its bytes inside.

class TestRedisDriver(MessageDriverSuite):
    async def make_message_driver(self) -> MessageDriver:
        return ...
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sockwave.adapters.messages import Message, MessageType, event_of
from sockwave.testing import DriverSuite

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Capabilities, Driver, Receiver
    from sockwave.adapters.message_driver import MessageDriver
    from sockwave.types import Room

__all__ = ["BytesInMessages", "MessageDriverSuite"]

NAME: Final = "bytes"
"""Of the event that has them."""

_senders: Final = count(1)


class MessageDriverSuite(DriverSuite):
    """Tests of a `MessageDriver`: inherit from it, and make drivers.

    Attributes:
        type: Of the messages that have the bytes: `SERVER_SIDE_EMIT`, or `BROADCAST` where those go
            another way.
    """

    type: ClassVar[MessageType] = MessageType.SERVER_SIDE_EMIT

    async def make_message_driver(self) -> MessageDriver:
        """Make a driver, not started; all that one test makes reach each other."""
        raise NotImplementedError

    async def make_driver(self) -> Driver:
        return BytesInMessages(await self.make_message_driver(), self.type)


class BytesInMessages:
    """A `Driver` on top of a `MessageDriver`.

    Args:
        inner: Carries the messages.
        type_: Of these.

    Attributes:
        refused: What it has read that is no message.
    """

    def __init__(self, inner: MessageDriver, type_: MessageType) -> None:
        self.refused: list[str] = []
        self._inner = inner
        self._type = type_
        self._sender = f"{next(_senders):016x}"

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def start(self) -> None:
        await self._inner.start()

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        await self._inner.subscribe(channel, address, _Unpacking(receiver, self))

    def unsubscribe(self, channel: str, address: str) -> None:
        self._inner.unsubscribe(channel, address)

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        data: dict[str, Any] = {"packet": [NAME, message]}
        if self._type == MessageType.BROADCAST:
            opts: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}
            data = {"packet": {"type": 2, "data": [NAME, message]}, "opts": opts}
        packed = Message(self._type, data, self._sender, channel)
        self._inner.publish_message(channel, packed, to=to)

    async def count(self, channel: str) -> int | None:
        return await self._inner.count(channel)

    async def aclose(self) -> None:
        await self._inner.aclose()
        assert self.refused == []


class _Unpacking:
    """Gives the bytes in messages to who wants bytes."""

    def __init__(self, receiver: Receiver, driver: BytesInMessages) -> None:
        self._driver = driver
        self.message_received = receiver.message_received
        self.messages_lost = receiver.messages_lost
        self.addresses_gone = receiver.addresses_gone

    def decoded(self, message: Message) -> None:
        name, data = event_of(message.data)
        assert name == NAME
        self.message_received(bytes(data))

    def refused(self, why: str) -> None:
        self._driver.refused.append(why)

    def has_room(self, room: Room) -> bool:
        return False
