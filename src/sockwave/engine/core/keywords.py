"""The options of an engine as keywords, in the forms a user may write them.

What stands under each is the text of the dataclass, for editors; `python -m scripts.option_docs`
writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from sockwave.codec.deflate import Deflate
    from sockwave.engine.core.cookie import Cookie
    from sockwave.engine.core.cors import Cors, CorsOrigin
    from sockwave.engine.core.limits import Limits, RateLimits
    from sockwave.engine.core.options import AllowRequest, HttpCompression
    from sockwave.engine.core.request import Request
    from sockwave.types import TransportName

__all__ = ["EngineOptionsDict"]


class EngineOptionsDict(TypedDict, total=False):
    """The keywords of `EngineOptions`, in the forms a user may write them."""

    path: str
    """URL path under which requests belong to this engine: of any characters, and compared decoded
    with that of a request. Default: `"/engine.io"`, of a `Server` `"/socket.io"`."""

    add_trailing_slash: bool
    """Whether the path ends with a slash in the URL. With False it may and need not: `/chat`,
    `/chat/` and what is below are this engine's, never `/chatrooms`. Default: `True`."""

    ping_interval: float
    """Seconds from a pong to the next ping. Default: `25.0`."""

    ping_timeout: float
    """Seconds from a ping within which the pong must come. Default: `20.0`."""

    upgrade_timeout: float
    """Seconds within which an opened second transport must take over. Default: `10.0`."""

    close_timeout: float
    """Seconds that an orderly close may take: the closing handshake of a WebSocket, the next poll
    of a polling client. Default: `30.0`."""

    drain_period: float
    """Seconds over which the sessions close when the server stops, so that not all clients come
    back at once; see `EngineServer.close`. Default: `0.0`."""

    shutdown_timeout: float
    """Seconds that clients get, when the server stops, to take what was sent to them before.
    Default: `5.0`."""

    max_payload: int
    """Bytes of one message (after inflation) and of one polling body. Default: `1_000_000`."""

    max_backlog: int
    """Bytes queued for one session, its transport's buffer included; past it a volatile packet is
    dropped, and otherwise the session closes: `backlog exceeded`. Default: `16_777_216`."""

    transports: Collection[TransportName]
    """Which transports are served. Where `webtransport` is among them, `run` and `listen` are to be
    told of its certificate by `webtransport`. Default: `('polling', 'websocket')`."""

    allow_upgrades: bool
    """Whether clients that poll are told which transports they may move to. Default: `True`."""

    allow_eio3: bool
    """Serve clients of Engine.IO 3 too (socket.io-client 1 and 2), and polling by scripts (JSONP).
    What that opens is in docs/differences.md. Default: `False`."""

    allow_request: AllowRequest | None
    """A function that is asked, with the `Request`, for each new session; it may be `async def`.
    False refuses with 403, and a `ConnectError` that it raises with 403 and that message. Default:
    `None`."""

    http_compression: HttpCompression | Mapping[str, Any] | bool | None
    """Compression of poll responses; None turns it off. Default: `HttpCompression()`."""

    per_message_deflate: Deflate | Mapping[str, Any] | bool | None
    """Compression of WebSocket messages; None (the default) turns it off. Default: `None`."""

    initial_packet: str | bytes | None
    """A message sent right after the handshake. Default: `None`."""

    cookie: Cookie | Mapping[str, Any] | bool | None
    """A cookie with the session id, set on the polling handshake; None sets none. Default:
    `None`."""

    cors: Cors | Mapping[str, Any] | CorsOrigin | None
    """Pages of other origins that may connect; None admits only the server's own origin. Default:
    `None`."""

    generate_id: Callable[[Request], str | Awaitable[str]] | None
    """Makes session ids; they must be unguessable and unique. Default: `None`."""

    limits: Limits
    """Bounds of HTTP requests, and of all sessions together; see `Limits`. Default: `Limits()`."""

    rate_limits: RateLimits | None
    """How much a session and an address may send, see `RateLimits`; None sets no bound, and then
    nothing is counted. Default: `None`."""

    allowed_hosts: Collection[str] | None
    """Names that this server is asked for under, such as `example.com`, `*.example.com`,
    `localhost:3000`, and `addresses` for any IP address; requests for others are refused with 403.
    It keeps out pages whose name was bound to the address of a server in their visitors' network.
    None, the default, admits every name; behind a proxy give those that the proxy passes on.
    Default: `None`."""

    trusted_proxies: Collection[str]
    """Addresses and networks (`10.0.0.0/8`) of proxies of yours, and `unix` for whoever connects by
    a Unix socket. Of what they pass on, `Request.client` is the last address in `X-Forwarded-For`
    that is none of them, and `is_secure` follows `X-Forwarded-Proto`. From anybody else these
    headers mean nothing. Default: `()`."""

    block_warning: float | None
    """Seconds that a function of yours may keep the event loop busy before a warning in the log
    names it; None: nobody looks. Default: `0.1`."""
