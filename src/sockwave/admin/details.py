"""All that sockets do, told to viewers: development mode.

Theory: hooks of `on_any` see arguments, which observers do not. Viewers get what is there when they
come (`all_sockets`), and from then on what changes; so what changes is never left out, and a viewer
that does not read it ends by `max_backlog` as anybody does. Events are many, and nobody reads all
of them: a process tells of so many a second, and not at all to a viewer that lags behind.

Where the server keeps records of connections, viewers read why one has ended beside the reason: a
record is complete before the sockets of its connection leave.

Changes of `socket.data` have no hook: it is compared, soon after a socket has done something, and
with each report of numbers.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sockwave.admin.showing import (
    MARK,
    client_id,
    now_text,
    shown_args,
    shown_data,
    shown_socket,
)
from sockwave.codec.json import encode_plain
from sockwave.debug import known
from sockwave.observe import (
    ConnectionEnded,
    SessionUpgraded,
    SocketConnected,
    SocketDisconnected,
)
from sockwave.types import SocketId

if TYPE_CHECKING:
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket
    from sockwave.types import Room

__all__ = ["Details"]

_logger: Final = logging.getLogger("sockwave.admin")

MOST_EVENTS: Final = 50
"""Events a second that a process tells of: the page draws its whole table anew for each of them,
and a browser stands still long before a server does."""

LAGGING: Final = 1024 * 1024
"""Bytes that wait for a viewer; past that it gets no events until it has caught up."""

MOST_SOCKETS: Final = 5_000
"""Sockets that a viewer gets when it comes: some megabytes."""

MOST_NAMESPACES: Final = 200
AT_A_TIME: Final = 10
"""Namespaces whose sockets are asked for at the same time."""

SOON: Final = 0.1
"""Seconds after which `data` of a socket that has done something is looked at."""

MOST_COMPARED: Final = 5_000
"""Sockets whose `data` is looked at with each report."""


class Details:
    """Watches all namespaces of a server.

    Args:
        server: Which.
        namespace: Where the viewers are.
    """

    def __init__(self, server: Server, namespace: Namespace) -> None:
        self._server = server
        self._viewers = namespace
        self._driver = server.engine.driver
        self._by_session: dict[str, dict[tuple[str, SocketId], Socket]] = {}
        self._data: dict[tuple[str, SocketId], bytes] = {}
        self._changed: dict[tuple[str, SocketId], Socket] = {}
        self._sentences: dict[str, str] = {}  # of connections that have ended just now
        self._look: asyncio.TimerHandle | None = None
        self._second, self._told = 0, 0
        for each in list(server.namespaces.values()):
            self._watch(each)
        server.on("new_namespace", self._watch)
        server.observe(SocketConnected)(self._connected)
        server.observe(SocketDisconnected)(self._disconnected)
        server.observe(SessionUpgraded)(self._upgraded)
        if server.options.records is not None:
            server.observe(ConnectionEnded)(self._ended)

    @property
    def _is_told(self) -> bool:
        return bool(self._viewers.sockets) or self._viewers.others is not None

    def _tell(self, event: str, *args: Any) -> None:
        if self._is_told:
            self._viewers.emit(event, *args)

    def _watch(self, namespace: Namespace) -> None:
        """Hear of its rooms, and of the sockets that are there."""
        namespace.adapter.on("join_room", partial(self._joined, namespace.name))
        namespace.adapter.on("leave_room", partial(self._left, namespace.name))
        for socket in namespace.sockets.values():
            self._take_up(socket)

    # --- sockets ----------------------------------------------------------------------------------

    def _connected(self, seen: SocketConnected) -> None:
        namespace = self._server.find_namespace(seen.namespace)
        socket = None if namespace is None else namespace.sockets.get(SocketId(seen.socket))
        if socket is None:
            return
        self._take_up(socket)
        name, now = seen.namespace, now_text()
        if self._is_told:
            # A viewer hears of itself by `all_sockets`: it has no answer to its CONNECT yet.
            others = self._viewers.except_(socket.id)
            others.emit("room_joined", name, socket.id, socket.id, now)
            others.emit("socket_connected", shown_socket(socket, name), now)

    def _take_up(self, socket: Socket) -> None:
        name, key = socket.namespace.name, _key(socket)
        self._by_session.setdefault(socket.conn.id, {})[key] = socket
        if socket.namespace is not self._viewers:
            socket.on_any(partial(self._received, socket))
            socket.on_any_outgoing(partial(self._sent, name, socket.id))
        if socket.namespace.others is not None:
            self._mark(socket)
        self._note_changes(socket)

    def _mark(self, socket: Socket) -> None:
        """Tell other servers what they show of this socket."""
        session = socket.conn
        socket.data[MARK] = {
            "clientId": client_id(session.id),
            "transport": session.transport.name,
        }

    def _disconnected(self, seen: SocketDisconnected) -> None:
        key = seen.namespace, SocketId(seen.socket)
        self._data.pop(key, None)
        self._changed.pop(key, None)
        sockets = self._by_session.get(seen.session, {})
        sockets.pop(key, None)
        if not sockets:
            self._by_session.pop(seen.session, None)
        name, id_, reason = seen.namespace, seen.socket, str(seen.reason)
        if sentence := self._sentences.get(seen.session):
            reason = f"{reason}: {sentence}"
        self._tell("socket_disconnected", name, id_, reason, now_text())
        self._tell("room_left", name, id_, id_, now_text())

    def _ended(self, seen: ConnectionEnded) -> None:
        if self._is_told and (id_ := seen.record.session):
            self._sentences[id_] = seen.record.sentence
            self._driver.call_soon(self._sentences.clear)

    def _upgraded(self, seen: SessionUpgraded) -> None:
        for (name, id_), socket in self._by_session.get(seen.session, {}).items():
            if socket.namespace.others is not None:
                self._mark(socket)
            told = {"id": id_, "nsp": name, "transport": seen.transport}
            self._tell("socket_updated", told)

    # --- rooms ------------------------------------------------------------------------------------

    def _joined(self, name: str, room: Room, id_: SocketId) -> None:
        self._tell("room_joined", name, room, id_, now_text())

    def _left(self, name: str, room: Room, id_: SocketId) -> None:
        """Later: of a socket that leaves they hear first that it has."""
        if self._is_told:
            args = ("room_left", name, room, id_, now_text())
            self._driver.call_soon(partial(self._tell, *args))

    # --- events -----------------------------------------------------------------------------------

    def _received(self, socket: Socket, *args: Any) -> None:
        self._note_changes(socket)
        self._tell_event("event_received", socket.namespace.name, socket.id, args)

    def _sent(self, name: str, id_: SocketId, *args: Any) -> None:
        self._tell_event("event_sent", name, id_, args)

    def _tell_event(self, event: str, name: str, id_: SocketId, args: tuple[Any, ...]) -> None:
        if not self._is_told or not self._may_tell():
            return
        lagging = [
            each.id for each in self._viewers.sockets.values() if each.conn.backlog > LAGGING
        ]
        reached = self._viewers.except_(*lagging) if lagging else self._viewers
        reached.emit(event, name, id_, shown_args(args), now_text())

    def _may_tell(self) -> bool:
        second = int(self._driver.clock())
        if second != self._second:
            self._second, self._told = second, 0
        self._told += 1
        return self._told <= MOST_EVENTS

    # --- data -------------------------------------------------------------------------------------

    def _note_changes(self, socket: Socket) -> None:
        """Look at its data in a moment: handlers run next."""
        if not self._is_told:
            return
        self._changed[_key(socket)] = socket
        if self._look is None or self._look.cancelled() or self._look.when() < self._now - 1:
            self._look = self._driver.loop.call_later(SOON, self._look_at_changed)

    @property
    def _now(self) -> float:
        return self._driver.loop.time()

    def _look_at_changed(self) -> None:
        self._look = None
        changed, self._changed = self._changed, {}
        for key, socket in changed.items():
            self._compare(key, socket)

    def compare_all(self) -> None:
        """Tell of data that has changed meanwhile."""
        every = (
            (key, socket)
            for sockets in self._by_session.values()
            for key, socket in sockets.items()
            if socket.namespace.recovery is None  # which would save what is looked at
        )
        for key, socket in list(islice(every, MOST_COMPARED)):
            self._compare(key, socket)

    def _compare(self, key: tuple[str, SocketId], socket: Socket) -> None:
        if not socket.connected:
            return
        data = shown_data(socket.data)
        text = encode_plain(data)
        old = self._data.get(key, b"{}")
        if text != old:
            self._data[key] = text
            told = {"id": socket.id, "nsp": socket.namespace.name, "data": data}
            self._tell("socket_updated", told)

    # --- what is there ----------------------------------------------------------------------------

    async def tell_all_sockets(self, viewer: Socket) -> None:
        """Send a viewer the sockets of the whole cluster."""
        spaces = sorted(self._server.namespaces.values(), key=lambda each: -len(each.sockets))
        chosen, found = spaces[:MOST_NAMESPACES], list[dict[str, Any]]()
        for at in range(0, len(chosen), AT_A_TIME):
            part = chosen[at : at + AT_A_TIME]
            for sockets in await asyncio.gather(*map(self._sockets_of, part)):
                found.extend(sockets[: MOST_SOCKETS - len(found)])
        viewer.emit("all_sockets", found)

    async def _sockets_of(self, namespace: Namespace) -> list[dict[str, Any]]:
        try:
            sockets: list[Any] = await namespace.fetch_sockets()
        except Exception as error:
            fields = known(namespace=namespace.name, reason=error)
            _logger.warning("other servers do not tell of their sockets: %s", error, extra=fields)
            sockets = list(namespace.sockets.values())
        return [shown_socket(each, namespace.name) for each in sockets[:MOST_SOCKETS]]


def _key(socket: Socket) -> tuple[str, SocketId]:
    return socket.namespace.name, socket.id
