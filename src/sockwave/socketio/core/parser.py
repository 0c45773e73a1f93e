"""Parsers: how Socket.IO packets become Engine.IO messages. Both ends must use the same one.

The default, JSON with attachments, is not one of these objects: its code is the path of every
message. A server with a parser of its own goes a longer way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.size import holds_more_than
from sockwave.codec.socketio import check_packet
from sockwave.errors import EncodeError, LimitExceeded, PacketError, SockwaveError

if TYPE_CHECKING:
    from sockwave.codec.socketio import Packet

__all__ = ["GuardedParser", "MsgpackParser", "PacketDecoder", "Parser", "guarded", "parser_kind"]


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
            raise PacketError("invalid payload", "text, for the msgpack parser")
        return decode_msgpack_packet(message)


class GuardedParser:
    """A parser as servers and clients use it: bounded, and never a surprise.

    Args:
        parser: Of the application's choice.
        max_bytes: A packet that holds more is not built: bytes that a peer has sent once may occur
            many times in what is sent on.
    """

    __slots__ = ("_max_bytes", "_parser")

    def __init__(self, parser: Parser, *, max_bytes: int) -> None:
        self._parser = parser
        self._max_bytes = max_bytes

    @property
    def kind(self) -> str:
        """See `parser_kind`."""
        return parser_kind(self._parser)

    def encode(self, packet: Packet) -> list[str | bytes]:
        """Encode a packet.

        Raises:
            EncodeError: The parser cannot.
            LimitExceeded: It would be too large.
        """
        if holds_more_than(packet.data, self._max_bytes):
            raise LimitExceeded(
                f"a packet of more than max_backlog={self._max_bytes} bytes is not sent: the "
                "parser would write the same bytes as often as they occur in it"
            )
        try:
            return self._parser.encode(packet)
        except SockwaveError:
            raise
        except Exception as error:
            raise EncodeError(f"the parser cannot encode it: {error!r}") from error

    def decoder(self) -> PacketDecoder:
        """Make a decoder for one connection."""
        decoder = self._parser.decoder()
        return decoder if isinstance(decoder, _MsgpackDecoder) else _GuardedDecoder(decoder)


def guarded(parser: Parser | None, max_bytes: int) -> Parser | None:
    """Guard a parser, if there is one; None is the default one."""
    return None if parser is None else GuardedParser(parser, max_bytes=max_bytes)


def parser_kind(parser: Parser | None) -> str:
    """Name a parser where its messages are the same in every process; empty for others.

    Nobody knows of one of the application's own what its messages depend on.
    """
    if parser is None:
        return "json"
    if isinstance(parser, GuardedParser):
        return parser.kind
    return "msgpack" if type(parser) is MsgpackParser else ""


class _GuardedDecoder:
    """Whatever a decoder raises or returns, the connection ends in an orderly way."""

    __slots__ = ("_decoder",)

    def __init__(self, decoder: PacketDecoder) -> None:
        self._decoder = decoder

    def add(self, message: str | bytes) -> Packet | None:
        try:
            packet = self._decoder.add(message)
            if packet is not None:
                check_packet(packet)
        except PacketError:
            raise
        except Exception as error:
            raise PacketError(f"the parser failed: {error!r}") from error
        return packet
