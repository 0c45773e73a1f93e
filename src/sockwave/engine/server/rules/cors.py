"""Cross-origin rules (docs/protocol/cors.md), for HTTP answers and the WebSocket handshake."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from sockwave.engine.core.cors import Cors
    from sockwave.engine.core.request import Request

__all__ = [
    "cors_headers",
    "drop_foreign_credentials",
    "is_origin_allowed",
    "is_own_origin",
    "is_referer_allowed",
    "preflight_headers",
]

_logger: Final = logging.getLogger("sockwave.engine")

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def cors_headers(cors: Cors, request: Request) -> list[tuple[str, str]]:
    """Headers for any answer; a foreign origin gets none that would let its page read it."""
    origin = request.headers.get("origin")
    headers: list[tuple[str, str]] = []
    if cors.origin == "*":
        headers.append(("Access-Control-Allow-Origin", "*"))
    else:
        headers.append(("Vary", "Origin"))
        if origin is None or not _allows(cors, origin):
            return headers
        headers.append(("Access-Control-Allow-Origin", origin))
    if cors.credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if cors.exposed_headers:
        headers.append(("Access-Control-Expose-Headers", ",".join(cors.exposed_headers)))
    return headers


def preflight_headers(cors: Cors, request: Request) -> list[tuple[str, str]]:
    """Headers for the answer to `OPTIONS`."""
    headers = cors_headers(cors, request)
    if not any(name == "Access-Control-Allow-Origin" for name, _ in headers):
        return headers
    headers.append(("Access-Control-Allow-Methods", ",".join(cors.methods)))
    if cors.allowed_headers is not None:
        allowed = ",".join(cors.allowed_headers)
    else:
        allowed = request.headers.get("access-control-request-headers", "")
        headers.append(("Vary", "Access-Control-Request-Headers"))
    if allowed:
        headers.append(("Access-Control-Allow-Headers", allowed))
    if cors.max_age is not None:
        headers.append(("Access-Control-Max-Age", str(cors.max_age)))
    asks_for_network = request.headers.get("access-control-request-private-network") == "true"
    if cors.private_network and asks_for_network:
        headers.append(("Access-Control-Allow-Private-Network", "true"))
    return headers


def is_origin_allowed(cors: Cors | None, request: Request, *, by_http: bool = False) -> bool:
    """Whether a page of the request's origin may open a WebSocket or WebTransport session here.

    Browsers send the user's cookies along and ask no permission, so the server has to look. Without
    `cors` a page must come from the host that it connects to; a request without `Origin` comes from
    no browser.

    Args:
        by_http: Whether the server's own pages may have come by plain HTTP, though this request has
            not: WebTransport is always encrypted, and the port beside it need not be.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return True
    if cors is not None:
        return _allows(cors, origin)
    return is_own_origin(origin, request, by_http=by_http)


def is_own_origin(origin: str, request: Request, *, by_http: bool = False) -> bool:
    """Whether a page comes from the host that the request is for, by HTTP.

    By `http`, too, unless the client is known to use TLS: a proxy that is not among
    `trusted_proxies` may hide that.

    Args:
        by_http: Whether it may have come by `http` in any case.
    """
    scheme = origin.partition("://")[0].lower()
    if scheme != "https" and (scheme != "http" or (request.is_secure and not by_http)):
        return False
    page = _authority(origin)
    return page is not None and page == _authority(f"//{request.headers.get('host', '')}", origin)


def drop_foreign_credentials(request: Request) -> None:
    """Take cookies off a WebSocket handshake of a page of somebody else's.

    Where pages of all origins are admitted, by HTTP a browser leaves them out. On a WebSocket it
    sends them whatever we say, and who trusts them would let any page act for its visitor.
    """
    origin = request.headers.get("origin")
    if origin is not None and not is_own_origin(origin, request):
        request.drop_credentials()


def is_referer_allowed(cors: Cors, referer: str) -> bool:
    """Whether a page, by its URL or its origin's, may use the server; `null` where it hides."""
    scheme, slashes, rest = referer.partition("://")
    return _allows(cors, f"{scheme}://{rest.partition('/')[0]}" if slashes else "null")


def _allows(cors: Cors, origin: str) -> bool:
    """Ask the rule; one of the application's that fails allows nobody."""
    try:
        return cors.allows(origin)
    except Exception:
        _logger.exception("the function of the cors option failed")
        return False


def _authority(url: str, scheme_of: str | None = None) -> tuple[str, int | None] | None:
    """Host and port; without a port, that of the page's scheme, which a proxy may hide."""
    try:
        parts = urlsplit(url)
        scheme = urlsplit(scheme_of).scheme if scheme_of is not None else parts.scheme
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    return host, port or _DEFAULT_PORTS.get(scheme)
