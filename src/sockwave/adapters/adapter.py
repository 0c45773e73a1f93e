"""The adapter of a cluster: the algorithm, a carrier, the event loop's clock and the namespace.

Theory. What belongs to this process is done by the adapter in memory, below. Everything goes out
first and is done here then, within one call, so that the order of calls is the order everywhere.
Nothing of it waits: the driver keeps what cannot be sent at once.

It begins with `start`, or with the first socket or message, in the loop that runs then; when that
is another one than before, a new member begins, under a new id. After `close` only `start` or a
socket make it begin again: who sends something on the way out does not.

From then on one task connects and subscribes, trying again for ever; meanwhile all works here, and
what is published is kept by the driver. One timer wakes the algorithm.

Rooms that come and go within one turn of the loop are told to the others together, at its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.adapters.backoff import Backoff
from sockwave.adapters.cluster import Cluster
from sockwave.adapters.life import Life
from sockwave.adapters.local import LocalSockets, as_seen
from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.outlet import Outlet
from sockwave.errors import AckTimeout
from sockwave.socketio.core.adapter import InMemoryAdapter
from sockwave.socketio.core.cluster_contract import RemoteOutcome
from sockwave.socketio.core.encoded_event import EncodedEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Driver
    from sockwave.adapters.message_driver import MessageDriver
    from sockwave.adapters.messages import Message
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.cluster_contract import (
        ClusterHost,
        ClusterMember,
        RemoteAnswer,
        RemoteDetails,
    )
    from sockwave.types import Room, SocketId

__all__ = ["JOIN_LOOK", "ClusterAdapter"]

FIRST_RETRY: Final = 0.5
"""Seconds until a carrier that could not be reached is tried again."""

LAST_RETRY: Final = 2.0

JOIN_LOOK: Final = 0.01
"""Seconds between two looks whether the others are known."""

FIRST_WAIT: Final = 2.0
"""Seconds that the first question waits until the others are known."""

NOBODY: Final = RemoteOutcome(is_complete=True)
"""How a question ends that there is nobody to ask."""

_Over: TypeAlias = Callable[[RemoteOutcome], None]

_logger: Final = logging.getLogger("sockwave.adapters")


def _nothing() -> None:
    """There is nothing to be forgotten."""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class ClusterAdapter(InMemoryAdapter):
    """Reaches the sockets of all processes of a cluster.

    Broadcasts, joins, leaves and questions of one process arrive at each other one in the order of
    the calls, as far as the carrier keeps it. Delivery is at most once.

        driver = MyDriver("...")
        io = Server(adapter=lambda namespace: ClusterAdapter(namespace, driver))

    Args:
        host: Its namespace.
        driver: The carrier; one for all namespaces of a process. Whoever made it closes it.
        options: Times and bounds.
    """

    def __init__(
        self,
        host: ClusterHost,
        driver: Driver | MessageDriver,
        options: ClusterOptions | None = None,
    ) -> None:
        InMemoryAdapter.__init__(self, host)
        self._namespace = host
        self._driver = driver
        self._options = ClusterOptions() if options is None else options
        self._life: Life | None = None
        self._is_closed = False

    @property
    def id(self) -> str | None:
        """Of this process in this namespace, as others see it; None before the start."""
        return None if self._life is None else self._life.cluster.id

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin in the running event loop; a second call changes nothing.

        Raises:
            RuntimeError: No event loop runs.
        """
        loop = asyncio.get_running_loop()
        if self._life is None or self._life.loop is not loop:
            self._begin(loop)

    def _alive(self) -> Life | None:
        """Life in the running loop; None outside of loops, and after the end."""
        loop = _running_loop()
        if loop is None:
            return None
        if self._life is None or self._life.loop is not loop:
            return None if self._is_closed else self._begin(loop)
        return self._life

    def _begin(self, loop: asyncio.AbstractEventLoop) -> Life:
        host = self._namespace
        self._is_closed = False
        if self._life is not None:  # its loop has ended
            self._driver.unsubscribe(host.name, self._life.cluster.id)
        outlet = Outlet(self._driver, host.name, self.observers)
        local, cluster = self._make_cluster(outlet)
        cluster.observers = self.observers
        self._life = life = Life(loop, cluster, local, outlet)
        life.joining = loop.create_task(self._join(life))
        return life

    def _make_cluster(self, outlet: Outlet) -> tuple[LocalSockets, Cluster]:
        host, options = self._namespace, self._options
        local = LocalSockets(host, self, self._table, options.max_pending)
        cluster = Cluster(host.name, options, outlet, local)
        for room in self._table:
            cluster.room_added(room)
        return local, cluster

    async def _join(self, life: Life) -> None:
        """Connect and subscribe, however often it takes."""
        cluster, backoff, told = life.cluster, Backoff(FIRST_RETRY, LAST_RETRY), ""
        while True:
            try:
                await self._driver.start()
                await self._driver.subscribe(self._namespace.name, cluster.id, self)
                break
            except Exception as error:
                life.is_refused = True
                what, told = told, f"the carrier cannot be reached: {error!r}"
                if told != what:  # once, however long it takes
                    self._namespace.cluster_failed(told)
            await asyncio.sleep(backoff.pause())
        cluster.start(life.loop.time())
        self._arm(life)

    async def wait_joined(self, timeout: float) -> bool:
        """Wait until the others who are there are known, and know this process.

        Before that, what is sent may not reach them. Only a carrier that can count tells how many
        there are; with another one this waits for the carrier alone.

        Args:
            timeout: Seconds.

        Returns:
            Whether it came to that in time.
        """
        try:
            async with asyncio.timeout(timeout):
                while not await self._has_joined():
                    await asyncio.sleep(JOIN_LOOK)
        except TimeoutError:
            return False
        return True

    async def meet(self, timeout: float) -> None:
        """Wait until the others are known, once in a life, and 2 seconds at most."""
        life = self._alive()
        if life is not None and not life.has_met:
            await self.wait_joined(min(timeout, FIRST_WAIT))
            life.has_met = True

    async def _has_joined(self) -> bool:
        life = self._life
        if life is None or life.joining is None or not life.joining.done():
            return False
        if self._driver.capabilities.has_strangers:  # which are counted, and never known
            return True
        try:
            there = await self._driver.count(self._namespace.name)
        except Exception:  # the carrier cannot say so just now
            return False
        return there is None or len(life.cluster.members) + 1 >= there

    def close(self) -> None:
        """Say goodbye to the others, and forget everything; in another loop without a word."""
        life, self._life = self._life, None
        is_here = life is not None and life.loop is _running_loop()
        self._is_closed = True
        if life is not None and is_here:
            if life.timer is not None:
                life.timer.cancel()
            if life.joining is not None:
                life.joining.cancel()
            life.cluster.close()
            life.local.close()
            life.outlet.close()
        if life is not None:
            self._driver.unsubscribe(self._namespace.name, life.cluster.id)
        super().close()

    # --- time -------------------------------------------------------------------------------------

    def _arm(self, life: Life) -> None:
        """Set the timer for what is due next."""
        deadline = life.cluster.next_deadline()
        if life.timer is not None:
            if life.timer_at <= deadline:
                return
            life.timer.cancel()
        if deadline < float("inf"):
            life.timer = life.loop.call_at(deadline, self._due, life)
            life.timer_at = deadline

    def _due(self, life: Life) -> None:
        life.timer = None
        try:
            life.cluster.handle_timeout(life.loop.time())
        except Exception:  # of whoever is told how a question ended
            _logger.exception("internal error in a cluster")
        if self._life is life:
            self._arm(life)

    # --- what comes in ----------------------------------------------------------------------------

    def message_received(self, message: bytes) -> None:
        """Take a message of the carrier."""
        if (life := self._life) is not None:
            life.cluster.receive(message, life.loop.time())

    def decoded(self, message: Message) -> None:
        """Take a message that the driver has decoded."""
        if (life := self._life) is not None:
            life.cluster.take(message, life.loop.time())

    def refused(self, why: str) -> None:
        """The driver has read something that is no message."""
        if (life := self._life) is not None:
            life.cluster.refused(why)

    def has_room(self, room: Room) -> bool:
        """Whether any socket here is in a room, or has it as its id."""
        return room in self._table or room in self._namespace.sockets

    @property
    def is_deaf(self) -> bool:
        """Whether this process does not hear what it sends itself, and so nobody else either."""
        return self._life is not None and self._life.is_deaf

    def messages_lost(self, what: str) -> None:
        """Messages were lost."""
        if (life := self._life) is not None:
            life.cluster.lost(what, life.loop.time())

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        """Others have ended, as the carrier knows."""
        if (life := self._life) is not None:
            life.cluster.members_ended(addresses)

    # --- rooms here -------------------------------------------------------------------------------

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket of this process into rooms, and tell the others of those that are new."""
        rooms, table = tuple(rooms), self._table
        self._is_closed = False
        life = self._alive()
        new = [room for room in rooms if room != id_ and room not in table]
        super().add(id_, rooms)
        if life is not None:
            self._gained(life, new)
            self._tell_later(life)

    def _gained(self, life: Life, rooms: Iterable[Room]) -> None:
        """The first socket here has joined these rooms."""
        for room in rooms:
            life.cluster.room_added(room)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room."""
        was_there = room in self._table
        super().remove(id_, room)
        if was_there:
            self._dropped((room,))

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms."""
        rooms = self._table.of(id_) - {id_}
        super().remove_all(id_)
        self._dropped(rooms)

    def _dropped(self, rooms: Iterable[Room]) -> None:
        """Tell the others of those of these rooms that are empty now."""
        if (life := self._life) is not None:
            for room in rooms:
                if room not in self._table:
                    life.cluster.room_dropped(room)
            self._tell_later(life)

    def _tell_later(self, life: Life) -> None:
        if not life.is_telling and life.cluster.has_news and not life.loop.is_closed():
            life.is_telling = True
            life.loop.call_soon(self._tell_rooms, life)

    def _tell_rooms(self, life: Life) -> None:
        life.is_telling = False
        if self._life is life:
            life.cluster.tell_rooms()

    # --- to all -----------------------------------------------------------------------------------

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets of all processes, or with `local` of this one only."""
        life = self._alive()
        if life is not None and life.cluster.is_wanted(options, now := life.loop.time()):
            if not isinstance(args, EncodedEvent):
                args = EncodedEvent(tuple(args), self._namespace.name, self._namespace.parser)
            life.cluster.broadcast(args, options, now)
        self.deliver_here(args, options)

    def deliver_here(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets of this process only."""
        super().broadcast(args, options)

    def server_side_emit(self, args: tuple[Any, ...]) -> None:
        """Send an event to the same namespace of the other servers.

        Raises:
            EncodeError: It cannot be sent.
        """
        if (life := self._alive()) is not None:
            life.cluster.server_emit(args)

    async def server_side_emit_with_ack(self, args: tuple[Any, ...], timeout: float) -> list[Any]:
        """Send an event to the other servers, and collect one answer of each.

        Cancelling is safe: late answers are dropped.

        Args:
            timeout: Seconds.

        Raises:
            AckTimeout: Some did not answer in time, or went away first; with the answers that came.
            EncodeError: It cannot be sent.
            LimitExceeded: Too many questions are open.
        """
        answers: list[Any] = []

        def answered(member: str, value: Any) -> None:
            answers.append(value)

        def ask(life: Life, over: _Over) -> str:
            return life.cluster.server_ask(args, life.loop.time(), timeout, answered, over)

        outcome = await self._outcome(timeout, ask)
        if not outcome.is_complete:
            raise AckTimeout(answers, missing_servers=(*outcome.gone, *outcome.silent))
        return answers

    async def _outcome(self, timeout: float, ask: Callable[[Life, _Over], str]) -> RemoteOutcome:
        """Ask, and wait for the end of it."""
        if (life := self._alive()) is None:
            return NOBODY
        await self.meet(timeout)
        ended: asyncio.Future[RemoteOutcome] = life.loop.create_future()

        def over(outcome: RemoteOutcome) -> None:
            if not ended.done():
                ended.set_result(outcome)

        question = ask(life, over)
        self._arm(life)
        try:
            return await ended
        finally:
            life.cluster.cancel(question)

    # --- sockets of others ------------------------------------------------------------------------

    @property
    def members(self) -> list[ClusterMember]:
        """The others that are alive."""
        if (life := self._life) is None:
            return []
        now = life.loop.time()
        return [as_seen(member, now) for member in life.cluster.members]

    async def server_count(self) -> int:
        """How many processes there are, this one included, or were when that was last known."""
        if (life := self._alive()) is None:
            return 1
        known = len(life.cluster.members) + 1
        can = self._driver.capabilities
        if can.has_strangers and can.counts:
            life.counted = await self._driver.count(self._namespace.name) or life.counted
        return max(life.counted, known)

    def join_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets of others into rooms."""
        if (life := self._alive()) is not None:
            life.cluster.join(options, rooms, life.loop.time())

    def leave_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets of others out of rooms."""
        if (life := self._alive()) is not None:
            life.cluster.leave(options, rooms, life.loop.time())

    def disconnect_remote(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets of others."""
        if (life := self._alive()) is not None:
            life.cluster.disconnect(options, life.loop.time(), close=close)

    def ask_remote(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> Callable[[], None]:
        """Send an event that asks for answers to sockets of others only.

        Raises:
            EncodeError: It cannot be sent.
            LimitExceeded: Too many questions are open.
        """
        if (life := self._alive()) is None:
            over(NOBODY)
            return _nothing
        cluster, now = life.cluster, life.loop.time()
        question = cluster.ask(event, options, now, timeout, answered, over)
        self._arm(life)
        return lambda: cluster.cancel(question)

    async def fetch_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[list[RemoteDetails], RemoteOutcome]:
        """Sockets of others.

        Raises:
            LimitExceeded: Too many questions are open.
        """
        found: list[RemoteDetails] = []

        def answered(member: str, sockets: Any) -> None:
            if isinstance(sockets, list):
                found.extend(sockets)

        def ask(life: Life, over: _Over) -> str:
            return life.cluster.fetch(options, life.loop.time(), timeout, answered, over)

        outcome = await self._outcome(timeout, ask)
        return found, outcome

    async def count_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[int, RemoteOutcome]:
        """How many sockets of others there are.

        Raises:
            LimitExceeded: Too many questions are open.
        """
        counts: list[int] = []

        def answered(member: str, count: Any) -> None:
            counts.append(len(count) if isinstance(count, list) else count)

        def ask(life: Life, over: _Over) -> str:
            now = life.loop.time()
            return life.cluster.fetch(options, now, timeout, answered, over, only_count=True)

        outcome = await self._outcome(timeout, ask)
        return sum(counts), outcome
