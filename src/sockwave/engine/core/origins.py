"""Origins as browsers send them (RFC 6454), so that one that can never match is refused."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["check_origin"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_WEB_SOCKETS: Final = {"ws": "http", "wss": "https"}
_HOST: Final = re.compile(r"[a-z0-9_.\-]+|\[[0-9a-f:.]+\]")


def check_origin(origin: str) -> None:
    """Refuse an origin that no browser ever sends in this form.

    Raises:
        ValueError: Says in which form it does, where that is known.
    """
    if origin in ("*", "null"):
        return
    if "*" in origin:
        raise ValueError(
            f"cors: {origin!r} has a star inside, which stands for nothing: give a pattern, as in "
            r"re.compile(r'https://[a-z0-9-]+\.example\.com')"
        )
    if "://" not in origin:
        raise ValueError(f"cors: {origin!r} is not an origin such as 'https://example.com'")
    sent = _as_sent(origin)
    if sent is None:
        raise ValueError(f"cors: {origin!r} is not an origin such as 'https://example.com'")
    if sent != origin:
        raise ValueError(f"cors: {origin!r} matches no page: browsers send it as {sent!r}")


def _as_sent(origin: str) -> str | None:
    """The form that browsers use; None where there is no such origin."""
    try:
        parts = urlsplit(origin.strip())
        port = parts.port
    except ValueError:
        return None
    scheme = _WEB_SOCKETS.get(parts.scheme, parts.scheme)
    if scheme not in _DEFAULT_PORTS:  # of an application: what its host looks like is its own
        return f"{scheme}://{parts.netloc}"
    host = _host(parts)
    if host is None:
        return None
    is_default = port is None or port == _DEFAULT_PORTS[scheme]
    return f"{scheme}://{host}" if is_default else f"{scheme}://{host}:{port}"


def _host(parts: SplitResult) -> str | None:
    host = parts.hostname or ""
    if ":" in host:
        try:
            return f"[{IPv6Address(host).compressed}]"
        except ValueError:
            return None
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    return host if _HOST.fullmatch(host) else None
