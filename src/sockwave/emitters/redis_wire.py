"""Messages of emitters as commands of Redis, in the forms of `@socket.io/redis-emitter` 5.1 (the
classic adapter) and `@socket.io/redis-streams-emitter` 0.1.

The classic adapter has a protocol of its own, older than that of all others: an event is the list
`[sender, packet, options]` in msgpack, all else a request in JSON, with numbers of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from sockwave.adapters.messages import MessageType
from sockwave.adapters.redis.stream_fields import encode_fields
from sockwave.codec.json import encode_json
from sockwave.errors import EncodeError
from sockwave.socketio.core.encoded_event import copied

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.messages import Message

__all__ = ["Command", "classic_encoder", "streams_encoder"]

Command: TypeAlias = "tuple[str | bytes | int, ...]"

_REQUESTS: Final = {
    MessageType.SOCKETS_JOIN: 2,
    MessageType.SOCKETS_LEAVE: 3,
    MessageType.DISCONNECT_SOCKETS: 4,
}
"""Numbers of requests in the classic protocol; 6 is an event for servers."""


def classic_encoder(key: str) -> Callable[[Message], Command]:
    """Makes PUBLISH of messages.

    Args:
        key: In front of the names of channels.
    """
    return partial(_classic, key)


def _classic(key: str, message: Message) -> Command:
    data, namespace = message.data, message.namespace
    if message.type == MessageType.BROADCAST:
        opts = data["opts"]
        rooms = opts["rooms"]
        channel = f"{key}#{namespace}#"
        if len(rooms) == 1:
            channel += f"{rooms[0]}#"
        return "PUBLISH", channel, _msgpack([message.sender, data["packet"], opts])
    request: dict[str, Any]
    if message.type == MessageType.SERVER_SIDE_EMIT:
        request = {"uid": message.sender, "type": 6, "data": data["packet"]}
    else:
        request = {"type": _REQUESTS[MessageType(message.type)], **data}
        request["opts"] = {name: data["opts"][name] for name in ("rooms", "except")}
    text, attachments = encode_json(request)
    return "PUBLISH", f"{key}-request#{namespace}#", _msgpack(request) if attachments else text


def streams_encoder(stream: str, max_length: int) -> Callable[[Message], Command]:
    """Makes XADD of messages.

    Args:
        stream: Its name.
        max_length: About how many entries stay in it.
    """
    return partial(_streams, ("XADD", stream, "MAXLEN", "~", max_length, "*"))


def _streams(head: Command, message: Message) -> Command:
    return *head, *encode_fields(message)


def _msgpack(value: Any) -> bytes:
    try:
        try:
            return msgspec.msgpack.encode(value)
        except BufferError:  # a strided view; a copy has its bytes
            return msgspec.msgpack.encode(copied((value,))[0])
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise EncodeError(f"cannot be sent to servers: {error}") from None
