"""A client linked to a `Server` in the same process: no port, no network, one event loop.

Its packets take the same way through engine and sessions as those of a real client; only the bytes
of HTTP and WebSocket are left out. Each hop takes a turn of the loop, as on a network.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Final, Literal, Self, overload

from sockwave.codec.engineio import BinaryMessage
from sockwave.codec.socketio import Packet, PacketType, encode_packet
from sockwave.errors import AckTimeout, ConnectError, Disconnected, TransportError
from sockwave.socketio.core.acks import ack_value
from sockwave.socketio.core.events import Answer, Args, answered, listening, packed
from sockwave.testing.link import Receiver
from sockwave.testing.linked_polling import PollingLink
from sockwave.testing.linked_websocket import LinkedTransport, WebSocketLink
from sockwave.types import Json, NamespaceName, SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.socketio.server.server import Server
    from sockwave.testing.link import Link

__all__ = ["LinkedClient", "LinkedTransport"]

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds; nothing on its way takes long here: a test that waits this long has failed."""


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
        kind = WebSocketLink if transport == "websocket" else PollingLink
        self._link: Link = kind(server.engine, self, query or {}, headers or {}, address)
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
                self._link.receivers[self._namespace] = Receiver(self._packet_received, self._left)
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

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> None: ...
    @overload
    def emit(self, event: str, *args: Json) -> None: ...
    def emit(self, event: Any, *args: Any) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event."""
        self._send(PacketType.EVENT, [*packed((event, *args))])

    @overload
    async def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Answer: ...
    @overload
    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any: ...
    async def emit_with_ack(self, event: Any, *args: Any, timeout: float | None = None) -> Any:  # type: ignore[misc] # see `AnyEvent`
        """Send an event and wait for the server's acknowledgement.

        Returns:
            A single argument as itself, none as None, several as a tuple.

        Raises:
            AckTimeout: None came within `timeout` seconds.
            Disconnected: The socket left first.
        """
        if event.__class__ is not str:
            name, *values = packed((event, *args))
            return await answered(event, self.emit_with_ack(name, *values, timeout=timeout))
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

    @overload
    def on(self, event: Event[*Args], handler: Callable[[*Args], object]) -> None: ...
    @overload
    def on(self, event: str, handler: Callable[..., Any]) -> None: ...
    def on(self, event: Any, handler: Callable[..., Any]) -> None:
        """Answer an event: what the function returns is acknowledged, if the server asks for it."""
        self._handlers[event] = listening(event, handler)

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
        self._link.receivers.pop(self._namespace, None)
        self._reason = reason
        self.sid = None
        self._ended.set()
        self._answered.set()
        for answer in self._acks.values():
            if not answer.done():
                answer.set_exception(Disconnected(reason))
