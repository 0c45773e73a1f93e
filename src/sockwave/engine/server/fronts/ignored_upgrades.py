"""Upgrades to protocols that nobody here speaks: such a request is one like any other.

RFC 9110 section 7.8 lets a server ignore the header. llhttp does not: behind an upgrade it reads no
HTTP, so another parser has to go on.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import httptools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["parser_after_upgrade", "wants_websocket"]


def wants_websocket(upgrade: bytes) -> bool:
    """Whether this value of `Upgrade` names WebSocket."""
    if upgrade == b"websocket":
        return True
    return any(token.strip(b" \t") == b"websocket" for token in upgrade.lower().split(b","))


class _Muted:
    """Passes the callbacks of a parser on, from some time on."""

    def __init__(self, protocol: Any) -> None:
        self.is_muted = True
        for name in dir(protocol):
            if name.startswith("on_"):
                setattr(self, name, functools.partial(self._call, getattr(protocol, name)))

    def _call(self, callback: Callable[..., None], *args: bytes) -> None:
        if not self.is_muted:
            callback(*args)


def parser_after_upgrade(protocol: Any, headers: Mapping[bytes, bytes]) -> Any:
    """Make a parser that goes on behind the head of a request whose upgrade is ignored.

    llhttp has no way back from an upgrade, and takes a body for the other protocol.

    Args:
        headers: What says how long the body is; without that a new request follows.
    """
    lines = [
        b"%b: %b\r\n" % (name, headers[name])
        for name in (b"content-length", b"transfer-encoding")
        if name in headers
    ]
    if not lines:
        return httptools.HttpRequestParser(protocol)
    muted = _Muted(protocol)
    parser = httptools.HttpRequestParser(muted)
    parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines))
    muted.is_muted = False
    return parser
