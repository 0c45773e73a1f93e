"""Where a server is, and the URLs of its requests (docs/protocol/client.md#addresses)."""

from __future__ import annotations

import random
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from sockwave.engine.core.request import parse_query

if TYPE_CHECKING:
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.types import TransportName

__all__ = ["ServerUrl", "bracketed", "parse_url", "request_target", "request_url"]

MAX_URL_LENGTH: Final = 8_000
"""The reference's."""

_NAME: Final = re.compile(r"[A-Za-z0-9._~-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DEFAULT_PORTS: Final = {False: 80, True: 443}
_SCHEMES: Final = {"http": False, "ws": False, "https": True, "wss": True}
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class ServerUrl(NamedTuple):
    """Parts of the URL that a user gives.

    Attributes:
        host: A name as it goes into DNS and headers, so in ASCII; an address without brackets.
        path: Never the HTTP path: for Socket.IO it names the namespace.
        query: Parameters for the handshake.
        login: Value of `Authorization`, of a name and password in the URL; empty without.
    """

    is_secure: bool
    host: str
    port: int
    path: str
    query: dict[str, str]
    login: str = ""

    def __repr__(self) -> str:
        scheme = "https" if self.is_secure else "http"
        return f"{scheme}://{bracketed(self.host)}:{self.port}"  # query and login are secrets


def parse_url(url: str) -> ServerUrl:
    """Read a URL; `ws` is the same as `http`. A name and password in it are sent as Basic auth.

    Raises:
        TypeError: Not text.
        ValueError: It has no scheme of ours, no host, a control character, or is too long.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be text, not {type(url).__name__}")
    if len(url) > MAX_URL_LENGTH:
        raise ValueError("url: URI too long")
    if _CONTROL.search(url):  # else `urlsplit` drops some of them, and the rest goes into requests
        raise ValueError("url: it contains a control character")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"url: {error}") from None
    is_secure = _SCHEMES.get(parts.scheme.lower())
    if is_secure is None or not parts.hostname:
        shown = url if "@" not in url else f"...@{url.rpartition('@')[2]}"
        raise ValueError(f"url: {shown!r} is not of the form http://host:port, or https, ws, wss")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url: {error}") from None
    return ServerUrl(
        is_secure,
        _host(parts.hostname),
        _DEFAULT_PORTS[is_secure] if port is None else port,
        parts.path or "/",
        parse_query(parts.query),
        _login(parts.username, parts.password),
    )


def _host(host: str) -> str:
    """Names of other scripts as DNS has them (IDNA 2008, with the mapping of browsers)."""
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"url: {host!r} is no name of a host: {error}") from None
    if ":" not in host and not _NAME.fullmatch(host):
        raise ValueError(f"url: {host!r} is no name of a host")
    return host


def _login(name: str | None, password: str | None) -> str:
    """RFC 7617, in UTF-8."""
    if name is None:
        return ""
    name, password = unquote(name), unquote(password or "")
    if ":" in name:
        raise ValueError("url: the name of the user cannot contain a colon")
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


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
    host = bracketed(server.host)
    port = "" if server.port == _DEFAULT_PORTS[server.is_secure] else f":{server.port}"
    return f"{scheme}://{host}{port}{_target(options, query)}"


def request_target(server: ServerUrl, options: ClientEngineOptions) -> str:
    """Path and query of a session of WebTransport: the user's parameters alone, as browsers send
    none (docs/protocol/webtransport.md)."""
    return _target(options, {**server.query, **options.query})


def _target(options: ClientEngineOptions, query: dict[str, str]) -> str:
    path = quote(options.prefix, safe="/%:@!$&'()*+,;=-._~")
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path
