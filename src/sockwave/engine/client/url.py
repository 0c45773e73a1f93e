"""Where a server is, and the URLs of its requests (client.md sections 2.1 and 7.2)."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from sockwave.engine.core.request import parse_query

if TYPE_CHECKING:
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.types import TransportName

__all__ = ["ServerUrl", "parse_url", "request_url"]

MAX_URL_LENGTH: Final = 8_000
"""The reference's."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DEFAULT_PORTS: Final = {False: 80, True: 443}
_SCHEMES: Final = {"http": False, "ws": False, "https": True, "wss": True}
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class ServerUrl(NamedTuple):
    """Parts of the URL that a user gives.

    Attributes:
        path: Never the HTTP path: for Socket.IO it names the namespace.
        query: Parameters for the handshake.
    """

    is_secure: bool
    host: str
    port: int
    path: str
    query: dict[str, str]


def parse_url(url: str) -> ServerUrl:
    """Read a URL; `ws` is the same as `http`.

    Raises:
        TypeError: Not text.
        ValueError: It has no scheme of ours, no host, a control character, or is too long.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be text, not {type(url).__name__}")
    if len(url) > MAX_URL_LENGTH:
        raise ValueError("url: URI too long")
    if _CONTROL.search(url):  # else `urlsplit` drops some of them, and the rest goes into requests
        raise ValueError(f"url: {url!r} contains a control character")
    parts = urlsplit(url)
    is_secure = _SCHEMES.get(parts.scheme.lower())
    if is_secure is None or not parts.hostname:
        raise ValueError(f"url: {url!r} is not of the form http://host:port, or https, ws, wss")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url: {error}") from None
    return ServerUrl(
        is_secure,
        parts.hostname,
        _DEFAULT_PORTS[is_secure] if port is None else port,
        parts.path or "/",
        parse_query(parts.query),
    )


def request_url(
    server: ServerUrl, options: ClientEngineOptions, transport: TransportName, sid: str | None
) -> str:
    """Build the URL of a request: the user's parameters, then those of the protocol, which win."""
    query = {**server.query, **options.query, "EIO": "4", "transport": transport}
    if sid is not None:
        query["sid"] = sid
    timestamps = options.timestamp_requests
    if timestamps or (timestamps is None and transport == "polling"):
        query[options.timestamp_param] = "".join(random.choices(_ALPHABET, k=8))
    if options.force_base64:
        query["b64"] = "1"
    scheme = "https" if server.is_secure else "http"
    host = f"[{server.host}]" if ":" in server.host else server.host
    port = "" if server.port == _DEFAULT_PORTS[server.is_secure] else f":{server.port}"
    path = quote(options.prefix, safe="/%:@!$&'()*+,;=-._~")
    return f"{scheme}://{host}{port}{path}?{urlencode(query, quote_via=quote)}"
