"""Events and acknowledgements on their way out: encoded once, whoever gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import RESERVED_EVENTS, Packet, PacketType, encode_packet
from sockwave.engine.core.transport import Outgoing, SharedPacket

if TYPE_CHECKING:
    from sockwave.socketio.core.parser import Parser

__all__ = [
    "EncodedPacket",
    "check_event_name",
    "encode",
    "encode_shared",
    "event_packet",
    "message_packet",
]

_OVERHEAD: Final = 64
"""Bytes that a queued attachment counts beyond its data."""


class PacketQueue(Protocol):
    """A session, of either role."""

    def send_packet(self, packet: Outgoing, size: int, /) -> None:
        """Queue a packet that adds so many bytes."""


class EncodedPacket:
    """One Socket.IO packet as a session sends it: its text, then its attachments.

    Attributes:
        text: The packet itself.
        attachments: What must follow it directly.
        size: Bytes that it all adds to a session's queue.
    """

    __slots__ = ("attachments", "size", "text")

    def __init__(
        self, text: Outgoing, size: int, attachments: tuple[SharedPacket, ...] = ()
    ) -> None:
        self.text: Outgoing = text
        self.attachments: tuple[SharedPacket, ...] = attachments
        self.size: int = size

    @property
    def wire_size(self) -> int:
        """Bytes of its text and attachments, as they are sent."""
        return self.size - _OVERHEAD * len(self.attachments)

    def queue_on(self, session: PacketQueue) -> None:
        """Queue all parts on one session; they stay together."""
        session.send_packet(self.text, self.size)
        for attachment in self.attachments:
            session.send_packet(attachment, 0)


def check_event_name(event: object) -> None:
    """Refuse a name that may not be emitted.

    Raises:
        TypeError: Not text.
        ValueError: Reserved for the life-cycle of sockets.
    """
    if not isinstance(event, str):
        raise TypeError(f"the name of an event must be text, not {type(event).__name__}")
    if event in RESERVED_EVENTS:
        raise ValueError(f'"{event}" is a reserved event name')


def encode(packet: Packet, *, compress: bool = True, parser: Parser | None = None) -> EncodedPacket:
    """Encode a packet for one receiver.

    Args:
        parser: None for the default one.

    Raises:
        EncodeError: Its data cannot go on the wire.
    """
    if parser is not None:
        return message_packet(parser.encode(packet), compress)
    text, attachments = encode_packet(packet)
    first: Outgoing = text if compress else SharedPacket(text, compress=False)
    return _with_attachments(first, len(text), attachments, compress)


def encode_shared(
    prefix: bytes,
    namespace: str,
    id_: int | None,
    args: tuple[Any, ...],
    *,
    compress: bool = True,
    parser: Parser | None = None,
) -> EncodedPacket:
    """Encode an event for many receivers: its WebSocket frame, too, is made once.

    Args:
        prefix: `event_prefix` of the namespace.
        parser: None for the default one.
    """
    if parser is not None:
        packet = Packet(PacketType.EVENT, namespace, id_, list(args))
        return message_packet(parser.encode(packet), compress)
    if id_ is None:
        json, attachments = encode_json(args)
        if not attachments:
            text = prefix + json
            return EncodedPacket(SharedPacket(text, compress=compress), len(text))
    text, attachments = encode_packet(Packet(PacketType.EVENT, namespace, id_, args))
    return _with_attachments(
        SharedPacket(text, compress=compress), len(text), attachments, compress
    )


def event_packet(
    namespace: str,
    id_: int | None,
    json: bytes,
    attachments: list[bytes],
    *,
    compress: bool = True,
    is_shared: bool = False,
) -> EncodedPacket:
    """Build an event from what `encode_json` made of its name and arguments.

    So an event is encoded once, in the caller's thread, and gets its id when it is sent.

    Args:
        is_shared: For many receivers: the frame for WebSockets is made once.
    """
    head = b"45%d-" % len(attachments) if attachments else b"42"
    if namespace != "/":
        head += namespace.encode() + b","
    if id_ is not None:
        head += b"%d" % id_
    text = head + json
    is_plain = compress and not is_shared
    first: Outgoing = text if is_plain else SharedPacket(text, compress=compress)
    return _with_attachments(first, len(text), attachments, compress)


def message_packet(messages: list[str | bytes], compress: bool = True) -> EncodedPacket:
    """Build a packet from the messages that a parser made of it."""
    first, *rest = (
        SharedPacket(b"4" + message.encode(), compress=compress)
        if isinstance(message, str)
        else SharedPacket(message, is_binary=True, compress=compress)
        for message in messages
    )
    size = len(first.data) + sum(len(part.data) + _OVERHEAD for part in rest)
    return EncodedPacket(first, size, tuple(rest))


def _with_attachments(
    first: Outgoing, size: int, attachments: list[bytes], compress: bool
) -> EncodedPacket:
    if not attachments:
        return EncodedPacket(first, size)
    rest = tuple(SharedPacket(data, is_binary=True, compress=compress) for data in attachments)
    size += sum(map(len, attachments)) + _OVERHEAD * len(attachments)
    return EncodedPacket(first, size, rest)
