"""Messages of `@socket.io/redis-adapter` (8.3), on its channels: values and bytes, no connection.

Its protocol is older than the one that `messages.py` has, with other numbers and other shapes: a
broadcast is an array on a channel of its room, what asks or orders is a map on the request channel,
and an answer one on a response channel, which does not say whose it is. Both directions are
translated here. Keys that it does not know are passed on, in both directions: so members of ours
say in the same message what only they understand, and their answers have a `uid`. What they send to
everybody is numbered: `s` in a request, a fourth element in a broadcast, of which servers in
JavaScript read three.

What has no form there at all, such as heartbeats, goes over channels beside it (`Names.own`), to
which nobody in JavaScript listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.dates import with_dates_as_text
from sockwave.adapters.messages import (
    ANONYMOUS,
    EMITTER,
    Message,
    MessageType,
    decode_value,
    encode_value,
    text_of,
)
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.types import Room

__all__ = [
    "ClassicType",
    "Names",
    "Request",
    "decode_broadcast",
    "decode_request",
    "decode_response",
    "encode_broadcast",
    "encode_done",
    "encode_request",
    "encode_response",
    "is_request",
    "is_response",
]


class ClassicType(IntEnum):
    """What a request or an answer is about (`RequestType` of the reference)."""

    SOCKETS = 0
    ALL_ROOMS = 1
    REMOTE_JOIN = 2
    REMOTE_LEAVE = 3
    REMOTE_DISCONNECT = 4
    REMOTE_FETCH = 5
    SERVER_SIDE_EMIT = 6
    BROADCAST = 7
    BROADCAST_CLIENT_COUNT = 8
    BROADCAST_ACK = 9


_REQUESTS: Final[Mapping[int, ClassicType]] = {
    MessageType.BROADCAST: ClassicType.BROADCAST,  # with a request; else it is no request
    MessageType.SOCKETS_JOIN: ClassicType.REMOTE_JOIN,
    MessageType.SOCKETS_LEAVE: ClassicType.REMOTE_LEAVE,
    MessageType.DISCONNECT_SOCKETS: ClassicType.REMOTE_DISCONNECT,
    MessageType.FETCH_SOCKETS: ClassicType.REMOTE_FETCH,
    MessageType.SERVER_SIDE_EMIT: ClassicType.SERVER_SIDE_EMIT,
}
_RESPONSES: Final[Mapping[int, ClassicType | None]] = {
    MessageType.FETCH_SOCKETS_RESPONSE: None,  # has no type: who has asked knows it
    MessageType.SERVER_SIDE_EMIT_RESPONSE: ClassicType.SERVER_SIDE_EMIT,
    MessageType.BROADCAST_CLIENT_COUNT: ClassicType.BROADCAST_CLIENT_COUNT,
    MessageType.BROADCAST_ACK: ClassicType.BROADCAST_ACK,
}
_ORDERS: Final[Mapping[int, MessageType]] = {
    ClassicType.REMOTE_JOIN: MessageType.SOCKETS_JOIN,
    ClassicType.REMOTE_LEAVE: MessageType.SOCKETS_LEAVE,
    ClassicType.REMOTE_DISCONNECT: MessageType.DISCONNECT_SOCKETS,
}


@dataclass(frozen=True, slots=True)
class Names:
    """Channels of a namespace.

    Attributes:
        broadcasts: Those of single rooms begin with it.
        requests: Who listens there is counted as a server.
        responses: Of all; those of one server begin with it.
        own: Between members of ours; those to one of them begin with it.
    """

    broadcasts: str
    requests: str
    responses: str
    own: str

    @classmethod
    def of(cls, key: str, namespace: str) -> Names:
        """Channels as the reference names them; `own` is beside them."""
        return cls(
            f"{key}#{namespace}#",
            f"{key}-request#{namespace}#",
            f"{key}-response#{namespace}#",
            f"{key}-sockwave#{namespace}#",
        )


# --- broadcasts -----------------------------------------------------------------------------------


def encode_broadcast(message: Message) -> bytes:
    """Encode a broadcast that asks for no answers.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    data = message.data
    packet = {"type": 2, "data": data["packet"]["data"], "nsp": message.namespace}
    value = [message.sender, packet, data["opts"]]
    if message.sequence is not None:
        value.append(message.sequence)
    return encode_value(value)


def decode_broadcast(data: bytes) -> Message:
    """Decode what came by a channel of broadcasts.

    Raises:
        PacketError: It is none.
    """
    value = decode_value(data)
    if not isinstance(value, list) or len(value) < 3:
        raise PacketError("invalid payload", "a broadcast that is no list of three")
    sender, packet, opts = value[:3]
    if not isinstance(packet, dict) or not isinstance(opts, dict):
        raise PacketError("invalid payload", "a broadcast without a packet and opts")
    namespace = packet.get("nsp", "/")
    if not isinstance(namespace, str):
        raise PacketError("invalid payload", "nsp is no text")
    packet["data"] = with_dates_as_text(packet.get("data"), data)
    fields = {"packet": packet, "opts": opts}
    uid = text_of({"uid": sender}, "uid")
    sequence = _sequence_of(value[3]) if len(value) > 3 else None
    return Message(MessageType.BROADCAST, fields, uid, namespace, None, sequence)


def _sequence_of(value: Any) -> int | None:
    """A number, if it is one: others than ours may have something else there."""
    return value if type(value) is int and value >= 0 else None


# --- requests -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What came by the request channel.

    Attributes:
        message: What to do.
        kind: As what it came.
        id: Of the request; None where no answer is wanted.
        owner: Room, the id of a socket, whose server has to say when it is done, as old versions
            want it.
    """

    message: Message
    kind: int
    id: str | None
    owner: Room | None = None


def is_request(message: Message) -> bool:
    """Whether a message goes to the request channel."""
    if message.type == MessageType.BROADCAST:
        return message.data.get("requestId") is not None
    return message.type in _REQUESTS


def encode_request(message: Message) -> bytes:
    """Encode what asks or orders: JSON as the reference does, msgpack where it must be.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    kind, fields = _REQUESTS[message.type], dict(message.data)
    request: dict[str, Any] = {"uid": message.sender}
    if "requestId" in fields:
        request["requestId"] = fields.pop("requestId")
    request["type"] = int(kind)
    if message.sequence is not None:
        request["s"] = message.sequence
    if kind is ClassicType.SERVER_SIDE_EMIT:
        request["data"] = fields.pop("packet")
    elif kind is ClassicType.BROADCAST:
        packet = fields["packet"]
        fields["packet"] = {"type": 2, "data": packet["data"], "nsp": message.namespace}
    else:  # which have no flags
        opts = fields["opts"]
        fields["opts"] = {"rooms": opts["rooms"], "except": opts["except"]}
    request.update(fields)
    return encode_value(request, as_text=kind is not ClassicType.BROADCAST)


def decode_request(data: bytes, namespace: str) -> Request | None:
    """Decode what came by the request channel.

    Returns:
        None for what this version does not know.

    Raises:
        PacketError: It is malformed.
    """
    value = _map_of(data)
    kind = value.pop("type", None)
    if type(kind) is not int:
        raise PacketError("invalid payload", "type is no number")
    uid = value.pop("uid", None)
    sender = EMITTER if uid is None else text_of({"uid": uid}, "uid")
    id_ = None if value.get("requestId") is None else text_of(value, "requestId")
    sequence = _sequence_of(value.pop("s", None))

    def request(type_: MessageType, fields: dict[str, Any], owner: Room | None = None) -> Request:
        message = Message(type_, fields, sender, namespace, None, sequence)
        return Request(message, kind, id_, owner)

    if kind == ClassicType.BROADCAST:
        packet = value.get("packet")
        if isinstance(packet, dict):
            packet["data"] = with_dates_as_text(packet.get("data"), data)
        return request(MessageType.BROADCAST, value)
    if kind == ClassicType.SERVER_SIDE_EMIT:
        value["packet"] = value.pop("data", None)
        return request(MessageType.SERVER_SIDE_EMIT, value)
    if kind == ClassicType.REMOTE_FETCH:
        return request(MessageType.FETCH_SOCKETS, value)
    if kind == ClassicType.SOCKETS:
        asked = {"requestId": id_, "opts": _opts(value.get("rooms"))}
        return request(MessageType.FETCH_SOCKETS, asked)
    if kind == ClassicType.ALL_ROOMS:
        return request(MessageType.FETCH_SOCKETS, {"requestId": id_, "opts": _opts([])})
    if kind not in _ORDERS:
        return None
    if "opts" in value:
        return request(_ORDERS[kind], value)
    owner = text_of(value, "sid")
    fields: dict[str, Any] = {"opts": _opts([owner])}
    if kind == ClassicType.REMOTE_DISCONNECT:
        fields["close"] = value.get("close")
    else:
        fields["rooms"] = [value.get("room")]
    return request(_ORDERS[kind], fields, owner)


def _map_of(data: bytes) -> dict[str, Any]:
    value = decode_value(data)
    if not isinstance(value, dict):
        raise PacketError("invalid payload", "not a map")
    return value


def _opts(rooms: Any) -> dict[str, Any]:
    return {"rooms": rooms, "except": []}


# --- answers --------------------------------------------------------------------------------------


def is_response(message: Message) -> bool:
    """Whether a message has the form of an answer there."""
    return message.type in _RESPONSES


def encode_response(message: Message, kind: int | None = None) -> bytes:
    """Encode an answer: JSON as the reference does, msgpack where it must be.

    Args:
        kind: Of the request, where it was one of those that only old versions send.

    Raises:
        EncodeError: Something in it cannot go on the wire.
    """
    type_, fields = _RESPONSES[message.type], dict(message.data)
    response: dict[str, Any] = {}
    if type_ is not None:
        response["type"] = int(type_)
    response["requestId"] = fields.pop("requestId")
    if type_ is ClassicType.SERVER_SIDE_EMIT:
        response["data"] = fields.pop("packet", None)
    if kind == ClassicType.SOCKETS:
        fields = {"sockets": [socket["id"] for socket in fields["sockets"]]}
    elif kind == ClassicType.ALL_ROOMS:
        rooms = {room for socket in fields["sockets"] for room in socket["rooms"]}
        fields = {"rooms": sorted(rooms)}
    response.update(fields)
    response["uid"] = message.sender
    return encode_value(response, as_text=type_ is not ClassicType.BROADCAST_ACK)


def encode_done(request: str) -> bytes:
    """Encode what old versions wait for when they have ordered something of one socket."""
    return encode_value({"requestId": request}, as_text=True)


def decode_response(data: bytes, namespace: str) -> Message | None:
    """Decode what came by a response channel.

    Returns:
        None for an answer to what members of ours never ask.

    Raises:
        PacketError: It is malformed.
    """
    value = _map_of(data)
    kind, uid = value.pop("type", None), value.pop("uid", None)
    sender = ANONYMOUS if uid is None else text_of({"uid": uid}, "uid")
    if kind is None and "sockets" in value:
        type_ = MessageType.FETCH_SOCKETS_RESPONSE
    elif kind == ClassicType.SERVER_SIDE_EMIT:
        type_ = MessageType.SERVER_SIDE_EMIT_RESPONSE
        value["packet"] = value.pop("data", None)
    elif kind == ClassicType.BROADCAST_CLIENT_COUNT:
        type_ = MessageType.BROADCAST_CLIENT_COUNT
    elif kind == ClassicType.BROADCAST_ACK:
        type_ = MessageType.BROADCAST_ACK
    else:
        return None
    return Message(type_, value, sender, namespace)
