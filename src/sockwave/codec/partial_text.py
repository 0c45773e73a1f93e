"""Text of a WebSocket that is not whole yet, checked as it comes.

RFC 6455 section 8.1 lets an endpoint fail when it finds that bytes are not UTF-8. A message may be
large, and come slowly: so it fails at its first wrong byte, and not when it has been kept to its
end. Whole messages are not looked at here: whoever decodes their JSON finds out for nothing.

Each byte is looked at once. What is begun of a character, at most three bytes, is carried from one
part to the next: within a frame by `PartialText`, from one fragment to the next by the reader.
"""

from __future__ import annotations

import codecs

from sockwave.codec.close_code import CloseCode
from sockwave.codec.websocket import apply_mask
from sockwave.errors import WebSocketError

__all__ = ["PartialText", "check_text"]


def check_text(data: bytes, *, is_final: bool) -> bytes:
    """Check a part of a text; return the character that is begun at its end.

    Raises:
        WebSocketError: 1007: no text begins like this.
    """
    try:
        rest = data[codecs.utf_8_decode(data, "strict", is_final)[1] :]
    except UnicodeDecodeError:
        raise WebSocketError(CloseCode.INVALID_PAYLOAD, "invalid UTF-8") from None
    if rest[:1] == b"\xed" and rest[1:2] >= b"\xa0":  # a surrogate: Python waits for a third byte
        raise WebSocketError(CloseCode.INVALID_PAYLOAD, "invalid UTF-8")
    return rest


class PartialText:
    """A text frame of which not all has come.

    Args:
        head: Where its payload begins in the frame; maybe nothing of that is there.
        tail: Begun character of the fragment before it.
        is_masked: Whether its key stands before its payload.
    """

    __slots__ = ("_head", "_is_masked", "_seen", "_tail")

    def __init__(self, head: int, tail: bytes, *, is_masked: bool) -> None:
        self._head = self._seen = head
        self._tail = tail
        self._is_masked = is_masked

    def check(self, frame: bytes | bytearray) -> None:
        """Check what has come since the last time.

        Args:
            frame: All that there is of it, its head included.

        Raises:
            WebSocketError: 1007: it is not UTF-8.
        """
        head, seen = self._head, self._seen
        if len(frame) <= seen:
            return
        data = bytes(frame[seen:])
        if self._is_masked:
            key = bytes(frame[head - 4 : head])
            turn = (seen - head) % 4
            data = apply_mask(data, key[turn:] + key[:turn])
        self._seen = len(frame)
        self._tail = check_text(self._tail + data, is_final=False)
