"""The driver of Redis' classic pub/sub, on the channels of `@socket.io/redis-adapter`.

Theory. Servers in JavaScript listen to all broadcasts of a namespace by a pattern, and to a channel
of requests; by the listeners of that one servers are counted. We do the same. A broadcast to one
room has a channel of its own: where nobody is in that room, its message is thrown away unread.

Our own copies come back, too, and are thrown away by their sender, since what they say was done
here at once. (In JavaScript joins, leaves and disconnects are done when they come back.)

What members of ours say to each other alone goes over channels beside it, in the form of
`messages.py`. Answers to a member that was heard there go there, too, under its own name; to all
others they go in the old form.

What goes to everybody is numbered, and read, or thrown away unread, by all: see `sequences.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.messages import (
    EMITTER,
    Message,
    MessageType,
    decode_message,
    encode_message,
    encode_value,
)
from sockwave.adapters.redis.carrier import Carrier
from sockwave.adapters.redis.classic_wire import (
    ClassicType,
    Names,
    decode_broadcast,
    decode_request,
    decode_response,
    encode_broadcast,
    encode_done,
    encode_request,
    encode_response,
    is_request,
    is_response,
)
from sockwave.adapters.redis.ears import careful
from sockwave.adapters.redis.sequences import WholeCount, with_sequence
from sockwave.adapters.redis.subscriber import CHANNEL, PATTERN

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.redis.places import Place
    from sockwave.types import Room

__all__ = ["ClassicDriver"]

MAX_KNOWN: Final = 10_000
"""Members of ours, and open requests of old servers, that are remembered."""

NUMBERED: Final = b"\x94"
"""How a broadcast begins that has a number: a list of four in msgpack."""

_LEGACY: Final = frozenset({ClassicType.SOCKETS, ClassicType.ALL_ROOMS})
_SIGNS: Final = frozenset({MessageType.INITIAL_HEARTBEAT, MessageType.HEARTBEAT})
_FLEETING: Final = frozenset({MessageType.HEARTBEAT, MessageType.ECHO})
"""Of now only: they are not kept while Redis is away."""


class ClassicDriver:
    """Reaches servers on the same Redis with the same key; see `MessageDriver`.

    Args:
        place: Where Redis is.
        key: What channels begin with.
        is_specific: Answer on a channel of the one who asked, instead of that of all.
        max_backlog: Bytes that are kept while they cannot be sent.
    """

    capabilities: Final = Capabilities(has_strangers=True, echoes=True, counts=True)

    def __init__(self, place: Place, *, key: str, is_specific: bool, max_backlog: int) -> None:
        self._key = key
        self._is_specific = is_specific
        self._listeners: dict[str, _Listener] = {}
        self._withheld: dict[str, int] = {}  # numbered, by sender
        self._carrier = Carrier(place, "PUBLISH", max_backlog, self._lost)

    async def start(self) -> None:
        """Connect, for ever; the first failure is raised."""
        await self._carrier.start()

    async def subscribe(self, channel: str, address: str, receiver: MessageReceiver) -> None:
        """Listen."""
        listener = _Listener(self, self._names(channel), channel, address, receiver)
        self._listeners[channel] = listener
        listener.begin(self._carrier)
        await self._carrier.settle()

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        listener = self._listeners.get(channel)
        if listener is not None and listener.address == address:
            del self._listeners[channel]
            listener.end(self._carrier)
            self._withheld.pop(address, None)

    async def count(self, channel: str) -> int | None:
        """How many servers listen, those in JavaScript included; None if it is not known now."""
        return await self._carrier.count("NUMSUB", self._names(channel).requests)

    async def aclose(self) -> None:
        """Send what is kept, and disconnect."""
        await self._carrier.aclose()

    def room_added(self, channel: str, room: Room) -> None:
        """All broadcasts come anyway."""

    def room_dropped(self, channel: str, room: Room) -> None:
        """All broadcasts come anyway."""

    def _lost(self, what: str) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners.values():  # later: this may be within a call
            loop.call_soon(listener.receiver.messages_lost, what)

    def _names(self, channel: str) -> Names:
        listener = self._listeners.get(channel)
        return Names.of(self._key, channel) if listener is None else listener.names

    # --- the way out ------------------------------------------------------------------------------

    def publish_message(
        self, channel: str, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        """Send a message, in the order of the calls.

        Raises:
            EncodeError: Something in it cannot go on the wire.
        """
        names, type_ = self._names(channel), message.type
        if message.sequence is not None and self._withheld:
            withheld = self._withheld.get(message.sender, 0)
            message = with_sequence(message, message.sequence - withheld)
        if is_request(message):
            self.send(names.requests, encode_request(message))
        elif type_ == MessageType.BROADCAST:
            rooms = message.data["opts"]["rooms"]
            name = f"{names.broadcasts}{rooms[0]}#" if len(rooms) == 1 else names.broadcasts
            self.send(name, encode_broadcast(message))
        elif is_response(message) and to is not None:
            for address in to:
                self._respond(names, channel, message, address)
        else:
            self._tell_ours(names, message, to)

    def send(self, name: str, payload: bytes) -> None:
        """Publish to a channel of Redis."""
        self._carrier.publish(name, payload)

    def _respond(self, names: Names, channel: str, message: Message, asker: str) -> None:
        listener = self._listeners.get(channel)
        if listener is not None and asker in listener.ours:
            self.send(f"{names.own}{asker}#", encode_message(message))
            return
        kind = None
        if listener is not None:
            kind = listener.legacy.pop((asker, message.data["requestId"]), None)
        payload = encode_response(message, kind)
        # Answers of servers to servers go to all in any case, as there.
        is_common = message.type == MessageType.SERVER_SIDE_EMIT_RESPONSE or asker == EMITTER
        if self._is_specific and not is_common:
            self.send(f"{names.responses}{asker}#", payload)
        else:
            self.send(names.responses, payload)

    def _tell_ours(self, names: Names, message: Message, to: AbstractSet[str] | None) -> None:
        carrier = self._carrier
        if message.type in _FLEETING and not carrier.is_there:
            if message.sequence is not None:  # nobody misses it
                self._withheld[message.sender] = self._withheld.get(message.sender, 0) + 1
            return
        if message.type == MessageType.ECHO:
            carrier.echo_sent()
        name = names.own
        if to is not None and len(to) == 1:
            name = f"{name}{next(iter(to))}#"
        self.send(name, encode_message(message))

    def echo_heard(self) -> None:
        """A message to oneself has come back."""
        self._carrier.echo_heard()


class _Listener:
    """A namespace of this process.

    Args:
        driver: Whose it is.
        names: Of its channels.
        channel: Its name.
        address: Of this process in it.
        receiver: Gets the messages.

    Attributes:
        ours: Members of ours that were heard.
        legacy: What open requests of old servers want, by who asked and the request.
        counts: Of what members of ours have sent to everybody.
    """

    def __init__(
        self,
        driver: ClassicDriver,
        names: Names,
        channel: str,
        address: str,
        receiver: MessageReceiver,
    ) -> None:
        self.names = names
        self.address = address
        self.receiver = receiver
        self.ours: dict[str, None] = {}
        self.legacy: dict[tuple[str, str], int] = {}
        self.counts = WholeCount()
        self._driver = driver
        self._channel = channel
        self._room_at = len(names.broadcasts.encode())
        self._own_id = encode_value(address)
        specific = f"{names.responses}{address}#"
        self._channels = {
            names.requests: careful(self._requested, receiver),
            names.responses: careful(self._answered, receiver),
            specific: careful(self._answered, receiver),
            names.own: careful(self._told, receiver),
            f"{names.own}{address}#": careful(self._told, receiver),
        }
        self._pattern = _escaped(names.broadcasts) + "*"
        self._broadcast_heard = careful(self._broadcast, receiver)

    def begin(self, carrier: Carrier) -> None:
        """Listen."""
        carrier.listen(PATTERN, self._pattern, self._unless_unwanted)
        for name, ear in self._channels.items():
            carrier.listen(CHANNEL, name, ear)

    def end(self, carrier: Carrier) -> None:
        """Listen no longer."""
        carrier.leave(PATTERN, self._pattern)
        for name in self._channels:
            carrier.leave(CHANNEL, name)

    # --- the way in -------------------------------------------------------------------------------

    def _unless_unwanted(self, name: bytes, data: bytes) -> None:
        """A broadcast: thrown away unread if nobody here is in its room, or it is our own."""
        room = name[self._room_at : -1]
        if room and not self.receiver.has_room(room.decode(errors="replace")):
            if data[:1] == NUMBERED and len(data) > 1:  # ours have ids of less than 32 bytes
                self.counts.passed_over(data[1 : 2 + (data[1] & 0x1F)])
        elif not data.startswith(self._own_id, 1):
            self._broadcast_heard(name, data)

    def _broadcast(self, name: bytes, data: bytes) -> None:
        self.receiver.decoded(self._counted(decode_broadcast(data)))

    def _counted(self, message: Message) -> Message:
        """Say which it is of those that should have been read here."""
        sequence = message.sequence
        if sequence is None:
            return message
        counted = self.counts.came(encode_value(message.sender), sequence)
        return message if counted == sequence else with_sequence(message, counted)

    def _requested(self, name: bytes, data: bytes) -> None:
        request = decode_request(data, self._channel)
        if request is None or request.message.sender == self.address:
            return
        sender, id_, owner = request.message.sender, request.id, request.owner
        if request.kind in _LEGACY and id_ is not None:
            self.legacy[sender, id_] = request.kind
            if len(self.legacy) > MAX_KNOWN:
                del self.legacy[next(iter(self.legacy))]
        is_mine = owner is not None and self.receiver.has_room(owner)
        self.receiver.decoded(self._counted(request.message))
        if is_mine and id_ is not None:
            self._driver.send(self.names.responses, encode_done(id_))

    def _answered(self, name: bytes, data: bytes) -> None:
        message = decode_response(data, self._channel)
        if message is not None and message.sender != self.address:
            self.receiver.decoded(message)

    def _told(self, name: bytes, data: bytes) -> None:
        message = decode_message(data, self._channel)
        if message.sender == self.address:
            self._driver.echo_heard()
        else:
            message = self._counted(message)
            self._note(message.type, message.sender)
        self.receiver.decoded(message)

    def _note(self, type_: int, sender: str) -> None:
        """Know who of ours is there."""
        if type_ == MessageType.ADAPTER_CLOSE:
            self.ours.pop(sender, None)
            self.counts.drop(encode_value(sender))
        elif type_ in _SIGNS:
            self.ours[sender] = None
            self.counts.keep(encode_value(sender))
            if len(self.ours) > MAX_KNOWN:
                del self.ours[next(iter(self.ours))]


def _escaped(text: str) -> str:
    """A pattern of Redis that matches nothing but this text."""
    return "".join(f"\\{each}" if each in "\\*?[]^" else each for each in text)
