"""`NatsAdapter(jetstream=True)` on a real NATS that is restarted, stopped, cut off and full."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sockwave.adapters.messages import Message, MessageType
from sockwave.adapters.nats.connection import OwnClients
from sockwave.adapters.nats.jetstream.driver import JetStreamDriver
from sockwave.adapters.nats.jetstream.options import JetStream, Keeping
from sockwave.adapters.nats.jetstream.storage import Storage
from sockwave.adapters.nats.subjects import Subjects
from tests.live.engines import Nats
from tests.live.suites import MessageDriverSuite
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.message_driver import MessageDriver

pytestmark = pytest.mark.live

OPTS: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}
PATIENCE = 30.0


def driver_of(*urls: str, prefix: str = "test", **options: Any) -> JetStreamDriver:
    source = OwnClients(list(urls), tls=None, credentials=None, nkeys_seed=None)
    subjects = Subjects(prefix)
    options = {"max_bytes": 16 * 1024 * 1024, **options}
    return JetStreamDriver(source, subjects, Storage(subjects, JetStream(**options), Keeping()))


class TestStream(MessageDriverSuite):
    """What goes by the stream."""

    type = MessageType.BROADCAST

    @pytest.fixture(autouse=True)
    def where(self, nats_url: str) -> None:
        self.url, self.prefix = nats_url, uuid4().hex

    async def make_message_driver(self) -> MessageDriver:
        return driver_of(self.url, prefix=self.prefix)


class TestSubjects(TestStream):
    """What is published."""

    type = MessageType.SERVER_SIDE_EMIT


class Heard:
    """Keeps numbers of events."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.lost: list[str] = []

    def decoded(self, message: Message) -> None:
        if message.type == MessageType.BROADCAST:
            self.numbers.append(message.data["packet"]["data"][1])

    def message_received(self, message: bytes) -> None:
        raise AssertionError("not bytes")

    def refused(self, why: str) -> None:
        raise AssertionError(why)

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: Any) -> None:
        """Nobody tells."""

    def has_room(self, room: str) -> bool:
        return False


class Pair:
    """One that writes, and one that reads."""

    def __init__(self, url: str, **options: Any) -> None:
        self.writer, self.reader = driver_of(url, **options), driver_of(url, **options)
        self.heard, self.told = Heard(), Heard()
        self.written = 0

    async def __aenter__(self) -> Pair:
        await self.writer.start()
        await self.writer.subscribe("/", "writer", self.told)
        await self.reader.start()
        await self.reader.subscribe("/", "reader", self.heard)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.writer.aclose()
        await self.reader.aclose()

    def write(self, count: int = 1, size: int = 0) -> None:
        for _ in range(count):
            data: list[Any] = ["news", self.written, "x" * size]
            packet = {"type": 2, "data": data}
            message = Message(3, {"packet": packet, "opts": OPTS}, "writer", "/", self.written)
            self.writer.publish_message("/", message)
            self.written += 1

    async def all_heard(self) -> None:
        """Each once, in order."""
        await until(lambda: len(self.heard.numbers) >= self.written, PATIENCE)
        assert self.heard.numbers == list(range(self.written))


async def test_500_in_a_row_arrive_in_order(nats_url: str) -> None:
    async with Pair(nats_url, prefix=uuid4().hex) as pair:
        pair.write(500)
        await pair.all_heard()


async def test_nothing_is_lost_when_nats_is_restarted_under_traffic() -> None:
    with Nats() as nats:
        async with Pair(nats.url) as pair:
            for _ in range(3):
                pair.write(20)
                await asyncio.sleep(0.01)
                pair.write(20)
                await asyncio.to_thread(nats.restart)
                pair.write(20)
                await pair.all_heard()
