"""One connection to a server: from the first attempt to the end of its session.

docs/protocol/client-engine.md has the rules.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from sockwave.engine.client.failures import WEBTRANSPORT_ERROR
from sockwave.engine.client.loading import load_quic
from sockwave.engine.client.polling import PollingTransport
from sockwave.engine.client.upgrading import Upgrading
from sockwave.engine.client.websocket import WebSocketTransport
from sockwave.engine.client.webtransport import WebTransportTransport
from sockwave.engine.core.client_session import ClientSession, ClientSessionSink
from sockwave.engine.core.transport import NOBODY
from sockwave.errors import FailureCause, SockwaveError, TransportError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.quic.dialing import Dial
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.client.url import ServerUrl
    from sockwave.engine.core.client_transport import ClientTransport
    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.types import SessionId, TransportName

__all__ = ["ClientEngine"]

T = TypeVar("T", PollingTransport, WebSocketTransport)

OPEN_TIME: Final = 5.0
"""Seconds that WebTransport may take until the server's handshake, where another transport is left:
networks that block UDP say nothing."""


class _Ending(Protocol):
    """What is not gone at once."""

    async def wait_gone(self) -> None:
        """Wait until it is."""


class ClientEngine:
    """Opens a session over the wanted transports, upgrades it, and tells its sink how it ends.

    It is made for one connection: for the next one there is a new engine.

    Attributes:
        session: The current one; None before `open`.
    """

    def __init__(
        self,
        server: ServerUrl,
        options: ClientEngineOptions,
        runtime: Runtime,
        sink: ClientSessionSink,
    ) -> None:
        self.session: ClientSession | None = None
        self._options = options
        self._runtime = runtime
        self._sink = sink
        from sockwave.engine.client.http import HttpClient  # slow at first: see `load_http`

        self._server = server
        self._http = HttpClient(server, options)
        self._dial: Dial | None = None
        self._upgrading: Upgrading | None = None
        self._tried: list[TransportName] = []
        self._opened: asyncio.Future[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._endings: list[_Ending] = []
        # Messages go from the session to the layer above without a call in between.
        self.text_message: Callable[[bytes], None] = sink.text_message
        self.binary_message: Callable[[bytes], None] = sink.binary_message
        self.ping_received: Callable[[], None] = sink.ping_received
        self.session_drained: Callable[[], None] = sink.session_drained

    @property
    def id(self) -> SessionId | None:
        """Session id, a credential; None before the handshake."""
        return self.session.id or None if self.session is not None else None

    @property
    def transport(self) -> TransportName | None:
        """What carries the session now."""
        transport = self.session.transport if self.session is not None else None
        return transport.name if transport is not None else None

    @property
    def is_closing(self) -> bool:
        """Whether an orderly close is under way, whose end the sink will hear."""
        return self.session is not None and self.session.is_closing

    async def open(self, begin_with: TransportName | None = None) -> None:
        """Connect and wait for the server's handshake.

        The sink hears `session_opened` before this returns. It has no limit of time: the caller
        sets one, and cancelling it leaves nothing behind but what `aclose` ends.

        Args:
            begin_with: Transport to try first, if it is one of the wanted ones.

        Raises:
            SockwaveError: No transport could be opened; the last one's error.
        """
        await self._http.prepare()
        names = self._names(begin_with)
        is_blocked = False
        while True:
            name = names.pop(0)
            gives_way = name == "webtransport" and bool(names)
            try:
                async with asyncio.timeout(self._open_time() if gives_way else None):
                    await self._open_transport(name)
                break
            except (SockwaveError, TimeoutError) as error:
                self._tried.append(name)
                if not names:
                    raise
                is_blocked = is_blocked or (gives_way and _is_of_network(error))
        if name == "webtransport":
            self._runtime.udp.succeeded()
        elif is_blocked:
            self._runtime.udp.failed(self._runtime.awake_clock())

    def _open_time(self) -> float:
        """Half of the time at most: the other half is for what is left."""
        timeout = self._options.timeout
        return OPEN_TIME if timeout is None else min(OPEN_TIME, timeout / 2)

    def _names(self, begin_with: TransportName | None) -> list[TransportName]:
        """Transports to be tried, in order."""
        names = list(self._options.transports)
        if len(names) > 1 and "webtransport" in names and not self._may_use_udp():
            names.remove("webtransport")
        if begin_with in names:
            names.remove(begin_with)
            names.insert(0, begin_with)
        if not self._options.try_all_transports:
            del names[2 if names[0] == "webtransport" else 1 :]
        return names

    def _may_use_udp(self) -> bool:
        return not self._http.has_detour and self._runtime.udp.is_due(self._runtime.awake_clock())

    async def _open_transport(self, name: TransportName) -> None:
        self.session = session = ClientSession(self._runtime, self)
        self._opened = opened = self._runtime.loop.create_future()
        opened.add_done_callback(_retrieve)
        try:
            if name == "polling":
                session.transport = self._keep(PollingTransport(self._http, session, self._runtime))
            elif name == "webtransport":
                session.transport = await self._open_webtransport(session, None)
            else:
                session.transport = await self._open_websocket(session, None)
            await opened
        except BaseException:
            if not session.is_closing:
                session.end(DisconnectReason.FORCED_CLOSE, None)
            raise

    async def _open_websocket(
        self, receiver: TransportReceiver, sid: SessionId | None
    ) -> WebSocketTransport:
        connection = await self._http.upgrade(sid)
        return self._keep(WebSocketTransport(connection, receiver, self._runtime, self._options))

    async def _open_webtransport(
        self, receiver: TransportReceiver, sid: SessionId | None
    ) -> WebTransportTransport:
        if self._http.has_detour:
            raise TransportError(
                WEBTRANSPORT_ERROR,
                transport="webtransport",
                cause=FailureCause.PROXY,
                details="it goes through no proxy and no Unix socket",
            )
        await load_quic()
        from sockwave.engine.client.quic.dialing import Dial  # nobody else needs the library

        headers = self._http.headers()
        self._dial = dial = Dial(self._server, self._options, self._runtime, headers)
        self._endings.append(dial)
        carried = await dial.open()
        transport = WebTransportTransport(carried, receiver, self._runtime, self._options, sid)
        carried.begin(transport)
        return transport

    async def open_beside(self, name: TransportName, sid: SessionId) -> ClientTransport:
        """Open a transport for the session that is there; see `Opener`."""
        if name == "webtransport":
            return await self._open_webtransport(NOBODY, sid)
        return await self._open_websocket(NOBODY, sid)

    @property
    def has_heard(self) -> bool:
        """Whether anything came by UDP."""
        return self._dial is not None and self._dial.has_heard

    def _keep(self, transport: T) -> T:
        self._endings.append(transport)
        return transport

    def close(self) -> None:
        """Close in an orderly way; the sink hears of the end when it has come."""
        if self.session is not None:
            self.session.close(self._options.close_timeout)

    async def aclose(self) -> None:
        """Free everything, after the session has ended: connections are gone when this returns."""
        if self.session is not None:
            self.session.end(DisconnectReason.FORCED_CLOSE, None)
        if self._prober is not None:
            self._prober.cancel()
        try:
            for ending in self._endings:
                await ending.wait_gone()
        finally:
            await self._http.aclose()

    # --- from the session -------------------------------------------------------------------------

    def session_opened(self) -> None:
        """The handshake has come: tell the layer above, then try for better."""
        session = self.session
        assert session is not None
        transport = session.transport
        if isinstance(transport, PollingTransport):
            transport.sid = session.id
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)
        self._sink.session_opened()
        if (
            session.is_open
            and isinstance(transport, PollingTransport)
            and self._options.upgrade
            and (names := self._upgrades(session))
        ):
            timeout = self._options.timeout
            self._upgrading = Upgrading(session, self, self._runtime, names, timeout)
            self._prober = self._runtime.start(self._upgrading.run())

    def _upgrades(self, session: ClientSession) -> list[TransportName]:
        """What both sides have and polling may be left for, the better first."""
        theirs = () if session.handshake is None else session.handshake.upgrades
        better: list[TransportName] = ["webtransport", "websocket"]
        names = [
            name
            for name in better
            if name in theirs and name in self._options.transports and name not in self._tried
        ]
        if "webtransport" in names and not self._may_use_udp():
            names.remove("webtransport")
        return names

    def session_upgraded(self) -> None:
        """It moved to another transport."""
        if self._upgrading is not None:
            self._upgrading.moved()
        self._sink.session_upgraded()

    def session_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """It is over; before the handshake that is the failure of the attempt."""
        if self._prober is not None:
            self._prober.cancel()
        if reason is DisconnectReason.PING_TIMEOUT and self.transport == "webtransport":
            self._runtime.udp.failed(self._runtime.awake_clock())
        opened = self._opened
        if opened is not None and not opened.done():
            opened.set_exception(
                error
                or TransportError(
                    "connection closed before the handshake", cause=FailureCause.CLOSED
                )
            )
        elif opened is not None and opened.exception() is None:
            self._sink.session_closed(reason, error)


def _is_of_network(error: BaseException) -> bool:
    """Whether UDP may not get through, rather than that the server does not want it."""
    return isinstance(error, TimeoutError) or (
        isinstance(error, TransportError) and error.cause in _OF_NETWORK
    )


_OF_NETWORK: Final = frozenset(
    {
        FailureCause.TIMEOUT,
        FailureCause.REFUSED,
        FailureCause.UNREACHABLE,
        FailureCause.LOST,
        FailureCause.TLS,
    }
)


def _retrieve(opened: asyncio.Future[None]) -> None:
    """A failure that nobody waits for, as after a cancellation, is not to be reported as lost."""
    if not opened.cancelled():
        opened.exception()
