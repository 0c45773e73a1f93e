"""Requests that cannot be served, and the rules that say so, whoever has read them.

Each is answered with a status, and its connection ends: where one request is in doubt, so is where
the next one begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.engine.core.limits import Limits

__all__ = [
    "ONCE",
    "InvalidRequest",
    "body_too_late",
    "check_body_headers",
    "check_encoding",
    "head_too_late",
]

_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
ONCE: Final = frozenset(
    {
        b"host",
        b"origin",
        b"content-length",
        b"content-type",
        b"transfer-encoding",
        b"sec-websocket-key",
        b"sec-websocket-version",
    }
)
"""Headers whose repetition is an attack or a mistake."""


class InvalidRequest(Exception):  # an answer, not a failure of ours
    """A request that is answered with a status and the end of its connection.

    Attributes:
        status: Of the answer.
        why: Its body, and with the status the kind of fault in the log; nothing of the peer's.
        detail: More for the log: what was compared, and the option that decides.
    """

    def __init__(self, status: int, why: str, detail: str = "") -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why
        self.detail = detail


def check_encoding(encoding: bytes | None) -> None:
    """Refuse a body that would have to be decompressed.

    Raises:
        InvalidRequest: It would.
    """
    if encoding is not None and encoding.lower() != b"identity":
        raise InvalidRequest(415, "bodies cannot be compressed", repr(encoding))


def body_too_late(limits: Limits) -> InvalidRequest:
    """Say that a body has not come in time."""
    detail = f"longer than limits.body_timeout={limits.body_timeout:g}"
    return InvalidRequest(408, "the body takes too long", detail)


def head_too_late(limits: Limits) -> InvalidRequest:
    """Say that a head has not come in time."""
    detail = f"longer than limits.head_timeout={limits.head_timeout:g}"
    return InvalidRequest(408, "the head takes too long", detail)


def check_body_headers(headers: Mapping[bytes, bytes]) -> int | None:
    """Refuse what two readers could take for two different bodies.

    Returns:
        Bytes of the body that are announced, 0 for a chunked one; None without a body.

    Raises:
        InvalidRequest: Such headers, or a body that would have to be decompressed.
    """
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if coding is not None and length is not None:
        raise InvalidRequest(400, "both content-length and transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise InvalidRequest(400, "a transfer-encoding other than chunked", repr(coding))
    if length is not None:
        if not _LENGTH.fullmatch(length):
            if length.isdigit():
                raise InvalidRequest(413, "the body is too large", "its length has >15 digits")
            raise InvalidRequest(400, "content-length is not a number", repr(length))
    elif coding is None:
        return None
    check_encoding(headers.get(b"content-encoding"))
    return int(length) if length is not None else 0
