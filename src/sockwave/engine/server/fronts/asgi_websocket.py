"""WebSockets in an ASGI server: one task that reads and one that writes for each.

The host frames, masks and compresses. It takes messages one at a time, so what a session sends
waits here, and a session is writable again only when the host has taken all. The end of either task
is the end of the other: the close was sent, or the peer has gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sockwave.codec.close_code import CloseCode
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.request import Request, decoded
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import CONNECTION_LOST, NOBODY, SLICE, SharedPacket
from sockwave.engine.io.turns import READ_COST
from sockwave.engine.server.exchange import PLAIN, ResponseHeaders, UpgradeExchange
from sockwave.engine.server.fronts.asgi_refusals import answered
from sockwave.engine.server.fronts.asgi_scope import raw_headers, request_of
from sockwave.engine.server.invalid_request import InvalidRequest
from sockwave.engine.server.transports.websocket import FAILURE_LINGER
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi_scope import Message, Receive, Scope, Send

__all__ = ["AsgiWebSocket", "reject", "serve_websocket"]


class AsgiUpgrade(UpgradeExchange):
    """A WebSocket offered by an ASGI server; its task waits for the decision."""

    __slots__ = ("_engine", "decision")

    def __init__(self, request: Request, engine: EngineServer) -> None:
        super().__init__(request)
        self._engine = engine
        self.decision: asyncio.Future[tuple[AsgiWebSocket | None, int, ResponseHeaders, bytes]] = (
            asyncio.get_running_loop().create_future()
        )

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> AsgiWebSocket | None:
        """Let the task accept; the host negotiates compression itself."""
        if self.decision.done():
            return None
        websocket = AsgiWebSocket(receiver, self._engine)
        if first is not None:
            websocket.write([first])
        self.decision.set_result((websocket, 101, headers, b""))
        return websocket

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Let the task refuse."""
        if not self.decision.done():
            self.decision.set_result((None, status, headers, body))


def _size(packet: Outgoing) -> int:
    return len(packet.frame if isinstance(packet, SharedPacket) else packet)


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
        "_taken",
        "_wake",
        "_writing",
        "is_writable",
        "receiver",
        "wheel_slot",
    )
    name: TransportName = "websocket"
    direct = None
    slice = SLICE

    def __init__(self, receiver: TransportReceiver, engine: EngineServer) -> None:
        self.receiver: TransportReceiver = receiver
        self.is_writable: bool = True
        self.wheel_slot: int = 0
        self._engine = engine
        # Packets, not messages: those of a broadcast are shared by its receivers.
        self._out: list[Outgoing] = []
        self._buffered = 0
        self._taken = 0
        self._closing: int | None = None
        self._close_reason = ""
        self._loss = CONNECTION_LOST
        self._writing: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()

    def write(self, packets: list[Outgoing]) -> None:
        """Queue for the writing task; writable again when it has sent all."""
        if self._closing is not None:
            return
        self._buffered += sum(map(_size, packets))
        self._out += packets
        self.is_writable = False
        self._wake.set()

    def buffered(self) -> int:
        """Bytes that the host has not taken yet."""
        return self._buffered

    def progress(self) -> Taken:
        """How far the host is: what it does not take, the client has not taken."""
        return Taken(self._taken, self._buffered)

    def close(self) -> None:
        """Close after what was written."""
        self._end(CloseCode.NORMAL, DisconnectReason.TRANSPORT_CLOSE, "")

    def discard(self) -> None:
        """Close without what is still queued, unless it was closed in an orderly way before."""
        if self._closing is None:
            self._out.clear()
        self.close()
        self._end_within(FAILURE_LINGER)

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
            self._end_within(self._engine.options.close_timeout)
        self._readable.set()
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)

    def _end_within(self, seconds: float) -> None:
        """A host waits for as long as its client does not read."""
        if self._writing is not None and not self._writing.done():
            driver = self._engine.driver
            driver.schedule(self, driver.clock() + seconds)

    def handle_timeout(self, now: float) -> None:
        """The host does not get rid of what it was sent."""
        self.abort()

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
            self._engine.driver.cancel(self)
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
                    size = _size(packet)
                    self._taken += size
                    self._buffered -= size
                if self._out:
                    self._wake.set()
                elif self._closing is not None:
                    close: Message = {"type": "websocket.close", "code": self._closing}
                    if self._close_reason:
                        close["reason"] = self._close_reason
                    await send(close)
                    return
                else:
                    self.is_writable = True
                    self.receiver.transport_writable(self)
        except Exception as error:  # the host's own types say that the peer has gone
            self._closing = CloseCode.NORMAL
            self._end(CloseCode.NORMAL, DisconnectReason.TRANSPORT_CLOSE, type(error).__name__)

    async def _read(self, receive: Receive) -> None:
        turns = self._engine.turns
        while True:
            await self._readable.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._closing = CloseCode.NORMAL
                self._loss = f"peer closed with {message.get('code', CloseCode.NO_STATUS)}"
                return
            size = len(message.get("text") or message.get("bytes") or b"")
            turns.credit -= size + READ_COST
            if turns.credit < 0 and turns.is_over():
                await turns.come(size)
            try:
                self._message_received(message)
            except RateExceeded as error:
                self._close_reason = error.reason
                self._end(error.code, DisconnectReason.RATE_LIMIT_EXCEEDED, error.reason)

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


async def serve_websocket(engine: EngineServer, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket, or refuse it, until its end."""
    await receive()  # websocket.connect
    try:
        upgrade = AsgiUpgrade(request_of(engine, scope), engine)
    except InvalidRequest as invalid:
        engine.peer_log.invalid(scope.get("client"), invalid)
        await reject(scope, send, invalid.status, PLAIN, invalid.why.encode())
        return
    if engine.is_ours(decoded(upgrade.request.path)):
        engine.handle_upgrade(upgrade)
    else:
        upgrade.reject(404, [], b"")
    websocket, status, headers, body = await upgrade.decision
    if websocket is None:
        await reject(scope, send, status, headers, body)
        return
    accept: Message = {"type": "websocket.accept", "headers": raw_headers(headers)}
    if subprotocols := scope.get("subprotocols"):
        accept["subprotocol"] = subprotocols[0]
    try:
        await send(accept)
    except BaseException:
        websocket.discard()
        raise
    await websocket.run(receive, send)


async def reject(
    scope: Scope, send: Send, status: int, headers: ResponseHeaders, body: bytes
) -> None:
    """Refuse a WebSocket, as far as the host can."""
    if "websocket.http.response" in scope.get("extensions", {}):
        start = {"type": "websocket.http.response.start", "status": status}
        raw = [*raw_headers(headers), (b"content-length", b"%d" % len(body))]
        await send({**start, "headers": raw})
        await send({"type": "websocket.http.response.body", "body": body})
        answered()
    else:
        await send({"type": "websocket.close", "code": CloseCode.POLICY_VIOLATION})
