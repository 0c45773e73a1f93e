"""Options of Engine.IO: frozen, keyword-only, checked once; seconds and bytes throughout."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict
from urllib.parse import quote

from sockwave.codec.deflate import Deflate
from sockwave.engine.core.forwarded import TrustedProxies

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.types import TransportName

__all__ = [
    "AllowRequest",
    "Cookie",
    "Cors",
    "CorsOrigin",
    "EngineOptions",
    "EngineOptionsDict",
    "HttpCompression",
    "Limits",
    "RateLimits",
]

_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
MAX_TIMEOUT: Final = 2**31 / 1000
"""Seconds: what a timer in JavaScript, and the handshake's milliseconds, can hold."""

_UNQUOTED: Final = "!*'()"
"""What JavaScript's encodeURIComponent leaves as it is, beside what Python's `quote` does."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_bool(option: str, value: Any) -> None:
    """Refuse what is neither True nor False.

    Raises:
        TypeError: Names the option.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{option} must be a bool, not {type(value).__name__}")


def check_text(option: str, value: Any) -> None:
    """Refuse what is not text.

    Raises:
        TypeError: Names the option.
    """
    if not isinstance(value, str):
        raise TypeError(f"{option} must be text, not {type(value).__name__}")


def check_header_value(option: str, value: str) -> None:
    """Refuse what would split a response in two.

    Raises:
        TypeError, ValueError: Name the option.
    """
    check_text(option, value)
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"{option}: {value!r} cannot stand in a header")


def check_token(option: str, value: str) -> None:
    """Refuse what is not a token of RFC 9110 section 5.6.2.

    Raises:
        TypeError, ValueError: Name the option.
    """
    check_text(option, value)
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{option}: {value!r} is not a valid name")


def check_number(option: str, value: Any, low: float, high: float = float("inf")) -> None:
    """Refuse what is not a number in range.

    Raises:
        TypeError, ValueError: Name the option.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{option} must be a number, not {type(value).__name__}")
    if not low <= value <= high:
        bound = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        raise ValueError(f"{option} must be {bound}, not {value!r}")


def check_integer(option: str, value: Any, low: int, high: int = 2**62) -> None:
    """Refuse what is not an integer in range.

    Raises:
        TypeError, ValueError: Name the option.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{option} must be an integer, not {type(value).__name__}")
    check_number(option, value, low, high)


CorsOrigin: TypeAlias = (
    "str | re.Pattern[str] | Sequence[str | re.Pattern[str]] | bool | Callable[[str], bool]"
)
"""`"*"`, one origin, a pattern that must match the whole origin, several of them, True for every
origin (reflected), or a function that is asked with the origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Who may use the server from a web page of another origin.

    The same rule guards the WebSocket handshake, where browsers send `Origin` and ask nobody (the
    reference does not check it there). Requests without `Origin` come from no browser and pass.

    Attributes:
        origin: See `CorsOrigin`.
        credentials: Let pages send cookies; needs explicit origins, never `"*"` or `"null"`.
        methods: Of the preflight answer.
        allowed_headers: Of the preflight answer; None reflects what was asked for.
        exposed_headers: Response headers that a page may read.
        max_age: Seconds a browser may keep the preflight answer.
        preflight_status: HTTP status of the preflight answer.
    """

    origin: CorsOrigin
    credentials: bool = False
    methods: Sequence[str] = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
    allowed_headers: Sequence[str] | None = None
    exposed_headers: Sequence[str] = ()
    max_age: int | None = None
    preflight_status: int = 204

    def __post_init__(self) -> None:
        check_bool("cors credentials", self.credentials)
        origins = [self.origin] if isinstance(self.origin, (str, re.Pattern)) else self.origin
        if not isinstance(origins, bool) and not callable(origins):
            if not isinstance(origins, Iterable):
                raise TypeError(f"cors: {origins!r} is neither an origin nor a list of them")
            for anybody in ("*", "null"):
                if self.credentials and anybody in origins:
                    raise ValueError(f'cors: credentials need explicit origins, not "{anybody}"')
            for origin in origins:
                if not isinstance(origin, (str, re.Pattern)):
                    raise TypeError(f"cors: {origin!r} is neither an origin nor a pattern")
                if isinstance(origin, str):
                    check_header_value("cors origin", origin)
                    if origin not in ("*", "null") and "://" not in origin:
                        raise ValueError(
                            f"cors: {origin!r} is not an origin such as 'https://example.com'"
                        )
        for option in ("methods", "allowed_headers", "exposed_headers"):
            names = getattr(self, option)
            if isinstance(names, str) or not isinstance(names, Iterable | None):
                raise TypeError(f"cors {option} must be a list of names, not {names!r}")
            for name in names or ():
                check_token(f"cors {option}", name)
        if self.max_age is not None:
            check_integer("cors max_age", self.max_age, 0)
        check_integer("cors preflight_status", self.preflight_status, 200, 299)

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may connect. Patterns must match the whole origin.

        With `credentials`, `null` never may: any page can take that origin on, in a sandbox.
        """
        if self.credentials and origin == "null":
            return False
        rule = self.origin
        if isinstance(rule, bool):
            return rule
        if isinstance(rule, (str, re.Pattern)):
            rule = (rule,)
        if callable(rule):
            return bool(rule(origin))
        return any(
            entry in ("*", origin)
            if isinstance(entry, str)
            else len(origin) <= MAX_MATCHED and entry.fullmatch(origin) is not None
            for entry in rule
        )


MAX_MATCHED: Final = 255
"""Longest text from a peer that is given to a pattern of the application's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """Cookie with the session id on the polling handshake, for load balancers that look at one.

    Attributes:
        name: Its name.
        path: None leaves the attribute out; so do `domain`, `max_age`.
        max_age: Seconds.
        priority: For browsers that throw cookies away (Chromium).
    """

    name: str = "io"
    path: str | None = "/"
    http_only: bool = True
    same_site: Literal["strict", "lax", "none"] | None = "lax"
    secure: bool = False
    domain: str | None = None
    max_age: int | None = None
    partitioned: bool = False
    priority: Literal["low", "medium", "high"] | None = None

    def __post_init__(self) -> None:
        check_token("cookie name", self.name)
        for name in ("path", "domain"):
            value = getattr(self, name)
            if value is not None:
                check_header_value(f"cookie {name}", value)
                if ";" in value:
                    raise ValueError(f"cookie {name}: {value!r} cannot contain ';'")
        for name in ("http_only", "secure", "partitioned"):
            check_bool(f"cookie {name}", getattr(self, name))
        if self.max_age is not None:
            check_integer("cookie max_age", self.max_age, 0)
        if self.same_site not in ("strict", "lax", "none", None):
            raise ValueError(f"cookie same_site: {self.same_site!r} is not strict, lax or none")
        if self.priority not in ("low", "medium", "high", None):
            raise ValueError(f"cookie priority: {self.priority!r} is not low, medium or high")

    def render(self, sid: str) -> str:
        """Value of `Set-Cookie`."""
        parts = [f"{self.name}={quote(sid, safe=_UNQUOTED)}"]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        if self.path is not None:
            parts.append(f"Path={self.path}")
        if self.http_only:
            parts.append("HttpOnly")
        if self.secure:
            parts.append("Secure")
        if self.partitioned:
            parts.append("Partitioned")
        if self.priority is not None:
            parts.append(f"Priority={self.priority.capitalize()}")
        if self.same_site is not None:
            parts.append(f"SameSite={self.same_site.capitalize()}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCompression:
    """Compression of poll responses.

    Attributes:
        threshold: Payloads below this many bytes go out as they are.
        level: zlib's, 1 to 9.
    """

    threshold: int = 1024
    level: int = 6

    def __post_init__(self) -> None:
        check_integer("http_compression threshold", self.threshold, 0)
        check_integer("http_compression level", self.level, 1, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may cost; each with the reason for its default in docs/differences.md.

    Attributes:
        head_bytes: Request line and headers together; past it 431.
        head_count: Headers of a request; past it 431.
        target_bytes: Request target; past it 414.
        head_timeout: Seconds from accept, or from the first byte of a later request, to the end of
            the head; then 408. On an encrypted port the TLS handshake has as long, and then the
            connection ends.
        body_timeout: Seconds from the head to the end of a body; then 408.
        keep_alive_timeout: Seconds an idle HTTP connection is kept.
        pipelined_requests: Requests read ahead on one connection before reading pauses.
        packets_per_post: Packets in one polling body; past it 413 and the session closes.
        process_backlog: Bytes queued for all sessions that cannot be written to; past it the one
            with the largest backlog closes.
        connections: TCP connections of the process; None stands for the limit of file descriptors
            less 64. Past it 503 with `Retry-After`.
    """

    head_bytes: int = 16 * 1024
    head_count: int = 100
    target_bytes: int = 8 * 1024
    head_timeout: float = 10.0
    body_timeout: float = 20.0
    keep_alive_timeout: float = 5.0
    pipelined_requests: int = 8
    packets_per_post: int = 65_536
    process_backlog: int | None = None
    connections: int | None = None

    def __post_init__(self) -> None:
        for name in ("head_timeout", "body_timeout", "keep_alive_timeout"):
            check_number(name, getattr(self, name), 0.001, MAX_TIMEOUT)
        for name in (
            "head_bytes",
            "head_count",
            "target_bytes",
            "pipelined_requests",
            "packets_per_post",
        ):
            check_integer(name, getattr(self, name), 1)
        for name in ("process_backlog", "connections"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)


MAX_RATE: Final = 2.0**40
"""Per second: what no peer reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What a peer may do in a time; None, the default, sets no limit.

    A session that sends more closes with `rate limit exceeded`: on a WebSocket with the code 1008,
    on polling its POST is answered 429. A session or connection too many is refused with 429 and
    `Retry-After`. Each limit counts how often it acts in `engine.rate_limit_counts`.

    An address is that of `Request.client`, see `trusted_proxies`; of IPv6 it is the /64. All that
    come by a Unix socket have one address.

    Attributes:
        session_packets: Packets of one session per second: an event is one, each of its attachments
            is one, and so is a heartbeat.
        session_bytes: Bytes of these packets per second, after decompression.
        address_packets: Packets per second of all sessions of one address.
        address_bytes: Bytes per second of all sessions of one address.
        address_handshakes: New sessions that one address may ask for per second.
        address_sessions: Open sessions of one address.
        address_connections: Open TCP connections of one address, on the native listener; those of
            `trusted_proxies` are not counted. A polling client has two, and one more while it
            moves to a WebSocket.
        burst: How many seconds' worth of each rate may come at once, but at least one of what is
            counted. In any `t` seconds it lets through `rate * (burst + t)` at most. A message
            larger than fifteen sixteenths of `bytes * burst` never fits.
        max_addresses: Addresses known at a time, about 500 bytes each. Past it the one that has
            been quiet for longest is forgotten; where none is quiet, new ones share one budget.
    """

    session_packets: float | None = None
    session_bytes: float | None = None
    address_packets: float | None = None
    address_bytes: float | None = None
    address_handshakes: float | None = None
    address_sessions: int | None = None
    address_connections: int | None = None
    burst: float = 5.0
    max_addresses: int = 100_000

    def __post_init__(self) -> None:
        for name in (
            "session_packets",
            "session_bytes",
            "address_packets",
            "address_bytes",
            "address_handshakes",
        ):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), 0.001, MAX_RATE)
        for name in ("address_sessions", "address_connections"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        check_number("burst", self.burst, 0.001, MAX_TIMEOUT)
        check_integer("max_addresses", self.max_addresses, 1)


AllowRequest: TypeAlias = "Callable[[Request], bool | Awaitable[bool | None] | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Options of an engine; `Server` takes the same ones.

    Attributes:
        path: URL path under which requests belong to this engine.
        add_trailing_slash: Whether the path ends with a slash in the URL.
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
        transports: Which transports are served.
        allow_upgrades: False announces none.
        allow_eio3: Serve clients of Engine.IO 3 too (socket.io-client 1 and 2), and polling by
            scripts (JSONP). What that opens is in docs/differences.md.
        allow_request: Asked for each new session; False refuses it with 403, and a `ConnectError`
            that it raises with 403 and that message.
        http_compression: Of poll responses; None turns it off.
        per_message_deflate: Of WebSocket messages; None (the default) turns it off.
        initial_packet: A message sent right after the handshake.
        cookie: Set on the polling handshake; None sets none.
        cors: Pages of other origins that may connect; None admits only the server's own origin.
        generate_id: Makes session ids; they must be unguessable and unique.
        limits: See `Limits`.
        rate_limits: See `RateLimits`; None sets none, and then nothing is counted.
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
    trusted_proxies: Collection[str] = ()
    block_warning: float | None = 0.1

    def __post_init__(self) -> None:
        check_text("path", self.path)
        path = "/" + self.path.strip("/")
        check_header_value("path", path)
        if "?" in path or "#" in path:
            raise ValueError(f"path: {self.path!r} is not a URL path")
        object.__setattr__(self, "path", path)
        for name in ("ping_interval", "ping_timeout", "upgrade_timeout", "close_timeout"):
            check_number(name, getattr(self, name), 0.001, MAX_TIMEOUT)
        for name in ("drain_period", "shutdown_timeout"):
            check_number(name, getattr(self, name), 0, MAX_TIMEOUT)
        if self.block_warning is not None:
            check_number("block_warning", self.block_warning, 0.01, MAX_TIMEOUT)
        check_integer("max_payload", self.max_payload, 1, 2**40)
        check_integer("max_backlog", self.max_backlog, 1)
        for name in ("add_trailing_slash", "allow_upgrades", "allow_eio3"):
            check_bool(name, getattr(self, name))
        if not isinstance(self.limits, Limits):
            raise TypeError(f"limits must be a Limits, not {type(self.limits).__name__}")
        if not isinstance(self.rate_limits, RateLimits | None):
            raise TypeError(f"rate_limits must be a RateLimits or None, not {self.rate_limits!r}")
        TrustedProxies(self.trusted_proxies)  # checks them
        object.__setattr__(self, "trusted_proxies", frozenset(self.trusted_proxies))
        if isinstance(self.transports, str) or not isinstance(self.transports, Iterable):
            raise TypeError(f"transports must be a list of names, not {self.transports!r}")
        if not self.transports:
            raise ValueError("transports must not be empty")
        for transport in self.transports:
            if transport not in ("polling", "websocket"):
                raise ValueError(f"transports: {transport!r} is not 'polling' or 'websocket'")
        object.__setattr__(self, "transports", frozenset(self.transports))
        for name in ("allow_request", "generate_id"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function")
        object.__setattr__(
            self,
            "http_compression",
            switch_option("http_compression", self.http_compression, HttpCompression),
        )
        object.__setattr__(
            self,
            "per_message_deflate",
            switch_option("per_message_deflate", self.per_message_deflate, Deflate),
        )
        object.__setattr__(self, "cookie", switch_option("cookie", self.cookie, Cookie))
        object.__setattr__(self, "cors", _cors(self.cors))
        if self.initial_packet is not None and not isinstance(self.initial_packet, (str, bytes)):
            raise TypeError("initial_packet must be text or bytes")

    @property
    def prefix(self) -> str:
        """What the path of our requests starts with."""
        return self.path.rstrip("/") + "/" if self.add_trailing_slash else self.path


class EngineOptionsDict(TypedDict, total=False):
    """The keywords of `EngineOptions`, in the forms a user may write them."""

    path: str
    add_trailing_slash: bool
    ping_interval: float
    ping_timeout: float
    upgrade_timeout: float
    close_timeout: float
    drain_period: float
    shutdown_timeout: float
    max_payload: int
    max_backlog: int
    transports: Collection[TransportName]
    allow_upgrades: bool
    allow_eio3: bool
    allow_request: AllowRequest | None
    http_compression: HttpCompression | Mapping[str, Any] | bool | None
    per_message_deflate: Deflate | Mapping[str, Any] | bool | None
    initial_packet: str | bytes | None
    cookie: Cookie | Mapping[str, Any] | bool | None
    cors: Cors | Mapping[str, Any] | CorsOrigin | None
    generate_id: Callable[[Request], str | Awaitable[str]] | None
    limits: Limits
    rate_limits: RateLimits | None
    trusted_proxies: Collection[str]
    block_warning: float | None


def switch_option(option: str, value: Any, kind: type[Any]) -> Any:
    """Let True, False, a mapping and None stand for an option that has options of its own."""
    if value is True:
        return kind()
    if value is None or value is False:
        return None
    if isinstance(value, Mapping):
        unknown = set(value) - {f.name for f in fields(kind)}
        if unknown:
            raise TypeError(f"{option} has no option {min(unknown)!r}")
        return kind(**value)
    if not isinstance(value, kind):
        raise TypeError(f"{option} must be a {kind.__name__} or a bool, not {value!r}")
    return value


def _cors(value: Any) -> Cors | None:
    if value is None or value is False or isinstance(value, Cors):
        return value or None
    if isinstance(value, Mapping):
        cors: Cors = switch_option("cors", value, Cors)
        return cors
    return Cors(origin=value)
