"""Options of Engine.IO: frozen, keyword-only, checked once; seconds and bytes throughout.

Those with options of their own stand in files of their own: `cors.py`, `cookie.py`, `limits.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote

from sockwave.codec.deflate import Deflate
from sockwave.engine.core.cookie import Cookie
from sockwave.engine.core.cors import Cors, CorsOrigin, cors_option
from sockwave.engine.core.forwarded import TrustedProxies
from sockwave.engine.core.hosts import AllowedHosts
from sockwave.engine.core.limits import Limits, RateLimits
from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_bool,
    check_integer,
    check_number,
    check_text,
    switch_option,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.types import TransportName

__all__ = [
    "AllowRequest",
    "Cookie",
    "Cors",
    "CorsOrigin",
    "EngineOptions",
    "HttpCompression",
    "Limits",
    "RateLimits",
]


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCompression:
    """Compression of poll responses.

    Attributes:
        threshold: Payloads below this many bytes go out as they are.
        limit: And those above this many: compressing a megabyte takes 30 ms of the processor.
        level: How hard zlib tries, 1 to 9.
    """

    threshold: int = 1024
    limit: int = 1024 * 1024
    level: int = 6

    def __post_init__(self) -> None:
        check_integer("http_compression threshold", self.threshold, 0)
        check_integer("http_compression limit", self.limit, 0)
        check_integer("http_compression level", self.level, 1, 9)


AllowRequest: TypeAlias = "Callable[[Request], bool | Awaitable[bool | None] | None]"


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Options of an engine; `Server` takes the same ones.

    Attributes:
        path: URL path under which requests belong to this engine: of any characters, and compared
            decoded with that of a request.
        add_trailing_slash: Whether the path ends with a slash in the URL. With False it may and
            need not: `/chat`, `/chat/` and what is below are this engine's, never `/chatrooms`.
        ping_interval: Seconds from a pong to the next ping.
        ping_timeout: Seconds from a ping within which the pong must come.
        upgrade_timeout: Seconds within which an opened second transport must take over.
        close_timeout: Seconds that an orderly close may take: the closing handshake of a
            WebSocket, the next poll of a polling client.
        drain_period: Seconds over which the sessions close when the server stops, so that not all
            clients come back at once; see `EngineServer.close`.
        shutdown_timeout: Seconds that clients get, when the server stops, to take what was sent to
            them before.
        max_payload: Bytes of one message (after inflation) and of one polling body.
        max_backlog: Bytes queued for one session, its transport's buffer included; past it a
            volatile packet is dropped, and otherwise the session closes: `backlog exceeded`.
        transports: Which transports are served. Where `webtransport` is among them, `run` and
            `listen` are to be told of its certificate by `webtransport`.
        allow_upgrades: Whether clients that poll are told which transports they may move to.
        allow_eio3: Serve clients of Engine.IO 3 too (socket.io-client 1 and 2), and polling by
            scripts (JSONP). What that opens is in docs/differences.md.
        allow_request: A function that is asked, with the `Request`, for each new session; it may be
            `async def`. False refuses with 403, and a `ConnectError` that it raises with 403 and
            that message.
        http_compression: Compression of poll responses; None turns it off.
        per_message_deflate: Compression of WebSocket messages; None (the default) turns it off.
        initial_packet: A message sent right after the handshake.
        cookie: A cookie with the session id, set on the polling handshake; None sets none.
        cors: Pages of other origins that may connect; None admits only the server's own origin.
        generate_id: Makes session ids; they must be unguessable and unique.
        limits: Bounds of HTTP requests, and of all sessions together; see `Limits`.
        rate_limits: How much a session and an address may send, see `RateLimits`; None sets no
            bound, and then nothing is counted.
        allowed_hosts: Names that this server is asked for under, such as `example.com`,
            `*.example.com`, `localhost:3000`, and `addresses` for any IP address; requests for
            others are refused with 403. It keeps out pages whose name was bound to the address of a
            server in their visitors' network. None, the default, admits every name; behind a proxy
            give those that the proxy passes on.
        trusted_proxies: Addresses and networks (`10.0.0.0/8`) of proxies of yours, and `unix` for
            whoever connects by a Unix socket. Of what they pass on, `Request.client` is the last
            address in `X-Forwarded-For` that is none of them, and `is_secure` follows
            `X-Forwarded-Proto`. From anybody else these headers mean nothing.
        block_warning: Seconds that a function of yours may keep the event loop busy before a
            warning in the log names it; None: nobody looks.
    """

    path: str = "/engine.io"
    add_trailing_slash: bool = True
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    close_timeout: float = 30.0
    drain_period: float = 0.0
    shutdown_timeout: float = 5.0
    max_payload: int = 1_000_000
    max_backlog: int = 16 * 1024 * 1024
    transports: Collection[TransportName] = ("polling", "websocket")
    allow_upgrades: bool = True
    allow_eio3: bool = False
    allow_request: AllowRequest | None = None
    http_compression: HttpCompression | None = field(default_factory=HttpCompression)
    per_message_deflate: Deflate | None = None
    initial_packet: str | bytes | None = None
    cookie: Cookie | None = None
    cors: Cors | None = None
    generate_id: Callable[[Request], str | Awaitable[str]] | None = None
    limits: Limits = field(default_factory=Limits)
    rate_limits: RateLimits | None = None
    allowed_hosts: Collection[str] | None = None
    trusted_proxies: Collection[str] = ()
    block_warning: float | None = 0.1

    def __post_init__(self) -> None:
        self._set("path", _url_path(self.path))
        self._check_times()
        check_integer("max_payload", self.max_payload, 1, 2**40)
        check_integer("max_backlog", self.max_backlog, 1)
        for name in ("add_trailing_slash", "allow_upgrades", "allow_eio3"):
            check_bool(name, getattr(self, name))
        for name in ("allow_request", "generate_id"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function")
        if self.initial_packet is not None and not isinstance(self.initial_packet, (str, bytes)):
            raise TypeError("initial_packet must be text or bytes")
        self._check_limits()
        self._check_names()
        self._set("transports", _transports(self.transports))
        for name, kind in _SWITCHES.items():
            self._set(name, switch_option(name, getattr(self, name), kind))
        self._set("cors", cors_option(self.cors))

    def _set(self, name: str, value: object) -> None:
        """Put what was given into its one form."""
        object.__setattr__(self, name, value)

    def _check_times(self) -> None:
        for name in ("ping_interval", "ping_timeout", "upgrade_timeout", "close_timeout"):
            check_number(name, getattr(self, name), 0.001, MAX_TIMEOUT)
            warn_of_milliseconds(name, getattr(self, name))
        for name in ("drain_period", "shutdown_timeout"):
            check_number(name, getattr(self, name), 0, MAX_TIMEOUT)
        warn_of_milliseconds("shutdown_timeout", self.shutdown_timeout)
        if self.block_warning is not None:
            check_number("block_warning", self.block_warning, 0.01, MAX_TIMEOUT)

    def _check_limits(self) -> None:
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits must be a Limits, not {type(self.limits).__name__}")
        if not isinstance(self.rate_limits, RateLimits | None):
            raise TypeError(f"rate_limits must be a RateLimits or None, not {self.rate_limits!r}")

    def _check_names(self) -> None:
        if self.allowed_hosts is not None:
            AllowedHosts(self.allowed_hosts)  # checks them
            self._set("allowed_hosts", tuple(self.allowed_hosts))
        TrustedProxies(self.trusted_proxies)  # checks them
        self._set("trusted_proxies", frozenset(self.trusted_proxies))

    @property
    def prefix(self) -> str:
        """What the path of our requests starts with."""
        return self.path.rstrip("/") + "/" if self.add_trailing_slash else self.path


_SWITCHES: Final[dict[str, type[Any]]] = {
    "http_compression": HttpCompression,
    "per_message_deflate": Deflate,
    "cookie": Cookie,
}
"""Options that True and False stand for too."""


def _url_path(path: str) -> str:
    check_text("path", path)
    decoded = "/" + unquote(path).strip("/")
    if "?" in decoded or "#" in decoded or not decoded.isprintable():
        raise ValueError(f"path: {path!r} is not a URL path")
    return decoded


def _transports(names: Collection[TransportName]) -> frozenset[TransportName]:
    if isinstance(names, str):
        raise TypeError(f"transports must be a list of names, [{names!r}], not text")
    if not isinstance(names, Iterable):
        raise TypeError(f"transports must be a list of names, not {names!r}")
    if not names:
        raise ValueError("transports must not be empty")
    for name in names:
        if name not in ("polling", "websocket", "webtransport"):
            known = "'polling', 'websocket' or 'webtransport'"
            raise ValueError(f"transports: {name!r} is not {known}")
    return frozenset(names)
