"""What ASGI gives for a connection, and the neutral request that is made of it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from sockwave.engine.core.forwarded import parse_address
from sockwave.engine.core.request import SAFE_IN_PATH, Request
from sockwave.engine.server.invalid_request import ONCE, InvalidRequest

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.exchange import ResponseHeaders

__all__ = [
    "AsgiApp",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "path_below_root",
    "raw_headers",
    "request_of",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Any application: frameworks give the three arguments types of their own, which exclude others."""

UNKNOWN: Final = "unknown"
"""Address of a client of which the host says something else than an address."""


def path_below_root(scope: Scope) -> str:
    """Give the path as the application sees it that is mounted where the scope says."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path


def request_of(engine: EngineServer, scope: Scope) -> Request:
    """Make the neutral request; a mount point stands for the engine's own path.

    Raises:
        InvalidRequest: What two readers could take for two different requests.
    """
    path = path_below_root(scope)
    if scope.get("root_path") and not engine.is_ours(path):
        below = path.lstrip("/")
        path = f"{engine.options.path.rstrip('/')}/{below}" if below else engine.options.prefix
    client = scope.get("client")
    fields: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        name = name.lower()
        joint = b"; " if name == b"cookie" else b", "
        if name in fields:
            if name in ONCE:
                raise InvalidRequest(400, f"two headers {name.decode('latin-1')}")
            value = fields[name] + joint + value
        fields[name] = value
    path = quote(path, safe=SAFE_IN_PATH)
    query = scope.get("query_string", b"").decode("latin-1")
    return Request(
        scope.get("method", "GET"),
        f"{path}?{query}" if query else path,
        fields,
        (_address(client[0]), client[1]) if client else None,
        is_secure=scope.get("scheme") in ("https", "wss"),
        scope=scope,
        trusted_proxies=engine.trusted_proxies,
    )


@functools.lru_cache(1_024)
def _address(host: str) -> str:
    """Give an address as it is compared; a host of ours may have any text from a header."""
    address = parse_address(host)
    return UNKNOWN if address is None else str(address)


def raw_headers(headers: ResponseHeaders) -> list[tuple[bytes, bytes]]:
    """Give headers as ASGI has them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
