"""Messages of emitters as commands of Redis, and answers of servers.

The forms are those of `@socket.io/redis-emitter` 5.1 (the classic adapter) and
`@socket.io/redis-streams-emitter` 0.1; servers with a sharded adapter have no emitter in
JavaScript. Questions have the form in which servers ask each other, and are answered where a server
of the name `emitter` would listen.

The classic adapter has a protocol of its own, older than that of all others: an event is the list
`[sender, packet, options]` in msgpack, all else a request in JSON, with numbers of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sockwave.adapters.messages import (
    EMITTER,
    MessageType,
    check_readable,
    decode_message,
    encode_message,
    encode_value,
    is_durable,
)
from sockwave.adapters.redis.classic_wire import Names, decode_response, encode_request
from sockwave.adapters.redis.stream_fields import check_fields, encode_fields

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message
    from sockwave.types import NamespaceName

__all__ = ["ClassicWire", "Command", "RedisWire", "ShardedWire", "StreamsWire"]

Command: TypeAlias = "tuple[str | bytes | int, ...]"

_REQUESTS: Final = {
    MessageType.SOCKETS_JOIN: 2,
    MessageType.SOCKETS_LEAVE: 3,
    MessageType.DISCONNECT_SOCKETS: 4,
}
"""Numbers of requests in the classic protocol; 6 is an event for servers."""


class RedisWire(Protocol):
    """What servers and emitters say to each other on Redis."""

    @property
    def is_sharded(self) -> bool:
        """Whether the channels of answers, and of counting, are those of shards."""

    def encode(self, message: Message) -> Command:
        """The command that sends a message.

        Raises:
            EncodeError: Something in it cannot be sent.
        """

    def ears(self, namespace: NamespaceName) -> tuple[str, ...]:
        """Channels by which servers answer."""

    def counted(self, namespace: NamespaceName) -> str:
        """The channel to which each server listens once."""

    def decode(self, channel: str, data: bytes, namespace: NamespaceName) -> Message | None:
        """What has come by one of the channels of answers; None for what is nothing of ours.

        Raises:
            PacketError: It is malformed.
        """


class ClassicWire:
    """For servers with the classic adapter; see `RedisWire`.

    Args:
        key: In front of the names of channels.
    """

    is_sharded: Final = False

    def __init__(self, key: str) -> None:
        self._key = key

    def encode(self, message: Message) -> Command:
        """PUBLISH of a message."""
        channel, payload = self._encoded(message)
        check_readable(payload)
        return "PUBLISH", channel, payload

    def _encoded(self, message: Message) -> tuple[str, bytes]:
        data, names = message.data, Names.of(self._key, message.namespace)
        if "requestId" in data:
            return names.requests, encode_request(message)
        if message.type == MessageType.BROADCAST:
            opts = data["opts"]
            rooms = opts["rooms"]
            channel = f"{names.broadcasts}{rooms[0]}#" if len(rooms) == 1 else names.broadcasts
            return channel, encode_value([message.sender, data["packet"], opts])
        request: dict[str, Any]
        if message.type == MessageType.SERVER_SIDE_EMIT:
            request = {"uid": message.sender, "type": 6, "data": data["packet"]}
        else:
            request = {"type": _REQUESTS[MessageType(message.type)], **data}
            request["opts"] = {name: data["opts"][name] for name in ("rooms", "except")}
        return names.requests, encode_value(request, as_text=True)

    def ears(self, namespace: NamespaceName) -> tuple[str, ...]:
        """That of all, that of emitters, and one by which only servers of ours speak."""
        names = Names.of(self._key, namespace)
        return names.responses, f"{names.responses}{EMITTER}#", f"{names.own}{EMITTER}#"

    def counted(self, namespace: NamespaceName) -> str:
        """That of requests."""
        return Names.of(self._key, namespace).requests

    def decode(self, channel: str, data: bytes, namespace: NamespaceName) -> Message | None:
        """In the form of the classic protocol, or of our own."""
        if channel.startswith(Names.of(self._key, namespace).own):
            return decode_message(data, namespace)
        return decode_response(data, namespace)


class ShardedWire:
    """For servers with the sharded adapter; see `RedisWire`.

    All goes by the channel to which all servers listen in each mode: they, and not who sends, know
    which rooms they have.

    Args:
        prefix: In front of the names of channels.
    """

    is_sharded: Final = True

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def encode(self, message: Message) -> Command:
        """SPUBLISH of a message."""
        encoded = encode_message(message, as_text=True)
        check_readable(encoded)
        return "SPUBLISH", self.counted(message.namespace), encoded

    def ears(self, namespace: NamespaceName) -> tuple[str, ...]:
        """That of emitters."""
        return (f"{self._prefix}#{namespace}#{EMITTER}#",)

    def counted(self, namespace: NamespaceName) -> str:
        """That of all."""
        return f"{self._prefix}#{namespace}#"

    def decode(self, channel: str, data: bytes, namespace: NamespaceName) -> Message | None:
        """JSON or msgpack."""
        return decode_message(data, namespace)


class StreamsWire:
    """For servers with the adapter of streams; see `RedisWire`.

    Args:
        stream: Its name.
        max_length: About how many entries stay in it.
        channel_prefix: In front of the names of channels, by which questions and answers go.
        is_sharded: Whether these are channels of shards.
    """

    def __init__(
        self, stream: str, max_length: int, channel_prefix: str, *, is_sharded: bool
    ) -> None:
        self.is_sharded = is_sharded
        self._head: Command = ("XADD", stream, "MAXLEN", "~", max_length, "*")
        self._channels = ShardedWire(channel_prefix)

    def encode(self, message: Message) -> Command:
        """XADD of a message, or PUBLISH of a question; events for servers go by the stream, too."""
        if is_durable(message) or message.type == MessageType.SERVER_SIDE_EMIT:
            fields = encode_fields(message)
            check_fields(fields)
            return *self._head, *fields
        verb = "SPUBLISH" if self.is_sharded else "PUBLISH"
        encoded = encode_message(message)
        check_readable(encoded)
        return verb, self.counted(message.namespace), encoded

    def ears(self, namespace: NamespaceName) -> tuple[str, ...]:
        """That of emitters."""
        return self._channels.ears(namespace)

    def counted(self, namespace: NamespaceName) -> str:
        """That of all."""
        return self._channels.counted(namespace)

    def decode(self, channel: str, data: bytes, namespace: NamespaceName) -> Message | None:
        """Msgpack."""
        return decode_message(data, namespace)
