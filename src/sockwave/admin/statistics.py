"""The numbers of this process, which viewers get every two seconds.

Theory: without a cluster nobody but viewers of this process can see them, so nothing is counted
and no timer runs while there are none. In a cluster a viewer may be anywhere, at a server in
JavaScript, too, which tells nobody: then each process counts and sends always, as the JavaScript
version does.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from heapq import nlargest
from socket import gethostname
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.server.routing import told_worker
from sockwave.observe import (
    Broadcast,
    EventReceived,
    EventSent,
    SessionClosed,
    SessionOpened,
    SessionUpgraded,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sockwave.observe import Seen
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.server import Server

__all__ = ["INTERVAL", "Statistics"]

INTERVAL: Final = 2.0
"""Seconds between two reports. After ten without one the page takes a server for unhealthy."""

MOST_NAMESPACES: Final = 200
"""Namespaces that are reported, those with most sockets: clients may have made many."""

POLLING: Final = "polling"


class Statistics:
    """Counts and reports.

    Args:
        server: Whose numbers.
        namespace: Where the viewers are.
        server_id: What the page calls this process; None for a name of its own.
        each_time: Called with each report.
    """

    def __init__(
        self,
        server: Server,
        namespace: Namespace,
        server_id: str | None,
        each_time: Callable[[], None],
    ) -> None:
        self._server = server
        self._namespace = namespace
        self._each_time = each_time
        hostname = gethostname()
        self._base = {
            "serverId": server_id or _server_id(server, hostname),
            "hostname": hostname,
            "pid": os.getpid(),
        }
        self._begin = time.monotonic()
        self._events: defaultdict[tuple[int, str, str | None], int] = defaultdict(int)
        self._counts = [0, 0, 0, 0]  # packets and bytes in, packets and bytes out
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._counts_events = False
        sessions = server.engine.sessions.values()
        self._polling = sum(each.transport.name == POLLING for each in sessions)
        server.observe(SessionOpened)(self._opened)
        server.observe(SessionUpgraded)(self._upgraded)
        server.observe(SessionClosed)(self._closed)
        server.engine.on("closing", self.stop)
        if self._is_told:
            server.engine.driver.when_bound(self.begin)

    @property
    def _is_told(self) -> bool:
        """Whether anybody may see a report."""
        return bool(self._namespace.sockets) or self._namespace.others is not None

    # --- when -------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Report now and from now on, if somebody may see it."""
        loop = self._server.engine.driver.loop
        if (self._timer is not None and self._loop is loop) or not self._is_told:
            return
        self._loop = loop
        self._count_events(True)
        self._report()

    def stop(self) -> None:
        """Report no more; `begin` goes on."""
        if self._timer is not None and self._loop is not None and not self._loop.is_closed():
            self._timer.cancel()
        self._timer = None
        self._count_events(False)
        self._events.clear()

    def _report(self) -> None:
        self._timer = None
        if not self._is_told:
            self.stop()
            return
        self._namespace.emit("server_stats", self._take())
        self._each_time()
        assert self._loop is not None
        self._timer = self._loop.call_later(INTERVAL, self._report)

    # --- what -------------------------------------------------------------------------------------

    def _take(self) -> dict[str, Any]:
        self._note_counts()
        events, self._events = self._events, defaultdict(int)
        spaces = list(self._server.namespaces.values())
        if len(spaces) > MOST_NAMESPACES:
            spaces = nlargest(MOST_NAMESPACES, spaces, key=lambda space: len(space.sockets))
        return {
            **self._base,
            "uptime": round(time.monotonic() - self._begin, 3),
            "clientsCount": len(self._server.engine.sessions),
            "pollingClientsCount": self._polling,
            "aggregatedEvents": [
                {"timestamp": second * 1000, "type": kind, "count": count}
                | ({} if sub is None else {"subType": sub})
                for (second, kind, sub), count in events.items()
            ],
            "namespaces": [
                {"name": space.name, "socketsCount": len(space.sockets)} for space in spaces
            ],
        }

    def _note(self, kind: str, sub: str | None = None, count: int = 1) -> None:
        self._events[int(time.time()), kind, sub] += count

    def _note_counts(self) -> None:
        """Events are counted between two reports, not by the second: the page adds them up."""
        names = ("packetsIn", "bytesIn", "packetsOut", "bytesOut")
        for name, count in zip(names, self._counts, strict=True):
            if count:
                self._note(name, None, count)
        self._counts = [0, 0, 0, 0]

    # --- sessions ---------------------------------------------------------------------------------

    def _opened(self, seen: SessionOpened) -> None:
        self._polling += seen.transport == POLLING
        if self._is_told:
            self.begin()  # another loop may have taken over
            self._note("rawConnection")

    def _upgraded(self, seen: SessionUpgraded) -> None:
        self._polling -= 1

    def _closed(self, seen: SessionClosed) -> None:
        self._polling -= seen.transport == POLLING
        if self._is_told:
            self._note("rawDisconnection", str(seen.reason))

    # --- events -----------------------------------------------------------------------------------

    def _count_events(self, wanted: bool) -> None:
        if wanted == self._counts_events:
            return
        self._counts_events = wanted
        kinds: tuple[tuple[type[Seen], Callable[[Any], None]], ...] = (
            (EventReceived, self._came),
            (EventSent, self._went),
            (Broadcast, self._went_out),
        )
        for kind, observer in kinds:
            if wanted:
                self._server.observe(kind)(observer)
            else:
                self._server.stop_observing(observer)

    def _came(self, seen: EventReceived) -> None:
        counts = self._counts
        counts[0] += 1
        counts[1] += seen.size

    def _went(self, seen: EventSent) -> None:
        counts = self._counts
        counts[2] += 1
        counts[3] += seen.size

    def _went_out(self, seen: Broadcast) -> None:
        counts = self._counts
        counts[2] += seen.receivers
        counts[3] += seen.receivers * seen.size


def _server_id(server: Server, hostname: str) -> str:
    """Each process of a host needs its own: the page takes those of one name for one."""
    is_alone = told_worker() is None and server.adapter_maker is None
    return hostname if is_alone else f"{hostname}#{os.getpid()}"
