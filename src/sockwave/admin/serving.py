"""The files of the page, which a server hands out under its path: `/socket.io/admin/`."""

from __future__ import annotations

import gzip
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final, TypeAlias

from sockwave.engine.core.request import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.resources.abc import Traversable

    from sockwave.engine.core.request import Request

    Response: TypeAlias = tuple[int, Sequence[tuple[str, str]], bytes]
    Handler: TypeAlias = Callable[[Request], Response | None]

__all__ = ["PAGE", "AdminFiles"]

PAGE: Final = "admin"
"""Where the page is, behind the path of the server."""

CONTENT_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
}

# Scripts come from this server alone. The page may talk to any server, as its form offers; fonts
# and icons it gets from elsewhere, and does without where that cannot be reached.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline' https://fonts.googleapis.com https://cdn.jsdelivr.net",
        "font-src https://fonts.gstatic.com https://cdn.jsdelivr.net",
        "img-src 'self' data:",
        "connect-src http: https: ws: wss:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Final = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


class AdminFiles:
    """Answers requests for the page, and hands on all others.

    Args:
        prefix: What the paths of the server's requests begin with.
        others: Answers those that are not for the page.
    """

    def __init__(self, prefix: str, others: Handler | None) -> None:
        self._prefix = prefix
        self._others = others
        self._packed: dict[str, bytes] = {}

    def __call__(self, request: Request) -> Response | None:
        """Answer a request for a file; None where it is not for one."""
        name = decoded(request.path)[len(self._prefix) :].lstrip("/")
        if name == PAGE or name.startswith(f"{PAGE}/"):
            return self._respond(name[len(PAGE) :], request)
        return None if self._others is None else self._others(request)

    def _respond(self, name: str, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _plain(405, "Method not allowed", ("Allow", "GET, HEAD"))
        if name == "":  # relative addresses need the slash
            return _plain(308, "The page is below", ("Location", f"{PAGE}/"))
        file = self._files.get(name)
        if file is None:
            return _plain(404, "Not found")
        content_type, body = file
        # Names of all but the page itself change with what is in them.
        kept = "no-cache" if name == "/" else "public, max-age=86400"
        headers = [
            *HEADERS,
            ("Cache-Control", kept),
            ("Content-Type", content_type),
            ("Vary", "Accept-Encoding"),
        ]
        if "gzip" in (request.headers.get("accept-encoding") or ""):
            return 200, [*headers, ("Content-Encoding", "gzip")], self._compressed(name, body)
        return 200, headers, body

    def _compressed(self, name: str, body: bytes) -> bytes:
        if name not in self._packed:
            self._packed[name] = gzip.compress(body, compresslevel=1, mtime=0)
        return self._packed[name]

    @cached_property
    def _files(self) -> dict[str, tuple[str, bytes]]:
        """Content type and body, by what stands behind the path."""
        found = {}
        for name, file in _walk(files(__package__) / "ui_dist", ""):
            content_type = CONTENT_TYPES.get(name.rpartition(".")[2])
            if content_type is not None:
                found["/" if name == "/index.html" else name] = content_type, file.read_bytes()
        return found


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        name = f"{above}/{each.name}"
        if each.is_dir():
            yield from _walk(each, name)
        else:
            yield name, each


def _plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    base = [*HEADERS, ("Cache-Control", "no-store"), ("Content-Type", "text/plain; charset=utf-8")]
    return status, [*base, *headers], f"{text}\n".encode()
