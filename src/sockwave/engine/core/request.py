"""The neutral HTTP request, whatever front end read it; parsed only where it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

__all__ = ["Headers", "Request", "parse_cookies", "parse_query"]

RawHeaders = list[tuple[bytes, bytes]]


class Headers(Mapping[str, str]):
    """Header fields of a request: names are case-insensitive, repeated ones joined by a comma.

    Kept as one piece of bytes and split at the first look: most handshakes are never looked at.
    """

    __slots__ = ("_block", "_fields")

    def __init__(self, raw: RawHeaders) -> None:
        self._block: bytes = b"\n".join([b"%b:%b" % field for field in raw])
        self._fields: dict[str, str] | None = None

    def _parsed(self) -> dict[str, str]:
        if self._fields is None:
            found: dict[str, str] = {}
            for line in self._block.decode("latin-1").split("\n") if self._block else ():
                name, _, value = line.partition(":")
                name = name.lower()
                joint = "; " if name == "cookie" else ", "
                found[name] = f"{found[name]}{joint}{value}" if name in found else value
            self._fields = found
        return self._fields

    def __getitem__(self, name: str) -> str:
        return self._parsed()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    def __len__(self) -> int:
        return len(self._parsed())

    def __repr__(self) -> str:
        return f"Headers({list(self)})"  # names only: values may be credentials


class Request:
    """The HTTP request that began a session, or one of its later ones.

    Attributes:
        method: As sent, such as `GET`.
        path: Of the URL, still percent-encoded.
        query_string: Of the URL, without the question mark.
        headers: See `Headers`.
        client: Host and port of the peer, or None on a Unix socket.
        is_secure: Whether it came by TLS.
        scope: The ASGI scope, where there is one.
    """

    __slots__ = (
        "_query",
        "client",
        "headers",
        "is_secure",
        "method",
        "path",
        "query_string",
        "scope",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str,
        headers: Headers,
        *,
        client: tuple[str, int] | None,
        is_secure: bool = False,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers = headers
        self.client = client
        self.is_secure = is_secure
        self.scope = scope
        self._query: dict[str, str] | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """Query parameters; of a repeated name the last one."""
        if self._query is None:
            self._query = parse_query(self.query_string)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies, read anew at each look."""
        return parse_cookies(self.headers.get("cookie", ""))

    @property
    def url(self) -> str:
        """Path and query as sent."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"  # the query may hold a session id


_MAX_PARAMETERS: Final = 1_000


def parse_query(query_string: str) -> dict[str, str]:
    """Read a query string as a form; of a repeated name the last one wins."""
    found: dict[str, str] = {}
    is_plain = "%" not in query_string and "+" not in query_string
    for part in query_string.split("&", _MAX_PARAMETERS):
        name, _, value = part.partition("=")
        if name:
            if is_plain:
                found[name] = value
            else:
                found[unquote_plus(name)] = unquote_plus(value)
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
