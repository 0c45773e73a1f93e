"""HTTP in an ASGI server: one task per request, which brings its body and takes its answer away.

The host calls it with each request, and may have read more of the next one; only the task can tell
that the peer has gone, by asking for more while it waits for the answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sockwave.engine.server.exchange import PLAIN, HttpExchange, ResponseHeaders
from sockwave.engine.server.fronts.asgi_scope import raw_headers, request_of
from sockwave.engine.server.invalid_request import InvalidRequest, body_too_late, check_encoding

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.exchange import ExchangeOwner
    from sockwave.engine.server.fronts.asgi_scope import Receive, Scope, Send

__all__ = ["send_answer", "serve_http"]


class AsgiExchange(HttpExchange):
    """A request in an ASGI server; its task waits for the answer."""

    __slots__ = ("answer", "is_last", "receiving")

    owner: ExchangeOwner | None

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        loop = asyncio.get_running_loop()
        self.receiving: asyncio.Timeout | None = None
        self.is_last: bool = False
        self.answer: asyncio.Future[tuple[int, ResponseHeaders, bytes]] = loop.create_future()

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Let the task send the answer."""
        if not self.answer.done():
            self.answer.set_result((status, headers, body))

    def close_after(self) -> None:
        """Ask the host to end the connection with the answer."""
        self.is_last = True

    def abort(self) -> None:
        """Not in ASGI's power: the request fails instead, and nothing more of it is read."""
        self.respond(400, [("Connection", "close")])
        if self.receiving is not None:
            self.receiving.reschedule(asyncio.get_running_loop().time())

    def lose(self) -> None:
        """The peer has gone, or was too slow."""
        owner, self.owner = self.owner, None
        if owner is not None:
            owner.exchange_lost(self)


async def serve_http(engine: EngineServer, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request, until its answer is sent or the peer has gone."""
    try:
        request = request_of(engine, scope)
        check_encoding(request.field(b"content-encoding"))
    except InvalidRequest as invalid:
        engine.peer_log.invalid(scope.get("client"), invalid)
        await send_answer(scope, send, invalid.status, PLAIN, invalid.why.encode(), is_last=True)
        return
    exchange = AsgiExchange(request)
    engine.handle_request(exchange)
    if exchange.request.method == "POST" and not exchange.answer.done():
        await _receive_body(engine, exchange, receive)
    if not exchange.answer.done():
        await _answer_or_disconnect(engine, exchange, receive)
    if exchange.answer.done():
        status, headers, body = exchange.answer.result()
        await send_answer(scope, send, status, headers, body, is_last=exchange.is_last)


async def send_answer(
    scope: Scope,
    send: Send,
    status: int,
    headers: ResponseHeaders,
    body: bytes,
    *,
    is_last: bool,
) -> None:
    """Send a whole answer."""
    raw = raw_headers(headers)
    if status not in (204, 304):
        raw.append((b"content-length", b"%d" % len(body)))
    if is_last and scope.get("http_version") != "2":  # there it is no header
        raw.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _receive_body(engine: EngineServer, exchange: AsgiExchange, receive: Receive) -> None:
    length = exchange.request.field(b"content-length")
    if length is not None and length.isdigit() and int(length) > engine.options.max_payload:
        _body_too_large(engine, exchange)
        return
    parts: list[bytes] = []
    size = 0
    more = True
    try:
        async with asyncio.timeout(engine.options.limits.body_timeout) as exchange.receiving:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    exchange.lose()
                    return
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                more = message.get("more_body", False)
                if size > engine.options.max_payload:
                    _body_too_large(engine, exchange)
                    return
    except TimeoutError:
        invalid = body_too_late(engine.options.limits)
        engine.peer_log.invalid(exchange.request.client, invalid)
        exchange.lose()
        exchange.respond(invalid.status, PLAIN, invalid.why.encode())
        exchange.close_after()
        return
    if not engine.turns.takes(size):
        await engine.turns.come(size)
    if exchange.owner is not None:
        exchange.owner.body_received(exchange, b"".join(parts))


def _body_too_large(engine: EngineServer, exchange: AsgiExchange) -> None:
    """Refuse a body, and the connection with it: the host would read the rest to drop it."""
    owner, exchange.owner = exchange.owner, None
    if owner is not None:
        owner.body_too_large(exchange)
    detail = f"over max_payload={engine.options.max_payload}"
    engine.peer_log.info(exchange.request.client, "the body is too large:", detail)
    exchange.respond(413, engine.error_headers(exchange.request))
    exchange.close_after()


async def _answer_or_disconnect(
    engine: EngineServer, exchange: AsgiExchange, receive: Receive
) -> None:
    """Wait for the answer, or for the peer to go."""
    gone = asyncio.ensure_future(_disconnected(receive))
    either: set[asyncio.Future[Any]] = {gone, exchange.answer}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not exchange.answer.done():
            engine.driver.departures.add(exchange.lose)
    except asyncio.CancelledError:
        exchange.lose()
        raise
    finally:
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
