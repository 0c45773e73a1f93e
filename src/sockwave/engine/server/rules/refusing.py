"""What a client is told whose request is refused (docs/protocol/requests.md#refusals)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.engine.server.exchange import NO_SNIFF, HttpExchange
from sockwave.engine.server.rules.verification import ErrorCode, error_body

if TYPE_CHECKING:
    from sockwave.engine.server.exchange import ResponseHeaders, UpgradeExchange
    from sockwave.engine.server.rules.verification import Refused

__all__ = ["answer_refused"]


def answer_refused(
    exchange: HttpExchange | UpgradeExchange, refused: Refused, cors: ResponseHeaders
) -> None:
    """Answer with what is wrong: JSON for who polls, text for who wants a WebSocket.

    Args:
        cors: Headers that let a page of another origin read it.
    """
    code = refused.code
    message = refused.context.get("message") or code.message
    more = [*NO_SNIFF]
    if refused.retry_after is not None:
        more.append(("Retry-After", str(refused.retry_after)))
    if isinstance(exchange, HttpExchange):
        if code is ErrorCode.SERVER_SHUTTING_DOWN:
            exchange.close_after()
        headers = [("Content-Type", "application/json"), *more, *cors]
        exchange.respond(code.status, headers, error_body(code, message))
    else:
        exchange.reject(code.status, [("Content-Type", "text/html"), *more], message.encode())
