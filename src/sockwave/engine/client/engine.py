"""One connection to a server: from the first attempt to the end of its session.

docs/protocol/client-engine.md has the rules.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from sockwave.debug import shortened
from sockwave.engine.client.polling import PollingTransport
from sockwave.engine.client.websocket import WebSocketTransport
from sockwave.engine.core.client_session import ClientSession, ClientSessionSink
from sockwave.engine.core.transport import NOBODY
from sockwave.errors import FailureCause, SockwaveError, TransportError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.client.url import ServerUrl
    from sockwave.types import SessionId, TransportName

__all__ = ["ClientEngine"]

T = TypeVar("T", PollingTransport, WebSocketTransport)
_logger: Final = logging.getLogger("sockwave.engine")


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

        self._http = HttpClient(server, options)
        self._tried: list[TransportName] = []
        self._opened: asyncio.Future[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._transports: list[PollingTransport | WebSocketTransport] = []
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
        names = list(self._options.transports)
        if begin_with in names:
            names.remove(begin_with)
            names.insert(0, begin_with)
        if not self._options.try_all_transports:
            del names[1:]
        while True:
            try:
                await self._open_transport(names[0])
                return
            except SockwaveError:
                self._tried.append(names.pop(0))
                if not names:
                    raise

    async def _open_transport(self, name: TransportName) -> None:
        self.session = session = ClientSession(self._runtime, self)
        self._opened = opened = self._runtime.loop.create_future()
        opened.add_done_callback(_retrieve)
        try:
            if name == "polling":
                session.transport = self._keep(PollingTransport(self._http, session, self._runtime))
            else:
                connection = await self._http.upgrade(None)
                session.transport = self._keep(
                    WebSocketTransport(connection, session, self._runtime, self._options)
                )
            await opened
        except BaseException:
            if not session.is_closing:
                session.end(DisconnectReason.FORCED_CLOSE, None)
            raise

    def _keep(self, transport: T) -> T:
        self._transports.append(transport)
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
            for transport in self._transports:
                await transport.wait_gone()
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
        handshake = session.handshake
        if (
            session.is_open
            and handshake is not None
            and isinstance(transport, PollingTransport)
            and self._options.upgrade
            and "websocket" in handshake.upgrades
            and "websocket" in self._options.transports
            and "websocket" not in self._tried
        ):
            self._prober = self._runtime.start(self._probe(session))

    def session_upgraded(self) -> None:
        """It moved to the WebSocket."""
        self._sink.session_upgraded()

    def session_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """It is over; before the handshake that is the failure of the attempt."""
        if self._prober is not None:
            self._prober.cancel()
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

    async def _probe(self, session: ClientSession) -> None:
        """Open a WebSocket beside polling; failing that, polling it is."""
        try:
            async with asyncio.timeout(self._options.timeout):
                connection = await self._http.upgrade(session.id)
        except (SockwaveError, TimeoutError) as error:
            _logger.debug("no upgrade to a WebSocket: %s", shortened(error))
            return
        transport = self._keep(WebSocketTransport(connection, NOBODY, self._runtime, self._options))
        session.begin_upgrade(transport, self._options.timeout)


def _retrieve(opened: asyncio.Future[None]) -> None:
    """A failure that nobody waits for, as after a cancellation, is not to be reported as lost."""
    if not opened.cancelled():
        opened.exception()
