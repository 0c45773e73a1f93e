"""Functions of the application that see requests first (docs/protocol/engine.md#middlewares)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.debug import known
from sockwave.engine.core.handlers import is_closed
from sockwave.engine.io.loop import is_cancelled
from sockwave.engine.server.exchange import HttpExchange, Response
from sockwave.engine.server.rules.verification import ErrorCode, Refused, refused_by_shutdown
from sockwave.errors import ConnectError

if TYPE_CHECKING:
    from sockwave.engine.core.handlers import Handler
    from sockwave.engine.core.request import Request
    from sockwave.engine.server.calling import CallingDriver
    from sockwave.engine.server.exchange import ResponseHeaders, UpgradeExchange

__all__ = ["ask"]

_logger: Final = logging.getLogger("sockwave.engine")


class MiddlewareHost(Protocol):
    """What is needed of the engine."""

    @property
    def driver(self) -> CallingDriver:
        """What runs middlewares that wait."""

    def handle_request(self, exchange: HttpExchange, *, is_asked: bool = False) -> None:
        """Go on with a request."""

    def handle_upgrade(self, upgrade: UpgradeExchange, *, is_asked: bool = False) -> None:
        """Go on with an upgrade."""

    def refuse(self, exchange: HttpExchange | UpgradeExchange, refused: Refused) -> None:
        """Answer with what is wrong."""

    def error_headers(self, request: Request) -> ResponseHeaders:
        """CORS headers."""

    def payload_too_large(self, request: Request) -> None:
        """End the session that a POST was for, which was refused for its size."""


class _Waiting:
    """Has a request while middlewares wait; keeps its body for whoever gets it then."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.is_over = False
        self.is_too_large = False

    def body_received(self, exchange: HttpExchange, body: bytes) -> None:
        """The whole body is there."""
        self.body = body

    def body_too_large(self, exchange: HttpExchange) -> None:
        """The front end answers."""
        self.is_over = self.is_too_large = True

    def exchange_lost(self, exchange: HttpExchange) -> None:
        """There is nobody to answer any more."""
        self.is_over = True


def ask(
    host: MiddlewareHost, middlewares: tuple[Handler, ...], exchange: HttpExchange | UpgradeExchange
) -> None:
    """Run the middlewares of a request, and go on with it; waits only where one of them does."""
    for at, middleware in enumerate(middlewares):
        try:
            answer = middleware(exchange.request)
        except BaseException as error:
            _refuse(host, exchange, error)
            return
        if answer is not None and hasattr(answer, "__await__"):
            waiting = _Waiting()
            if isinstance(exchange, HttpExchange):
                exchange.owner = waiting
            host.driver.spawn(_ask_later(host, middlewares[at + 1 :], exchange, answer, waiting))
            return
        if answer is not None:
            _answer(host, exchange, answer)
            return
    _go_on(host, exchange)


async def _ask_later(
    host: MiddlewareHost,
    later: tuple[Handler, ...],
    exchange: HttpExchange | UpgradeExchange,
    running: Any,
    waiting: _Waiting,
) -> None:
    error: BaseException | None = None
    answer: Any = None
    try:
        answer = await running
        for middleware in later:
            if answer is not None:
                break
            answer = middleware(exchange.request)
            if answer is not None and hasattr(answer, "__await__"):
                answer = await answer
    except BaseException as failure:
        if is_closed(failure) or is_cancelled():
            if not waiting.is_over:
                host.refuse(exchange, refused_by_shutdown())
            raise
        error = failure
    if waiting.is_over:
        if waiting.is_too_large and error is None and answer is None:
            host.payload_too_large(exchange.request)
        return
    if isinstance(exchange, HttpExchange):
        exchange.owner = None
    if error is not None:
        _refuse(host, exchange, error)
    elif answer is not None:
        _answer(host, exchange, answer)
    else:
        _go_on(host, exchange)
        if isinstance(exchange, HttpExchange):
            owner: Any = exchange.owner  # who that is has changed meanwhile
            if owner is not None and waiting.body is not None:
                owner.body_received(exchange, waiting.body)


def _go_on(host: MiddlewareHost, exchange: HttpExchange | UpgradeExchange) -> None:
    if isinstance(exchange, HttpExchange):
        host.handle_request(exchange, is_asked=True)
    else:
        host.handle_upgrade(exchange, is_asked=True)


def _answer(host: MiddlewareHost, exchange: HttpExchange | UpgradeExchange, answer: object) -> None:
    """Send what a middleware returned."""
    if not isinstance(answer, Response):
        kind = type(answer).__name__
        _refuse(host, exchange, TypeError(f"a middleware must return a Response or None: {kind}"))
        return
    headers = [*answer.headers, *host.error_headers(exchange.request)]
    if isinstance(exchange, HttpExchange):
        exchange.respond(answer.status, headers, answer.body)
    else:
        exchange.reject(answer.status, headers, answer.body)


def _refuse(
    host: MiddlewareHost, exchange: HttpExchange | UpgradeExchange, error: BaseException
) -> None:
    if not isinstance(error, ConnectError):
        client = exchange.request.client
        fields = known(address=client[0] if client else None, reason=type(error).__name__)
        _logger.error("a middleware of the engine failed", exc_info=error, extra=fields)
        host.driver.application_failed(error)
    why = error.message if isinstance(error, ConnectError) else type(error).__name__
    context = {"name": "MIDDLEWARE_FAILURE"}
    host.refuse(exchange, Refused(ErrorCode.BAD_REQUEST, context, why=why))
