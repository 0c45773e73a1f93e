"""What is done to many sockets of a namespace at once, in this process and in others.

Theory. Each act has three ways in. An operator, in any thread, means sockets of all processes,
unless it is `local`: those of this one are acted on here, and the adapter of a cluster tells the
others. What these tell us comes in by the methods for sockets of this process alone, and goes
nowhere else. Others are told first, as their clients should not wait for handlers that run here;
but who may not join a room is an error of the caller's, and then nobody is told.

Sockets that are lost and may come back are reached too: what is decided about them while they are
away must hold when they are here again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.debug import shortened
from sockwave.errors import ClusterTimeout, Disconnected, EncodeError
from sockwave.socketio.core.cluster_contract import RefusesOrders
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.handshake import describe_handshake
from sockwave.socketio.core.remote_socket import RemoteSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sockwave.socketio.core.adapter import Adapter, BroadcastOptions
    from sockwave.socketio.core.cluster_contract import RemoteOutcome, SupportsCluster
    from sockwave.socketio.core.handshake import Handshake
    from sockwave.socketio.core.remote_socket import SelectionTarget
    from sockwave.socketio.server.contracts import MemberServer
    from sockwave.socketio.server.recovery import NamespaceRecovery
    from sockwave.types import Room, SocketId

__all__ = ["FETCH_TIMEOUT", "ReachedSocket", "ReachedSockets"]

FETCH_TIMEOUT: Final = 5.0
"""Seconds that others have to tell of their sockets where no time is given, as in the reference: a
server answers at once, without asking its clients."""


class ReachedSocket(Protocol):
    """A socket of this process."""

    id: SocketId

    @property
    def rooms(self) -> set[Room]:
        """A copy of its rooms."""

    @property
    def data(self) -> dict[str, Any]:
        """What the application keeps with it."""

    @property
    def handshake(self) -> Handshake:
        """The first request of its connection."""

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Enter rooms."""

    def leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Leave rooms."""

    def disconnect(self, *, close: bool = False) -> None:
        """Leave the namespace."""


class ReachedSockets:
    """Acts on many sockets; a base of `Namespace`.

    Attributes:
        adapter: Knows which sockets of this process are meant.
        others: Reaches those of other processes; None where this one is alone.
        recovery: Knows those that are lost.
        server: Whose namespace it is.
    """

    adapter: Adapter
    others: SupportsCluster | None
    recovery: NamespaceRecovery | None
    server: MemberServer
    _warned: set[str]

    def select_local(self, options: BroadcastOptions) -> Sequence[ReachedSocket]:
        """The sockets of this process that a broadcast would reach."""
        raise NotImplementedError

    # --- from any thread --------------------------------------------------------------------------

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put the selected sockets into rooms; from any thread."""
        self._on_loop(self._join_selected, options, rooms)

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take the selected sockets out of rooms; from any thread."""
        self._on_loop(self._leave_selected, options, rooms)

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect the selected sockets; from any thread."""
        self._on_loop(self._disconnect_selected, options, close)

    def _join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        others = self._others_in(options)
        adapter: object = others
        if isinstance(adapter, RefusesOrders):
            adapter.check_order(options)
        self._join(options, rooms)
        if others is not None:
            others.join_remote(options, rooms)

    def _leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        others = self._others_in(options)
        if others is not None:
            others.leave_remote(options, rooms)
        self.leave_local(options, rooms)

    def _disconnect_selected(self, options: BroadcastOptions, close: bool) -> None:
        others = self._others_in(options)
        if others is not None:
            others.disconnect_remote(options, close=close)
        self.disconnect_local(options, close=close)

    # --- in any event loop ------------------------------------------------------------------------

    async def count_selected(self, options: BroadcastOptions) -> int:
        """How many sockets a broadcast would reach; in any loop."""
        driver = self.server.engine.driver
        if driver.is_elsewhere():
            try:
                return await driver.visit(self.count_selected(options))
            except Disconnected:
                return 0
        number = len(self.adapter.select(options))
        others = self._others_in(options)
        if others is not None:
            more, outcome = await others.count_remote(options, _patience(options))
            number += more
            _check(outcome, number)
        return number

    async def count_servers(self) -> int:
        """How many processes there are; in any loop."""
        others = self.others
        if others is None:
            return 1
        driver = self.server.engine.driver
        if not driver.is_elsewhere():
            return await others.server_count()
        try:
            return await driver.visit(others.server_count())
        except Disconnected:
            return 1

    async def _with_remote(
        self, target: SelectionTarget, found: list[Any], options: BroadcastOptions
    ) -> list[Any]:
        """Add the sockets of others to those of this process."""
        others = self._others_in(options)
        if others is not None:
            details, outcome = await others.fetch_remote(options, _patience(options))
            found.extend(RemoteSocket(target, each) for each in details)
            _check(outcome, found)
        return found

    # --- what others ask for ----------------------------------------------------------------------

    def join_local(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets of this process into rooms."""
        try:
            self._join(options, rooms)
        except ValueError as error:
            self._warn("join", f"another server wants sockets to join, but {error}")

    def leave_local(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets of this process out of rooms."""
        if self.recovery is not None:  # first, as long as rooms tell who is meant
            self.recovery.leave_lost(options, rooms)
        for socket in self.select_local(options):
            socket.leave(rooms)

    def disconnect_local(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets of this process."""
        if self.recovery is not None:  # first: nobody who is lost by this one's doing is meant
            self.recovery.revoke_lost(options, close=close)
        for socket in self.select_local(options):
            socket.disconnect(close=close)

    def describe_local(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        """Sockets of this process as others see them; what cannot be sent of `data` is left out."""
        return [
            {
                "id": socket.id,
                "handshake": describe_handshake(socket.handshake),
                "rooms": list(socket.rooms),
                "data": self._sendable(socket.data),
            }
            for socket in self.select_local(options)
        ]

    # --- both -------------------------------------------------------------------------------------

    def _join(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        for socket in self.select_local(options):
            socket.join(rooms)
        if self.recovery is not None:
            self.recovery.join_lost(options, rooms)

    def _others_in(self, options: BroadcastOptions) -> SupportsCluster | None:
        """Who reaches the others, if they are meant."""
        return None if options.flags.local else self.others

    def _on_loop(self, method: Callable[..., object], *args: Any) -> None:
        driver = self.server.engine.driver
        if driver.is_foreign_thread() and driver.is_bound:
            driver.call_from_thread(method, *args)
        else:
            method(*args)

    def _sendable(self, data: dict[str, Any]) -> dict[str, Any]:
        """What a receiver gets of it."""
        try:
            return _as_received(data)
        except EncodeError:
            kept: dict[str, Any] = {}
        for key, value in data.items():
            try:
                kept |= _as_received({key: value})
            except EncodeError:
                text = "cannot be sent to other servers, and is left out"
                self._warn("data", f"{shortened(key)!r} in the data of a socket {text}")
        return kept

    def _warn(self, what: str, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            self.server.logger.warning(text)


def _as_received(data: dict[str, Any]) -> dict[str, Any]:
    received: dict[str, Any] = EncodedEvent(("data", data), "/", None).frozen()[1]
    return received


def _patience(options: BroadcastOptions) -> float:
    timeout = options.flags.timeout
    return FETCH_TIMEOUT if timeout is None else timeout


def _check(outcome: RemoteOutcome, arrived: Any) -> None:
    if not outcome.is_complete:
        raise ClusterTimeout(arrived, tuple(dict.fromkeys((*outcome.gone, *outcome.silent))))
