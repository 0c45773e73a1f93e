"""What a server answers besides the protocol: files below its path, and paths of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from sockwave.engine.core.request import decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.request import Request
    from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders, UpgradeExchange

__all__ = ["FileHandler", "Paths", "answer_beside", "is_beside"]

FileHandler: TypeAlias = "Callable[[Request], tuple[int, ResponseHeaders, bytes] | None]"
"""Answers a request with status, headers and body; None where it has nothing for it."""

Paths: TypeAlias = "dict[str, FileHandler]"
"""Whole paths, decoded, and who answers there with any method."""


class BesideEngine(Protocol):
    """What is needed of the engine."""

    beside: Paths
    file_handler: FileHandler | None

    def is_ours(self, path: str) -> bool:
        """Whether a request for this path, decoded, belongs to the engine."""

    def error_headers(self, request: Request) -> ResponseHeaders:
        """CORS headers only."""


def is_beside(engine: BesideEngine, exchange: HttpExchange | UpgradeExchange) -> bool:
    """Whether a request is for one of the paths of their own: these know nothing of names."""
    return bool(engine.beside) and decoded(exchange.request.path) in engine.beside


def answer_beside(engine: BesideEngine, exchange: HttpExchange) -> bool:
    """Answer a request for a file below the path, for a path beside it, or for nothing of ours.

    Returns:
        False where it is for the protocol, if for anything: nothing was done.
    """
    request = exchange.request
    path = decoded(request.path)
    handler = engine.beside.get(path)
    if handler is not None and (answer := handler(request)) is not None:
        exchange.respond(*answer)
        return True
    if not engine.is_ours(path):
        exchange.respond(404, ())
        return True
    if engine.file_handler is None or request.method == "OPTIONS":
        return False
    found = engine.file_handler(request)
    if found is None:
        return False
    status, headers, body = found
    exchange.respond(status, [*headers, *engine.error_headers(request)], body)
    return True
