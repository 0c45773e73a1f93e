"""The demo's page as a tiny ASGI application: a handful of files, kept in memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from sockwave.debug import known

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["Site"]

_logger: Final = logging.getLogger("sockwave.cli")

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Scripts and styles only from files of this origin: a message that slips past the page's own care
# still cannot run. Pictures are blobs made by the page; 'self' covers the WebSocket too.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Final = (
    (b"cache-control", b"no-cache"),
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Site:
    """Serves the page, and runs one background task while the server runs.

    Args:
        background: Called at start-up; the task it makes is cancelled at shut-down.
        certificate: SHA-256 of the certificate for WebTransport, which the page tells the browser.
    """

    def __init__(
        self,
        background: Callable[[], Coroutine[Any, Any, None]] | None = None,
        certificate: bytes | None = None,
    ) -> None:
        self._background = background
        self._pages = _load()
        if certificate is not None:
            for path in self._pages.keys() & {"/", "/index.html"}:
                kind, page = self._pages[path]
                told = b'<html data-certificate="%b"' % certificate.hex().encode()
                self._pages[path] = kind, page.replace(b"<html", told, 1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope["method"], scope["path"], send)
        else:
            await send({"type": "websocket.close"})

    async def _serve(self, method: str, path: str, send: Send) -> None:
        status, content_type, body = self._answer(method, path)
        headers = [
            *HEADERS,
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        page = self._pages.get(path)
        if page is None:
            return 404, "text/plain; charset=utf-8", b"Not found\n"
        if method not in ("GET", "HEAD"):
            return 405, "text/plain; charset=utf-8", b"Method not allowed\n"
        return 200, *page

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        task = None if self._background is None else asyncio.create_task(self._background())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await send({"type": "lifespan.shutdown.complete"})


def _load() -> dict[str, tuple[str, bytes]]:
    """Return content type and body by URL path; only what is in here can ever be served."""
    pages = {}
    try:
        for file in (files(__package__) / "static").iterdir():
            suffix = file.name[file.name.rfind(".") :]
            if suffix in CONTENT_TYPES:
                pages[f"/{file.name}"] = (CONTENT_TYPES[suffix], file.read_bytes())
        pages["/"] = pages["/index.html"]
    except (OSError, KeyError) as error:
        _logger.error(
            "the files of the demo's page are not all there: %s", error, extra=known(reason=error)
        )
    return pages
