"""What servers say to each other about requests for each other's sessions: values and their bytes.

The messages up to 6 are those of `@socket.io/cluster-engine` 0.1 (`lib/engine.ts`, `lib/redis.ts`),
with the same keys in the same order. What is ours are types from 100 up and the key `n`, which
counts the messages of one stream; both go to servers of ours only, whose ids say so (`is_ours`).

A message comes from another process: every field is looked at before it is used, and what is wrong
with it is a `PacketError`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.messages import decode_value, encode_value
from sockwave.codec.engineio import BinaryMessage, decode_base64_packet, unknown_packet
from sockwave.engine.core.transport import SharedPacket
from sockwave.errors import PacketError, TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.transport import Outgoing

__all__ = [
    "MAX_SID",
    "RelayMessage",
    "RelayType",
    "decode_relay",
    "encode_relay",
    "incoming",
    "is_ours",
    "make_id",
    "number_in",
    "outgoing",
    "packets_in",
    "sent_down",
    "sent_up",
    "sid_in",
    "size_of",
]

MAX_SID: Final = 256
"""Characters of a session's id; ours and those of the reference have 20."""

SOURCE: Final = "_eio"
"""Tells these messages from what others may send on the same channels."""

_OURS: Final = "sw"
"""What ids of our servers begin with; those of the reference are six hexadecimal digits."""

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,16}")
_TYPES: Final = ("open", "close", "ping", "pong", "message", "upgrade", "noop")
_DIGITS: Final = {name: b"%d" % digit for digit, name in enumerate(_TYPES)}


class RelayType(IntEnum):
    """What a message is about; up to 6 those of the reference."""

    ACQUIRE_LOCK = 0
    """Who has this session, and may I serve this request? `{sid, transportName, type}`."""
    ACQUIRE_LOCK_RESPONSE = 1
    """Only from who has it: `{success}`."""
    DRAIN = 2
    """For the client: `{sid, packets}`."""
    PACKET = 3
    """From the client: `{sid, packet}`."""
    UPGRADE = 4
    """The client has moved to a WebSocket here, or could not: `{sid, success}`."""
    UPGRADE_RESPONSE = 5
    """Answers that: `{takeOver, packets}`."""
    CLOSE = 6
    """The client has gone: `{sid, reason}`."""
    TAKEN = 100
    """So many bytes of this stream were taken, in all: `{sid, size}`."""
    POST = 101
    """All packets of a POST: `{sid, packets}`."""
    POST_RESPONSE = 102
    """They were handled, or the POST is refused: `{sid, status}`."""
    RELEASE = 103
    """Answer this poll now, whether there is something or not: `{sid}`."""
    SIGN = 104
    """The sender is alive, and has something open with who gets this."""
    ECHO = 105
    """To oneself: what comes back was heard."""
    ENDED = 106
    """There is nothing more for the poll, or the WebSocket, of a session: `{sid, transport}`."""
    CONFIRM = 107
    """Does this poll still wait with you, or have you answered it? `{sid, n}`."""
    CONFIRM_RESPONSE = 108
    """Answers that: `{success}`."""
    DELIVERED = 109
    """The answer to this poll is here: `{sid, n}`."""


@dataclass(frozen=True, slots=True)
class RelayMessage:
    """One message.

    Attributes:
        type: A `RelayType`, or one that this version does not know.
        data: Its fields, by the names of the wire.
        sender: Id of the server.
        recipient: Id of the one it is for; None is everybody.
        request: Number of the question that it is, or that it answers.
    """

    type: int
    data: dict[str, Any]
    sender: str
    recipient: str | None = None
    request: int | None = None


def make_id() -> str:
    """An id for a server of ours."""
    return _OURS + secrets.token_hex(5)


def is_ours(id_: str) -> bool:
    """Whether a server is one of ours, by its id."""
    return id_.startswith(_OURS)


# --- bytes ----------------------------------------------------------------------------------------


def encode_relay(message: RelayMessage, *, as_text: bool = False) -> bytes:
    """Encode a message.

    Args:
        as_text: As JSON if nothing in it is binary; else always as msgpack.

    Raises:
        EncodeError: It cannot go on the wire.
    """
    envelope: dict[str, Any] = {}
    if message.request is not None:
        envelope["requestId"] = message.request
    envelope["senderId"] = message.sender
    if message.recipient is not None:
        envelope["recipientId"] = message.recipient
    envelope["type"] = int(message.type)
    envelope["data"] = message.data
    envelope["_source"] = SOURCE
    return encode_value(envelope, as_text=as_text)


def decode_relay(data: bytes) -> RelayMessage | None:
    """Decode a message; None for one that is somebody else's on the channel.

    Raises:
        PacketError: It is none.
    """
    value = decode_value(data)
    if not isinstance(value, dict):
        raise _malformed("not a map")
    if value.get("_source") != SOURCE:
        return None
    type_, request, fields = value.get("type"), value.get("requestId"), value.get("data")
    if type(type_) is not int or not (request is None or type(request) is int):
        raise _malformed("type or requestId is no number")
    if not isinstance(fields, dict):
        raise _malformed("data is no map")
    recipient = value.get("recipientId")
    return RelayMessage(
        type_,
        fields,
        _id_of(value.get("senderId")),
        None if recipient is None else _id_of(recipient),
        request,
    )


def _malformed(what: str) -> PacketError:
    return PacketError("invalid payload", what)


def _id_of(value: object) -> str:
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise _malformed("senderId or recipientId is no id")
    return value


# --- fields ---------------------------------------------------------------------------------------


def sid_in(data: dict[str, Any]) -> str:
    """The session that a message is about.

    Raises:
        PacketError: It names none.
    """
    sid = data.get("sid")
    if not isinstance(sid, str) or not 0 < len(sid) <= MAX_SID:
        raise _malformed("sid is no id of a session")
    return sid


def number_in(data: dict[str, Any], key: str) -> int:
    """A count, or a status of HTTP.

    Raises:
        PacketError: It is something else.
    """
    value = data.get(key)
    if type(value) is not int or not 0 <= value < 2**53:
        raise _malformed(f"{key} is no count")
    return value


def packets_in(data: dict[str, Any]) -> list[Any]:
    """The packets of a message, to be decoded one by one.

    Raises:
        PacketError: There are none.
    """
    packets = data.get("packets")
    if not isinstance(packets, list):
        raise _malformed("packets are no list")
    return packets


# --- packets --------------------------------------------------------------------------------------


def sent_down(packets: Sequence[Outgoing]) -> list[dict[str, Any]]:
    """Packets for the client, as they go to who has it."""
    return [_down(packet) for packet in packets]


def _down(packet: Outgoing) -> dict[str, Any]:
    if isinstance(packet, bytes):
        return _fields(packet, {"type": "", "options": {"compress": True}})
    fields: dict[str, Any] = {"type": "message", "options": {"compress": packet.compress}}
    if not packet.is_binary:
        return _fields(packet.data, fields)
    fields["data"] = packet.data
    return fields


def sent_up(packet: ReceivedPacket) -> dict[str, Any]:
    """A packet of the client, as it goes to who has its session.

    Raises:
        PacketError: It is none.
    """
    if isinstance(packet, BinaryMessage):
        return {"type": "message", "data": packet.data}
    if packet[:1] == b"b":
        return {"type": "message", "data": decode_base64_packet(packet)}
    return _fields(packet, {"type": ""})


def _fields(packet: bytes, fields: dict[str, Any]) -> dict[str, Any]:
    """Fill in type and data of a text packet."""
    digit = packet[0] - 0x30 if packet else -1
    if not 0 <= digit < len(_TYPES):
        raise unknown_packet(packet)
    fields["type"] = _TYPES[digit]
    if len(packet) > 1:
        try:
            fields["data"] = packet[1:].decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
    return fields


def outgoing(value: object) -> Outgoing:
    """A packet for the client, from who has its session.

    Raises:
        PacketError: It is none.
    """
    kind, data, options = _parts(value)
    compress = not (isinstance(options, dict) and options.get("compress") is False)
    if isinstance(data, bytes):
        return SharedPacket(data, is_binary=True, compress=compress)
    packet = kind + data.encode()
    return packet if compress else SharedPacket(packet, compress=False)


def incoming(value: object) -> ReceivedPacket:
    """A packet of the client, from who has it.

    Raises:
        PacketError: It is none.
    """
    kind, data, _ = _parts(value)
    return BinaryMessage(data) if isinstance(data, bytes) else kind + data.encode()


def _parts(value: object) -> tuple[bytes, str | bytes, object]:
    if not isinstance(value, dict):
        raise _malformed("a packet is no map")
    kind, data = _DIGITS.get(str(value.get("type"))), value.get("data")
    if kind is None or (isinstance(data, bytes) and kind != b"4"):
        raise _malformed("a packet is of no known type")
    if data is None:
        data = ""
    if not isinstance(data, (str, bytes)):
        raise _malformed("a packet has neither text nor bytes")
    return kind, data, value.get("options")


def size_of(packets: Sequence[Outgoing | ReceivedPacket]) -> int:
    """Bytes of packets, of what can be large."""
    size = 0
    for packet in packets:
        if isinstance(packet, SharedPacket):
            size += packet.size
        else:
            size += len(packet.data if isinstance(packet, BinaryMessage) else packet)
    return size
