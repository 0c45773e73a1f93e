"""What is answered to requests for the page, its files, and the contract that it shows.

The page refers to everything by relative addresses, so that it works behind any prefix. What is not
known here is not served: a name from a peer does not become a path.
"""

from __future__ import annotations

import json
import logging
import time
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from sockwave.contract.describing import describe
from sockwave.contract.description import to_document
from sockwave.socketio.core.parser import MsgpackParser
from sockwave.socketio.server.client_files import ClientFiles, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request
    from sockwave.socketio.server.server import Server

__all__ = ["ContractPage", "contract_page"]

_logger: Final = logging.getLogger("sockwave.socketio")

CONTRACT: Final = "/contract.json"
CLIENT: Final = "/client.js"
"""The stock client that fits the server's parser, whether the server hands it out or not."""

KEPT: Final = 1.0
"""Seconds for which a contract holds: describing one takes milliseconds, and anybody may ask."""

CONTENT_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

# Scripts and styles come only from files of this origin: a description that slips past the page's
# own care cannot run. 'self' covers the WebSocket, too.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
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


def contract_page(server: Server) -> Callable[[str, Request], Response | None]:
    """Make what answers requests for the page of a server: with what is behind its path, `""` for
    the page itself, and the request; None for what it does not have.
    """
    return ContractPage(server).respond


class ContractPage:
    """The page of one server.

    Args:
        server: Described anew every second at most: handlers may come and go.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client = ClientFiles()
        self._described: tuple[float, bytes] | None = None

    def respond(self, name: str, request: Request) -> Response:
        """Answer a request with any method; the body is there for HEAD, too.

        Args:
            name: Behind the page's own path: empty, or beginning with a slash.
            request: Of which the method and the headers count.
        """
        if request.method not in ("GET", "HEAD"):
            return _plain(405, "Method not allowed", ("Allow", "GET, HEAD"))
        if name == "/":  # relative addresses would be others here
            return _plain(308, "The page is one up", ("Location", "../docs"))
        if name == CONTRACT:
            return self._contract()
        if name == CLIENT:
            return self._client_script(request)
        file = self._files.get(name)
        if file is None:
            return _plain(404, "Not found")
        content_type, body = file
        return 200, [*HEADERS, ("Cache-Control", "no-cache"), ("Content-Type", content_type)], body

    def _contract(self) -> Response:
        try:
            body = self._describe(time.monotonic())
        except Exception:
            _logger.exception("the contract of the server cannot be described")
            return _plain(500, "The contract cannot be described: see the log of the server")
        headers = [*HEADERS, ("Cache-Control", "no-store"), ("Content-Type", "application/json")]
        return 200, headers, body

    def _describe(self, now: float) -> bytes:
        if self._described is None or now - self._described[0] >= KEPT:
            document = to_document(describe(self._server))
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            self._described = now, body
        return self._described[1]

    def _client_script(self, request: Request) -> Response:
        parser = self._server.options.parser
        if parser is not None and not isinstance(parser, MsgpackParser):
            return _plain(404, "No stock client knows the parser of this server")
        kind = "" if parser is None else "msgpack."
        # Without what a browser has kept: that may be for the parser of yesterday.
        accepted = {"accept-encoding": request.headers.get("accept-encoding") or ""}
        answer = self._client.respond(f"socket.io.{kind}min.js", accepted)
        assert answer is not None  # it is one of the names
        status, headers, body = answer
        kept = [each for each in headers if each[0] not in ("Cache-Control", "ETag")]
        return status, [*HEADERS, ("Cache-Control", "no-store"), *kept], body

    @cached_property
    def _files(self) -> dict[str, tuple[str, bytes]]:
        """Content type and body, by what stands behind the path; the page itself has nothing."""
        found = {}
        for file in (files(__package__) / "static").iterdir():
            content_type = CONTENT_TYPES.get(file.name.rpartition(".")[2])
            if content_type is not None:
                name = "" if file.name == "index.html" else f"/{file.name}"
                found[name] = (content_type, file.read_bytes())
        return found


def _plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    base = [*HEADERS, ("Cache-Control", "no-store"), ("Content-Type", "text/plain; charset=utf-8")]
    return status, [*base, *headers], f"{text}\n".encode()
