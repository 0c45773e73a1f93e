"""What a worker's front end asks: whose a session is, and how its connection gets there."""

from __future__ import annotations

import inspect
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from sockwave.debug import known
from sockwave.engine.server.fronts.adopting import adopt
from sockwave.engine.server.routing import HandOver
from sockwave.workers.handover import Arrival, HandOvers
from sockwave.workers.identity import number_of, prefix_of
from sockwave.workers.relay import relay
from sockwave.workers.session_in import adopt_session, encode_request
from sockwave.workers.session_out import SessionCarrier

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.request import Request
    from sockwave.engine.io.webtransport import CarriedSession
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.shared_port import Host

__all__ = ["WorkerRouter"]

_logger: Final = logging.getLogger("sockwave.workers")


class WorkerRouter:
    """The router of one worker.

    Args:
        engine: Its engine, which is bound to the loop.
        directory: Of the workers' sockets.
        number: Of this process.
        host: Takes requests that are not the engine's, where there is an application beside it.

    Attributes:
        prefix: What ids of sessions here begin with.
        host: The same.
        successor: Number of the worker that has taken this one's place: new clients are its.
        handed_over: How many connections were passed to others.
        adopted: How many came from others.
        carried: WebTransport sessions that are carried for others now.
    """

    def __init__(
        self, engine: EngineServer, directory: str, number: int, host: Host | None = None
    ) -> None:
        self.prefix: str = prefix_of(number)
        self.host: Any = host
        self.successor: int | None = None
        self.handed_over: int = 0
        self.adopted: int = 0
        self.carried: int = 0
        self._engine = engine
        self._number = number
        self._own = self.prefix.encode()
        self._hand_overs = HandOvers(directory, number, self)
        self._relays = 0

    def start(self) -> None:
        """Take what others hand over, from now on."""
        self._hand_overs.start(self._engine.driver.loop)
        self._engine.share_port(self)

    def close(self) -> None:
        """Take nothing more."""
        self._hand_overs.close()

    @property
    def is_replaced(self) -> bool:
        """Whether another worker has taken this one's place."""
        return self.successor is not None

    @property
    def is_reached_by_others(self) -> bool:
        """Whether another worker takes requests for sessions here."""
        return self.is_replaced

    def is_elsewhere(self, sid: bytes) -> bool:
        """Whether this id begins with the number of another worker, alive or not.

        Where there is none, in a request that begins a session, whether another one has taken this
        worker's place: on a connection that this one has accepted, it would have to be refused.
        """
        if sid.startswith(self._own):
            return False
        number = self._owner_of(sid)
        return number is not None and number != self._number

    def _owner_of(self, sid: bytes) -> int | None:
        return number_of(sid) if sid else self.successor

    def hand_over(
        self,
        sid: bytes,
        tcp: asyncio.Transport,
        data: bytes,
        client: tuple[str, int] | None,
        *,
        is_secure: bool,
    ) -> HandOver:
        """Pass the connection itself, or one end of a pair where it is encrypted here."""
        number = self._owner_of(sid)
        if number is None:
            return HandOver.GONE
        tcp.pause_reading()
        if tcp.get_extra_info("sslcontext") is None:
            descriptor = tcp.get_extra_info("socket").fileno()
            outcome = self._hand_overs.send(number, descriptor, data, client, is_secure=is_secure)
            if outcome is HandOver.DONE:
                tcp.abort()  # closes this process's descriptor, and nothing else
        else:
            outcome = self._send_pair(number, tcp, data, client)
        if outcome is HandOver.DONE:
            self.handed_over += 1
        else:
            tcp.resume_reading()
        return outcome

    def _send_pair(
        self, number: int, tcp: asyncio.Transport, data: bytes, client: tuple[str, int] | None
    ) -> HandOver:
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:  # descriptors are short
            _logger.debug(
                "a connection cannot be handed over: %s", error, extra=known(reason=error)
            )
            return HandOver.BUSY
        outcome = self._hand_overs.send(number, theirs.fileno(), data, client, is_secure=True)
        theirs.close()
        if outcome is not HandOver.DONE:
            ours.close()
            return outcome
        self._relays += 2

        def drop() -> None:
            ours.close()
            tcp.abort()

        self._start(relay(tcp, ours, self._relay_ended), drop)
        return outcome

    def hand_over_session(
        self, sid: bytes, session: CarriedSession, request: Request, data: bytes
    ) -> HandOver:
        """Carry a WebTransport session for the worker of a session, over a pair of sockets."""
        number = self._owner_of(sid)
        if number is None:
            return HandOver.GONE
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:  # descriptors are short
            _logger.debug(
                "a connection cannot be handed over: %s", error, extra=known(reason=error)
            )
            return HandOver.BUSY
        outcome = self._hand_overs.send(
            number,
            theirs.fileno(),
            encode_request(request),
            request.client,
            is_secure=True,
            is_session=True,
        )
        theirs.close()
        if outcome is not HandOver.DONE:
            ours.close()
            return outcome
        self.handed_over += 1
        self.carried += 1
        carrier = SessionCarrier(session, data, self._carrier_ended)

        def drop() -> None:
            ours.close()
            carrier.drop()

        self._start(carrier.run(ours), drop)
        return outcome

    def _carrier_ended(self) -> None:
        self.carried -= 1

    def _relay_ended(self) -> None:
        self._relays -= 1

    def arrived(self, arrival: Arrival) -> None:
        """Another worker has handed a connection over."""
        self.adopted += 1
        if arrival.is_session:
            work = adopt_session(self._engine, arrival.sock, arrival.data, arrival.client)
            self._start(work, arrival.sock.close)
            return
        self._start(
            adopt(
                self._engine,
                self.host,
                arrival.sock,
                arrival.data,
                arrival.client,
                is_secure=arrival.is_secure,
            ),
            arrival.sock.close,
        )

    def _start(self, work: Coroutine[None, None, None], drop: Callable[[], None]) -> None:
        """Do what takes more than one turn.

        Args:
            drop: Closes what the work was given. The end of the server cancels tasks, also one
                that has not begun, and so owns nothing yet.
        """
        doing = _until_done(work)

        def ended(task: asyncio.Task[None]) -> None:
            if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
                doing.close()
                work.close()
                drop()

        self._engine.driver.spawn(doing).add_done_callback(ended)


async def _until_done(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except OSError as error:  # the peer has gone meanwhile
        _logger.debug(
            "a connection between workers has ended: %s", error, extra=known(reason=error)
        )
