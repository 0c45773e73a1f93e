"""A client linked to a `Server` in the same process: no port, no network, one event loop.

Its packets take the same way through engine and sessions as those of a real client; only the bytes
of HTTP and WebSocket are left out. Each hop takes a turn of the loop, as on a network.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal, Self
from urllib.parse import urlencode

import orjson

from sockwave.codec.engineio import (
    BinaryMessage,
    ReceivedPacket,
    encode_base64_packet,
    encode_payload,
    iter_payload,
)
from sockwave.codec.socketio import Packet, PacketType, Reassembler, decode_packet, encode_packet
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.request import Request
from sockwave.engine.core.transport import NOBODY
from sockwave.engine.server.exchange import HttpExchange, ResponseHeaders, UpgradeExchange
from sockwave.errors import (
    AckTimeout,
    ConnectError,
    Disconnected,
    TextEncodingError,
    TransportError,
)
from sockwave.socketio.core.acks import ack_value
from sockwave.types import DisconnectReason, Json, NamespaceName, SocketId, TransportName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.socketio.server.server import Server

__all__ = ["LinkedClient", "LinkedTransport"]

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds; nothing on its way takes long here: a test that waits this long has failed."""

_MAX_BYTES: Final = 2**40


class LinkedClient:
    """A Socket.IO client in the process of its server.

        async with LinkedClient(io, auth={"token": "s3cret"}) as client:
            client.emit("hello", 1)
            assert await client.received() == ("welcome", ["hello"])
            assert await client.emit_with_ack("add", 1, 2) == 3

    Entering the block connects; leaving it ends the connection. Pings are answered.

    Args:
        server: Gets this client; it need not listen anywhere.
        namespace: Where to connect to.
        auth: What the server sees as `socket.handshake.auth`.
        transport: `websocket`, or `polling` with its two requests at a time.
        query: More parameters of the first request.
        headers: Of the first request.
        address: Where the server sees the client.
        timeout: Seconds that any wait may take.

    Attributes:
        sid: Id of the socket; None while there is none.
        pid: Its secret, with which another client can go on where this one was lost: give it as
            `auth={"pid": ..., "offset": ...}`, the offset being the last argument of the last event
            received. None where the server does not recover connections.
        answers_pings: Set it to False to be found silent.
        refusal: What the server refused it with, before or after it had let it in.
    """

    def __init__(
        self,
        server: Server,
        namespace: NamespaceName = "/",
        *,
        auth: dict[str, Any] | None = None,
        transport: Literal["websocket", "polling"] = "websocket",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        address: tuple[str, int] | None = ("127.0.0.1", 50_000),
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.sid: SocketId | None = None
        self.pid: str | None = None
        self.answers_pings = True
        self.refusal: ConnectError | None = None
        self._server = server
        self._namespace = namespace
        self._auth = auth
        self._timeout = timeout
        kind = _WebSocketLink if transport == "websocket" else _PollingLink
        self._link: _Link = kind(server.engine, self, query or {}, headers or {}, address)
        self._owns_link = True
        self._events: asyncio.Queue[tuple[str, list[Any]]] = asyncio.Queue()
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._answered: asyncio.Event = asyncio.Event()
        self._ended: asyncio.Event = asyncio.Event()
        self._reason = ""
        self._ack_ids = itertools.count()
        self._acks: dict[int, asyncio.Future[Any]] = {}

    def of(self, namespace: NamespaceName, *, auth: dict[str, Any] | None = None) -> LinkedClient:
        """A client for another namespace over the same connection; connect it the same way."""
        sibling = LinkedClient(self._server, namespace, auth=auth, timeout=self._timeout)
        sibling._link = self._link
        sibling._owns_link = False
        return sibling

    # --- connecting -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect to the namespace.

        Raises:
            ConnectError: The server refused it; has its message and data.
            TransportError: The server refused the connection itself, or ended it.
        """
        self._server.engine.driver.bind(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(self._timeout):
                await self._link.open()
                self._link.clients[self._namespace] = self
                self._send(PacketType.CONNECT, self._auth)
                await self._answered.wait()
        except BaseException:
            await self.close()
            raise
        if self.refusal is not None:
            await self.close()
            raise self.refusal
        if self.sid is None:
            raise TransportError(self._reason)

    async def close(self) -> None:
        """End the connection without a word, or leave a namespace of a shared one."""
        if self._owns_link:
            self._link.close()
        elif self.sid is not None:
            self.disconnect()
        await asyncio.sleep(0)

    def disconnect(self) -> None:
        """Leave the namespace; the connection stays."""
        self._send(PacketType.DISCONNECT, None)
        self._left("io client disconnect")

    async def disconnected(self) -> str:
        """Wait for the end, and say why, in the words of the JavaScript client.

        Returns:
            `io server disconnect`, `io client disconnect`, `transport close`, `transport error`; or
            `connect error` for a client that has a `refusal`.
        """
        async with asyncio.timeout(self._timeout):
            await self._ended.wait()
        return self._reason

    # --- events -----------------------------------------------------------------------------------

    def emit(self, event: str, *args: Json) -> None:
        """Send an event."""
        self._send(PacketType.EVENT, [event, *args])

    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for the server's acknowledgement.

        Returns:
            A single argument as itself, none as None, several as a tuple.

        Raises:
            AckTimeout: None came within `timeout` seconds.
            Disconnected: The socket left first.
        """
        id_ = next(self._ack_ids)
        answer = self._acks[id_] = asyncio.get_running_loop().create_future()
        self._send(PacketType.EVENT, [event, *args], id_)
        try:
            async with asyncio.timeout(self._timeout if timeout is None else timeout):
                return await answer
        except TimeoutError:
            raise AckTimeout from None
        finally:
            self._acks.pop(id_, None)

    async def received(self) -> tuple[str, list[Any]]:
        """Wait for the next event: its name and its arguments. Events for `on` do not come here."""
        async with asyncio.timeout(self._timeout):
            return await self._events.get()

    def received_nowait(self) -> list[tuple[str, list[Any]]]:
        """Take the events that have come so far."""
        return [self._events.get_nowait() for _ in range(self._events.qsize())]

    def on(self, event: str, handler: Callable[..., Any]) -> None:
        """Answer an event: what the function returns is acknowledged, if the server asks for it."""
        self._handlers[event] = handler

    def send_raw(self, *packets: str | bytes) -> None:
        """Send Engine.IO packets as they are, to see what the server makes of wrong ones.

        Args:
            packets: Text packets such as `42["event"]`; bytes as binary messages.
        """
        self._link.send([p.encode() if isinstance(p, str) else BinaryMessage(p) for p in packets])

    # --- a slow client ----------------------------------------------------------------------------

    def pause(self) -> None:
        """Read nothing: the server's packets stay in its queue."""
        self._link.pause()

    def resume(self) -> None:
        """Read again."""
        self._link.resume()

    # --- from the link ----------------------------------------------------------------------------

    def _send(self, type_: PacketType, data: Any, id_: int | None = None) -> None:
        text, attachments = encode_packet(Packet(type_, self._namespace, id_, data))
        self._link.send([text, *map(BinaryMessage, attachments)])

    def _packet_received(self, packet: Packet) -> None:
        match packet.type:
            case PacketType.CONNECT:
                self.sid = SocketId(packet.data["sid"])
                self.pid = packet.data.get("pid")
                self._answered.set()
            case PacketType.CONNECT_ERROR:
                self.refusal = ConnectError(packet.data["message"], packet.data.get("data"))
                self._answered.set()
                self._left("connect error")
            case PacketType.DISCONNECT:
                self._left("io server disconnect")
            case PacketType.ACK:
                answer = self._acks.get(packet.id) if packet.id is not None else None
                if answer is not None and not answer.done():
                    answer.set_result(ack_value(tuple(packet.data)))
            case _:
                self._event_received(packet)

    def _event_received(self, packet: Packet) -> None:
        event, *args = packet.data
        handler = self._handlers.get(event)
        if handler is None:
            self._events.put_nowait((event, args))
            return
        result = handler(*args)
        if packet.id is not None:
            values = [] if result is None else result if isinstance(result, tuple) else [result]
            self._send(PacketType.ACK, values, packet.id)

    def _left(self, reason: str) -> None:
        if self._ended.is_set():
            return
        self._link.clients.pop(self._namespace, None)
        self._reason = reason
        self.sid = None
        self._ended.set()
        self._answered.set()
        for answer in self._acks.values():
            if not answer.done():
                answer.set_exception(Disconnected(reason))


class _Link(ABC):
    """One connection, shared by the clients of its namespaces."""

    name: TransportName

    def __init__(
        self,
        engine: EngineServer,
        owner: LinkedClient,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        address: tuple[str, int] | None,
    ) -> None:
        self.engine = engine
        self.clients: dict[NamespaceName, LinkedClient] = {}
        self.has_ended = False
        self.sid: str | None = None
        self._owner = owner
        self._query = dict(query)
        self._headers = {
            name.lower().encode("latin-1"): value.encode("latin-1")
            for name, value in headers.items()
        }
        self._address = address
        self._reassembler = Reassembler(max_bytes=_MAX_BYTES)
        self._opened: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Shake hands, once."""
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
            self._begin()
        await asyncio.shield(self._opened)

    @abstractmethod
    def _begin(self) -> None:
        """Send the first request."""

    @abstractmethod
    def send(self, packets: list[ReceivedPacket]) -> None:
        """Send packets to the server."""

    @abstractmethod
    def close(self) -> None:
        """End the connection from this side."""

    @abstractmethod
    def pause(self) -> None:
        """Read nothing."""

    @abstractmethod
    def resume(self) -> None:
        """Read again."""

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        """A hop of the network."""
        asyncio.get_running_loop().call_soon(callback, *args)

    def request(self, method: str, sid: str | None = None) -> Request:
        """Make a request to the engine."""
        query = {"EIO": "4", "transport": self.name, **self._query}
        if sid is not None:
            query["sid"] = sid
        return Request(
            method,
            f"{self.engine.options.prefix}?{urlencode(query)}",
            dict(self._headers),
            self._address,
            trusted_proxies=self.engine.trusted_proxies,
        )

    def packet_received(self, packet: ReceivedPacket) -> None:
        """Take a packet of the server's."""
        if isinstance(packet, BinaryMessage):
            whole = self._reassembler.add(packet.data)
            if whole is not None:
                self._route(whole)
            return
        match packet[:1]:
            case b"0":
                self.sid = orjson.loads(packet[1:])["sid"]
                if self._opened is not None and not self._opened.done():
                    self._opened.set_result(None)
            case b"1":
                self.ended("transport close")
            case b"2" if self._owner.answers_pings:
                self.send([b"3"])
            case b"4":
                decoded = decode_packet(packet, max_attachments=2**31)
                if decoded.attachments:
                    self._reassembler.begin(decoded)
                else:
                    self._route(decoded)
            case _:
                pass  # a noop

    def _route(self, packet: Packet) -> None:
        client = self.clients.get(packet.namespace)
        if client is not None:
            client._packet_received(packet)

    def refused(self, status: int, body: bytes) -> None:
        """The server does not want this connection."""
        self.has_ended = True
        if self._opened is not None and not self._opened.done():
            text = body.decode(errors="replace")
            self._opened.set_exception(TransportError(f"{status} {text}".strip()))

    def ended(self, reason: str) -> None:
        """The connection is over."""
        if self.has_ended:
            return
        self.has_ended = True
        for client in list(self.clients.values()):
            client._left(reason)
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(TransportError(reason))


# --- WebSocket ------------------------------------------------------------------------------------


class LinkedTransport:
    """The server's end of a linked WebSocket; see `Transport` for the contract."""

    name: TransportName = "websocket"

    def __init__(self, receiver: TransportReceiver, link: _WebSocketLink) -> None:
        self.receiver = receiver
        self.is_writable = True
        self._link = link
        self._inbox: deque[ReceivedPacket] = deque()
        self._is_reading = True
        self._is_scheduled = False
        self._is_closed = False

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets in order, all of them."""
        for packet in packets:
            if isinstance(packet, bytes):
                self._to_client(packet)
            else:
                self._to_client(BinaryMessage(packet.data) if packet.is_binary else packet.data)

    def buffered(self) -> int:
        """Nothing: what a paused client does not take stays in the session's queue."""
        return 0

    def close(self) -> None:
        """End after what was written."""
        if not self._is_closed:
            self.discard()
            self.lose(DisconnectReason.TRANSPORT_CLOSE, "")

    def discard(self) -> None:
        """End now and tell nobody."""
        if not self._is_closed:
            self._is_closed = True
            self.is_writable = False
            self._inbox.clear()
            self._link.call_soon(self._link.ended, "transport close")

    def pause_reading(self) -> None:
        """Take nothing more from the client until `resume_reading`."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Go on."""
        self._is_reading = True
        self._schedule()

    def lose(self, reason: DisconnectReason, description: str) -> None:
        """The connection has ended: tell the session."""
        self._is_closed = True
        self.is_writable = False
        self._inbox.clear()
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)

    def feed(self, packets: list[ReceivedPacket]) -> None:
        """Packets from the client arrive with the next turn."""
        if not self._is_closed:
            self._inbox.extend(packets)
            self._schedule()

    def set_writable(self, is_writable: bool) -> None:
        """The client has stopped reading, or goes on."""
        if not self._is_closed:
            self.is_writable = is_writable
            if is_writable:
                self.receiver.transport_writable(self)

    def _schedule(self) -> None:
        if self._inbox and not self._is_scheduled:
            self._is_scheduled = True
            self._link.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        try:
            while self._inbox and self._is_reading:
                packet = self._inbox.popleft()
                if isinstance(packet, BinaryMessage):
                    self.receiver.binary_received(packet.data)
                else:
                    self.receiver.text_received(packet)
        except (TextEncodingError, RateExceeded) as error:
            self._link.call_soon(self._link.ended, "transport close")
            self.lose(DisconnectReason.TRANSPORT_ERROR, str(error))

    def _to_client(self, packet: ReceivedPacket) -> None:
        self._link.call_soon(self._link.packet_received, packet)


class _WebSocketLink(_Link):
    name = "websocket"
    transport: LinkedTransport | None = None

    def _begin(self) -> None:
        self.engine.handle_upgrade(_LinkedUpgrade(self.request("GET"), self))

    def send(self, packets: list[ReceivedPacket]) -> None:
        if self.transport is not None:
            self.transport.feed(packets)

    def close(self) -> None:
        self.ended("io client disconnect")
        if self.transport is not None:
            self.transport.lose(DisconnectReason.TRANSPORT_CLOSE, "")

    def pause(self) -> None:
        if self.transport is not None:
            self.transport.set_writable(False)

    def resume(self) -> None:
        if self.transport is not None:
            self.transport.set_writable(True)


class _LinkedUpgrade(UpgradeExchange):
    def __init__(self, request: Request, link: _WebSocketLink) -> None:
        super().__init__(request)
        self._link = link

    def accept(self, receiver: TransportReceiver, headers: ResponseHeaders) -> LinkedTransport:
        self._link.transport = transport = LinkedTransport(receiver, self._link)
        return transport

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        self._link.call_soon(self._link.refused, status, body)


# --- polling --------------------------------------------------------------------------------------


class _PollingLink(_Link):
    """One GET that waits, and at most one POST."""

    name = "polling"
    _is_paused = False
    _poll: _LinkedExchange | None = None
    _post: _LinkedExchange | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._outbox: list[ReceivedPacket] = []

    def _begin(self) -> None:
        self._get()

    def _get(self) -> None:
        if self._poll is None and not self._is_paused and not self.has_ended:
            self._poll = _LinkedExchange(self.request("GET", self.sid), self)
            self.engine.handle_request(self._poll)

    def send(self, packets: list[ReceivedPacket]) -> None:
        self._outbox += packets
        self.call_soon(self._post_outbox)

    def _post_outbox(self) -> None:
        if self._post is not None or not self._outbox:
            return
        packets, self._outbox = self._outbox, []
        body = encode_payload(
            [encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p for p in packets]
        )
        self._post = post = _LinkedExchange(self.request("POST", self.sid), self)
        self.engine.handle_request(post)
        if post.owner is not None:
            post.owner.body_received(post, body)

    def close(self) -> None:
        if not self.has_ended and self.sid is not None:
            self._outbox.append(b"1")
            self._post_outbox()
        self.ended("io client disconnect")

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._get()

    def answered(self, exchange: _LinkedExchange, status: int, body: bytes) -> None:
        """A response has come."""
        if exchange is self._post:
            self._post = None
            if status == 200:
                self._post_outbox()
            else:
                self.ended("transport error")
            return
        self._poll = None
        if status != 200:
            if self.sid is None:
                self.refused(status, body)
            self.ended("transport error")
            return
        for packet in iter_payload(body):
            self.packet_received(packet)
        self._get()


class _LinkedExchange(HttpExchange):
    def __init__(self, request: Request, link: _PollingLink) -> None:
        super().__init__(request)
        self._link = link

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        self._link.call_soon(self._link.answered, self, status, body)

    def close_after(self) -> None: ...

    def abort(self) -> None:
        self._link.call_soon(self._link.ended, "transport error")
