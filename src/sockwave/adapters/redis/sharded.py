"""The driver of Redis' sharded pub/sub, on the channels of `createShardedAdapter` in
`@socket.io/redis-adapter`.

Theory. Messages are those of `messages.py`, as JSON unless something in them is binary. A channel
is common to all servers of a namespace, and by its listeners they are counted; each server has one
of its own, for answers. In the dynamic modes a broadcast to one room goes to a channel of that
room, to which only servers listen that have it: the others are not even sent it.

Whoever tells others to put sockets into a room, and then sends something there, is heard: for some
seconds his broadcasts to that room go to the common channel, as those who are told have to listen
to the room's own first.

What members of ours say to all of each other has a channel beside these; what is for one of them
goes to that one's own.

What goes to everybody is numbered on each channel: see `sequences.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.messages import Message, MessageType, decode_message, encode_message
from sockwave.adapters.redis.carrier import Carrier
from sockwave.adapters.redis.ears import careful
from sockwave.adapters.redis.places import ClusterPlace
from sockwave.adapters.redis.sequences import ChannelCounts, SentCounts, with_sequence
from sockwave.adapters.redis.shards import ShardCarriers
from sockwave.adapters.redis.subscriber import SHARD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.redis.places import Place
    from sockwave.adapters.redis.subscriber import Ear
    from sockwave.types import Room

__all__ = ["ShardedDriver", "SubscriptionMode", "has_channel"]

SubscriptionMode: TypeAlias = Literal["dynamic", "static", "dynamic-private"]
"""Which rooms have channels of their own; the same at all servers."""

_SIGNS: Final = frozenset(
    {MessageType.INITIAL_HEARTBEAT, MessageType.HEARTBEAT, MessageType.ADAPTER_CLOSE}
)
_FLEETING: Final = frozenset({MessageType.HEARTBEAT, MessageType.ECHO})
"""Of now only: they are not kept while Redis is away."""

_ID_LENGTH: Final = 20
"""Of socket ids in JavaScript, whose length is counted in units of UTF-16."""

_JOINING: Final = 5.0
"""Seconds within which a server listens to the channel of a room that it was told to join."""

_MOST_JOINING: Final = 10_000
"""Rooms that are remembered for so long; of more, the first are forgotten."""


def has_channel(room: Room, mode: SubscriptionMode) -> bool:
    """Whether a room has a channel of its own."""
    if mode == "dynamic":
        return len(room.encode("utf-16-le", "surrogatepass")) != 2 * _ID_LENGTH
    return mode == "dynamic-private"


def _is_ours(message: Message) -> bool:
    """Whether only members of ours understand it."""
    return message.type >= MessageType.ENCODED_BROADCAST or message.type in _SIGNS


class ShardedDriver:
    """Reaches servers on the same Redis with the same prefix; see `MessageDriver`.

    Args:
        place: Where Redis is.
        prefix: What channels begin with.
        mode: Which rooms have channels of their own.
        max_backlog: Bytes that are kept while they cannot be sent.
    """

    capabilities: Final = Capabilities(has_strangers=True, echoes=True, counts=True, is_text=True)

    def __init__(
        self, place: Place, *, prefix: str, mode: SubscriptionMode, max_backlog: int
    ) -> None:
        self._prefix = prefix
        self._mode: SubscriptionMode = mode
        self._listeners: dict[str, _Listener] = {}
        self._rooms: dict[str, dict[Room, None]] = {}  # wanted, maybe before anybody listens
        self._joining: dict[tuple[str, Room], float] = {}  # until when, the first one first
        self._counts = SentCounts()
        self._carrier: Carrier | ShardCarriers
        if isinstance(place, ClusterPlace):
            self._carrier = ShardCarriers(place, max_backlog, self._lost)
        else:
            self._carrier = Carrier(place, "SPUBLISH", max_backlog, self._lost)

    def _common(self, channel: str) -> str:
        return f"{self._prefix}#{channel}#"

    def _own(self, channel: str) -> str:
        return f"{self._prefix}-sockwave#{channel}#"

    async def start(self) -> None:
        """Connect, for ever; the first failure is raised."""
        await self._carrier.start()

    async def subscribe(self, channel: str, address: str, receiver: MessageReceiver) -> None:
        """Listen."""
        listener = _Listener(self._carrier, channel, address, receiver)
        self._listeners[channel] = listener
        common, carrier = self._common(channel), self._carrier
        for name in (common, f"{common}{address}#", self._own(channel)):
            carrier.listen(SHARD, name, listener.ear)
        for room in self._rooms.get(channel, ()):
            carrier.listen(SHARD, f"{common}{room}#", listener.ear)
        await carrier.settle()

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        listener = self._listeners.get(channel)
        if listener is None or listener.address != address:
            return
        del self._listeners[channel]
        common, carrier = self._common(channel), self._carrier
        for name in (common, f"{common}{address}#", self._own(channel)):
            carrier.leave(SHARD, name)
        for room in self._rooms.pop(channel, ()):
            carrier.leave(SHARD, f"{common}{room}#")

    async def count(self, channel: str) -> int | None:
        """How many servers listen, those in JavaScript included; None if it is not known now."""
        return await self._carrier.count("SHARDNUMSUB", self._common(channel))

    async def aclose(self) -> None:
        """Send what is kept, and disconnect."""
        await self._carrier.aclose()

    def _lost(self, what: str) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners.values():  # later: this may be within a call
            loop.call_soon(listener.receiver.messages_lost, what)

    # --- rooms ------------------------------------------------------------------------------------

    def room_added(self, channel: str, room: Room) -> None:
        """Somebody here is in it: its channel is wanted, if it has one."""
        if not has_channel(room, self._mode):
            return
        self._rooms.setdefault(channel, {})[room] = None
        if (listener := self._listeners.get(channel)) is not None:
            name = f"{self._common(channel)}{room}#"
            self._carrier.listen(SHARD, name, listener.ear)

    def room_dropped(self, channel: str, room: Room) -> None:
        """Nobody is there any more."""
        rooms = self._rooms.get(channel)
        if rooms is None or room not in rooms:
            return
        del rooms[room]
        if not rooms:
            del self._rooms[channel]
        if channel in self._listeners:
            name = f"{self._common(channel)}{room}#"
            self._carrier.leave(SHARD, name)
            self._listeners[channel].counts.left(name.encode())

    # --- the way out ------------------------------------------------------------------------------

    def publish_message(
        self, channel: str, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        """Send a message, in the order of the calls.

        Raises:
            EncodeError: Something in it cannot go on the wire.
        """
        carrier = self._carrier
        if message.type in _FLEETING and not carrier.is_there:
            return
        if message.type == MessageType.ECHO:
            carrier.echo_sent()
        name = self._name_of(channel, message, to)
        number = None
        if message.sequence is not None:
            number = self._counts.next(name)
            message = with_sequence(message, number)
        carrier.publish(name, encode_message(message, as_text=True))
        if number is not None:
            self._counts.used(name, number)
        if message.type == MessageType.SOCKETS_JOIN:
            self._will_join(channel, message.data["rooms"])

    def _name_of(self, channel: str, message: Message, to: AbstractSet[str] | None) -> str:
        if to is not None and len(to) == 1:
            return f"{self._common(channel)}{next(iter(to))}#"
        if _is_ours(message):
            return self._own(channel)
        common = self._common(channel)
        if message.type == MessageType.BROADCAST and "requestId" not in message.data:
            rooms = message.data["opts"]["rooms"]
            if len(rooms) == 1 and has_channel(rooms[0], self._mode):
                if not self._joining or not self._is_joining(channel, rooms[0]):
                    return f"{common}{rooms[0]}#"
        return common

    def _will_join(self, channel: str, rooms: Sequence[Room]) -> None:
        joining, until = self._joining, asyncio.get_running_loop().time() + _JOINING
        for room in rooms:
            if has_channel(room, self._mode):
                joining.pop((channel, room), None)  # so that the first one stays the first
                joining[channel, room] = until
        while len(joining) > _MOST_JOINING:
            del joining[next(iter(joining))]

    def _is_joining(self, channel: str, room: Room) -> bool:
        joining, now = self._joining, asyncio.get_running_loop().time()
        while joining and joining[first := next(iter(joining))] <= now:
            del joining[first]
        return (channel, room) in joining


class _Listener:
    """A namespace of this process.

    Args:
        carrier: Through which it hears itself.
        channel: Its name.
        address: Of this process in it.
        receiver: Gets the messages.

    Attributes:
        ear: Takes messages of any channel.
        counts: Of what has come there from members of ours.
    """

    def __init__(
        self,
        carrier: Carrier | ShardCarriers,
        channel: str,
        address: str,
        receiver: MessageReceiver,
    ) -> None:
        self.address = address
        self.receiver = receiver
        self.ear: Ear = careful(self._heard, receiver)
        self.counts = ChannelCounts()
        self._carrier = carrier
        self._channel = channel

    def _heard(self, name: bytes, data: bytes) -> None:
        message = decode_message(data, self._channel)
        if message.sender == self.address:
            self._carrier.echo_heard()
        elif message.sequence is not None:
            counted = self.counts.came(name, message.sender, message.sequence)
            message = with_sequence(message, counted)
            if message.type == MessageType.ADAPTER_CLOSE:
                self.counts.drop(message.sender)
        self.receiver.decoded(message)
