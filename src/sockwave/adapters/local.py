"""The sockets of this process, as the algorithm of the cluster reaches them."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.floods import is_worth_a_line
from sockwave.debug import known
from sockwave.socketio.core.cluster_contract import ClusterMember
from sockwave.socketio.core.encoded_event import EncodedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.adapters.interest import RoomSet
    from sockwave.adapters.members import Member
    from sockwave.observe import Observers
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastOptions, LocalSocket
    from sockwave.socketio.core.cluster_contract import ClusterHost
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import Room, SocketId

__all__ = ["LocalSockets", "as_seen"]

_logger: Final = logging.getLogger("sockwave.adapters")


def as_seen(member: Member, now: float) -> ClusterMember:
    """A member with times of the Unix clock.

    Args:
        now: Monotonic seconds.
    """
    offset = time.time() - now
    return ClusterMember(
        id=member.id,
        since=member.since + offset,
        last_seen=member.seen + offset,
        lateness=member.lateness,
    )


class AdapterHere(Protocol):
    """What the adapter of the namespace does for this process alone."""

    observers: Observers

    def tell_broadcast(
        self, args: Sequence[Any], packet: EncodedPacket, receivers: int, *, wants_ack: bool
    ) -> None:
        """Tell who observes broadcasts."""

    def deliver_here(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets of this process only."""

    def select(self, options: BroadcastOptions) -> list[LocalSocket]:
        """The sockets of this process that a broadcast would reach."""


class LocalSockets:
    """What other processes ask for is done here; see `LocalSide`.

    Args:
        host: The namespace.
        adapter: Its adapter; only what it does for this process is used.
        table: The rooms that others are told of.
        max_tasks: Handlers for events of other servers that may run at a time; past it events of
            others are dropped, and who waits for an answer gets none.
    """

    def __init__(
        self, host: ClusterHost, adapter: AdapterHere, table: RoomSet, max_tasks: int
    ) -> None:
        self._host = host
        self._adapter = adapter
        self._table = table
        self._max_tasks = max_tasks
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused = 0

    @property
    def parser(self) -> Parser | None:
        """Of the namespace."""
        return self._host.parser

    @property
    def rooms(self) -> RoomSet:
        """All rooms but those of sockets' own ids."""
        return self._table

    def deliver(self, event: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets here."""
        self._adapter.deliver_here(self._readable(event), options)

    def ask(
        self,
        event: Sequence[Any],
        options: BroadcastOptions,
        answered: Callable[[SocketId, AckResult], None],
    ) -> tuple[list[SocketId], Callable[[], None]]:
        """Send an event that asks for answers, and tell of each whose it is."""
        host, flags = self._host, options.flags
        id_ = host.next_ack_id()
        event = self._readable(event)
        if not isinstance(event, EncodedEvent):
            event = EncodedEvent(tuple(event), host.name, host.parser, id_)
        packet = event.packet(id_, compress=flags.compress, is_shared=True)
        asked = self._adapter.select(options)
        if self._adapter.observers.broadcast:
            self._adapter.tell_broadcast(event, packet, len(asked), wants_ack=True)
        for socket in asked:
            socket.expect_ack(id_, partial(answered, socket.id))
            socket.deliver(packet, event, flags)

        def forget() -> None:
            for socket in asked:
                socket.forget_ack(id_)

        return [socket.id for socket in asked], forget

    def _readable(self, event: Sequence[Any]) -> Sequence[Any]:
        """An event that was encoded by another parser than the one here is taken by its values."""
        if isinstance(event, EncodedEvent) and event.parts and self._host.parser is not None:
            return tuple(event)
        return event

    def join(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets into rooms."""
        self._host.join_local(options, rooms)

    def leave(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets out of rooms."""
        self._host.leave_local(options, rooms)

    def disconnect(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets."""
        self._host.disconnect_local(options, close=close)

    def describe(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        """Sockets in the form of the wire."""
        return self._host.describe_local(options)

    def count(self, options: BroadcastOptions) -> int:
        """How many sockets there are."""
        if options.rooms is None and not options.excluded:
            return len(self._host.sockets)
        return len(self._adapter.select(options))

    # --- events of other servers ------------------------------------------------------------------

    def server_event(self, args: tuple[Any, ...], reply: Callable[[Any], None] | None) -> None:
        """Run handlers in a task of their own, and give their answer."""
        if len(self._tasks) >= self._max_tasks:
            self._refused += 1
            if is_worth_a_line(self._refused):
                _logger.warning(
                    "%d handlers run for events of other servers: %d events were dropped",
                    self._max_tasks,
                    self._refused,
                    extra=known(namespace=self._host.name),
                )
            return
        task = asyncio.get_running_loop().create_task(self._server_event(args, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _server_event(
        self, args: tuple[Any, ...], reply: Callable[[Any], None] | None
    ) -> None:
        try:
            answer = await self._host.server_event_received(*args)
            if reply is not None:
                reply(answer)
        except Exception:
            fields = known(namespace=self._host.name)
            _logger.exception("internal error at an event of another server", extra=fields)

    def close(self) -> None:
        """Nobody waits for these handlers any more."""
        for task in self._tasks:
            task.cancel()

    # --- who is there -----------------------------------------------------------------------------

    def member_joined(self, member: Member) -> None:
        """Another process was heard."""
        self._host.member_joined(as_seen(member, asyncio.get_running_loop().time()))

    def member_left(self, member: Member) -> None:
        """It is gone."""
        self._host.member_left(as_seen(member, asyncio.get_running_loop().time()))

    def failed(self, what: str) -> None:
        """Something was lost."""
        self._host.cluster_failed(what)
