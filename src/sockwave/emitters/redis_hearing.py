"""How emitters of asyncio hear the answers of servers at a Redis.

A connection of its own listens, as long as questions are open; it may be to any node of a Redis
Cluster, or, where the channels are those of shards, to the one that has them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sockwave.adapters.redis.places import ClusterPlace, KeyPlace
from sockwave.adapters.redis.subscriber import CHANNEL, SHARD, Subscriber
from sockwave.errors import FailureCause, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.messages import Message
    from sockwave.adapters.redis.places import Place
    from sockwave.emitters.asking import Hearer
    from sockwave.emitters.redis_wire import RedisWire
    from sockwave.types import NamespaceName

__all__ = ["RedisHearing", "refused"]


class RedisHearing:
    """One connection that listens; see `Listening`.

    Args:
        place: Where Redis is.
        wire: Knows the channels.
        namespace: Whose.
        hearer: Gets what comes.
    """

    def __init__(
        self, place: Place, wire: RedisWire, namespace: NamespaceName, hearer: Hearer
    ) -> None:
        self._hearer = hearer
        self._name = f"Redis at {place.name}"
        self._refusal = ""
        channels, kind = wire.ears(namespace), SHARD if wire.is_sharded else CHANNEL
        if wire.is_sharded and isinstance(place, ClusterPlace):
            place = KeyPlace(place, channels[0])
        self._subscriber = Subscriber(place, self)
        for channel in channels:
            decode = partial(wire.decode, channel, namespace=namespace)
            heard = partial(self._heard, decode)
            self._subscriber.listen(kind, channel.encode(), heard)

    async def begin(self) -> None:
        """Connect and listen.

        Raises:
            TransportError: That is not possible now.
        """
        link = self._subscriber.link
        link.start()
        try:
            await link.until(lambda: link.is_ready or link.failure is not None)
        except BaseException:
            await self.aclose()
            raise
        if not link.is_ready or self._refusal:
            failure = link.failure
            await self.aclose()
            if self._refusal:
                raise refused(self._name, self._refusal)
            details = str(failure).removeprefix(self._name).lstrip(": ")
            raise TransportError(self._name, details=details) from failure

    def _heard(self, decode: Callable[[bytes], Message | None], name: bytes, data: bytes) -> None:
        self._hearer.came(data, decode)

    # --- of the subscriber ------------------------------------------------------------------------

    def subscriber_ready(self) -> None:
        """All is heard."""

    def subscriber_ended(self, why: str) -> None:
        """Answers are lost."""
        if self._refusal:
            return  # `begin` says it
        details = f"the connection was lost before all servers had answered: {why}"
        self._hearer.ended(TransportError(self._name, details=details, cause=FailureCause.LOST))

    def channel_gone(self, name: bytes) -> None:
        """Another node of a cluster has the channel now: answers go there."""
        self.subscriber_ended("its node does not have the channel any more")

    def subscription_refused(self, error: str) -> None:
        """Redis does not allow it."""
        self._refusal = error

    def link_refused(self, who: object, why: str) -> None:
        """Whoever begins is told."""

    async def aclose(self) -> None:
        """Listen no longer."""
        await self._subscriber.aclose()


def refused(name: str, why: str) -> TransportError:
    """What to raise where Redis lets nobody listen."""
    advice = "emit needs no subscription, questions do: let this user subscribe to the channels"
    if why.startswith("MOVED"):  # a Redis Cluster is changing
        advice = "try again"
    return TransportError(name, details=why, advice=advice)
