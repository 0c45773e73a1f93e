"""Parsers: how Socket.IO packets become Engine.IO messages. Both ends must use the same one.

The default, JSON with attachments, is not one of these objects: its code is the path of every
message. A server with a parser of its own goes a longer way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from sockwave.codec.socketio import Packet

__all__ = ["MsgpackParser", "PacketDecoder", "Parser"]


class PacketDecoder(Protocol):
    """Decodes what one peer sends; may keep a packet of which more is to come."""

    def add(self, message: str | bytes) -> Packet | None:
        """Take the next message.

        Returns:
            The packet that it completes, if it does.

        Raises:
            PacketError: Malformed: the connection ends.
        """


class Parser(Protocol):
    """Encodes packets, and makes decoders."""

    def encode(self, packet: Packet) -> list[str | bytes]:
        """Encode a packet as messages, which are sent in this order with nothing between them.

        Raises:
            EncodeError: Its data cannot go on the wire.
        """

    def decoder(self) -> PacketDecoder:
        """Make a decoder for one connection."""


class MsgpackParser:
    """Compatible with `socket.io-msgpack-parser`: smaller than JSON for numbers and bytes.

    Bytes travel inside their packet. What a client sends as a JavaScript date arrives as an aware
    `datetime`.
    """

    def encode(self, packet: Packet) -> list[str | bytes]:
        """Encode a packet as one binary message."""
        return [encode_msgpack_packet(packet)]

    def decoder(self) -> PacketDecoder:
        """Make a decoder for one connection."""
        return _MsgpackDecoder()


class _MsgpackDecoder:
    def add(self, message: str | bytes) -> Packet | None:
        if isinstance(message, str):
            raise PacketError("invalid payload")
        return decode_msgpack_packet(message)
