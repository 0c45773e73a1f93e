"""Whose the next request of a connection is: the engine's, the host's beside it, another worker's.

It is told from the request line, before anybody has read that: who is given the connection gets all
that came of the request, and reads it as if it had come there.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.engine.server.exchange import PLAIN
from sockwave.engine.server.fronts.targets import Owner, owner_of
from sockwave.engine.server.fronts.tcp_connection import Phase, TcpConnection
from sockwave.engine.server.routing import HandOver, session_of
from sockwave.engine.server.rules.rates import RETRY_AFTER

if TYPE_CHECKING:
    import asyncio

    from sockwave.engine.server.exchange import ResponseHeaders
    from sockwave.engine.server.fronts.known_heads import KnownHeadsReader
    from sockwave.engine.server.routing import Router

__all__ = ["Host", "SharedPort"]

DRAIN_LOOK: Final = 0.02
"""Seconds until it is looked again whether a peer has taken its answers, and may be handed over."""


class Host(Protocol):
    """What takes over connections that are not ours."""

    def take_over(self, transport: asyncio.Transport, old: SharedPort, data: bytes) -> None:
        """Serve this connection from here on; the engine counts it until it is lost.

        Args:
            old: Has it until now.
            data: Begins with a whole head.
        """


class SharedPort(TcpConnection):
    """What a connection does about requests that are not the engine's, or not this process's."""

    __slots__ = ("_held", "_host")

    _host: Host | None
    _held: bytes
    _reader: KnownHeadsReader

    @property
    @abstractmethod
    def _owes_answers(self) -> bool:
        """Whether requests wait for their answers."""

    @property
    @abstractmethod
    def is_sending(self) -> bool:
        """Whether an answer is due, or on its way."""

    @abstractmethod
    def close_if_idle(self) -> None:
        """Close unless an answer is due."""

    @abstractmethod
    def _resume(self) -> None:
        """Read on."""

    @abstractmethod
    def _forget(self) -> None:
        """The engine has nothing more to do with this connection."""

    @abstractmethod
    def refuse(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer outside the order, and close."""

    @abstractmethod
    def _log(self, what: str, detail: str = "") -> None:
        """Say something about the peer."""

    def _is_for_us(self, data: bytes) -> bool:
        """Look at the request line; hand the connection over if its path is not ours."""
        owner = owner_of(data, self._limits, self._engine.is_ours)
        if owner is Owner.UNKNOWN:
            self._wait_for_head(data)
        elif owner is Owner.HOST:
            if self._host is None:
                return True  # the engine says that there is nothing
            self._hand_over(self._host, data)
        else:
            router = self._engine.router
            if router is None:
                return True
            sid = session_of(data) or b""
            if not router.is_elsewhere(sid):
                return True
            return not self._passed_on(router, sid, data)
        return False

    def _wait_for_head(self, data: bytes) -> None:
        self._held = data
        if self._phase is not Phase.HEAD and not self._owes_answers:
            self._enter(Phase.HEAD, self._limits.head_timeout)

    def _hand_over(self, host: Host, data: bytes) -> None:
        if self._owes_answers:  # answers are due first
            self._held = data
            self._pause()
            return
        self._is_closing = True
        self._engine.driver.cancel(self)
        self._reader.close()
        host.take_over(self._tcp, self, data)

    def _passed_on(self, router: Router, sid: bytes, data: bytes) -> bool:
        """Hand the connection to the process that has this session; False leaves it to ours."""
        if self._owes_answers or self._tcp.get_write_buffer_size():  # answers are due first
            self._held = data
            self._pause()
            if not self._owes_answers:
                self._engine.driver.loop.call_later(DRAIN_LOOK, self._resume)
            return True
        reader = self._reader
        outcome = router.hand_over(sid, self._tcp, data, reader.client, is_secure=reader.is_secure)
        if outcome is HandOver.BUSY:
            self._log("refused: another worker takes no connections just now")
            self.refuse(503, [*PLAIN, ("Retry-After", str(RETRY_AFTER))], b"busy")
        elif outcome is HandOver.DONE:
            self._is_closing = True
            self._forget()
        return outcome is not HandOver.GONE
