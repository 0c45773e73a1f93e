"""Where the server is, and how it is asked."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from sockwave.engine.client.url import ServerUrl, bracketed

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Target"]

_ALPHABET: Final = string.digits + string.ascii_lowercase


@dataclass(slots=True, kw_only=True)
class Target:
    """A server that is examined.

    Attributes:
        server: Parts of its URL.
        path: HTTP path of Socket.IO.
        headers: Extra ones for each request.
        origin: Of the pages that are going to connect; None: those of the server's own address.
        credentials: Whether these pages send cookies.
        insecure: Do not judge its certificate.
        patience: Seconds that a poll and a WebSocket are left alone, to see who cuts them.
        ssl: For connections; None without TLS. Whoever looks at the certificate sets it.
    """

    server: ServerUrl
    path: str = "/socket.io"
    headers: tuple[tuple[str, str], ...] = ()
    origin: str | None = None
    credentials: bool = False
    insecure: bool = False
    patience: float = 30.0
    ssl: SSLContext | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """Name and port, as in `Host`."""
        default = 443 if self.server.is_secure else 80
        port = "" if self.server.port == default else f":{self.server.port}"
        return bracketed(self.server.host) + port

    @property
    def own_origin(self) -> str:
        """That of pages that come from the server's own address."""
        return f"{'https' if self.server.is_secure else 'http'}://{self.authority}"

    @property
    def connect_packet(self) -> bytes:
        """A CONNECT to the namespace that the URL names."""
        return b"40" if self.server.path == "/" else f"40{self.server.path},".encode()

    def request_target(self, transport: str, sid: str | None = None) -> str:
        """What stands in a request's first line."""
        query = {**self.server.query, "EIO": "4", "transport": transport}
        if sid is not None:
            query["sid"] = sid
        query["t"] = "".join(random.choices(_ALPHABET, k=8))
        path = quote(self.path.rstrip("/") + "/", safe="/%:@!$&'()*+,;=-._~")
        return f"{path}?{urlencode(query, quote_via=quote)}"

    def head(self, method: str, request_target: str, headers: list[tuple[str, str]]) -> bytes:
        """Encode a request line and headers; those that are given win over those of the user."""
        given = {name.lower() for name, _ in headers}
        lines = [f"{method} {request_target} HTTP/1.1", f"Host: {self.authority}"]
        own = [("User-Agent", "sockwave-doctor"), ("Accept", "*/*"), *self.headers]
        if self.server.login:
            own.append(("Authorization", self.server.login))
        lines += [f"{name}: {value}" for name, value in own if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join((*lines, "", "")).encode()
