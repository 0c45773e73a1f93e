"""Several servers in one process, joined through memory: clusters through the public API."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, MsgpackParser, Server, Socket
from sockwave.adapters import ClusterAdapter, Faults, MemoryBroker
from sockwave.testing import LinkedClient
from tests.support.raw import UNIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from sockwave.socketio.core.cluster_contract import ClusterHost


def clustered(broker: MemoryBroker, name: str, **options: Any) -> Server:
    """A server whose sockets are in a room of its name."""
    driver = broker.driver()

    def adapter(host: ClusterHost) -> ClusterAdapter:
        return ClusterAdapter(host, driver)

    io = Server(adapter=adapter, **options)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.data["server"] = name
        socket.join(name)

    return io


@asynccontextmanager
async def servers(*names: str, **options: Any) -> AsyncIterator[list[Server]]:
    broker = MemoryBroker()
    ours = [clustered(broker, name, **options) for name in names]
    yield ours
    for io in ours:
        await io.close()


async def settled(ours: list[Server]) -> None:
    async with asyncio.timeout(40):
        while not all([await io.server_count() == len(ours) for io in ours]):
            await asyncio.sleep(0.001)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_servers_are_one() -> None:
    async def scenario() -> None:
        async with servers("A", "B") as (a, b):
            async with LinkedClient(a) as ada, LinkedClient(b) as grace:
                await settled([a, b])
                a.to("B").emit("news", b"\x01", 1)
                assert await grace.received() == ("news", [b"\x01", 1])
                b.emit("all")
                assert await ada.received() == ("all", [])
                assert await grace.received() == ("all", [])
                assert await a.count() == 2
                remote = next(s for s in await a.fetch_sockets() if s.data["server"] == "B")
                remote.join("late")
                a.to("late").emit("late")
                remote.emit("direct")
                assert await grace.received() == ("late", [])
                assert await grace.received() == ("direct", [])
                for client, answer in ((ada, 1), (grace, 2)):
                    client.on("question", lambda answer=answer: answer)
                assert sorted(await b.timeout(2).emit_with_ack("question")) == [1, 2]
                assert await remote.emit_with_ack("question", timeout=2) == 2
                b.on("hi", lambda text: text.upper())
                assert await a.server_side_emit_with_ack("hi", "x", timeout=2) == ["X"]
                assert len(await a.local.fetch_sockets()) == 1
                b.disconnect_sockets()
                await ada.disconnected()

    run(scenario())


def test_first_question_to_a_namespace_of_a_moment_reaches_the_others() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        a, b = clustered(broker, "A"), clustered(broker, "B")
        for io in (a, b):
            io.of(re.compile(r"/room-\d"))
        async with LinkedClient(a) as ada, LinkedClient(b) as grace:
            await settled([a, b])
            broker.faults = Faults(delay=0.05)
            async with ada.of("/room-1") as there:
                there.on("question", lambda: "here")
                await asyncio.sleep(0.2)
                async with grace.of("/room-1"):
                    room = b.of("/room-1")
                    answers = await room.except_(*room.sockets).timeout(5).emit_with_ack("question")
                    assert answers == ["here"]
        await a.close()
        await b.close()

    run(scenario())


def test_answer_that_cannot_be_sent_is_told_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with servers("A", "B") as (a, b):
            await a.server_count()
            await settled([a, b])
            b.on("hi", object)
            for _ in range(10):
                assert await a.server_side_emit_with_ack("hi", timeout=5) == [None]
        lines = [line for line in caplog.messages if "the answer to 'hi'" in line]
        assert len(lines) == 4, "the first, second, fourth and eighth"

    run(scenario())


def test_who_does_not_answer_is_named() -> None:
    async def scenario() -> None:
        async with servers("A", "B") as (a, b):
            async with LinkedClient(a) as ada, LinkedClient(b) as grace:
                await settled([a, b])
                ada.on("question", lambda: 1)
                (socket,) = await b.local.fetch_sockets()
                with pytest.raises(AckTimeout) as error:
                    await a.timeout(10 * UNIT).emit_with_ack("question")
                assert error.value.responses == [1]
                assert error.value.missing == (socket.id,)
                assert (await grace.received())[0] == "question"

    run(scenario())


def test_events_of_one_server_keep_their_order() -> None:
    async def scenario() -> None:
        async with servers("A", "B", "C") as (a, b, c):
            async with LinkedClient(c) as client:
                await settled([a, b, c])
                for number in range(100):
                    a.to("C").emit("n", number)
                    if number % 10 == 0:
                        await asyncio.sleep(0)
                assert [(await client.received())[1] for _ in range(100)] == [
                    [number] for number in range(100)
                ]

    run(scenario())


def test_msgpack_goes_from_server_to_server() -> None:
    async def scenario() -> None:
        async with servers("A", "B", parser=MsgpackParser()) as (a, b):
            got: list[Any] = []
            await a.server_count()
            await settled([a, b])
            b.on("x", got.append)
            a.server_side_emit("x", b"\x01")
            await asyncio.sleep(0.01)
            assert got == [b"\x01"]

    run(scenario())


def test_namespaces_of_clients_choice_are_clusters_of_their_own() -> None:
    async def scenario() -> None:
        async with servers("A", "B") as (a, b):
            for io in (a, b):
                io.of(lambda name, auth: name.startswith("/room-"))
            async with LinkedClient(a, namespace="/room-1") as ada:
                async with LinkedClient(b, namespace="/room-1") as grace:
                    await asyncio.sleep(0.01)
                    b.of("/room-1").emit("x")
                    assert await ada.received() == ("x", [])
                    assert await grace.received() == ("x", [])
                await asyncio.sleep(0.01)
                assert await a.of("/room-1").count() == 1

    run(scenario())


def test_server_that_closes_is_missed_at_once() -> None:
    async def scenario() -> None:
        gone: list[Any] = []
        async with servers("A", "B") as (a, b):
            await settled([a, b])
            a.on("node_left", gone.append)
            await b.close()
            await asyncio.sleep(0.01)
            assert await a.server_count() == 1
            assert len(gone) == 1

    run(scenario())


class Started(ClusterAdapter):
    """Counts how often it begins."""

    starts = 0

    def start(self) -> None:
        self.starts += 1
        super().start()


def test_adapter_begins_with_its_server_in_every_loop_and_after_each_end() -> None:
    driver = MemoryBroker().driver()
    io = Server(adapter=lambda host: Started(host, driver))
    adapters = [io.of(name).adapter for name in ("/", "/admin")]
    ids: set[str | None] = set()

    async def serve() -> None:
        async with io.listen():
            async with asyncio.timeout(40):
                while not all(isinstance(each, Started) and each.id for each in adapters):
                    await asyncio.sleep(0.001)
            ids.update(each.id for each in adapters if isinstance(each, Started))

    async def twice() -> None:
        for _ in range(2):
            await serve()
            await io.close()
            assert all(isinstance(each, Started) and each.id is None for each in adapters)

    run(twice())
    run(twice())
    run(serve())  # and ends without a word
    run(twice())
    assert len(ids) == 14
    assert [each.starts for each in adapters if isinstance(each, Started)] == [7, 7]


def test_server_that_is_closed_in_another_loop_than_its_own_begins_nothing_there() -> None:
    driver = MemoryBroker().driver()
    io = Server(adapter=lambda host: Started(host, driver))

    async def serve() -> None:
        async with io.listen():
            await asyncio.sleep(0)

    run(serve())
    run(io.close())
    assert isinstance(io.adapter, Started)
    assert io.adapter.id is None
