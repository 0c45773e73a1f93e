"""The carrier of `RedisStreamsAdapter`: messages about sockets in a stream, all others by pub/sub.

It is compatible with `@socket.io/redis-streams-adapter` 0.3: what must not be lost, which is
broadcasts without acknowledgements, joins, leaves and disconnects, is written to a stream that all
read; questions and answers are published on a channel of all, or of one process. Our own messages,
of which those servers know nothing, go by the same channels, and are ignored there.

Order: what one process writes to the stream arrives in the order of the calls, and so does what it
publishes; between the two there is none.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import (
    MAX_MESSAGE,
    Message,
    MessageType,
    decode_message,
    encode_message,
    is_durable,
)
from sockwave.adapters.redis.connected_keys import ConnectedKeys
from sockwave.adapters.redis.lines import Asker, Command, RedisRefused
from sockwave.adapters.redis.one_stream import OneStream
from sockwave.adapters.redis.places import ClusterPlace, KeyPlace
from sockwave.adapters.redis.refusals import Refusals
from sockwave.adapters.redis.sequences import with_sequence
from sockwave.adapters.redis.session_keys import ClusterKeys, SessionKeys, WrittenKeys
from sockwave.adapters.redis.stream_entries import is_whole, read_entries
from sockwave.adapters.redis.stream_fields import Entry, encode_fields, stream_of
from sockwave.adapters.redis.stream_reader import StreamReader
from sockwave.adapters.redis.stream_writer import Mark, StreamWriter
from sockwave.adapters.redis.subscriber import CHANNEL, SHARD, Subscriber
from sockwave.adapters.streams.contract import PAGE, EntryReceiver
from sockwave.adapters.streams.positions import entry_id, position_of
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.redis.places import Place
    from sockwave.types import NamespaceName, Room

__all__ = ["StreamSettings", "StreamsDriver"]

DRAIN: Final = 3.0
"""Seconds that what is kept may take to be sent at the end."""

TOO_MUCH: Final = "more than `max_backlog` waits for Redis"
TOO_LARGE: Final = f"it has more than {MAX_MESSAGE} bytes"

_logger: Final = logging.getLogger("sockwave.adapters")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Options of `RedisStreamsAdapter`, which has their meaning."""

    stream_name: str = "socket.io"
    stream_count: int = 1
    channel_prefix: str = "socket.io"
    use_sharded_pub_sub: bool = False
    max_len: int = 10_000
    read_count: int = 100
    session_key_prefix: str = "sio:session:"
    only_plaintext: bool = False
    keeps_connected: bool = True
    max_backlog: int = 16 * 1024 * 1024


class StreamsDriver:
    """A connection of one process to Redis; see `MessageDriver`. It lives in one event loop.

    Args:
        place: Where Redis is.
        settings: See there.

    Attributes:
        is_away: Whether Redis cannot be reached, or was not reached yet.
    """

    capabilities: Final = Capabilities(has_strangers=True, echoes=True, counts=True)

    def __init__(self, place: Place, settings: StreamSettings) -> None:
        self._place = place
        self._settings = settings
        self.is_away: bool = True
        self._kind = SHARD if settings.use_sharded_pub_sub else CHANNEL
        self._subscriber = Subscriber(place, self)
        self._keys = ClusterKeys(place) if isinstance(place, ClusterPlace) else None
        self._streams: dict[str, OneStream] = {}
        self._has_started = False
        self._receivers: dict[NamespaceName, dict[str, MessageReceiver]] = {}
        self._is_closed = False
        self._was_there = False
        self._unsent = 0
        self._waiting = 0  # goodbyes are not counted: nobody misses them
        self._refusals = Refusals()
        self._sequences: dict[NamespaceName, int] = {}

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, if it is not connected.

        Raises:
            OSError: Redis cannot be reached; it is tried again for ever.
        """
        if self._is_closed:
            return
        self._has_started = True
        if not self._streams:
            self._of("/")
        for stream in list(self._streams.values()):
            await stream.start()
        self._subscriber.link.start()

    def announce(self, channel: NamespaceName, address: str, receiver: MessageReceiver) -> None:
        """Somebody will `subscribe`, and hears of entries from now on, as far as any are read."""
        self._receivers.setdefault(channel, {})[address] = receiver
        self._of(channel).is_read = True

    async def subscribe(
        self, channel: NamespaceName, address: str, receiver: MessageReceiver
    ) -> None:
        """Listen: to what is written from now on, and to what is published.

        Raises:
            OSError: Redis cannot be reached, or does not allow it.
        """
        stream = self._of(channel)
        stream.is_read = True
        await stream.start()
        self._receivers.setdefault(channel, {})[address] = receiver
        for name in (self._channel(channel), self._channel(channel, address)):
            self._subscriber.listen(self._kind, name.encode(), partial(self._heard, channel))
        await self._subscriber.settle()

    def _of(self, channel: NamespaceName) -> OneStream:
        """The stream of a namespace."""
        settings = self._settings
        name = stream_of(channel, settings.stream_name, settings.stream_count)
        stream = self._streams.get(name)
        if stream is None:
            place = self._place
            if isinstance(place, ClusterPlace):
                place = KeyPlace(place, name)
            stream = OneStream(
                name,
                StreamWriter(place, self._changed, self.link_refused, settings.max_backlog),
                StreamReader(
                    place,
                    name,
                    self._changed,
                    self.link_refused,
                    settings.read_count,
                    self._read,
                    partial(self._has_gap, name),
                ),
                Asker(place),
            )
            self._streams[name] = stream
            if self._has_started:
                stream.writer.link.start()
        return stream

    def unsubscribe(self, channel: NamespaceName, address: str) -> None:
        """Listen no longer."""
        listeners = self._receivers.get(channel, {})
        if listeners.pop(address, None) is None:
            return
        self._subscriber.leave(self._kind, self._channel(channel, address).encode())
        if not listeners:
            del self._receivers[channel]
            self._sequences.pop(channel, None)
            self._subscriber.leave(self._kind, self._channel(channel).encode())

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than three seconds, and disconnect."""
        if self._is_closed:
            return
        self._is_closed = True
        drains = [stream.writer.drain(DRAIN) for stream in self._streams.values()]
        if self._keys is not None:
            drains.append(self._keys.drain(DRAIN))
        await asyncio.gather(*drains)
        if self._waiting:
            what = "%d messages to other servers could not be sent before the end"
            _logger.warning(what, self._waiting)
        await asyncio.gather(*(stream.aclose() for stream in self._streams.values()))
        await self._subscriber.aclose()

    # --- how it goes ------------------------------------------------------------------------------

    def subscriber_ready(self) -> None:
        """What is published is heard."""
        self._changed(None)

    def subscriber_ended(self, why: str) -> None:
        """What is published is not heard."""
        self._changed(why)

    def channel_gone(self, name: bytes) -> None:
        """Only a node of a Redis Cluster says that."""

    def subscription_refused(self, error: str) -> None:
        """Who subscribes is told, and the log."""

    def _changed(self, why: str | None) -> None:
        """A connection is there, or has ended."""
        is_there = self._subscriber.link.is_ready
        is_away = not (is_there and all(each.is_there for each in self._streams.values()))
        if is_away == self.is_away or self._is_closed:
            return
        self.is_away = is_away
        if not is_away:
            if self._was_there:
                _logger.info("Redis at %s is reached again", self._place.name)
            self._was_there = True
            self._refusals.reset()
            return
        self._tell_all(f"the connection to Redis at {self._place.name} is lost: {why}", is_end=True)

    def link_refused(self, who: object, why: str) -> None:
        """It is not reached yet; who has never reached it learns that from `start`."""
        if self._was_there and self.is_away and (times := self._refusals.add(who)):
            name = self._place.name
            self._tell_all(f"Redis at {name} is there and takes nothing, attempt {times}: {why}")

    def _tell_all(self, what: str, *, is_end: bool = False) -> None:
        for channel in list(self._receivers):
            for receiver in self._listeners(channel):
                if is_end and isinstance(receiver, EntryReceiver):
                    receiver.carrier_away()
                receiver.messages_lost(what)

    def _listeners(self, channel: NamespaceName) -> list[MessageReceiver]:
        return list(self._receivers.get(channel, {}).values())

    # --- names ------------------------------------------------------------------------------------

    def _channel(self, channel: NamespaceName, address: str | None = None) -> str:
        common = f"{self._settings.channel_prefix}#{channel}#"
        return common if address is None else f"{common}{address}#"

    # --- the way out ------------------------------------------------------------------------------

    def publish_message(
        self, channel: NamespaceName, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        """Write a message to the stream, or publish it; in the order of the calls."""
        if self._is_closed:
            return
        if is_durable(message):
            self._write(channel, message)
            return
        number = self._sequences.get(channel, 0) + 1
        is_counted = message.sequence is not None
        if is_counted:
            # Whoever counts what goes to everybody counts the stream, too, which has a way of its
            # own to tell what is missing: of what is published none may seem to be.
            message = with_sequence(message, number)
        data = encode_message(message)
        if is_counted:
            self._sequences[channel] = number
        address = next(iter(to)) if to is not None and len(to) == 1 else None
        verb = "SPUBLISH" if self._settings.use_sharded_pub_sub else "PUBLISH"
        command = (verb, self._channel(channel, address), data)
        if len(data) > MAX_MESSAGE:
            self._not_sent(channel, TOO_LARGE)
        elif not self._of(channel).writer.put(command, partial(self._published, channel)):
            self._not_sent(channel, TOO_MUCH)

    def _write(self, channel: NamespaceName, message: Message) -> None:
        settings, stream, number = self._settings, self._of(channel), message.number
        fields = encode_fields(message, only_text=settings.only_plaintext)
        command: Command = ("XADD", stream.name, "MAXLEN", "~", settings.max_len, "*", *fields)
        mark = None
        if number is not None:
            mark = Mark(stream.name, message.sender.encode(), number, stream.reader.position)
        counts = message.type != MessageType.ADAPTER_CLOSE
        is_large = any(len(field) > MAX_MESSAGE for field in fields)
        self._waiting += counts
        done = partial(self._written, channel, number, counts)
        if is_large or not stream.writer.put(command, done, mark):
            self._waiting -= counts
            # Not within the call of whoever has published.
            asyncio.get_running_loop().call_soon(self._entry_refused, channel, number)
            self._not_sent(channel, TOO_LARGE if is_large else TOO_MUCH)

    def _written(self, channel: NamespaceName, number: int | None, due: bool, reply: Any) -> None:
        self._waiting -= due
        if isinstance(reply, Exception):
            self._entry_refused(channel, number)
            self._not_sent(channel, f"Redis says {reply}")
            return
        place = position_of(reply) if isinstance(reply, bytes) else None
        for receiver in self._listeners(channel):
            if isinstance(receiver, EntryReceiver) and number is not None and place is not None:
                receiver.entry_written(number, place)

    def _entry_refused(self, channel: NamespaceName, number: int | None) -> None:
        for receiver in self._listeners(channel):
            if isinstance(receiver, EntryReceiver) and number is not None:
                receiver.entry_refused(number)

    def _published(self, channel: NamespaceName, reply: Any) -> None:
        if isinstance(reply, RedisRefused):
            self._not_sent(channel, f"Redis says {reply}")

    def _not_sent(self, channel: NamespaceName, why: str) -> None:
        self._unsent += 1
        if not is_worth_a_line(self._unsent):
            return
        what = f"message {self._unsent} to other servers could not be sent: {why}"
        for receiver in self._listeners(channel):
            # Not within the call of whoever has published.
            asyncio.get_running_loop().call_soon(receiver.messages_lost, what)

    # --- the way in -------------------------------------------------------------------------------

    def _heard(self, channel: NamespaceName, name: bytes, data: bytes) -> None:
        try:
            message = decode_message(data, channel)
        except PacketError as error:
            for receiver in self._listeners(channel):
                receiver.refused(error.detail or str(error))
        else:
            for receiver in self._listeners(channel):
                receiver.decoded(message)

    def _read(self, entry: Entry) -> None:
        namespace = entry.namespace
        listeners = self._receivers.get(namespace) if namespace else None
        if not listeners:
            return
        sender = entry.sender.decode("utf-8", "replace")
        for address, receiver in list(listeners.items()):
            if isinstance(receiver, EntryReceiver):
                if address == sender:
                    receiver.own_entry_read(entry)
                else:
                    receiver.entry_read(entry)
            elif address != sender:
                _pass(entry, receiver)

    def _has_gap(self, stream: str, what: str) -> None:
        for channel in list(self._receivers):
            if self._of(channel).name == stream:
                for receiver in self._listeners(channel):
                    if isinstance(receiver, EntryReceiver):
                        receiver.entries_missed()
                    receiver.messages_lost(what)

    # --- rooms ------------------------------------------------------------------------------------

    def room_added(self, channel: NamespaceName, room: Room) -> None:
        """Nothing: all read one stream."""

    def room_dropped(self, channel: NamespaceName, room: Room) -> None:
        """Nothing."""

    # --- questions to Redis -----------------------------------------------------------------------

    @property
    def _numsub(self) -> str:
        return "SHARDNUMSUB" if self._settings.use_sharded_pub_sub else "NUMSUB"

    async def count(self, channel: NamespaceName) -> int | None:
        """How many processes listen, those in JavaScript included; None while Redis does not tell.

        Raises:
            RedisRefused: It does not want to.
        """
        verb, name = self._numsub, self._channel(channel)
        try:
            counted = await self._place.count_elsewhere(verb, name)
            if counted is not None:
                return counted
            reply = await self._of(channel).asker.ask(("PUBSUB", verb, name))
        except OSError:
            return None
        if not isinstance(reply, list) or len(reply) != 2 or type(reply[1]) is not int:
            return None
        return reply[1]

    def position(self, channel: NamespaceName) -> int:
        """How far the stream of a namespace was read."""
        return self._of(channel).reader.position

    async def first(self, channel: NamespaceName) -> int | None:
        """From which place on all of a stream is there; None if nothing was ever written.

        Raises:
            OSError: Redis cannot be reached.
            RedisRefused: It does not tell.
        """
        stream = self._of(channel)
        range_ = ("XRANGE", stream.name, "-", "+", "COUNT", 1)
        entries = read_entries(await stream.asker.ask(range_))
        if not entries:
            return None
        try:
            info = await stream.asker.ask(("XINFO", "STREAM", stream.name))
        except RedisRefused:
            return entries[0].position
        return 0 if is_whole(info) else entries[0].position

    async def entries(
        self, channel: NamespaceName, begin: int, most: int = PAGE
    ) -> tuple[list[Entry], bool]:
        """Entries from a place on, those of other namespaces too, and whether that was all.

        Raises:
            OSError: Redis cannot be reached.
            RedisRefused: It does not tell.
        """
        stream = self._of(channel)
        range_ = ("XRANGE", stream.name, entry_id(begin), "+", "COUNT", most)
        entries = read_entries(await stream.asker.ask(range_))
        return entries, len(entries) < most

    def _keys_of(self, channel: NamespaceName) -> SessionKeys:
        return self._keys or WrittenKeys(self._of(channel).writer)

    def save(
        self,
        channel: NamespaceName,
        pid: str,
        value: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Keep a session for so long, in the order of the calls.

        Args:
            done: Called with what became of it.

        Returns:
            False if there is no room.
        """
        key, time = self._settings.session_key_prefix + pid, max(round(seconds * 1000), 1)
        return not self._is_closed and self._keys_of(channel).put(key, value, time, done)

    async def take(self, channel: NamespaceName, pid: str) -> tuple[bytes, float] | None:
        """Take a session out, behind all that was published and saved here; with the seconds that
        it would have been kept.

        Raises:
            OSError: Redis cannot be reached.
            RedisRefused: It does not tell.
        """
        return await self._keys_of(channel).take(self._settings.session_key_prefix + pid)

    def connected(self, channel: NamespaceName) -> ConnectedKeys | None:
        """Where connected sockets are kept; None with the option off, and on a Redis Cluster, whose
        nodes have each other's keys and listeners."""
        settings = self._settings
        if not settings.keeps_connected or self._keys is not None:
            return None
        stream = self._of(channel)
        return ConnectedKeys(
            stream.writer,
            # Not as the keys of lost clients begin: those end in what clients say.
            f"{stream.name}:connected:{channel}:",
            settings.session_key_prefix,
            self._channel(channel),
            self._numsub,
        )


def _pass(entry: Entry, receiver: MessageReceiver) -> None:
    try:
        message = entry.message()
    except PacketError as error:
        receiver.refused(error.detail or str(error))
    else:
        receiver.decoded(message)
