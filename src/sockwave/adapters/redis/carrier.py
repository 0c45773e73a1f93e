"""Both connections of a process to Redis, and how it goes with them.

What goes wrong is told once: when a connection is lost, and not for each try to make the next one.
While Redis is away messages are kept, and those of others are missed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import MAX_MESSAGE
from sockwave.adapters.redis.echoes import EchoWatch
from sockwave.adapters.redis.publisher import Publisher
from sockwave.adapters.redis.refusals import Refusals
from sockwave.adapters.redis.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.link import Link
    from sockwave.adapters.redis.places import Place
    from sockwave.adapters.redis.subscriber import Ear, Kind

__all__ = ["DEAF", "Carrier"]

COUNT: Final = 2.0
"""Seconds that it may take to count servers; after that their number is not known."""

DEAF: Final = "what this process sends does not come back"

_logger: Final = logging.getLogger("sockwave.adapters")


class Carrier:
    """Publishes and listens.

    Args:
        place: Where Redis is.
        command: To publish with: `PUBLISH` or `SPUBLISH`.
        max_backlog: Bytes that are kept while they cannot be sent.
        lost: Told, in a sentence, that messages were lost.
        moved: Told that a channel is not at this node any more, or, with None, that one was
            refused; only of a Redis Cluster.

    Attributes:
        publisher: On one connection.
        subscriber: On the other.
    """

    def __init__(
        self,
        place: Place,
        command: str,
        max_backlog: int,
        lost: Callable[[str], None],
        *,
        moved: Callable[[str | None], None] | None = None,
    ) -> None:
        self.subscriber: Subscriber = Subscriber(place, self)
        self.publisher: Publisher = Publisher(place, self, command, max_backlog, self._until_heard)
        self._place = place
        self._lost = lost
        self._moved = moved
        self._was_there = False
        self._is_away = False
        self._large = 0
        self._is_known = False  # that Redis cannot be reached
        self._unanswered = 0
        self._echoes = EchoWatch()
        self._refusals = Refusals()

    # --- life -------------------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether both connections stand."""
        return self.publisher.link.is_ready and self.subscriber.link.is_ready

    def begin(self) -> None:
        """Connect, for ever."""
        for link in (self.subscriber.link, self.publisher.link):
            link.start()

    async def start(self) -> None:
        """Connect, for ever; this waits until it has come to that.

        Raises:
            OSError: Redis cannot be reached; it is raised once, and from then on calls wait.
        """
        self.begin()
        for link in (self.subscriber.link, self.publisher.link):
            await self._connected(link)

    async def _connected(self, link: Link) -> None:
        await link.until(lambda: link.is_ready or (link.failure is not None and not self._is_known))
        if link.failure is not None:
            self._is_known = True
            raise link.failure

    async def _until_heard(self) -> None:
        link = self.subscriber.link
        await link.until(lambda: link.is_ready)

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than a moment, and disconnect."""
        self._was_there = False
        await self.publisher.aclose()
        await self.subscriber.aclose()

    # --- messages ---------------------------------------------------------------------------------

    def publish(self, channel: str, message: bytes) -> None:
        """Send a message; it neither waits nor fails."""
        self.publisher.publish(channel.encode(), message)

    def listen(self, kind: Kind, channel: str, ear: Ear) -> None:
        """Want what comes by a channel, or by a pattern; see `settle`."""
        self.subscriber.listen(kind, channel.encode(), ear)

    def leave(self, kind: Kind, channel: str) -> None:
        """Want it no longer."""
        self.subscriber.leave(kind, channel.encode())

    async def settle(self) -> None:
        """Wait until Redis has heard of all that is wanted.

        Raises:
            OSError: It has refused something, or this is closed.
        """
        await self.subscriber.settle()

    # --- is anybody there -------------------------------------------------------------------------

    async def count(self, query: str, channel: str) -> int | None:
        """How many connections listen to a channel; None if that is not known now.

        Args:
            query: `NUMSUB` or `SHARDNUMSUB`.
        """
        link = self.publisher.link
        try:
            async with asyncio.timeout(COUNT):
                await link.until(lambda: link.is_ready)
                count = await self._place.count_elsewhere(query, channel)
                if count is not None:
                    return count
                name = channel.encode()
                reply = await self.publisher.ask(b"PUBSUB", query.encode(), name)
                return int(reply[1])
        except OSError:
            return None

    def echo_sent(self) -> None:
        """A message to oneself goes out: when none comes back, the connections are made anew."""
        publisher = self.publisher
        if self.is_there and self._echoes.is_deaf(
            asyncio.get_running_loop().time(),
            heard=self.subscriber.heard,
            sent=publisher.sent,
            answered=publisher.answered,
        ):
            self.renew(DEAF)

    def echo_heard(self) -> None:
        """One has come back."""
        self._echoes.heard()

    def renew(self, why: str) -> None:
        """Give up both connections; the next ones are made at once."""
        self.publisher.link.abort(why)
        self.subscriber.link.abort(why)

    # --- from the connections ---------------------------------------------------------------------

    def subscriber_ready(self) -> None:
        """This process hears."""
        self._look()

    def publisher_ready(self) -> None:
        """What was kept is on its way."""
        self._look()

    def _look(self) -> None:
        if not self.is_there:
            return
        self._was_there = self._is_known = True
        self._echoes.heard()  # what was sent before may be lost
        self._refusals.reset()
        if self._is_away:
            self._is_away = False
            unknown, self._unanswered = self._unanswered, 0
            _logger.info(
                "Redis at %s is reached again; %d messages may be lost that were on their way",
                self._place.name,
                unknown,
            )

    def subscriber_ended(self, why: str) -> None:
        """This process hears nothing."""
        self._ended(why)

    def channel_gone(self, name: bytes) -> None:
        """A node of a cluster has it no longer."""
        if self._moved is not None:
            self._moved(name.decode())

    def subscription_refused(self, error: str) -> None:
        """A channel is not at this node, or nobody may listen there."""
        if self._moved is not None and error.startswith("MOVED"):
            self._moved(None)

    def publisher_ended(self, why: str, unanswered: int) -> None:
        """Messages are kept."""
        self._unanswered += unanswered
        self._ended(why)

    def _ended(self, why: str) -> None:
        if self._was_there and not self._is_away:
            self._is_away = True
            self._lost(
                f"the connection to Redis at {self._place.name} is lost, and with it what others "
                f"send until it is back: {why}"
            )

    def link_refused(self, who: object, why: str) -> None:
        """It is not reached yet; who has never reached it learns that from `start`."""
        if self._is_away and (times := self._refusals.add(who)):
            self._lost(
                f"Redis at {self._place.name} is there and takes nothing, attempt {times}: {why}"
            )

    def dropped(self) -> None:
        """Too much is kept."""
        self._lost("more waits for Redis than max_backlog: messages are dropped until it goes on")

    def too_large(self, size: int) -> None:
        """Others would not read it, and Redis would cut them off for it."""
        self._large += 1
        if is_worth_a_line(self._large):
            self._lost(
                f"message {self._large} of more than {MAX_MESSAGE} bytes was not sent to other"
                f" servers: it has {size}"
            )

    def refused(self, error: str, times: int) -> None:
        """Redis does not take a message."""
        if is_worth_a_line(times):
            self._lost(f"Redis has refused {times} messages, the last one with: {error}")
