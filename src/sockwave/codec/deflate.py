"""permessage-deflate, RFC 7692: negotiation on both sides, and the two (de)compressors."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sockwave.codec.close_code import CloseCode
from sockwave.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

__all__ = ["OFFER", "Deflate", "PerMessageDeflate", "agree", "negotiate"]

_TAIL: Final = b"\x00\x00\xff\xff"
_MAX_FINAL_BLOCKS: Final = 16
"""In one message; those who compress so write one."""

_MAX_OFFERS: Final = 16
"""Offers looked at in one header; browsers send one or two."""

_PARAMETER: Final = re.compile(r"[ \t]*([a-z_]+)[ \t]*(?:=[ \t]*(?:\"([0-9]+)\"|([0-9]+))[ \t]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """Options of permessage-deflate.

    Compression costs memory (about 300 kB a connection with context take-over in both directions)
    and CPU; it pays on slow links and repetitive text.

    Attributes:
        threshold: Messages below this many bytes are sent uncompressed.
        limit: And those above this many: all others wait while one is compressed, 3 ms for 128 KiB.
        server_no_context_takeover: Start each message of ours afresh: less memory, weaker.
        client_no_context_takeover: Ask clients to do the same.
        server_max_window_bits: 9 to 15; the window of our compressor.
        level: How hard zlib tries, 0 to 9, or -1 for its default.
        mem_level: Memory that zlib takes, 1 to 9.
    """

    threshold: int = 1024
    limit: int = 128 * 1024
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    level: int = -1
    mem_level: int = 8

    def __post_init__(self) -> None:
        for name, low, high in (
            ("threshold", 0, 2**31),
            ("limit", 0, 2**31),
            ("server_max_window_bits", 9, 15),
            ("level", -1, 9),
            ("mem_level", 1, 9),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"per_message_deflate: {name} must be between {low} and {high}")


class PerMessageDeflate:
    """The negotiated extension of one connection.

    Args:
        write_window_bits: 9 to 15; zlib writes no raw stream with 8: never agree to that.
        read_window_bits: 8 to 15; 15 reads them all.
        write_takeover, read_takeover: Whether the window outlives a message.
    """

    __slots__ = (
        "_compressor",
        "_inflater",
        "_options",
        "_read_takeover",
        "_read_window_bits",
        "_write_takeover",
        "_write_window_bits",
        "limit",
        "threshold",
    )

    def __init__(
        self,
        options: Deflate,
        *,
        write_window_bits: int = 15,
        read_window_bits: int = 15,
        write_takeover: bool = True,
        read_takeover: bool = True,
    ) -> None:
        self.threshold: int = options.threshold
        self.limit: int = options.limit
        self._options = options
        self._write_window_bits = write_window_bits
        self._read_window_bits = read_window_bits
        self._write_takeover = write_takeover
        self._read_takeover = read_takeover
        self._compressor: zlib._Compress | None = None
        self._inflater: zlib._Decompress | None = None

    def compress(self, message: bytes) -> bytes:
        """Compress one message (RFC 7692 section 7.2.1)."""
        compressor = self._compressor
        if compressor is None:
            options = self._options
            compressor = zlib.compressobj(
                options.level, zlib.DEFLATED, -self._write_window_bits, options.mem_level
            )
            if self._write_takeover:
                self._compressor = compressor
        data = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
        # The tail is taken off; an empty block is sent as one byte (section 7.2.3.6).
        return data[:-4] or b"\x00"

    def decompress(self, data: bytes, max_message: int) -> bytes:
        """Decompress one message (section 7.2.2), never beyond the limit.

        Raises:
            WebSocketError: 1009 past `max_message`, 1007 for what is not deflate data.
        """
        inflater = self._inflater
        if inflater is None:
            inflater = zlib.decompressobj(-self._read_window_bits)
            if self._read_takeover:
                self._inflater = inflater
        try:
            message = inflater.decompress(data + _TAIL, max_message + 1)
            if inflater.eof:
                self._inflater = None
                if len(message) <= max_message:
                    message += self._after_final(inflater.unused_data, max_message - len(message))
        except zlib.error:
            raise WebSocketError(CloseCode.INVALID_PAYLOAD, "invalid compressed data") from None
        if len(message) > max_message or inflater.unconsumed_tail:
            raise WebSocketError(CloseCode.MESSAGE_TOO_BIG, "message too big")
        return message

    def _after_final(self, rest: bytes, room: int) -> bytes:
        """Decompress what follows a final block: legal (section 7.2.1), and a new stream.

        Each stream costs a copy of what is left of the message, so there may not be many.
        """
        message = b""
        for _ in range(_MAX_FINAL_BLOCKS):
            inflater = zlib.decompressobj(-self._read_window_bits)
            part = inflater.decompress(rest, room + 1 - len(message))
            message += part
            if not inflater.eof or len(message) > room:
                if self._read_takeover and part:
                    self._inflater = inflater
                return message
            rest = inflater.unused_data
        raise WebSocketError(CloseCode.INVALID_PAYLOAD, "too many final blocks")


OFFER: Final = "permessage-deflate; client_max_window_bits"
"""What our client offers, as the reference does: all parameters are left to the server."""


def agree(header: str, options: Deflate) -> PerMessageDeflate | None:
    """Read a server's answer to `OFFER` (RFC 7692 section 7.1).

    Args:
        header: Value of `Sec-WebSocket-Extensions` in the response; empty for none.

    Returns:
        The extension, or None when the server does without.

    Raises:
        WebSocketError: The answer has more than was offered, or is not valid.
    """
    answers = list(_offers(header)) if header.strip() else []
    if not answers:
        return None
    name, parameters = answers[0]
    answer = _Offer.parse(parameters) if name == "permessage-deflate" else None
    # Section 7.1.2.2: in an answer the parameter has a value. zlib writes no window of 8 bits.
    if len(answers) > 1 or answer is None or answer.client_max_window_bits in (0, 8):
        raise WebSocketError(CloseCode.MANDATORY_EXTENSION, "unusable extension in the answer")
    return PerMessageDeflate(
        options,
        write_window_bits=answer.client_max_window_bits or 15,
        write_takeover=not answer.client_no_context_takeover,
        read_takeover=not answer.server_no_context_takeover,
    )


def negotiate(header: str, options: Deflate) -> tuple[str, PerMessageDeflate] | None:
    """Choose among a client's offers (RFC 7692 section 5.1).

    Args:
        header: Value of `Sec-WebSocket-Extensions`; anything in it that is not a valid offer of
            permessage-deflate is passed over.

    Returns:
        The value for the response header and the extension, or None to go on without.
    """
    for name, parameters in _offers(header):
        if name == "permessage-deflate" and (answer := _accept(parameters, options)):
            return answer
    return None


def _offers(header: str) -> Iterator[tuple[str, list[str]]]:
    for offer in header.split(",", _MAX_OFFERS)[:_MAX_OFFERS]:
        name, *parameters = offer.split(";")
        yield name.strip(" \t"), [each for each in parameters if each.strip(" \t")]


@dataclass(slots=True)
class _Offer:
    """The four parameters as offered; window bits: 0 for a parameter without a value."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None

    @classmethod
    def parse(cls, parameters: list[str]) -> Self | None:
        """None for an unknown, repeated or ill-valued parameter: the whole offer is declined."""
        offer = cls()
        seen = set[str]()
        for parameter in parameters:
            match = _PARAMETER.fullmatch(parameter)
            if match is None or match[1] in seen:
                return None
            name, value = match[1], match[2] or match[3]
            seen.add(name)
            if name in ("server_no_context_takeover", "client_no_context_takeover"):
                if value is not None:
                    return None
                setattr(offer, name, True)
            elif name in ("server_max_window_bits", "client_max_window_bits"):
                if value is None and name == "client_max_window_bits":
                    offer.client_max_window_bits = 0
                elif value in _WINDOW_BITS:
                    setattr(offer, name, int(value))
                else:
                    return None
            else:
                return None
        return offer


_WINDOW_BITS: Final = frozenset({"8", "9", "10", "11", "12", "13", "14", "15"})


def _accept(parameters: list[str], options: Deflate) -> tuple[str, PerMessageDeflate] | None:
    offer = _Offer.parse(parameters)
    if offer is None or offer.server_max_window_bits == 8:
        return None
    answer = ["permessage-deflate"]
    write_bits = min(options.server_max_window_bits, offer.server_max_window_bits or 15)
    write_takeover = not (offer.server_no_context_takeover or options.server_no_context_takeover)
    read_takeover = not (offer.client_no_context_takeover or options.client_no_context_takeover)
    if not write_takeover:
        answer.append("server_no_context_takeover")
    if not read_takeover:
        answer.append("client_no_context_takeover")
    if offer.server_max_window_bits is not None or write_bits < 15:
        answer.append(f"server_max_window_bits={write_bits}")
    extension = PerMessageDeflate(
        options,
        write_window_bits=write_bits,
        # A smaller window of the client's needs no answer: 15 reads them all.
        write_takeover=write_takeover,
        read_takeover=read_takeover,
    )
    return "; ".join(answer), extension
