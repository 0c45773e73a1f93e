"""What a socket tells about the request that its connection began with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from sockwave.engine.core.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.engine.core.request import Headers

__all__ = [
    "TRACE",
    "Handshake",
    "describe_handshake",
    "pack_auth",
    "read_handshake",
    "without_trace",
]

TRACE: Final = "sockwave.trace"
"""In the CONNECT of both sides: events may have a context of tracing as their last argument, an
object with this key alone. Neither says so unless somebody traces it (docs/tracing.md)."""

_LATEST: Final = 253_402_300_799_000
"""Milliseconds of the last time that Python has a date for."""


def pack_auth(auth: dict[str, Any] | None) -> bytes | None:
    """Pack what a client gave as `auth`: decoded it can take twenty times as much.

    It is kept as long as its socket, and mostly looked at once.
    """
    return msgspec.msgpack.encode(auth) if auth else None


def without_trace(auth: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the application is told of `auth`: all but what our client says of tracing."""
    if not auth or TRACE not in auth:
        return auth
    return {name: value for name, value in auth.items() if name != TRACE} or None


class Handshake:
    """Details of a socket's handshake; reads the request where it is looked at.

    Attributes:
        request: The first HTTP request of the connection.
        issued: When the socket was made, in milliseconds of Unix time.
    """

    __slots__ = ("_auth", "issued", "request")

    def __init__(self, request: Request, auth: bytes | None, issued: float) -> None:
        self.request: Request = request
        self._auth = auth
        self.issued: int = round(issued * 1000)

    @property
    def auth(self) -> dict[str, Any]:
        """What the client gave as `auth`, `{}` if nothing: a copy, each time."""
        auth: dict[str, Any] = {} if self._auth is None else msgspec.msgpack.decode(self._auth)
        return auth

    @property
    def headers(self) -> Headers:
        """Headers of the first request; names are case-insensitive."""
        return self.request.headers

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters of the first request, `EIO` and `transport` among them."""
        return self.request.query

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies of the first request."""
        return self.request.cookies

    @property
    def address(self) -> str:
        """Host of the peer; empty on a Unix socket."""
        return self.request.client[0] if self.request.client else ""

    @property
    def url(self) -> str:
        """Path and query of the first request."""
        return self.request.target

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.request.is_secure

    @property
    def xdomain(self) -> bool:
        """Whether the request had an `Origin`."""
        return "origin" in self.request.headers

    @property
    def time(self) -> str:
        """`issued` as text, ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.issued / 1000, UTC).isoformat(timespec="milliseconds")

    def __repr__(self) -> str:
        return f"Handshake({self.address}, issued={self.issued})"  # auth and query are secrets


def describe_handshake(handshake: Handshake) -> dict[str, Any]:
    """Tell of a handshake, to a server in whatever language."""
    return {
        "headers": _as_told(handshake.headers),
        "time": handshake.time,
        "address": handshake.address,
        "xdomain": handshake.xdomain,
        "secure": handshake.secure,
        "issued": handshake.issued,
        "url": handshake.url,
        "query": dict(handshake.query),
        "auth": handshake.auth,
    }


def read_handshake(told: Mapping[str, Any]) -> Handshake:
    """Make a handshake of what another server told; what is not as it should be, is left out."""
    headers, query, url = told.get("headers"), told.get("query"), told.get("url")
    address, auth, issued = told.get("address"), told.get("auth"), told.get("issued")
    target = url if isinstance(url, str) else ""
    if "?" not in target and isinstance(query, dict) and query:
        target = f"{target}?{urlencode(query, errors='replace')}"
    client = (address, 0) if isinstance(address, str) and address else None
    request = Request("GET", target, _fields(headers), client, told.get("secure") is True)
    if not isinstance(issued, (int, float)) or not 0 <= issued <= _LATEST:
        issued = 0
    return Handshake(request, _packed_or_none(auth), issued / 1000)


def _as_told(headers: Headers) -> dict[str, str]:
    """Without those whose name is none: some hosts let them through, and nobody finds them."""
    return {name: value for name in headers if (value := headers.get(name)) is not None}


def _fields(headers: Any) -> dict[bytes, bytes]:
    if not isinstance(headers, dict):
        return {}
    return {
        name.lower().encode(): value.encode("latin-1", errors="replace")
        for name, value in headers.items()
        if isinstance(name, str) and name.isascii() and isinstance(value, str)
    }


def _packed_or_none(auth: Any) -> bytes | None:
    try:
        return pack_auth(auth) if isinstance(auth, dict) else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
