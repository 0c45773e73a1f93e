"""What a server hands out under its path, beside the protocol: its client, and its page.

The page that shows the contract is made above (see extensions.py), and imported when it is first
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sockwave.engine.core.request import decoded
from sockwave.socketio.server.client_files import ClientFiles, Response
from sockwave.socketio.server.extensions import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request
    from sockwave.socketio.server.checking import HandlerChecks
    from sockwave.socketio.server.options import ServerOptions

__all__ = ["FileHandler", "file_handler"]

FileHandler: TypeAlias = "Callable[[Request], Response | None]"
"""Answers a request under the path; None where it is not for a file."""

PAGE: Final = "docs"
"""Where the page is, and what belongs to it, behind the path of the server."""


def file_handler(
    server: object, options: ServerOptions, checks: HandlerChecks, prefix: str
) -> FileHandler | None:
    """Make what answers requests for files; None where there are none.

    Args:
        server: Whose contract the page shows.
        options: Of it.
        checks: Know whether it is in development, which may change while it runs.
        prefix: What the paths of its requests begin with.
    """
    if not options.serve_client and options.docs is False:
        return None
    return _Files(server, options, checks, prefix).respond


class _Files:
    def __init__(
        self, server: object, options: ServerOptions, checks: HandlerChecks, prefix: str
    ) -> None:
        self._server = server
        self._docs = options.docs
        self._checks = checks
        self._prefix = prefix
        self._client = ClientFiles() if options.serve_client else None
        self._page: Callable[[str, Request], Response | None] | None = None

    def respond(self, request: Request) -> Response | None:
        """Answer a request for a file."""
        name = decoded(request.path)[len(self._prefix) :].lstrip("/")
        if not name:
            return None
        if name.startswith(PAGE) and (name == PAGE or name.startswith(f"{PAGE}/")):
            return self._respond_page(name[len(PAGE) :], request)
        return None if self._client is None else self._client.respond(name, request.headers)

    def _respond_page(self, name: str, request: Request) -> Response | None:
        is_shown = self._checks.development if self._docs is None else self._docs
        if not is_shown:
            return None
        if self._page is None:
            self._page = reach("contract_page")(self._server)
        return self._page(name, request)
