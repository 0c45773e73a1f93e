"""Socket.IO 5 packets in the default (JSON) encoding (protocol.md section 14).

Every Socket.IO packet travels as an Engine.IO message, so text here carries the message's type
digit: EVENT `2["foo"]` is `b'42["foo"]'`. That saves a copy of each message in both directions.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sockwave.codec.json import MAX_DEPTH, decode_json, encode_json
from sockwave.errors import EncodeError, PacketError, TextEncodingError

if TYPE_CHECKING:
    from sockwave.types import NamespaceName

__all__ = [
    "DEFAULT_MAX_ATTACHMENTS",
    "MAX_NAME_BYTES",
    "RESERVED_EVENTS",
    "Packet",
    "PacketType",
    "Reassembler",
    "ack_prefix",
    "check_event",
    "decode_packet",
    "encode_packet",
    "event_prefix",
]

DEFAULT_MAX_ATTACHMENTS: Final = 10
"""As socket.io-parser 4.2.6 and later: newer JavaScript peers close on an eleventh."""

MAX_NAME_BYTES: Final = 255
"""Longest namespace or event name from a peer, in UTF-8."""

_SURELY_SHORT: Final = MAX_NAME_BYTES // 4

MAX_ACK_ID_DIGITS: Final = 16
MAX_ACK_ID: Final = 2**53 - 1
"""Largest integer that JavaScript keeps exact."""

RESERVED_EVENTS: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


class PacketType(IntEnum):
    """Packet types of revision 5, as the character code of their digit."""

    CONNECT = ord("0")
    DISCONNECT = ord("1")
    EVENT = ord("2")
    ACK = ord("3")
    CONNECT_ERROR = ord("4")
    BINARY_EVENT = ord("5")
    BINARY_ACK = ord("6")


class Packet(NamedTuple):
    """One Socket.IO packet.

    Attributes:
        type: After reassembly only EVENT and ACK remain of the two pairs.
        namespace: With its leading slash.
        id: Acknowledgement id, or None.
        data: Arguments (a list) of events and acks, an object or None for CONNECT, and so on.
        attachments: How many binary messages follow; 0 for a packet that is whole.
    """

    type: PacketType
    namespace: NamespaceName
    id: int | None
    data: Any
    attachments: int = 0


_new: Final = tuple.__new__
_EVENT: Final = PacketType.EVENT
_BINARY: Final = {
    PacketType.EVENT: PacketType.BINARY_EVENT,
    PacketType.ACK: PacketType.BINARY_ACK,
}
_WITH_PAYLOAD: Final = (PacketType.EVENT, PacketType.BINARY_EVENT, PacketType.BINARY_ACK)


# --- encoding -------------------------------------------------------------------------------------


def event_prefix(namespace: NamespaceName) -> bytes:
    """What stands before the JSON of every plain event of a namespace."""
    return b"42" if namespace == "/" else b"42" + namespace.encode() + b","


def ack_prefix(namespace: NamespaceName) -> bytes:
    """What stands before id and JSON of every plain acknowledgement of a namespace."""
    return b"43" if namespace == "/" else b"43" + namespace.encode() + b","


def encode_packet(packet: Packet) -> tuple[bytes, list[bytes]]:
    """Encode a packet; its data is not changed.

    EVENT and ACK become BINARY_EVENT and BINARY_ACK when something in them is binary.

    Returns:
        The text (an Engine.IO message packet) and the attachments that must follow it directly.

    Raises:
        EncodeError: The data cannot go on the wire; only EVENT and ACK carry bytes.
    """
    type_, namespace, id_, data, _ = packet
    json: bytes = b""
    attachments: list[bytes] = []
    if data is not None:
        json, attachments = encode_json(data)
    head = b"4%c" % type_
    if attachments:
        binary = _BINARY.get(type_)
        if binary is None:
            raise EncodeError(f"bytes cannot be sent in a packet of type {type_.name}")
        head = b"4%c%d-" % (binary, len(attachments))
    if namespace != "/":
        head += namespace.encode() + b","
    if id_ is not None:
        head += b"%d" % id_
    return head + json, attachments


# --- decoding -------------------------------------------------------------------------------------


def decode_packet(
    text: bytes,
    *,
    max_attachments: int = DEFAULT_MAX_ATTACHMENTS,
    max_depth: int = MAX_DEPTH,
) -> Packet:
    """Decode the text of one packet, Engine.IO type digit included.

    Raises:
        PacketError: Malformed; the text is the reference's.
        TextEncodingError: Not UTF-8.
    """
    if text[:2] == b"42" and text[2:3] != b"/":  # nearly all messages
        id_, at = (None, 2) if text[2:3] == b"[" else _ack_id(text, 2)
        data = decode_json(text[at:], max_depth=max_depth)
        return _new(Packet, (_EVENT, "/", id_, check_event(data), 0))
    if len(text) < 2:
        raise PacketError("unknown packet type undefined")
    try:
        type_ = PacketType(text[1])
    except ValueError:
        digit = text[1:2].decode() if text[1:2].isdigit() else "NaN"
        raise PacketError(f"unknown packet type {digit}") from None
    at = 2
    attachments = 0
    if type_ >= PacketType.BINARY_EVENT:
        attachments, at = _attachment_count(text, at, max_attachments)
    namespace, at = _namespace(text, at)
    id_, at = _ack_id(text, at)
    if at < len(text):
        data = _checked(type_, decode_json(text[at:], max_depth=max_depth))
    elif type_ in _WITH_PAYLOAD:
        raise PacketError("invalid payload")
    else:
        data = None
    return Packet(type_, namespace, id_, data, attachments)


def _attachment_count(text: bytes, at: int, most: int) -> tuple[int, int]:
    dash = text.find(b"-", at, at + MAX_ACK_ID_DIGITS)
    digits = text[at:dash] if dash > 0 else b""
    if not digits.isdigit() or int(digits) < 1:
        raise PacketError("Illegal attachments")
    if int(digits) > most:
        raise PacketError("too many attachments")
    return int(digits), dash + 1


def _namespace(text: bytes, at: int) -> tuple[NamespaceName, int]:
    if text[at : at + 1] != b"/":
        return "/", at
    comma = text.find(b",", at)
    end = comma if comma >= 0 else len(text)
    if end - at > MAX_NAME_BYTES:
        raise PacketError("namespace too long")
    try:
        name = text[at:end].decode()
    except UnicodeDecodeError:
        raise TextEncodingError("invalid UTF-8") from None
    return name, end + 1 if comma >= 0 else end


def _ack_id(text: bytes, at: int) -> tuple[int | None, int]:
    end = at
    stop = min(len(text), at + MAX_ACK_ID_DIGITS + 1)
    while end < stop and 0x30 <= text[end] <= 0x39:
        end += 1
    if end == at:
        return None, at
    if end - at > MAX_ACK_ID_DIGITS or (id_ := int(text[at:end])) > MAX_ACK_ID:
        raise PacketError("invalid ack id")
    return id_, end


def check_event(data: Any) -> list[Any]:
    """Check the payload of an event: a list whose first item is a name that is not reserved.

    Raises:
        PacketError: It is not.
    """
    if data.__class__ is not list or not data:
        raise PacketError("invalid payload")
    name = data[0]
    if name.__class__ is str:
        if name in RESERVED_EVENTS:
            raise PacketError("invalid payload")
        if len(name) > _SURELY_SHORT and len(name.encode()) > MAX_NAME_BYTES:
            raise PacketError("event name too long")
    elif name.__class__ is not int and name.__class__ is not float:
        raise PacketError("invalid payload")
    return data


def _checked(type_: PacketType, data: Any) -> Any:
    match type_:
        case PacketType.EVENT | PacketType.BINARY_EVENT:
            return check_event(data)
        case PacketType.ACK | PacketType.BINARY_ACK:
            valid = isinstance(data, list)
        case PacketType.CONNECT:
            valid = isinstance(data, dict)
        case PacketType.CONNECT_ERROR:
            valid = isinstance(data, (dict, str))
        case PacketType.DISCONNECT:
            valid = False
    if not valid:
        raise PacketError("invalid payload")
    return data


class Reassembler:
    """Collects the attachments of one BINARY_EVENT or BINARY_ACK at a time.

    Args:
        max_bytes: Sum of the attachments of one packet.
    """

    __slots__ = ("_attachments", "_max_bytes", "_packet", "_size")

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._packet: Packet | None = None
        self._attachments: list[bytes] = []
        self._size = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a packet is begun whose attachments are not all there."""
        return self._packet is not None

    def begin(self, packet: Packet) -> None:
        """Start on a packet whose attachments follow."""
        self._packet, self._attachments, self._size = packet, [], 0

    def add(self, attachment: bytes) -> Packet | None:
        """Take the next attachment; the last one completes the packet.

        Raises:
            PacketError: None was expected, a placeholder points nowhere, or the sum is too large.
        """
        packet = self._packet
        if packet is None:
            raise PacketError("got binary data when not reconstructing a packet")
        self._size += len(attachment)
        if self._size > self._max_bytes:
            raise PacketError("attachments too large")
        self._attachments.append(attachment)
        if len(self._attachments) < packet.attachments:
            return None
        attachments, self._packet, self._attachments = self._attachments, None, []
        type_ = _EVENT if packet.type == PacketType.BINARY_EVENT else PacketType.ACK
        data = _fill_placeholders(packet.data, attachments)
        return Packet(type_, packet.namespace, packet.id, data)


def _fill_placeholders(value: Any, attachments: list[bytes]) -> Any:
    """Put attachments where their placeholders stand; `decode_json` has bounded the depth."""
    if value.__class__ is list:
        return [_fill_placeholders(item, attachments) for item in value]
    if value.__class__ is dict:
        if value.get("_placeholder") is True:
            num = value.get("num")
            if num.__class__ is int and 0 <= num < len(attachments):
                return attachments[num]
            raise PacketError("illegal attachments")
        return {key: _fill_placeholders(item, attachments) for key, item in value.items()}
    return value
