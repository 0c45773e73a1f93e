"""Cookies of one connection, by name only (docs/protocol/client-engine.md#cookies).

They serve sticky sessions: one server, one path. Domain, Path and the other attributes are of no
matter there, but those that end a cookie are.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.request import parse_cookies

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CookieJar"]

MAX_COOKIES: Final = 50
"""As RFC 6265 section 6.1 asks of clients for one domain."""

_FOREVER: Final = float("inf")


class CookieJar:
    """Cookies with the time at which each ends."""

    __slots__ = ("_cookies",)

    def __init__(self) -> None:
        self._cookies: dict[str, tuple[str, float]] = {}

    def store(self, headers: Iterable[str], now: float) -> None:
        """Take the values of `Set-Cookie` fields; `now` in seconds since 1970."""
        for header in headers:
            pair, *attributes = header.split(";")
            name, equals, value = pair.partition("=")
            name = name.strip()
            if not equals or not name:
                continue
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            end = _end(attributes, now)
            self._cookies.pop(name, None)
            if end > now and len(self._cookies) < MAX_COOKIES:
                self._cookies[name] = (value, end)

    def header(self, own: str, now: float) -> str:
        """Value of `Cookie`: the user's own cookies, and over them those of the server."""
        cookies = parse_cookies(own) if own else {}
        cookies.update({name: value for name, (value, end) in self._cookies.items() if end > now})
        return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _end(attributes: list[str], now: float) -> float:
    """When a cookie ends; the later of two attributes in the header counts."""
    end = _FOREVER
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        name, value = name.strip().lower(), value.strip()
        try:
            if name == "max-age":
                end = now + int(value)
            elif name == "expires":
                end = parsedate_to_datetime(value).timestamp()
        except (ValueError, OverflowError):
            end = now
    return end
