"""The ASGI front end: an engine inside any ASGI server. ASGI's dicts stop here.

The host owns sockets and framing; here are the same exchanges and the same transport contract as on
the native listener, on a task per connection instead of a protocol object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.codec.websocket import CloseCode
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.request import Request
from sockwave.engine.core.transport import NOBODY, SharedPacket
from sockwave.engine.io.websocket import MESSAGE_SECONDS
from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders, UpgradeExchange
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.serving import Servable

__all__ = ["AsgiApp", "Receive", "Scope", "Send", "serve", "wrap"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Any application: frameworks give the three arguments types of their own, which exclude others."""

MESSAGES_PER_LOOK: Final = 32
"""Messages of one connection handled until it is asked whether others should have their turn."""


def wrap(servable: Servable, app: AsgiApp) -> AsgiApp:
    """Send requests under the engine's path to it, and everything else to the application."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        engine = servable.engine
        if scope["type"] == "lifespan":
            engine.driver.bind(asyncio.get_running_loop())
            await app(scope, _closing_first(servable, receive), send)
        elif engine.is_ours(_path_below_root(scope)):
            await serve(servable, scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped


def _closing_first(servable: Servable, receive: Receive) -> Receive:
    """End all sessions before the application shuts down."""

    async def closing_receive() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await servable.close()
        return message

    return closing_receive


async def serve(servable: Servable, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI connection."""
    engine = servable.engine
    engine.driver.bind(asyncio.get_running_loop())
    if scope["type"] == "lifespan":
        await _serve_lifespan(servable, receive, send)
    elif scope["type"] == "http":
        await _serve_http(engine, scope, receive, send)
    elif scope["type"] == "websocket":
        await _serve_websocket(engine, scope, receive, send)


async def _serve_lifespan(servable: Servable, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await servable.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _path_below_root(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path


def _request(engine: EngineServer, scope: Scope) -> Request:
    """Make the neutral request; a mount point stands for the engine's own path."""
    path = _path_below_root(scope)
    if scope.get("root_path") and not engine.is_ours(path):
        path = engine.options.prefix + path.lstrip("/")
    client = scope.get("client")
    fields: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        name = name.lower()
        joint = b"; " if name == b"cookie" else b", "
        fields[name] = fields[name] + joint + value if name in fields else value
    query = scope.get("query_string", b"").decode("latin-1")
    return Request(
        scope.get("method", "GET"),
        f"{path}?{query}" if query else path,
        fields,
        (client[0], client[1]) if client else None,
        is_secure=scope.get("scheme") in ("https", "wss"),
        scope=scope,
        trusted_proxies=engine.trusted_proxies,
    )


def _raw(headers: ResponseHeaders) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


# --- HTTP -----------------------------------------------------------------------------------------


class AsgiExchange(HttpExchange):
    """A request in an ASGI server; its task waits for the answer."""

    __slots__ = ("answer", "is_last", "receiving")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        loop = asyncio.get_running_loop()
        self.receiving: asyncio.Timeout | None = None
        self.is_last = False
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


async def _serve_http(engine: EngineServer, scope: Scope, receive: Receive, send: Send) -> None:
    exchange = AsgiExchange(_request(engine, scope))
    if exchange.request.headers.get("content-encoding", "identity").lower() != "identity":
        exchange.respond(415, [])
    else:
        engine.handle_request(exchange)
    if exchange.request.method == "POST" and not exchange.answer.done():
        await _receive_body(engine, exchange, receive)
    if not exchange.answer.done():
        await _answer_or_disconnect(engine, exchange, receive)
    if exchange.answer.done():
        status, headers, body = exchange.answer.result()
        raw = _raw(headers)
        if status not in (204, 304):
            raw.append((b"content-length", b"%d" % len(body)))
        if exchange.is_last and scope.get("http_version") != "2":  # there it is no header
            raw.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        if exchange.request.method == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body})


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
        exchange.lose()
        exchange.respond(408, [])
        exchange.close_after()
        return
    if exchange.owner is not None:
        exchange.owner.body_received(exchange, b"".join(parts))


def _body_too_large(engine: EngineServer, exchange: AsgiExchange) -> None:
    """Refuse a body, and the connection with it: the host would read the rest to drop it."""
    owner, exchange.owner = exchange.owner, None
    if owner is not None:
        owner.body_too_large(exchange)
    engine.peer_log.info(exchange.request.client, "request body over max_payload")
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


# --- WebSocket ------------------------------------------------------------------------------------


class AsgiUpgrade(UpgradeExchange):
    """A WebSocket offered by an ASGI server; its task waits for the decision."""

    __slots__ = ("_engine", "decision")

    def __init__(self, request: Request, engine: EngineServer) -> None:
        super().__init__(request)
        self._engine = engine
        self.decision: asyncio.Future[tuple[AsgiWebSocket | None, int, ResponseHeaders, bytes]] = (
            asyncio.get_running_loop().create_future()
        )

    def accept(self, receiver: TransportReceiver, headers: ResponseHeaders) -> AsgiWebSocket | None:
        """Let the task accept; the host negotiates compression itself."""
        if self.decision.done():
            return None
        websocket = AsgiWebSocket(receiver, self._engine)
        self.decision.set_result((websocket, 101, headers, b""))
        return websocket

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Let the task refuse."""
        if not self.decision.done():
            self.decision.set_result((None, status, headers, body))


def _message(packet: Outgoing) -> Message:
    """What the host is to send."""
    if isinstance(packet, bytes):
        return {"type": "websocket.send", "text": packet.decode()}
    if packet.is_binary:
        return {"type": "websocket.send", "bytes": packet.data}
    return {"type": "websocket.send", "text": packet.data.decode()}


class AsgiWebSocket:
    """Carries a session on an ASGI server's WebSocket; see `Transport` for the contract."""

    __slots__ = (
        "_buffered",
        "_close_reason",
        "_closing",
        "_engine",
        "_loss",
        "_out",
        "_readable",
        "_wake",
        "_writing",
        "is_writable",
        "receiver",
    )
    name: TransportName = "websocket"

    def __init__(self, receiver: TransportReceiver, engine: EngineServer) -> None:
        self.receiver = receiver
        self.is_writable = True
        self._engine = engine
        # Packets, not messages: those of a broadcast are shared by its receivers.
        self._out: list[Outgoing] = []
        self._buffered = 0
        self._closing: int | None = None
        self._close_reason = ""
        self._loss = "connection lost"
        self._writing: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()

    def write(self, packets: list[Outgoing]) -> None:
        """Queue for the writing task; writable again when it has sent all."""
        if self._closing is not None:
            return
        for packet in packets:
            self._buffered += len(packet.frame if isinstance(packet, SharedPacket) else packet)
        self._out += packets
        self.is_writable = False
        self._wake.set()

    def buffered(self) -> int:
        """Bytes that the host has not taken yet."""
        return self._buffered

    def close(self) -> None:
        """Close after what was written."""
        self._end(CloseCode.NORMAL, DisconnectReason.TRANSPORT_CLOSE, "")

    def discard(self) -> None:
        """Close without what is still queued, unless it was closed in an orderly way before."""
        if self._closing is None:
            self._out.clear()
        self.close()

    def pause_reading(self) -> None:
        """Leave messages with the host."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Go on."""
        self._readable.set()

    def _end(self, code: int, reason: DisconnectReason, description: str) -> None:
        if self._closing is None:
            self._closing = code
            self.is_writable = False
            self._wake.set()
        self._readable.set()
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)

    # --- when the server stops ------------------------------------------------------------------

    @property
    def is_sending(self) -> bool:
        """Whether the host has not taken everything yet, with the close."""
        return True

    def close_if_idle(self) -> None:
        """Leave it: its session has said goodbye."""

    def abort(self) -> None:
        """End, whatever the host still has to take."""
        if self._writing is not None:
            self._writing.cancel()

    async def run(self, receive: Receive, send: Send) -> None:
        """Carry messages both ways until the end."""
        connections = self._engine.driver.connections
        connections.add(self)
        try:
            async with asyncio.TaskGroup() as group:
                self._writing = writing = group.create_task(self._write(send))
                reading = group.create_task(self._read(receive))
                # The end of either is the end: the close was sent, or the peer has gone.
                writing.add_done_callback(lambda _: reading.cancel())
                reading.add_done_callback(lambda _: writing.cancel())
        finally:
            connections.discard(self)
            self._engine.driver.departures.add(self._tell_of_loss)

    def _tell_of_loss(self) -> None:
        self._end(CloseCode.NORMAL, DisconnectReason.TRANSPORT_CLOSE, self._loss)

    async def _write(self, send: Send) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                out, self._out = self._out, []
                for packet in out:
                    await send(_message(packet))
                if self._out:
                    self._wake.set()
                elif self._closing is not None:
                    close: Message = {"type": "websocket.close", "code": self._closing}
                    if self._close_reason:
                        close["reason"] = self._close_reason
                    await send(close)
                    return
                else:
                    self._buffered = 0
                    self.is_writable = True
                    self.receiver.transport_writable(self)
        except Exception as error:  # the host's own types say that the peer has gone
            self._closing = CloseCode.NORMAL
            self._end(CloseCode.NORMAL, DisconnectReason.TRANSPORT_CLOSE, type(error).__name__)

    async def _read(self, receive: Receive) -> None:
        handled = 0
        clock = self._engine.driver.turn_clock
        end = clock() + MESSAGE_SECONDS
        while True:
            await self._readable.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._closing = CloseCode.NORMAL
                self._loss = f"peer closed with {message.get('code', CloseCode.NO_STATUS)}"
                return
            try:
                self._message_received(message)
            except RateExceeded as error:
                self._close_reason = error.reason
                self._end(error.code, DisconnectReason.RATE_LIMIT_EXCEEDED, error.reason)
            handled += 1
            if handled % MESSAGES_PER_LOOK == 0 and clock() >= end:
                await asyncio.sleep(0)
                end = clock() + MESSAGE_SECONDS

    def _message_received(self, message: Message) -> None:
        text = message.get("text")
        data = text.encode() if text is not None else message.get("bytes") or b""
        if len(data) > self._engine.options.max_payload:
            reason = DisconnectReason.TRANSPORT_ERROR
            self._end(CloseCode.MESSAGE_TOO_BIG, reason, "message too big")
        elif text is not None:
            self.receiver.text_received(data)
        else:
            self.receiver.binary_received(data)


async def _serve_websocket(
    engine: EngineServer, scope: Scope, receive: Receive, send: Send
) -> None:
    await receive()  # websocket.connect
    upgrade = AsgiUpgrade(_request(engine, scope), engine)
    if engine.is_ours(upgrade.request.path):
        engine.handle_upgrade(upgrade)
    else:
        upgrade.reject(404, [], b"")
    websocket, status, headers, body = await upgrade.decision
    if websocket is None:
        await _reject(scope, send, status, headers, body)
        return
    accept: Message = {"type": "websocket.accept", "headers": _raw(headers)}
    if subprotocols := scope.get("subprotocols"):
        accept["subprotocol"] = subprotocols[0]
    try:
        await send(accept)
    except BaseException:
        websocket.discard()
        raise
    await websocket.run(receive, send)


async def _reject(
    scope: Scope, send: Send, status: int, headers: ResponseHeaders, body: bytes
) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        start = {"type": "websocket.http.response.start", "status": status}
        raw = [*_raw(headers), (b"content-length", b"%d" % len(body))]
        await send({**start, "headers": raw})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": CloseCode.POLICY_VIOLATION})
