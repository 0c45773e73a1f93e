"""Processes of other hosts on one machine that have their port, and so their clients, together.

Nobody has started them together, so each finds its place by itself, in the directory that the
adapter names: a number (`Claim`), which the ids of its sessions begin with, and sockets where the
others reach it. Requests that a host has read are relayed (`relay_out`, `relay_in`); connections of
our own listener are handed over, as those of workers are.

It begins when the engine is bound to an event loop, before the first request, and ends with the
server, after which the next event loop, or the next life in the same one, begins anew.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from sockwave.adapters.adapter import ClusterAdapter
from sockwave.engine.server.routing import HandOver
from sockwave.platform import has_unix_packets
from sockwave.socketio.server.server import Server
from sockwave.workers.cluster import joined
from sockwave.workers.identity import number_of
from sockwave.workers.numbers import Claim, relay_path
from sockwave.workers.relay_in import RelayedRequests
from sockwave.workers.relay_out import Patience, connect, relay_out
from sockwave.workers.router import WorkerRouter

if TYPE_CHECKING:
    import asyncio

    from sockwave.engine.core.request import Request
    from sockwave.engine.io.webtransport import CarriedSession
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi_scope import Receive, Scope, Send
    from sockwave.engine.server.fronts.serving import Servable
    from sockwave.socketio.core.cluster_contract import SharesSessions
    from sockwave.workers.link import Link

__all__ = ["Neighbours", "join_neighbours"]

JOIN_TIMEOUT: Final = 5.0
"""Seconds that a process waits for the others before it serves: one may be stopped."""

_logger: Final = logging.getLogger("sockwave.workers")

_taken: Final[WeakSet[SharesSessions]] = WeakSet()


def join_neighbours(served: Servable, maker: SharesSessions) -> Neighbours:
    """For a server that is made with such an adapter.

    Raises:
        ValueError: Another server has it: it is one member of the cluster, and has one end.
    """
    if maker in _taken:
        raise ValueError("adapter: each server needs a WorkersAdapter of its own")
    _taken.add(maker)
    return Neighbours(served, maker)


class Neighbours:
    """A server's place among the processes that share its port.

    Args:
        served: The server.
        maker: Of its adapters.

    Attributes:
        heard: Seconds that another process may take to hear of a request; None stands for
            `ping_timeout`, as which a client measures it.
    """

    def __init__(self, served: Servable, maker: SharesSessions) -> None:
        self.heard: float | None = None
        self._served = served
        self._maker = maker
        self._router: NeighbourRouter | None = None
        served.engine.driver.on_bind(self._begin)

    def _begin(self) -> None:
        engine = self._served.engine
        if self._router is not None:  # its loop has ended, or could not begin
            self._router.drop()
        self._router = router = NeighbourRouter(
            engine, Claim(self._maker.directory), self.heard, self._served
        )
        router.start()

    async def aclose(self) -> None:
        """The server is closed: leave, so that the next bind begins anew."""
        router, self._router = self._router, None
        if router is None:
            return
        await self._maker.aclose()
        await router.aclose()
        engine = self._served.engine
        for session in list(engine.sessions.values()):
            session.discard()  # it has come meanwhile, and nobody could find it
        engine.share_port(None)
        engine.driver.begin_again()


class NeighbourRouter(WorkerRouter):
    """Of one process in one event loop; also carries requests that a host has read.

    Args:
        engine: Bound to the running loop.
        claim: Its number.
        heard: Seconds that another process may take to hear of a request; None stands for
            `ping_timeout`.
        served: The server, whose namespaces are to be joined.

    Attributes:
        relayed: How many requests were relayed to others.
    """

    def __init__(
        self, engine: EngineServer, claim: Claim, heard: float | None, served: Servable
    ) -> None:
        super().__init__(engine, claim.directory, claim.number)
        self.relayed: int = 0
        self._claim = claim
        self._served = served
        options = engine.options
        heard = options.ping_timeout if heard is None else heard
        longest = options.ping_interval + options.ping_timeout + options.limits.body_timeout
        self._patience = Patience(heard=heard, answer=longest + heard)
        self._requests: RelayedRequests | None = None
        self._links: set[Link] = set()
        self._is_closing = False
        self._can_hand_over = has_unix_packets()

    def start(self) -> None:
        """Take what others have for sessions here, from now on."""
        if self._can_hand_over:
            super().start()
        self._engine.share_port(self, self)
        self._requests = RelayedRequests(self._engine, self._claim.listening, self._patience.heard)
        _logger.debug("this process has number %d in %s", self._number, self._claim.directory)

    async def wait_joined(self) -> None:
        """Wait until the others are known, and know this one; for a few seconds at most."""
        if isinstance(self._served, Server):
            for namespace in self._served.namespaces.values():
                if isinstance(namespace.adapter, ClusterAdapter):  # not yet, in a second life
                    namespace.adapter.start()
        if not await joined(self._served, JOIN_TIMEOUT):
            _logger.warning("this process serves, but not all others answer")

    @property
    def carrying(self) -> int:
        """How many requests are with others now, WebSockets included."""
        return len(self._links)

    @property
    def answering(self) -> int:
        """How many requests of others are here now, WebSockets included."""
        return 0 if self._requests is None else self._requests.open

    @property
    def is_reached_by_others(self) -> bool:
        """Whether there are other processes: a host, or a balancer, gives them all that comes."""
        return isinstance(self._served, Server) and len(self._served.cluster.nodes) > 1

    async def relay(self, sid: bytes, scope: Scope, receive: Receive, send: Send) -> HandOver:
        """Have a request answered by the process of a session."""
        number = number_of(sid)
        link = HandOver.GONE if number is None else await connect(self._path(number))
        if isinstance(link, HandOver):
            return link
        self._links.add(link)
        try:
            outcome = await relay_out(link, scope, receive, send, self._patience)
        finally:
            self._links.discard(link)
        if outcome is HandOver.DONE:
            self.relayed += 1
        return HandOver.BUSY if outcome is HandOver.GONE and self._is_closing else outcome

    def _path(self, number: int) -> str:
        return relay_path(self._claim.directory, number)

    def hand_over(
        self,
        sid: bytes,
        tcp: asyncio.Transport,
        data: bytes,
        client: tuple[str, int] | None,
        *,
        is_secure: bool,
    ) -> HandOver:
        """Pass the connection itself; a number that was a dead process's may be another's now."""
        if not self._can_hand_over:
            return HandOver.GONE
        outcome = super().hand_over(sid, tcp, data, client, is_secure=is_secure)
        if outcome is HandOver.GONE:
            outcome = super().hand_over(sid, tcp, data, client, is_secure=is_secure)
        return outcome

    def hand_over_session(
        self, sid: bytes, session: CarriedSession, request: Request, data: bytes
    ) -> HandOver:
        """Carry a WebTransport session, as `hand_over` does it with connections."""
        if not self._can_hand_over:
            return HandOver.GONE
        outcome = super().hand_over_session(sid, session, request, data)
        if outcome is HandOver.GONE:
            outcome = super().hand_over_session(sid, session, request, data)
        return outcome

    async def aclose(self) -> None:
        """Take nothing more, and leave: what is being answered here gets a moment."""
        self._is_closing = True
        for link in list(self._links):
            link.abort()
        if self._requests is not None:
            await self._requests.aclose()
        self.close()
        self._claim.release()

    def drop(self) -> None:
        """Its event loop has ended, and all connections with it."""
        self.close()
        self._claim.release()
