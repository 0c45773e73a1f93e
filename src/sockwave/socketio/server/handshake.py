"""What a socket tells about the request that its connection began with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.engine.core.request import Headers, Request

__all__ = ["Handshake"]


class Handshake:
    """Details of a socket's handshake; reads the request where it is looked at.

    Attributes:
        request: The first HTTP request of the connection.
        auth: What the client gave as `auth`, `{}` if nothing.
        issued: When the socket was made, in milliseconds of Unix time.
    """

    __slots__ = ("auth", "issued", "request")

    def __init__(self, request: Request, auth: dict[str, Any], issued: float) -> None:
        self.request = request
        self.auth = auth
        self.issued = round(issued * 1000)

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
