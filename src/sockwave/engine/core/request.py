"""The neutral HTTP request, whatever front end read it; parsed only where it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from sockwave.engine.core.forwarded import TrustedProxies

__all__ = ["SAFE_IN_PATH", "Headers", "Request", "decoded", "parse_cookies", "parse_query"]

T = TypeVar("T")

SAFE_IN_PATH: Final = "/:@!$&'()*+,;=~"
"""What stands in a path as it is, beside letters, digits, `-`, `.` and `_` (RFC 3986)."""


def decoded(path: str) -> str:
    """Give a path as it is compared: of percent-encoded UTF-8."""
    return unquote(path) if "%" in path else path


class Headers(Mapping[str, str]):
    """Header fields of a request: names are case-insensitive, repeated ones joined by a comma.

    Args:
        fields: Values as they travelled (latin-1), by lower-case name.
    """

    __slots__ = ("_fields", "_packed")

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self._fields: dict[bytes, bytes] | None = fields
        self._packed = b""

    def pack(self) -> None:
        """Take less room, for as long as nobody looks: a session keeps its first request."""
        if self._fields is not None:
            packed = b"\n".join([b"%b:%b" % field for field in self._fields.items()])
            # HTTP allows no line feed in a value; what another front end lets through stays apart.
            if packed.count(b"\n") == max(len(self._fields) - 1, 0):
                self._packed = packed
                self._fields = None

    def _unpacked(self) -> dict[bytes, bytes]:
        if self._fields is None:
            self._fields = {}
            for line in self._packed.split(b"\n") if self._packed else ():
                name, _, value = line.partition(b":")
                self._fields[name] = value
            self._packed = b""
        return self._fields

    def __getitem__(self, name: str) -> str:
        return self._unpacked()[name.lower().encode()].decode("latin-1")

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: T) -> str | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """Give a value, or the default."""
        value = self._unpacked().get(name.lower().encode())
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._unpacked())

    def __len__(self) -> int:
        return len(self._unpacked())

    def __repr__(self) -> str:
        return f"Headers({list(self)})"  # names only: values may be credentials


class Request:
    """The HTTP request that began a session, or one of its later ones.

    Args:
        target: Path and query as sent.
        fields: Header values (latin-1) by lower-case name, repeated ones joined.
        client: Host and port of the peer, or None on a Unix socket.
        is_secure: Whether it came by TLS.
        trusted_proxies: If the peer is one of them, what it says of its client counts.

    Attributes:
        method: As sent, such as `GET`.
        target: Path and query as sent, still percent-encoded.
        scope: The ASGI scope, where there is one.
    """

    __slots__ = (
        "_client",
        "_fields",
        "_headers",
        "_is_secure",
        "_query",
        "_state",
        "_trusted_proxies",
        "method",
        "scope",
        "target",
    )

    def __init__(
        self,
        method: str,
        target: str,
        fields: dict[bytes, bytes],
        client: tuple[str, int] | None,
        is_secure: bool = False,
        scope: Mapping[str, Any] | None = None,
        *,
        trusted_proxies: TrustedProxies | None = None,
    ) -> None:
        self.method: str = method
        self.target: str = target
        self._client = client
        self._is_secure = is_secure
        self._trusted_proxies = trusted_proxies
        self.scope: Mapping[str, Any] | None = scope
        self._fields: dict[bytes, bytes] | None = fields
        self._headers: Headers | None = None
        self._query: dict[str, str] | None = None
        self._state: dict[str, Any] | None = None

    def pack(self) -> None:
        """Take less room, for as long as nobody looks: a session keeps its first request."""
        self.headers.pack()
        self._fields = self._query = None

    @property
    def headers(self) -> Headers:
        """Header fields; names are case-insensitive."""
        if self._headers is None:
            self._headers = Headers(self._fields or {})
        return self._headers

    def field(self, name: bytes) -> bytes | None:
        """Give a header as it travelled, by lower-case name; for the path of every poll."""
        if self._fields is not None:
            return self._fields.get(name)
        value = self.headers.get(name.decode())
        return None if value is None else value.encode("latin-1")

    @property
    def client(self) -> tuple[str, int] | None:
        """Host and port that it comes from, or None on a Unix socket.

        Behind one of `trusted_proxies` that is who the proxy says, with port 0.
        """
        if self._trusted_proxies is not None:
            self._ask_proxy(self._trusted_proxies)
        return self._client

    @property
    def is_secure(self) -> bool:
        """Whether it came by TLS, to here or to one of `trusted_proxies`."""
        if self._trusted_proxies is not None:
            self._ask_proxy(self._trusted_proxies)
        return self._is_secure

    def _ask_proxy(self, trusted: TrustedProxies) -> None:
        """Read what a proxy says of its client, once, at the first look: no poll pays for it."""
        self._trusted_proxies = None
        if trusted.trusts(self._client):
            self._is_secure = trusted.is_secure(
                self._is_secure, self.headers.get("x-forwarded-proto", "")
            )
            self._client = trusted.client(self._client, self.headers.get("x-forwarded-for", ""))

    def drop_credentials(self) -> None:
        """Forget what a browser sends along without asking: cookies and passwords."""
        self._headers = None
        self._fields = {
            name: value for name, value in (self._fields or {}).items() if name not in _CREDENTIALS
        }
        if self.scope is not None:
            kept = [each for each in self.scope["headers"] if each[0].lower() not in _CREDENTIALS]
            self.scope = {**self.scope, "headers": kept}

    @property
    def path(self) -> str:
        """Of the URL, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters; of a repeated name the last one."""
        if self._query is None:
            self._query = parse_query(self.target.partition("?")[2])
        return self._query

    @property
    def state(self) -> dict[str, Any]:
        """Anything that middlewares of the engine found out, for whoever sees this request."""
        if self._state is None:
            self._state = {}
        return self._state

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies, read anew at each look."""
        return parse_cookies(self.headers.get("cookie", ""))

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"  # the query may hold a session id


_CREDENTIALS: Final = frozenset({b"cookie", b"authorization"})
_MAX_PARAMETERS: Final = 1_000


def parse_query(query_string: str) -> dict[str, str]:
    """Read a query string as a form; of a repeated name the last one wins."""
    found: dict[str, str] = {}
    is_plain = "%" not in query_string and "+" not in query_string
    for part in query_string.split("&", _MAX_PARAMETERS):
        name, _, value = part.partition("=")
        if is_plain:
            found[name] = value
        else:
            found[unquote_plus(name)] = unquote_plus(value)
    found.pop("", None)
    return found


def parse_cookies(header: str) -> dict[str, str]:
    """Read a `Cookie` header; the first of a repeated name wins, as servers commonly do."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            value = value.strip(" \t")
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            found.setdefault(name.strip(" \t"), value)
    return found
