"""A Redis Cluster whose sharded channels are each at one of its nodes: a pair of connections to
each of these.

Theory. Which node has a channel follows from its name and the table of slots, which redis-py reads.
The table is read again whenever something tells that it has changed: a connection has ended, a node
refuses a channel, or says that one is there no longer. Then channels that are elsewhere now are
listened to there, and nodes that are new get connections.

What is published to one channel keeps its order, as does all that goes to one node; between nodes
there is none.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sockwave.adapters.redis.carrier import DEAF, Carrier
from sockwave.adapters.redis.echoes import EchoWatch
from sockwave.adapters.redis.subscriber import SHARD
from sockwave.debug import known

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.places import ClusterPlace, Place
    from sockwave.adapters.redis.subscriber import Ear, Kind

__all__ = ["ShardCarriers"]

AGAIN: Final = 0.5
"""Seconds between two looks at the table: nodes need some time to agree, too."""

_logger: Final = logging.getLogger("sockwave.adapters")


class ShardCarriers:
    """Publishes and listens at all nodes; what it has is what a `Carrier` has.

    Args:
        place: Knows the nodes.
        max_backlog: Bytes that are kept for all of them.
        lost: Told, in a sentence, that messages were lost.
    """

    def __init__(self, place: ClusterPlace, max_backlog: int, lost: Callable[[str], None]) -> None:
        self._place = place
        self._max_backlog = max_backlog
        self._lost = lost
        self._carriers: dict[str, Carrier] = {}
        self._ears: dict[str, Ear] = {}
        self._homes: dict[str, str] = {}  # of channels that are listened to
        self._repeats = False
        self._early: list[tuple[str, bytes]] = []
        self._early_bytes = 0
        self._is_losing = False
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._echoes = EchoWatch()
        self._is_closed = False

    # --- life -------------------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether all nodes are connected."""
        return bool(self._carriers) and all(each.is_there for each in self._carriers.values())

    async def start(self) -> None:
        """Connect to all nodes, for ever.

        Raises:
            OSError: One cannot be reached.
        """
        async with self._starting:
            if not self._carriers:
                await self._place.look()
                self._arrange()
            if self._task is None and not self._is_closed:
                self._task = asyncio.get_running_loop().create_task(self._keep_looking())
        for carrier in list(self._carriers.values()):
            await carrier.start()

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than a moment, and disconnect."""
        self._is_closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        carriers, self._carriers = self._carriers, {}
        await asyncio.gather(*(each.aclose() for each in carriers.values()), *self._closing)

    # --- the table --------------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(AGAIN)
            try:
                await self._place.look()
                self._arrange()
            except OSError as error:
                _logger.info(
                    "the nodes of the cluster are not known: %s", error, extra=known(reason=error)
                )
                self._wanted.set()
            except Exception:
                _logger.exception("internal error at the nodes of a Redis Cluster")
            if not self.is_there:
                self._wanted.set()  # a node may have gone for good

    def _arrange(self) -> None:
        """Have a carrier to each node, and each channel where it belongs."""
        nodes = self._place.nodes()
        for name in [name for name in self._carriers if name not in nodes]:
            self._drop(name)
        for name, node in nodes.items():
            if name not in self._carriers:
                self._carriers[name] = self._make(node, len(nodes))
        repeats, self._repeats = self._repeats, False
        for channel, ear in self._ears.items():
            self._settle_down(channel, ear, repeats=repeats)
        early, self._early = self._early, []
        self._early_bytes = 0
        for channel, message in early:
            self.publish(channel, message)

    def _make(self, node: Place, count: int) -> Carrier:
        backlog = self._max_backlog // count
        carrier = Carrier(node, "SPUBLISH", backlog, self._node_lost, moved=self._moved)
        if self._task is not None:  # else `start` does it
            carrier.begin()
        return carrier

    def _drop(self, name: str) -> None:
        carrier = self._carriers.pop(name)
        for channel in [each for each, home in self._homes.items() if home == name]:
            del self._homes[channel]
        task = asyncio.get_running_loop().create_task(carrier.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _settle_down(self, channel: str, ear: Ear, *, repeats: bool = False) -> None:
        home, before = self._place.node_of(channel), self._homes.get(channel)
        if home == before:
            if home is not None and repeats:
                self._carriers[home].subscriber.repeat(SHARD, channel.encode())
            return
        if before is not None:
            self._carriers[before].leave(SHARD, channel)
            del self._homes[channel]
        if home is not None and home in self._carriers:
            self._homes[channel] = home
            self._carriers[home].listen(SHARD, channel, ear)

    def _node_lost(self, what: str) -> None:
        self._wanted.set()
        self._lost(what)

    def _moved(self, channel: str | None) -> None:
        """A node has a channel no longer, or has refused one: the table is another now."""
        self._wanted.set()
        if channel is None:
            self._repeats = True
        elif (home := self._homes.pop(channel, None)) is not None and home in self._carriers:
            self._carriers[home].leave(SHARD, channel)

    # --- as a carrier -----------------------------------------------------------------------------

    def publish(self, channel: str, message: bytes) -> None:
        """Send a message; it neither waits nor fails."""
        if self._is_closed:
            return
        if not self._carriers:
            self._keep_early(channel, message)
            return
        carrier = self._carriers.get(self._place.node_of(channel) or "")
        if carrier is not None:
            carrier.publish(channel, message)
        else:
            self._node_lost("no node of the cluster has the slot of a channel")

    def _keep_early(self, channel: str, message: bytes) -> None:
        self._early_bytes += len(message) + len(channel)
        if self._early_bytes <= self._max_backlog:
            self._early.append((channel, message))
        elif not self._is_losing:
            self._is_losing = True
            self._lost("more waits for the cluster than max_backlog: messages are dropped")

    def listen(self, kind: Kind, channel: str, ear: Ear) -> None:
        """Want what comes by a channel."""
        self._ears[channel] = ear
        if self._carriers:
            self._settle_down(channel, ear)

    def leave(self, kind: Kind, channel: str) -> None:
        """Want it no longer."""
        self._ears.pop(channel, None)
        home = self._homes.pop(channel, None)
        if home is not None and home in self._carriers:
            self._carriers[home].leave(SHARD, channel)

    async def settle(self) -> None:
        """Wait until all nodes have heard of what is wanted.

        Raises:
            OSError: One has refused something, or is not there any more.
        """
        for carrier in list(self._carriers.values()):
            await carrier.settle()

    async def count(self, query: str, channel: str) -> int | None:
        """How many connections listen to a channel, at all nodes."""
        try:
            return await self._place.count_elsewhere(query, channel)
        except OSError:
            return None

    def echo_sent(self) -> None:
        """A message to oneself goes out; see `Carrier.echo_sent`."""
        carriers = list(self._carriers.values())
        if self.is_there and self._echoes.is_deaf(
            asyncio.get_running_loop().time(),
            heard=sum(each.subscriber.heard for each in carriers),
            sent=sum(each.publisher.sent for each in carriers),
            answered=sum(each.publisher.answered for each in carriers),
        ):
            for carrier in carriers:
                carrier.renew(DEAF)

    def echo_heard(self) -> None:
        """One has come back."""
        self._echoes.heard()
