"""WebSocket messages from the bytes of one connection (RFC 6455), in either role.

Theory. Bytes in, whole messages out, by direct calls to a handler: an object per message would be
the largest cost of a small one. Three paths, by how much of their time they get:

1. A short, final, uncompressed text frame that is whole in what was read, which is nearly every
   one. `feed` knows it by its first two bytes, since `_fast_end` and `_plain_end` have the role and
   the limit in them: it takes one slice, one call of the C masking routine and one of the handler.
   Where a read is nothing but one such frame of a client, there is no loop around that, and the
   frame may have up to 64 kB.
2. Any other frame that is whole goes through `_read_frame`, which checks its head before its
   length, its length before it is waited for, and unmasks it.
3. What is not whole is kept, with how many bytes it takes to go on (`_need`); until they are there
   `feed` only appends, and text is checked to be UTF-8 as it comes (`partial_text.py`). Limits are
   held against what a frame announces: nothing is kept of a message that is too big.

Between two calls at most one of each is kept: the rest of what was read (`_buffer`), which begins
at a frame, and the fragments of one message (`_message`), unmasked. Control frames may come between
fragments, and are handled at once.

The handler may call back: `stop` from anywhere, after which nothing more is read, not even what is
here already; `pause`, after which `feed` returns as with a spent budget. Both are looked at between
two frames. `_paused` without `_stopped` never is: pausing is a stop that `feed` takes back.

What must never happen: a message after one that broke the protocol or after a close frame
(section 7.1.7); more kept than was received and `max_message`; work for a message that grows faster
than its bytes, whatever the slicing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sockwave.codec.close_code import CloseCode
from sockwave.codec.large import VIEWED
from sockwave.codec.partial_text import PartialText, check_text
from sockwave.codec.websocket import MAX_CONTROL_PAYLOAD, Opcode, apply_mask
from sockwave.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.deflate import PerMessageDeflate

__all__ = ["MessageHandler", "MessageReader", "MessageReceiver"]


class MessageReceiver(Protocol):
    """Who gets the messages."""

    def text_received(self, data: bytes) -> None:
        """A text message; the decoder that reads it checks that it is UTF-8."""

    def binary_received(self, data: bytes) -> None:
        """A binary message."""


class MessageHandler(Protocol):
    """What happens on a WebSocket, by direct call."""

    @property
    def receiver(self) -> MessageReceiver:
        """Who gets the next message; asked for each, since it may be another one by then."""

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
        "_is_server",
        "_mask_bit",
        "_max_fragments",
        "_max_message",
        "_message",
        "_message_opcode",
        "_more",
        "_need",
        "_partial",
        "_paused",
        "_plain_end",
        "_rest",
        "_stopped",
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
        # A frame costs as much with one byte as with many. So a message may come in a frame for
        # each 256 bytes, and 1,024 more, as in aiohttp: senders of streams stay far below that.
        self._max_fragments = 1024 + max_message // 256
        self._deflate = deflate
        self._buffer: bytearray | None = None
        self._need = 2
        # Of the frame in the buffer, if that is text.
        self._partial: PartialText | None = None
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

    @property
    def partial(self) -> int:
        """Bytes kept of a message that is not whole, or not read yet."""
        return len(self._buffer or b"") + len(self._message or b"")

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
        end = len(data)
        if (
            end > 5
            and data[0] == 0x81
            and buffer is None
            and self._message is None
            and self._is_server
            and not self._stopped
        ):
            # 128 and the length of a payload that ends with the read, or 126 and that length
            if data[1] == end + 122 and data[1] < self._fast_end:
                self._handler.receiver.text_received(apply_mask(data[6:], data[2:6]))
                return self._takes_pause(b"") if self._paused else False
            if data[1] == 254 and int.from_bytes(data[2:4], "big") == end - 8 <= self._max_message:
                masked = memoryview(data)[8:] if end > VIEWED else data[8:]
                self._handler.receiver.text_received(apply_mask(masked, data[4:8]))
                return self._takes_pause(b"") if self._paused else False
        if buffer is not None:
            buffer += data
            if len(buffer) < self._need:
                if self._partial is not None:
                    self._check_kept(self._partial, buffer)
                return False
            data = bytes(buffer)
            self._buffer = None
            end = len(data)
        handler = self._handler
        fast_end = self._fast_end
        plain_end = self._plain_end
        at = 0
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
                handler.receiver.text_received(
                    apply_mask(data[payload:stop], data[at + 2 : payload])
                )
                at = stop
            elif length < plain_end and data[at] == 0x81 and self._message is None:
                payload = at + 2
                stop = payload + length
                if stop > end:
                    self._keep_text(data[at:], stop - at, 2, b"")
                    return False
                handler.receiver.text_received(data[payload:stop])
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
            return self._takes_pause(data[at:])
        if at < end and not self._stopped:
            self._keep(data[at:], 2)
        return False

    def _takes_pause(self, rest: bytes) -> bool:
        """The handler has paused: as with a spent budget."""
        self._stopped = self._paused = False
        self._keep(rest, 2)
        return True

    def _keep(self, rest: bytes, need: int) -> None:
        self._buffer = bytearray(rest)
        self._need = need
        self._partial = None

    def _keep_text(self, rest: bytes, need: int, head: int, tail: bytes) -> None:
        """Keep what has come of a text frame, and check it.

        Args:
            head: Where its payload begins; maybe nothing of that is there.
            tail: Begun character before it.
        """
        self._keep(rest, need)
        self._partial = PartialText(head, tail, is_masked=self._is_server)
        self._check_kept(self._partial, rest)

    def _check_kept(self, partial: PartialText, frame: bytes | bytearray) -> None:
        """Check what has come of the text frame in the buffer since the last time."""
        try:
            partial.check(frame)
        except WebSocketError:
            self.stop()
            raise

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
        if self._is_server:
            piece = data[payload:stop] if length < VIEWED else memoryview(data)[payload:stop]
            body = apply_mask(piece, data[mask_at:payload])
        else:
            body = data[payload:stop]
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
                self._rest = check_text(body, is_final=False)
            self._message = bytearray(body)
            self._fragments = 1
            return
        message = self._message
        assert message is not None  # _check_head refuses a continuation without a message
        if self._is_plain_text():
            self._rest = check_text(self._rest + body, is_final=bool(fin))
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
            self._handler.receiver.text_received(body)
        else:
            self._handler.receiver.binary_received(body)

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
