"""Answers of HTTP/1.1 as bytes."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Final

from sockwave.engine.server.exchange import PLAIN

if TYPE_CHECKING:
    from sockwave.engine.server.exchange import ResponseHeaders
    from sockwave.engine.server.invalid_request import InvalidRequest

__all__ = ["CLOSE", "KEEP", "KEEP_OLD", "encode_answer", "encode_head", "encode_refusal"]

CLOSE: Final = b"Connection: close\r\n\r\n"
KEEP: Final = b"\r\n"
KEEP_OLD: Final = b"Connection: keep-alive\r\n\r\n"
"""To a client of HTTP/1.0, which waits for the end of the connection otherwise."""

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in http.HTTPStatus
}
_heads: dict[tuple[int, ResponseHeaders], bytes] = {}
"""Encoded heads of the answers whose headers are constants, which come as tuples."""


def encode_head(status: int, headers: ResponseHeaders) -> bytes:
    """Encode status line and headers, but for the length."""
    if headers.__class__ is tuple:
        head = _heads.get((status, headers))
        if head is not None:
            return head
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    head = (_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status) + "".join(lines).encode(
        "latin-1"
    )
    if headers.__class__ is tuple:
        _heads[status, headers] = head
    return head


def encode_answer(status: int, headers: ResponseHeaders, body: bytes) -> bytes:
    """Encode the last answer on a connection."""
    head = [_STATUS_LINES.get(status, _STATUS_LINES[400])]
    head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
    head.append(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    return b"".join(head) + body


def encode_refusal(invalid: InvalidRequest) -> bytes:
    """Encode the answer to what cannot be served."""
    return encode_answer(invalid.status, PLAIN, invalid.why.encode())
