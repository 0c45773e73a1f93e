"""RFC 6455: the opening handshake, and frames written, in both roles.

Reading is in `message_reader.py`, permessage-deflate (RFC 7692) in `deflate.py`. Writing is a
function per kind of frame: those of most messages, `server_frame` and `client_frame`, look up a
head of two bytes; `encode_frame` writes all others.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from enum import IntEnum
from typing import Final

from sockwave.codec.close_code import CloseCode
from sockwave.codec.random_pool import RandomPool

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

__all__ = [
    "MAX_CONTROL_PAYLOAD",
    "TEXT_HEADS",
    "CloseCode",
    "Opcode",
    "accept_key",
    "apply_mask",
    "client_frame",
    "encode_close",
    "encode_frame",
    "is_extension_list",
    "server_frame",
    "text_head",
]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_CONTROL_PAYLOAD: Final = 125
"""RFC 6455 section 5.5."""


class Opcode(IntEnum):
    """Frame types, RFC 6455 section 5.2."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


def accept_key(key: bytes) -> bytes:
    """Answer a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2)."""
    return binascii.b2a_base64(hashlib.sha1(key + _GUID).digest(), newline=False)


# Possessive, so that no text costs more than its length.
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PARAMETER: Final = rb"[ \t]*+(?:=[ \t]*+(?:%b|\"%b\")[ \t]*+)?" % (_TOKEN, _TOKEN)
_EXTENSION: Final = rb"%b[ \t]*+(?:;[ \t]*+(?:%b%b)?)*+" % (_TOKEN, _TOKEN, _PARAMETER)
_EXTENSIONS: Final = rb"%b(?:,[ \t,]*+(?:%b)?)*+" % (_EXTENSION, _EXTENSION)
_EXTENSION_LIST: Final = re.compile(rb"[ \t,]*+(?:%b)?" % _EXTENSIONS)


def is_extension_list(header: bytes) -> bool:
    """Whether this is a value of `Sec-WebSocket-Extensions`; if not, the handshake has failed.

    RFC 6455 section 9.1; empty items and parameters are those of any list in HTTP (RFC 9110,
    sections 5.6.1 and 5.6.6), and so is a list of nothing.
    """
    return _EXTENSION_LIST.fullmatch(header) is not None


def _head(first: int, length: int, mask_bit: int = 0) -> bytes:
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 65536:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big")


TEXT_HEADS: Final = tuple(_head(0x81, length) for length in range(126))
"""What stands before a short text, unmasked, by its length in bytes."""


def text_head(length: int) -> bytes:
    """What stands before any text, unmasked."""
    return _head(0x81, length)


def server_frame(payload: bytes, *, binary: bool = False) -> bytes:
    """Encode a whole message as one unmasked, uncompressed frame."""
    length = len(payload)
    if length < 126 and not binary:
        return TEXT_HEADS[length] + payload
    return _head(0x82 if binary else 0x81, length) + payload


_next_key: Final = RandomPool(4).next
"""Masking keys: unpredictable, as RFC 6455 section 5.3 asks."""

_CLIENT_TEXT_HEADS: Final = tuple(_head(0x81, length, 0x80) for length in range(126))


def client_frame(payload: bytes, *, binary: bool = False) -> bytes:
    """Encode a whole message as one masked, uncompressed frame, with a fresh key."""
    key = _next_key()
    length = len(payload)
    if length < 126 and not binary:
        return _CLIENT_TEXT_HEADS[length] + key + apply_mask(payload, key)
    return _head(0x82 if binary else 0x81, length, 0x80) + key + apply_mask(payload, key)


def encode_frame(
    opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False, mask: bool = False
) -> bytes:
    """Encode any frame; clients mask (RFC 6455 section 5.3) with a fresh key."""
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    if not mask:
        return _head(first, len(payload)) + payload
    key = _next_key()
    return _head(first, len(payload), 0x80) + key + apply_mask(payload, key)


def encode_close(code: int | None = None, reason: str = "", *, mask: bool = False) -> bytes:
    """Encode a close frame; without a code it is empty and the peer sees 1005.

    1005 itself, echoed from such a peer, gives the empty frame too: it must not travel (RFC 6455
    section 7.4.1).
    """
    payload = b""
    if code is not None and code != CloseCode.NO_STATUS:
        payload = code.to_bytes(2, "big") + _fit(reason.encode())
    return encode_frame(Opcode.CLOSE, payload, mask=mask)


def _fit(reason: bytes) -> bytes:
    """Cut to what a control frame holds, on a character boundary."""
    return reason[: MAX_CONTROL_PAYLOAD - 2].decode(errors="ignore").encode()
