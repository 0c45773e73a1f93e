"""The move of an open session from polling to something better (docs/protocol/upgrade.md).

As in the JavaScript client WebTransport has a short head start; then a WebSocket is opened beside
it, and what is ready first is tried. If that fails, the other one is; if nothing does, polling it
is. Where WebTransport does not get through, UDP rests for a while.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.debug import known, shortened
from sockwave.errors import SockwaveError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.client_session import ClientSession
    from sockwave.engine.core.client_transport import ClientTransport
    from sockwave.types import SessionId, TransportName

__all__ = ["HEAD_START", "PROBE_TIME", "Opener", "Upgrading"]

HEAD_START: Final = 0.2
"""Seconds that WebTransport has before a WebSocket is opened, too; the reference's."""

PROBE_TIME: Final = 5.0
"""Seconds in which a server has to speak on WebTransport where a WebSocket is left to be tried: UDP
may be blocked in the middle of a connection."""

ASK_AGAIN: Final = 11.0
"""Seconds until a WebSocket is tried again, where the server has refused it for WebTransport, whose
end it cannot hear of: it lets that go after 10 (docs/protocol/upgrade.md#steps-of-the-server)."""

_NAMES: Final = {"webtransport": "WebTransport", "websocket": "a WebSocket", "polling": "polling"}

_logger: Final = logging.getLogger("sockwave.engine")


class Opener(Protocol):
    """Opens transports."""

    async def open_beside(self, name: TransportName, sid: SessionId) -> ClientTransport:
        """Open one for a session that is carried by another one.

        Raises:
            SockwaveError: It cannot be opened.
        """

    @property
    def has_heard(self) -> bool:
        """Whether anything came by UDP."""


class Upgrading:
    """Tries transports for one session.

    Args:
        names: Of those that both sides have, the better first.
        timeout: Seconds of opening one, and again of trying it. None: no limit.
    """

    def __init__(
        self,
        session: ClientSession,
        opener: Opener,
        runtime: Runtime,
        names: Sequence[TransportName],
        timeout: float | None,
    ) -> None:
        self._session = session
        self._opener = opener
        self._runtime = runtime
        self._names = list(names)
        self._timeout = timeout
        self._moved: asyncio.Future[bool] | None = None

    def moved(self) -> None:
        """The session is carried by the one that was tried."""
        self._tell(True)

    def _failed(self) -> None:
        self._tell(False)

    def _tell(self, has_moved: bool) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(has_moved)

    async def run(self) -> None:
        """Try until one carries the session, or none is left."""
        may_be_asked_again = False
        while self._names and self._session.is_open:
            ready = await self._first_ready()
            if ready is None:
                return
            name = ready.name
            was_silent = "webtransport" in self._names and not self._opener.has_heard
            self._names.remove(name)
            if await self._move_to(ready):
                if name == "webtransport":
                    self._runtime.udp.succeeded()
                elif was_silent:
                    self._udp_failed()
                return
            self._note(name, "no answer on it")
            if name == "webtransport":
                self._udp_failed()
                may_be_asked_again = bool(self._names)
            elif may_be_asked_again:
                may_be_asked_again = False
                await asyncio.sleep(ASK_AGAIN)
                self._names.append(name)

    def _udp_failed(self) -> None:
        self._runtime.udp.failed(self._runtime.awake_clock())

    async def _move_to(self, transport: ClientTransport) -> bool:
        """Try one that is open; whether it carries the session now."""
        self._moved = self._runtime.loop.create_future()
        timeout = self._timeout
        if transport.name == "webtransport" and self._names:
            timeout = PROBE_TIME if timeout is None else min(timeout, PROBE_TIME)
        self._session.begin_upgrade(transport, timeout, self._failed)
        return await self._moved

    async def _first_ready(self) -> ClientTransport | None:
        """Open them side by side; those that cannot be opened are not tried again."""
        if len(self._names) == 1:
            return await self._only_one(self._names[0])
        trying: dict[asyncio.Task[ClientTransport], TransportName] = {}
        waiting = list(self._names)
        won: ClientTransport | None = None
        try:
            while won is None and (waiting or trying):
                if waiting:
                    name = waiting.pop(0)
                    trying[self._runtime.loop.create_task(self._open(name))] = name
                await asyncio.wait(
                    trying,
                    timeout=HEAD_START if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in [task for task in trying if task.done()]:
                    name = trying[task]
                    try:
                        transport = task.result()
                    except (SockwaveError, TimeoutError) as error:
                        self._note(name, error)
                        del trying[task]
                        self._names.remove(name)
                        continue
                    if won is None:
                        won = transport
                        del trying[task]
        finally:
            await self._give_up(list(trying))
        return won

    async def _only_one(self, name: TransportName) -> ClientTransport | None:
        """As most have it: without a task, whose first step other requests would overtake."""
        try:
            return await self._open(name)
        except (SockwaveError, TimeoutError) as error:
            self._note(name, error)
            self._names.remove(name)
            return None

    async def _open(self, name: TransportName) -> ClientTransport:
        async with asyncio.timeout(self._timeout):
            return await self._opener.open_beside(name, self._session.id)

    async def _give_up(self, tasks: Sequence[asyncio.Task[ClientTransport]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and task.exception() is None:
                task.result().discard()

    def _note(self, name: TransportName, why: object) -> None:
        text = "no upgrade to %s: %s"
        _logger.debug(text, _NAMES[name], shortened(why), extra=known(reason=why))
