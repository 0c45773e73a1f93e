"""Our side of a WebTransport session whose QUIC connection another worker has.

It looks like one of a connection of our own. What was written counts as on its way until the
client's machine has confirmed it, of which the other worker tells, so that backlogs, heartbeats and
the end of the server go by what the client has, and not by what the other worker has.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from sockwave.engine.core.request import Request
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import CONNECTION_LOST
from sockwave.engine.io.quic.windows import FULL, ROOM
from sockwave.engine.server.exchange import ResponseHeaders, WebTransportExchange
from sockwave.engine.server.newcomers import receive_mover
from sockwave.engine.server.transports.webtransport import WebTransportTransport
from sockwave.types import DisconnectReason
from sockwave.workers.session_wire import Kind, Pipe

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.engine.io.webtransport import CarriedSession, WebTransportSessionReceiver
    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.engine import EngineServer

__all__ = ["adopt_session", "encode_request"]


class _Asked(msgspec.Struct, array_like=True):
    """The request that the other worker has answered."""

    method: str
    target: str
    fields: dict[bytes, bytes]
    is_secure: bool


_decoder = msgspec.msgpack.Decoder(_Asked)


def encode_request(request: Request) -> bytes:
    """Encode a request, for the worker of its session."""
    fields = {name.encode(): value.encode("latin-1") for name, value in request.headers.items()}
    return msgspec.msgpack.encode(_Asked(request.method, request.target, fields, request.is_secure))


async def adopt_session(
    engine: EngineServer, sock: socket.socket, data: bytes, client: tuple[str, int] | None
) -> None:
    """Have the session of a QUIC connection of another worker.

    Args:
        sock: One end of a pair, whose other one is there; it belongs to this function.
        data: By `encode_request`.
        client: Host and port of the peer.

    Raises:
        OSError: The other worker has gone.
    """
    sock.setblocking(False)
    asked = _decoder.decode(data)
    request = Request(asked.method, asked.target, asked.fields, client, asked.is_secure)
    session = RelayedSession(engine, request)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: session.pipe, sock)


class RelayedSession:
    """A session; see `WebTransportSession`, and `Connection`.

    Args:
        engine: Gets it.
        request: Which the other worker has answered.

    Attributes:
        pipe: To the other worker.
        receiver: The transport, once there is one.
    """

    def __init__(self, engine: EngineServer, request: Request) -> None:
        self.pipe: Pipe = Pipe(self)
        self.receiver: WebTransportSessionReceiver | None = None
        self._engine = engine
        self._request = request
        self._written = 0
        self._taken = 0
        self._is_full = False
        self._is_closing = False
        self._is_lost = False

    # --- from the other worker --------------------------------------------------------------------

    def pipe_made(self) -> None:
        """The session is ours."""
        driver = self._engine.driver
        driver.connections.add(self)
        receive_mover(self._engine, _RelayedExchange(self._request, self, driver))

    def message_received(self, kind: int, body: bytes) -> None:
        """Hear what it says."""
        match kind:
            case Kind.DATA:
                if self.receiver is not None:
                    self.receiver.data_received(body)
            case Kind.TAKEN:
                self._progressed(int.from_bytes(body, "big"))
            case Kind.LOST:
                reason, _, words = body.decode(errors="replace").partition("\0")
                self._lose(_reason(reason), words)
                self.pipe.close()

    def _progressed(self, taken: int) -> None:
        self._taken = min(taken, self._written)
        if self._is_full and self.buffered() <= ROOM:
            self._is_full = False
            if self.receiver is not None and not self._is_closing:
                self.receiver.session_writable()

    def pipe_full(self, *, is_full: bool) -> None:
        """What is on its way is bounded by what the client has confirmed."""

    def pipe_lost(self) -> None:
        """The other worker has gone, and the connection with it."""
        self._lose(DisconnectReason.TRANSPORT_CLOSE, CONNECTION_LOST)

    def _lose(self, reason: DisconnectReason, description: str) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        self._engine.driver.connection_lost(self)
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.session_lost(reason, description)

    # --- the session ------------------------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether little enough waits for the peer."""
        return not (self._is_closing or self._is_lost or self._is_full)

    def write(self, data: bytes) -> None:
        """Send on the stream."""
        if self._is_closing or self._is_lost:
            return
        self._written += len(data)
        self._is_full = self._is_full or self.buffered() > FULL
        self.pipe.say(Kind.DATA, data)

    def buffered(self) -> int:
        """Bytes that the peer's machine has not confirmed."""
        return self._written - self._taken

    def progress(self) -> Taken:
        """How far the peer's machine is."""
        return Taken(self._taken, self.buffered())

    def pause_reading(self) -> None:
        """Let the peer send no more than it may by now."""
        self.pipe.say(Kind.PAUSE)

    def resume_reading(self) -> None:
        """Let it go on."""
        self.pipe.say(Kind.RESUME)

    def close(self, code: int, reason: str) -> None:
        """End the session once the peer has what was written."""
        if not self._is_closing:
            self._is_closing = True
            self.pipe.say(Kind.CLOSE, code.to_bytes(4, "big") + reason.encode())

    def refuse(self, reason: str) -> None:
        """End the connection: its client is not to have a session."""
        if not self._is_closing:
            self._is_closing = True
            self.pipe.say(Kind.REFUSE, reason.encode())
            self.pipe.close()
            self._lose(DisconnectReason.TRANSPORT_CLOSE, "refused")

    def abort(self) -> None:
        """End it now."""
        self.pipe.abort()
        self._lose(DisconnectReason.TRANSPORT_CLOSE, CONNECTION_LOST)

    # --- when the server stops --------------------------------------------------------------------

    def close_if_idle(self) -> None:
        """It is never idle: there is a session, or soon it ends by itself."""

    @property
    def is_sending(self) -> bool:
        """Whether the peer has not confirmed everything yet."""
        return self._is_closing or self.buffered() > 0


def _reason(text: str) -> DisconnectReason:
    try:
        return DisconnectReason(text)
    except ValueError:  # while workers are replaced by newer ones, they may know others
        return DisconnectReason.TRANSPORT_CLOSE


class _RelayedExchange(WebTransportExchange):
    """A request that was answered, for whoever reads the first packet."""

    __slots__ = ("_driver", "_session", "_transport")

    def __init__(self, request: Request, session: RelayedSession, driver: Driver) -> None:
        super().__init__(request, admits_http=False)
        self._session = session
        self._driver = driver
        self._transport: WebTransportTransport | None = None

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> WebTransportTransport | None:
        """Give the session a transport."""
        self._transport = WebTransportTransport(self._session, receiver, self._driver)
        self._session.receiver = self._transport
        return self._transport

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Close the session."""
        if self._transport is not None:
            self._transport.refuse(body.decode(errors="replace"))

    def hand_over(self, take: Callable[[CarriedSession, bytes], bool], packet: bytes) -> None:
        """It has come here for a session of this worker, and goes no further."""
