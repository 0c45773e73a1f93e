"""Socket.IO 5 packets in the default (JSON) encoding (docs/protocol/socketio-packets.md).

Every Socket.IO packet travels as an Engine.IO message, so text here carries the message's type
digit: EVENT `2["foo"]` is `b'42["foo"]'`. That saves a copy of each message in both directions.

Theory. Behind the two digits stands what a packet has of these, in this order: number of
attachments and `-`, namespace and `,`, id of the acknowledgement, JSON. Each is known by its first
byte, so they are read from left to right, once. `decode_packet` begins with nearly all packets,
events of the namespace `/`, which need none of that; it must take and refuse there what the rest of
it would.

Bytes cannot stand in JSON. The encoder puts a placeholder with a number where they stood, and they
follow as binary messages, directly and in the order of the numbers. So text between a packet and
the last of its attachments is an error of the peer, and a `Reassembler` has one packet at a time.
It puts them back when all are there.

All of it comes from a peer and may be anything. Each length is bounded before work is done for it
(digits of a number, name, attachments, depth of JSON), nothing recurses, and what JavaScript would
read as another number (an id above 2^53) is refused. What is refused is a `PacketError` with the
words of the reference; what is not UTF-8 is a `TextEncodingError`, for then not even the message is
one.
"""

from __future__ import annotations

from enum import IntEnum
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from sockwave.codec.json import MAX_DEPTH, decode_json, encode_json
from sockwave.errors import EncodeError, PacketError, TextEncodingError

if TYPE_CHECKING:
    from sockwave.types import NamespaceName

__all__ = [
    "DEFAULT_MAX_ATTACHMENTS",
    "EVENT_DIGIT",
    "MAX_NAME_BYTES",
    "RESERVED_EVENTS",
    "Packet",
    "PacketType",
    "Reassembler",
    "ack_prefix",
    "attachment_count",
    "check_event",
    "check_packet",
    "connect_prefix",
    "decode_packet",
    "decode_short",
    "encode_packet",
    "event_prefix",
    "short_size",
]

DEFAULT_MAX_ATTACHMENTS: Final = 10
"""As socket.io-parser 4.2.6 and later: newer JavaScript peers close on an eleventh."""

MAX_NAME_BYTES: Final = 255
"""Longest namespace or event name from a peer, in UTF-8."""

_SURELY_SHORT: Final = MAX_NAME_BYTES // 4
"""Characters: so many have not more bytes than the bound, and need not be encoded to see it."""

MAX_ACK_ID_DIGITS: Final = 16
"""Of 2^53: a longer number is refused before it is read, for that takes its length squared."""

MAX_ACK_ID: Final = 2**53 - 1
"""Largest integer that JavaScript keeps exact."""

RESERVED_EVENTS: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Names that a socket gives its own events: from a peer they would pass for these."""


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
_TYPES: Final = {int(type_): type_ for type_ in PacketType}
_EVENT: Final = PacketType.EVENT
EVENT_DIGIT: Final = ord("2")
_BRACKET: Final = ord("[")
_ACK_DIGIT: Final = ord("3")
_SHORT_ID_END: Final = 2 + MAX_ACK_ID_DIGITS
"""An id before a bracket that stands before this has fewer digits than `MAX_ACK_ID`."""
_BINARY: Final = {
    PacketType.EVENT: PacketType.BINARY_EVENT,
    PacketType.ACK: PacketType.BINARY_ACK,
}
_WITH_PAYLOAD: Final = (PacketType.EVENT, PacketType.BINARY_EVENT, PacketType.BINARY_ACK)


# --- encoding -------------------------------------------------------------------------------------


def event_prefix(namespace: NamespaceName) -> bytes:
    """What stands before the JSON of every plain event of a namespace."""
    return b"42" if namespace == "/" else b"42" + namespace.encode() + b","


def connect_prefix(namespace: NamespaceName) -> bytes:
    """What stands before the JSON of every CONNECT of a namespace."""
    return b"40" if namespace == "/" else b"40" + namespace.encode() + b","


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
        data = decode_json(text, at, max_depth=max_depth)
        return _new(Packet, (_EVENT, "/", id_, check_event(data), 0))
    if len(text) < 2:
        raise PacketError("unknown packet type undefined")
    type_ = _TYPES.get(text[1])
    if type_ is None:
        digit = text[1:2].decode() if text[1:2].isdigit() else "NaN"
        raise PacketError(f"unknown packet type {digit}")
    at = 2
    attachments = 0
    if type_ >= PacketType.BINARY_EVENT:
        attachments, at = _attachment_count(text, at, max_attachments)
    namespace, at = _namespace(text, at)
    id_, at = _ack_id(text, at)
    if at < len(text):
        data = _checked(type_, decode_json(text, at, max_depth=max_depth))
    elif type_ in _WITH_PAYLOAD:
        raise PacketError("invalid payload", "there is none")
    else:
        data = None
    return Packet(type_, namespace, id_, data, attachments)


def attachment_count(text: bytes, most: int) -> int:
    """How many attachments follow a BINARY_EVENT or BINARY_ACK, of which nothing else is looked at.

    Raises:
        PacketError: None, too many, or no number.
    """
    return _attachment_count(text, 2, most)[0]


def _attachment_count(text: bytes, at: int, most: int) -> tuple[int, int]:
    dash = text.find(b"-", at, at + MAX_ACK_ID_DIGITS)
    digits = text[at:dash] if dash > 0 else b""
    if not digits.isdigit() or int(digits) < 1:
        raise PacketError("Illegal attachments")
    if int(digits) > most:
        raise PacketError("too many attachments", f"more than max_attachments={most}")
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


def decode_short(text: bytes) -> tuple[int | None, list[Any]] | None:
    """Decode `42[...]`, `42<id>[...]` or `43<id>[...]` the short way: nearly all messages.

    Left out are the checks of depth and of the length of a name, so the text must have at most
    `short_size` bytes; more than two anyway. Whatever is rare, or wrong, is left to
    `decode_packet`, which takes what this takes, as the same.

    Returns:
        The id and what an event's or an acknowledgement's packet has as its data; None for
        everything that is not taken here.
    """
    if text[2] == _BRACKET:
        at, id_ = 2, None
    else:
        at = text.find(b"[", 2, _SHORT_ID_END)
        digits = text[2:at] if at > 2 else b""
        if not digits.isdigit():
            return None
        id_ = int(digits)
    try:
        data = orjson.loads(text[at:])
    except ValueError:
        return None
    if text[1] == EVENT_DIGIT:
        if data and (name := data[0]).__class__ is str and name not in RESERVED_EVENTS:
            return id_, data
    elif text[1] == _ACK_DIGIT and id_ is not None:
        return id_, data
    return None


def short_size(max_depth: int) -> int:
    """Bytes of a text that can be neither nested too deep nor have a name that is too long."""
    return min(2 * max_depth, MAX_NAME_BYTES)


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
        raise PacketError("invalid payload", "an event is a list that begins with its name")
    name = data[0]
    if name.__class__ is str:
        if name in RESERVED_EVENTS:
            raise PacketError("invalid payload", "the name of this event is not for clients")
        if len(name) > _SURELY_SHORT and len(name.encode()) > MAX_NAME_BYTES:
            raise PacketError("event name too long")
    # In the reference a number names an event, too: there it becomes the text of a property.
    elif name.__class__ is float:
        if not isfinite(name):  # JSON has no such number
            raise PacketError("invalid payload", "the name of an event is a finite number or text")
    elif name.__class__ is not int:
        raise PacketError("invalid payload", "the name of an event is a number or text")
    return data


def check_packet(packet: Packet) -> None:
    """Check a packet that a decoder of others has made, as `decode_packet` checks its own.

    Raises:
        PacketError: It is none, or not whole.
    """
    type_, namespace, id_, data, attachments = packet
    if type_.__class__ is not PacketType or type_ >= PacketType.BINARY_EVENT or attachments:
        raise PacketError("invalid packet type")
    if namespace.__class__ is not str or len(namespace.encode()) > MAX_NAME_BYTES:
        raise PacketError("invalid namespace")
    if id_ is not None and (id_.__class__ is not int or not 0 <= id_ <= MAX_ACK_ID):
        raise PacketError("invalid packet id")
    if data is not None or type_ in (_EVENT, PacketType.CONNECT_ERROR):
        _checked(type_, data)


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
        raise PacketError("invalid payload", f"of a packet {type_.name}")
    return data


class Reassembler:
    """Collects the attachments of one BINARY_EVENT or BINARY_ACK at a time.

    Args:
        max_bytes: Sum of the attachments of one packet.

    Attributes:
        text_size: For whoever takes the packet to note how large its text was.
    """

    __slots__ = ("_attachments", "_max_bytes", "_packet", "_size", "text_size")

    def __init__(self, *, max_bytes: int) -> None:
        self.text_size: int = 0
        self._max_bytes = max_bytes
        self._packet: Packet | None = None
        self._attachments: list[bytes] = []
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of the attachments that have come, of the latest packet."""
        return self._size

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
        fill_placeholders(packet.data, attachments)
        return Packet(type_, packet.namespace, packet.id, packet.data)


def fill_placeholders(data: Any, attachments: list[bytes]) -> None:
    """Put attachments where their placeholders stand in a list, level by level.

    Raises:
        PacketError: A placeholder points nowhere.
    """
    level = [data]
    while level:
        children: list[Any] = []
        for container in level:
            children += container.values() if container.__class__ is dict else container
        children = [child for child in filter(None, children) if child.__class__ in _CONTAINERS]
        if any(map(_is_placeholder, children)):
            for container in level:
                _fill(container, attachments)
            children = [child for child in children if not _is_placeholder(child)]
        level = children


def _fill(container: Any, attachments: list[bytes]) -> None:
    items = container.items() if container.__class__ is dict else enumerate(container)
    for place, value in [(place, item) for place, item in items if _is_placeholder(item)]:
        num = value.get("num")
        if num.__class__ is not int or not 0 <= num < len(attachments):
            raise PacketError("illegal attachments")
        container[place] = attachments[num]


def _is_placeholder(value: Any) -> bool:
    return value.__class__ is dict and value.get("_placeholder") is True


_CONTAINERS: Final[tuple[type, ...]] = (list, dict)
