"""Targets of requests, and whose a request is, told before anybody has read it.

Where an engine and an application share a port, the first line decides who reads the whole head:
nobody can take back what a parser has read.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.request import decoded
from sockwave.engine.server.invalid_request import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.limits import Limits

__all__ = ["ABSOLUTE", "Owner", "owner_of"]

ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)(?=[/?]|$)", re.IGNORECASE)
"""What stands before the path in a target such as proxies get (RFC 9112 section 3.2.2)."""

_REQUEST_LINE: Final = re.compile(rb"[!-~]+ ([!-~]+) HTTP/\d\.\d\r?")

_AROUND_TARGET: Final = 64
"""Bytes of a request line beside its target: the longest method, and the version."""

_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
"""However its lines end: whoever takes the connection over says whether that is right."""


class Owner(Enum):
    """Whose a request is."""

    ENGINE = auto()
    HOST = auto()
    """Of whoever shares the port; its head is whole."""
    UNKNOWN = auto()
    """Not told yet, or its head is not whole: wait for more."""


def owner_of(data: bytes, limits: Limits, is_ours: Callable[[str], bool]) -> Owner:
    """Say whose the request is that begins here.

    What is no request line belongs to the engine, whose reader refuses it.

    Args:
        is_ours: Whether the engine serves a path, decoded.

    Raises:
        InvalidRequest: It is longer than the limits before that can be told, or before the host
            could have the whole head.
    """
    if b"\n" not in data:
        most = limits.target_bytes
        if len(data) > most + _AROUND_TARGET:
            detail = f"over limits.target_bytes={most}"
            raise InvalidRequest(414, "the target is too long", detail)
        return Owner.UNKNOWN
    path = _path(data)
    if path is None or is_ours(path):
        return Owner.ENGINE
    end = _END_OF_HEAD.search(data)
    if (end.end() if end is not None else len(data)) > limits.head_bytes:
        detail = f"over limits.head_bytes={limits.head_bytes}"
        raise InvalidRequest(431, "the head is too large", detail)
    return Owner.HOST if end is not None else Owner.UNKNOWN


def _path(data: bytes) -> str | None:
    """Give the decoded path of a request line; None where it is none."""
    line = _REQUEST_LINE.fullmatch(data, 0, max(data.find(b"\n"), 0))
    if line is None:
        return None
    target = ABSOLUTE.sub(b"", line[1], 1)
    return decoded(target.partition(b"?")[0].decode("ascii"))
