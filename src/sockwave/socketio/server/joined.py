"""The sockets of one client, by namespace: those that are in, and those that are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.server.contracts import MemberServer, MemberSocket
    from sockwave.types import DisconnectReason, NamespaceName

__all__ = ["JoinedSockets", "Pending"]


@dataclass(slots=True)
class Pending:
    """A namespace that was asked for.

    Attributes:
        socket: None until it is known whose namespace it is.
        task: Runs what decides about it.
    """

    socket: MemberSocket | None
    task: asyncio.Task[Any] | None = None


class JoinedSockets:
    """Who is in, who is waited for, and who was taken out without the client's knowing yet.

    Attributes:
        server: Above them.
        session: Below; they share it.
        driver: Of the engine.
        wheel_slot: Of the wait for a first namespace, and of what is waited for later.
    """

    __slots__ = (
        "_by_name",
        "_connect_by",
        "_end",
        "_main",
        "_pending",
        "_taken_out",
        "driver",
        "server",
        "session",
        "wheel_slot",
    )

    def __init__(self, server: MemberServer, session: ServerSession) -> None:
        self.server: MemberServer = server
        self.session: ServerSession = session
        driver = server.engine.driver
        self.driver: Driver = driver
        self.wheel_slot: int = 0
        # How the session has ended, while events that came before that wait for their handlers.
        self._end: tuple[DisconnectReason, str] | None = None
        # When a first namespace must be joined; None once one was.
        self._connect_by: float | None = driver.clock() + server.options.connect_timeout
        driver.schedule(self, self._connect_by)
        self._pending: dict[NamespaceName, Pending] | None = None
        self._main: MemberSocket | None = None
        # All sockets in the order they joined; None while there is none but the main one.
        self._by_name: dict[NamespaceName, MemberSocket] | None = None
        # Namespaces that the server has taken the client out of: what it sent before it knew comes
        # still, and is dropped.
        self._taken_out: dict[NamespaceName, None] | None = None

    def handle_timeout(self, now: float) -> None:
        """What was waited for did not come in time."""
        raise NotImplementedError

    def sockets(self) -> tuple[MemberSocket, ...]:
        """Those that are in, in the order they joined; a snapshot."""
        if self._by_name is not None:
            return tuple(self._by_name.values())
        return () if self._main is None else (self._main,)

    def _joined(self, name: NamespaceName) -> MemberSocket | None:
        """The socket in a namespace."""
        if name == "/":
            return self._main
        return self._by_name.get(name) if self._by_name is not None else None

    def _add(self, socket: MemberSocket) -> None:
        if self._connect_by is not None:
            self._connect_by = None
            self.driver.cancel(self)
        name = socket.namespace.name
        if name == "/":
            self._main = socket
        elif self._by_name is None:
            self._by_name = {} if self._main is None else {"/": self._main}
        if self._by_name is not None:
            self._by_name[name] = socket

    def _remove(self, socket: MemberSocket) -> None:
        if socket is self._main:
            self._main = None
        if self._by_name is not None:
            self._by_name.pop(socket.namespace.name, None)

    def _note_taken_out(self, name: NamespaceName, most: int) -> None:
        """Drop what the client sends there until it knows; of the last so many namespaces."""
        if self._taken_out is None:
            self._taken_out = {}
        elif len(self._taken_out) >= most:
            del self._taken_out[next(iter(self._taken_out))]
        self._taken_out[name] = None

    def _was_taken_out(self, name: NamespaceName) -> bool:
        return self._taken_out is not None and name in self._taken_out

    # --- pending: the application decides ---------------------------------------------------------

    def _wait(
        self, name: NamespaceName, socket: MemberSocket | None, deciding: Coroutine[Any, Any, None]
    ) -> None:
        """Let a task decide about a namespace; it is cancelled when the connection ends first."""
        waiting = self._hold(name, socket)
        task = self.driver.spawn(deciding)
        if not task.done():
            waiting.task = task

    def _hold(self, name: NamespaceName, socket: MemberSocket | None) -> Pending:
        if self._pending is None:
            self._pending = {}
        waiting = self._pending[name] = Pending(socket)
        return waiting

    def _is_awaited(self, name: NamespaceName) -> bool:
        """Whether a namespace was still waited for; now it is not."""
        if self._pending is None or name not in self._pending or not self.session.is_open:
            return False
        del self._pending[name]
        return True

    def _release(self, socket: MemberSocket) -> None:
        """Middlewares are done with a socket."""
        if self._pending is not None:
            self._pending.pop(socket.namespace.name, None)
