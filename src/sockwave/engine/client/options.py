"""Options of the Engine.IO client: frozen, keyword-only, checked once; seconds and bytes."""

from __future__ import annotations

import os
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

from sockwave.codec.deflate import Deflate
from sockwave.engine.core.option_checks import (
    check_header_value,
    check_integer,
    check_number,
    check_token,
    switch_option,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options
from sockwave.engine.core.request import parse_query
from sockwave.platform import check_unix_sockets

if TYPE_CHECKING:
    from sockwave.types import TransportName

__all__ = [
    "ClientEngineOptions",
    "ExtraHeaders",
    "check_proxy",
    "checked_headers",
]

ExtraHeaders: TypeAlias = (
    Mapping[str, str] | Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]
)
"""Header fields, or a function that is asked for them at each connection attempt; it may be
`async def`."""

_PROXY_SCHEMES: Final = ("http", "https", "socks4", "socks5", "socks5h")


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEngineOptions:
    """Options of one connection to a server.

    Attributes:
        path: URL path of the server.
        add_trailing_slash: Whether the path ends with a slash in the URL.
        query: Parameters for the handshake, a mapping or a query string; they win over those of
            the URL. The protocol's own (`EIO`, `transport`, `sid`) cannot be set.
        transports: Transports in the order they are tried; only the first, unless
            `try_all_transports`. WebTransport, which needs `sockwave[webtransport]`, gives way to
            the next one in any case: networks block UDP.
        try_all_transports: Go on to the next transport when one cannot be opened.
        upgrade: Try to move from polling to WebTransport or a WebSocket.
        remember_upgrade: Begin with what the last connection had moved to, when it ended on that.
        timeout: Seconds an attempt may take until the server's handshake, over all transports
            tried; also the time of an upgrade. None: no limit.
        request_timeout: Seconds a POST of polling may take. None: the heartbeat alone judges.
        close_timeout: Seconds that an orderly close may take.
        timestamp_requests: Make each URL unique against caches. None: on polling only.
        timestamp_param: Name of the parameter that `timestamp_requests` adds.
        force_base64: Send and ask for binary messages as base64 text.
        extra_headers: Header fields sent with every request, or a function that is asked for them
            at each connection attempt; it may be `async def`.
        with_credentials: Keep cookies that polling responses set, and send them along, for sticky
            sessions. They live as long as the connection.
        protocols: WebSocket subprotocols to offer.
        per_message_deflate: Offered to the server; True for the defaults of `Deflate`, False to
            offer nothing. Messages below its threshold are sent as they are.
        ssl: True checks the server's certificate by the system's authorities; a context of your own
            for other authorities or a client certificate; False checks nothing.
        server_certificate_hashes: SHA-256 of certificates, as 64 hexadecimal digits or 32 bytes:
            with WebTransport a server that shows one of these is believed, and no other.
        webtransport_cafile: File in PEM with the authorities that are believed with WebTransport,
            or the certificate of the server itself. None: those that `ssl` says, without those of a
            folder (`capath`).
        proxy: URL of a proxy, `http://user:password@host:port`, or `socks5://host:port`, which
            needs `sockwave[socks]`.
        trust_env: Take the proxy from `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`, but for hosts of
            `NO_PROXY`, and its password from the netrc file; for both transports. Nothing else is
            taken from there: no password is sent to the server. WebTransport goes through none.
        unix_path: Path of a Unix socket to connect to; the URL's host is then only a name.
        max_payload: Bytes of one message from the server, after inflation; a larger one ends the
            connection. A response of polling, which holds several, may have twice that.
        max_backlog: Bytes queued that the server has not taken; past it sending raises.
    """

    path: str = "/engine.io"
    add_trailing_slash: bool = True
    query: Mapping[str, str] = field(default_factory=dict)
    transports: Sequence[TransportName] = ("polling", "websocket")
    try_all_transports: bool = False
    upgrade: bool = True
    remember_upgrade: bool = False
    timeout: float | None = 20.0
    request_timeout: float | None = None
    close_timeout: float = 5.0
    timestamp_requests: bool | None = None
    timestamp_param: str = "t"
    force_base64: bool = False
    extra_headers: ExtraHeaders = field(default_factory=dict)
    with_credentials: bool = False
    protocols: Sequence[str] = ()
    per_message_deflate: Deflate | None = field(default_factory=Deflate)
    ssl: ssl_module.SSLContext | bool = True
    server_certificate_hashes: Sequence[str | bytes] = ()
    webtransport_cafile: str | os.PathLike[str] | None = None
    proxy: str | None = None
    trust_env: bool = False
    unix_path: str | None = None
    max_payload: int = 16 * 1024 * 1024
    max_backlog: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        self._set("path", _checked_path(self.path))
        self._set("query", _checked_query(self.query))
        self._set("transports", _checked_transports(self.transports))
        self._set("protocols", _checked_protocols(self.protocols))
        self._set(
            "per_message_deflate",
            switch_option("per_message_deflate", self.per_message_deflate, Deflate),
        )
        if not callable(self.extra_headers):
            self._set("extra_headers", checked_headers(self.extra_headers))
        for name in ("timeout", "request_timeout"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0)
                warn_of_milliseconds(name, getattr(self, name))
        check_number("close_timeout", self.close_timeout, 0)
        check_integer("max_payload", self.max_payload, 1, 2**40)
        check_integer("max_backlog", self.max_backlog, 1)
        check_token("timestamp_param", self.timestamp_param)
        if not isinstance(self.ssl, (bool, ssl_module.SSLContext)):
            raise TypeError("ssl must be a bool or an ssl.SSLContext")
        self._set("server_certificate_hashes", _checked_hashes(self.server_certificate_hashes))
        if self.webtransport_cafile is not None:
            if not isinstance(self.webtransport_cafile, (str, os.PathLike)):
                raise TypeError("webtransport_cafile must be a path")
            if self.server_certificate_hashes:
                raise ValueError(
                    "server_certificate_hashes and webtransport_cafile exclude each other"
                )
        if self.proxy is not None:
            check_proxy(self.proxy)
        if self.unix_path is not None:
            check_unix_sockets("unix_path")
            if self.proxy is not None:
                raise ValueError("unix_path and proxy exclude each other")

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def prefix(self) -> str:
        """Path of the requests."""
        return self.path.rstrip("/") + "/" if self.add_trailing_slash else self.path


def _checked_path(path: object) -> str:
    if not isinstance(path, str):
        raise TypeError(f"path must be text, not {type(path).__name__}")
    checked = "/" + path.strip("/")
    check_header_value("path", checked)
    if "?" in checked or "#" in checked:
        raise ValueError(f"path: {path!r} is not a URL path")
    return checked


def _checked_query(query: Any) -> dict[str, str]:
    if query is None:
        return {}
    if isinstance(query, str):
        return parse_query(query.removeprefix("?"))
    if not isinstance(query, Mapping):
        raise TypeError(f"query must be a mapping or text, not {type(query).__name__}")
    return {str(name): str(value) for name, value in query.items()}


def _checked_transports(transports: Any) -> tuple[TransportName, ...]:
    if isinstance(transports, str):
        raise ValueError(f"transports must be a list of names, [{transports!r}], not text")
    if not transports:
        raise ValueError("transports must be a list of names, not empty")
    for transport in transports:
        if transport not in ("polling", "websocket", "webtransport"):
            raise ValueError(
                f"transports: {transport!r} is not 'polling', 'websocket' or 'webtransport'"
            )
    return tuple(transports)


def _checked_hashes(hashes: Any) -> tuple[bytes, ...]:
    if isinstance(hashes, (str, bytes)):
        raise TypeError("server_certificate_hashes must be a list of hashes, not one")
    return tuple(map(_checked_hash, hashes))


def _checked_hash(given: object) -> bytes:
    """Tools print it with colons, too."""
    try:
        digest = bytes.fromhex(given.replace(":", "")) if isinstance(given, str) else given
    except ValueError:
        digest = b""
    if not isinstance(digest, bytes):
        kind = type(given).__name__
        raise TypeError(f"server_certificate_hashes must have text or bytes, not {kind}")
    if len(digest) != 32:
        raise ValueError(
            f"server_certificate_hashes: {given!r} is no SHA-256, 64 hexadecimal digits or 32 bytes"
        )
    return digest


def _checked_protocols(protocols: Any) -> tuple[str, ...]:
    names = (protocols,) if isinstance(protocols, str) else tuple(protocols)
    for name in names:
        check_token("protocols", name)
    return names


def checked_headers(headers: Any) -> dict[str, str]:
    """Copy header fields.

    Raises:
        TypeError, ValueError: They are no mapping, or cannot stand in a request.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"extra_headers must be a mapping, not {type(headers).__name__}")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        check_token("extra_headers", name)
        if not isinstance(value, str):
            raise TypeError(f"extra_headers: the value of {name!r} must be text")
        check_header_value("extra_headers", value)
        checked[name] = value
    return checked


def check_proxy(proxy: object, name: str = "proxy") -> None:
    """Refuse what is no URL of a proxy; it may hold a password, so it is not shown.

    Raises:
        TypeError, ValueError: It is none.
    """
    if not isinstance(proxy, str):
        raise TypeError(f"{name} must be text, not {type(proxy).__name__}")
    try:
        parts = urlsplit(proxy)
        is_one = parts.scheme in _PROXY_SCHEMES and parts.hostname and parts.port != 0
    except ValueError:  # of the port
        is_one = False
    if not is_one:
        raise ValueError(
            f"{name}: the URL must be of the form http://host:port or socks5://host:port"
        )
