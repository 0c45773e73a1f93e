"""Who listens in tests of Redis' drivers, and short ways to them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sockwave.adapters.redis.classic import ClassicDriver
from sockwave.adapters.redis.places import find_place
from sockwave.adapters.redis.sharded import ShardedDriver, SubscriptionMode
from tests.support.raw import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.message_driver import MessageDriver
    from sockwave.adapters.messages import Message

BACKLOG = 1_000_000


class FakeEar:
    """Keeps what it hears.

    Attributes:
        rooms: That it says to have.
    """

    def __init__(self, *rooms: str) -> None:
        self.rooms = set(rooms)
        self.heard: list[Message] = []
        self.lost: list[str] = []
        self.bad: list[str] = []

    def message_received(self, message: bytes) -> None:
        raise AssertionError("these carriers decode")

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        raise AssertionError("nobody knows")

    def decoded(self, message: Message) -> None:
        self.heard.append(message)

    def refused(self, why: str) -> None:
        self.bad.append(why)

    def has_room(self, room: str) -> bool:
        return room in self.rooms

    @property
    def numbers(self) -> list[Any]:
        """The first argument of each event between servers."""
        return [message.data["packet"][1] for message in self.heard]


def classic(url: str, *, is_specific: bool = False, max_backlog: int = BACKLOG) -> ClassicDriver:
    place = find_place(url)
    return ClassicDriver(place, key="key", is_specific=is_specific, max_backlog=max_backlog)


def sharded(url: str, mode: SubscriptionMode = "dynamic") -> ShardedDriver:
    return ShardedDriver(find_place(url), prefix="key", mode=mode, max_backlog=BACKLOG)


@asynccontextmanager
async def listening(
    driver: MessageDriver, address: str, *rooms: str, namespace: str = "/"
) -> AsyncIterator[FakeEar]:
    """A driver that has begun, and its ear; closed at the end."""
    ear = FakeEar(*rooms)
    try:
        await driver.start()
        await driver.subscribe(namespace, address, ear)
        yield ear
    finally:
        await driver.aclose()


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not is_so():
            await asyncio.sleep(0.001)
