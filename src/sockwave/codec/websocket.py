"""RFC 6455 framing and the opening handshake, for both roles; RFC 7692 is in `deflate.py`.

Writing is a function per kind of frame. Reading is `MessageReader`: bytes in, whole messages out,
by direct calls to a handler, since an object per message would be the largest cost of a small one.

The path of most messages is a short, final, masked frame that is whole in what was read: it takes
one slice, one call of the C masking routine and one call of the handler.
"""

from __future__ import annotations

import binascii
import codecs
import hashlib
import os
import re
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.deflate import PerMessageDeflate

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform
    from websockets.utils import apply_mask

__all__ = [
    "MAX_CONTROL_PAYLOAD",
    "CloseCode",
    "MessageHandler",
    "MessageReader",
    "Opcode",
    "accept_key",
    "apply_mask",
    "client_frame",
    "encode_close",
    "encode_frame",
    "is_extension_list",
    "server_frame",
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


class CloseCode(IntEnum):
    """The close codes that Sockwave sends or has to know (RFC 6455 section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011


def accept_key(key: bytes) -> bytes:
    """Answer a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2)."""
    return binascii.b2a_base64(hashlib.sha1(key + _GUID).digest(), newline=False)


# Possessive, so that no text costs more than its length.
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PARAMETER: Final = rb"[ \t]*+(?:=[ \t]*+(?:%b|\"%b\")[ \t]*+)?" % (_TOKEN, _TOKEN)
_EXTENSION: Final = rb"%b[ \t]*+(?:;[ \t]*+%b%b)*+" % (_TOKEN, _TOKEN, _PARAMETER)
_EXTENSION_LIST: Final = re.compile(rb"[ \t,]*+%b(?:,[ \t,]*+(?:%b)?)*+" % (_EXTENSION, _EXTENSION))


def is_extension_list(header: bytes) -> bool:
    """Whether this is a value of `Sec-WebSocket-Extensions`; if not, the handshake has failed.

    RFC 6455 section 9.1; empty items are those of any list in HTTP.
    """
    return _EXTENSION_LIST.fullmatch(header) is not None


# --- writing --------------------------------------------------------------------------------------


def _head(first: int, length: int, mask_bit: int = 0) -> bytes:
    if length < 126:
        return bytes((first, mask_bit | length))
    if length < 65536:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big")


_TEXT_HEADS: Final = tuple(_head(0x81, length) for length in range(126))


def server_frame(payload: bytes, *, binary: bool = False) -> bytes:
    """Encode a whole message as one unmasked, uncompressed frame."""
    length = len(payload)
    if length < 126 and not binary:
        return _TEXT_HEADS[length] + payload
    return _head(0x82 if binary else 0x81, length) + payload


_KEY_POOL: Final = 4 * 256


class _Keys:
    """Masking keys: unpredictable as RFC 6455 section 5.3 asks, at one system call for many."""

    __slots__ = ("_at", "_pool")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget what is left, as a child process must: its parent uses that."""
        self._pool = b""
        self._at = 0

    def next(self) -> bytes:
        """Four bytes that were not given before."""
        at = self._at
        key = self._pool[at : at + 4]
        if not key:
            self._pool = os.urandom(_KEY_POOL)
            key = self._pool[:4]
            at = 0
        self._at = at + 4
        return key


_keys: Final = _Keys()
_next_key: Final = _keys.next
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keys.renew)

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


# --- reading --------------------------------------------------------------------------------------


class MessageHandler(Protocol):
    """What happens on a WebSocket, by direct call."""

    def text_received(self, data: bytes) -> None:
        """A text message; the decoder that reads it checks that it is UTF-8."""

    def binary_received(self, data: bytes) -> None:
        """A binary message."""

    def ping_received(self, data: bytes) -> None:
        """A ping; a pong with the same data is due."""

    def pong_received(self, data: bytes) -> None:
        """A pong."""

    def close_received(self, code: int, reason: str) -> None:
        """A close frame; 1005 when it was empty. Nothing comes after it."""


class MessageReader:
    """Reassembles messages from the bytes of one connection, in either role.

    Limits: `max_message` bytes per message, counted from what a frame announces, before anything of
    it is buffered, and again after decompression; `max_fragments` frames per message. What is kept
    of an unfinished frame grows with the bytes received, whatever their slicing.

    Text that is not whole yet, by fragments or by segments, is checked to be UTF-8 as it comes, so
    that it fails at its first wrong byte; compressed text has to be whole for that.

    Args:
        handler: Gets every message. It may call `stop` and `pause`.
        is_server: The server's side: frames must be masked; otherwise they must not be.
        max_message: Bytes.
        deflate: The negotiated permessage-deflate, or None.
        more: Asked when the budget of `feed` is spent, with the handler and how often it was asked
            since `feed` began: how many messages may be read beyond it; 0 ends it.
    """

    __slots__ = (
        "_buffer",
        "_compressed",
        "_deflate",
        "_fast_end",
        "_fragments",
        "_handler",
        "_head",
        "_is_server",
        "_mask_bit",
        "_max_fragments",
        "_max_message",
        "_message",
        "_message_opcode",
        "_more",
        "_need",
        "_paused",
        "_plain_end",
        "_rest",
        "_seen",
        "_stopped",
        "_tail",
    )

    def __init__(
        self,
        handler: MessageHandler,
        *,
        is_server: bool = True,
        max_message: int,
        deflate: PerMessageDeflate | None = None,
        more: Callable[[Any, int], int] | None = None,
    ) -> None:
        self._handler = handler
        self._more = more
        self._is_server = is_server
        self._mask_bit = 0x80 if is_server else 0
        self._max_message = max_message
        # Second byte of the masked frames that take the short path, exclusive.
        self._fast_end = 0x80 + min(126, max_message + 1) if is_server else 0
        # The same for unmasked frames, which is what a client reads.
        self._plain_end = 0 if is_server else min(126, max_message + 1)
        # aiohttp's rule, of security.md section 3
        self._max_fragments = 1024 + max_message // 256
        self._deflate = deflate
        self._buffer: bytearray | None = None
        self._need = 2
        # Of a text frame in the buffer: where its payload begins, how far it is checked, and what
        # there is of the character at that place. 0 where the buffer has no such frame.
        self._head = 0
        self._seen = 0
        self._tail = b""
        # What there is of the character at the end of the last fragment.
        self._rest = b""
        self._message: bytearray | None = None
        self._message_opcode = 0
        self._compressed = False
        self._fragments = 0
        self._stopped = False
        self._paused = False

    def stop(self) -> None:
        """Ignore everything that follows; called when the connection is closing."""
        self._stopped = True
        self._paused = False
        self._buffer = self._message = None

    def pause(self) -> None:
        """Called by the handler: let `feed` return after this message, as with a spent budget."""
        if not self._stopped:
            self._stopped = self._paused = True

    def feed(self, data: bytes, budget: int = 2**31) -> bool:
        """Read what the peer sent.

        Args:
            data: The next bytes; empty to go on after a spent budget.
            budget: Messages after which to return, so that one peer does not hold the loop.

        Returns:
            Whether the budget, or a `pause`, ended it early: the rest is kept, call again with
            `b""`.

        Raises:
            WebSocketError: With the close code for the peer. Messages before it were handled;
                whatever follows is ignored.
        """
        buffer = self._buffer
        if buffer is not None:
            buffer += data
            if len(buffer) < self._need:
                if self._head:
                    self._check_kept(buffer)
                return False
            data = bytes(buffer)
            self._buffer = None
        handler = self._handler
        fast_end = self._fast_end
        plain_end = self._plain_end
        at, end = 0, len(data)
        asked = 0
        while end - at >= 2 and not self._stopped:
            if not budget:
                asked += 1
                if self._more is None or not (budget := self._more(handler, asked)):
                    self._keep(data[at:], 2)
                    return True
            length = data[at + 1]
            if data[at] == 0x81 and 128 <= length < fast_end and self._message is None:
                # The path of most messages: text, final, masked, short, uncompressed.
                payload = at + 6
                stop = payload + length - 128
                if stop > end:
                    self._keep_text(data[at:], stop - at, 6, b"")
                    return False
                handler.text_received(apply_mask(data[payload:stop], data[at + 2 : payload]))
                at = stop
            elif length < plain_end and data[at] == 0x81 and self._message is None:
                payload = at + 2
                stop = payload + length
                if stop > end:
                    self._keep_text(data[at:], stop - at, 2, b"")
                    return False
                handler.text_received(data[payload:stop])
                at = stop
            else:
                try:
                    at = self._read_frame(data, at, end)
                except WebSocketError:
                    self.stop()  # section 7.1.7: nothing is processed after a failure
                    raise
                if at < 0:
                    return False
            budget -= 1
        if self._paused:
            self._stopped = self._paused = False
            self._keep(data[at:], 2)
            return True
        if at < end and not self._stopped:
            self._keep(data[at:], 2)
        return False

    def _keep(self, rest: bytes, need: int) -> None:
        self._buffer = bytearray(rest)
        self._need = need
        self._head = 0

    def _keep_text(self, rest: bytes, need: int, head: int, tail: bytes) -> None:
        """Keep what has come of a text frame, and check it.

        Args:
            head: Where its payload begins; maybe nothing of that is there.
            tail: Begun character before it.
        """
        self._keep(rest, need)
        self._head = self._seen = head
        self._tail = tail
        assert self._buffer is not None
        self._check_kept(self._buffer)

    def _check_kept(self, buffer: bytearray) -> None:
        """Check what has come of the text frame in the buffer since the last time."""
        seen = self._seen
        if len(buffer) <= seen:
            return
        data = bytes(buffer[seen:])
        if self._is_server:
            head = self._head
            turn = (seen - head) % 4
            key = bytes(buffer[head - 4 + turn : head]) + bytes(buffer[head - 4 : head - 4 + turn])
            data = apply_mask(data, key)
        self._seen = len(buffer)
        self._tail = self._check_text(self._tail + data, is_final=False)

    def _check_text(self, data: bytes, *, is_final: bool) -> bytes:
        """Check a part of a text; return the character that is begun at its end."""
        try:
            rest = data[codecs.utf_8_decode(data, "strict", is_final)[1] :]
            is_valid = rest[:1] != b"\xed" or rest[1:2] < b"\xa0"  # Python waits for a third byte
        except UnicodeDecodeError:
            is_valid = False
        if not is_valid:
            self.stop()
            raise WebSocketError(CloseCode.INVALID_PAYLOAD, "invalid UTF-8")
        return rest

    def _read_frame(self, data: bytes, at: int, end: int) -> int:
        """Read one frame of any kind; -1 when it is not all there, otherwise where it ends."""
        first, second = data[at], data[at + 1]
        opcode = first & 15
        self._check_head(first, second, opcode)
        length = second & 127
        payload = at + 2
        if length >= 126:
            payload += 2 if length == 126 else 8
            if end < payload:
                self._keep(data[at:], payload - at)
                return -1
            length = int.from_bytes(data[at + 2 : payload], "big")
            if length >> 63:  # section 5.2: the most significant bit must be 0
                raise WebSocketError(CloseCode.PROTOCOL_ERROR, "invalid frame length")
        mask_at = payload
        if self._is_server:
            payload += 4
        if opcode < 8:
            held = len(self._message) if self._message is not None else 0
            if held + length > self._max_message:
                raise WebSocketError(CloseCode.MESSAGE_TOO_BIG, "message too big")
        stop = payload + length
        if end < stop:
            if opcode == 1 and not first & 0x40:
                self._keep_text(data[at:], stop - at, payload - at, b"")
            elif opcode == 0 and self._is_plain_text():
                self._keep_text(data[at:], stop - at, payload - at, self._rest)
            else:
                self._keep(data[at:], stop - at)
            return -1
        body = data[payload:stop]
        if self._is_server:
            body = apply_mask(body, data[mask_at:payload])
        if opcode < 8:
            self._data_frame(first, opcode, body)
        else:
            self._control_frame(opcode, body)
        return stop

    def _check_head(self, first: int, second: int, opcode: int) -> None:
        protocol_error = CloseCode.PROTOCOL_ERROR
        if first & 0x30:
            raise WebSocketError(protocol_error, "reserved bits set")
        if first & 0x40 and (self._deflate is None or opcode not in (1, 2)):
            raise WebSocketError(protocol_error, "unexpected compressed frame")
        if second & 0x80 != self._mask_bit:
            side = "unmasked" if self._is_server else "masked"
            raise WebSocketError(protocol_error, f"{side} frame")
        if opcode in (1, 2):
            if self._message is not None:
                raise WebSocketError(protocol_error, "message begun inside another")
        elif opcode == 0:
            if self._message is None:
                raise WebSocketError(protocol_error, "continuation without a message")
        elif opcode not in (8, 9, 10):
            raise WebSocketError(protocol_error, "unknown opcode")
        elif not first & 0x80:
            raise WebSocketError(protocol_error, "fragmented control frame")
        elif second & 127 > MAX_CONTROL_PAYLOAD:
            raise WebSocketError(protocol_error, "control frame too long")

    def _data_frame(self, first: int, opcode: int, body: bytes) -> None:
        fin = first & 0x80
        if opcode:
            self._message_opcode = opcode
            self._compressed = bool(first & 0x40)
            if fin:
                self._deliver(body)
                return
            if self._is_plain_text():
                self._rest = self._check_text(body, is_final=False)
            self._message = bytearray(body)
            self._fragments = 1
            return
        message = self._message
        assert message is not None  # _check_head refuses a continuation without a message
        if self._is_plain_text():
            self._rest = self._check_text(self._rest + body, is_final=bool(fin))
        message += body
        self._fragments += 1
        if self._fragments > self._max_fragments:
            raise WebSocketError(CloseCode.POLICY_VIOLATION, "too many fragments")
        if fin:
            self._message = None
            self._deliver(bytes(message))

    def _is_plain_text(self) -> bool:
        """Whether the message under way can be checked as it comes."""
        return self._message_opcode == Opcode.TEXT and not self._compressed

    def _deliver(self, body: bytes) -> None:
        if self._compressed and self._deflate is not None:
            body = self._deflate.decompress(body, self._max_message)
        if self._message_opcode == Opcode.TEXT:
            self._handler.text_received(body)
        else:
            self._handler.binary_received(body)

    def _control_frame(self, opcode: int, body: bytes) -> None:
        if opcode == Opcode.PING:
            self._handler.ping_received(body)
        elif opcode == Opcode.PONG:
            self._handler.pong_received(body)
        else:
            code, reason = _parse_close(body)
            self.stop()
            self._handler.close_received(code, reason)


def _parse_close(body: bytes) -> tuple[int, str]:
    if not body:
        return CloseCode.NO_STATUS, ""
    code = int.from_bytes(body[:2], "big")
    # Section 7.4: 1004 to 1006 and 1015 never travel; below 3000 only what is registered.
    registered = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    if len(body) == 1 or not (registered or 3000 <= code <= 4999):
        raise WebSocketError(CloseCode.PROTOCOL_ERROR, "invalid close code")
    try:
        return code, body[2:].decode()
    except UnicodeDecodeError:
        raise WebSocketError(CloseCode.INVALID_PAYLOAD, "invalid UTF-8") from None
