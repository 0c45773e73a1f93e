"""Servers of either kind are killed while others broadcast and ask: no hang, and nothing twice."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from interop.cluster.cluster import CARRIERS
from interop.cluster.conftest import address_of
from interop.cluster.servers import node_server, python_server, to
from interop.node import PATIENCE
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.cluster.servers import ProcessServer
    from interop.node import JsClient, NodeDriver
    from tests.live.engines import Redis

pytestmark = [pytest.mark.live, pytest.mark.interop]

KILLS: Final = int(os.environ.get("SOCKWAVE_KILLS", "6"))
"""How many, of each kind of server in turn."""

SETTLED: Final = 40.0
"""Seconds until those who are gone must not be waited for any more: heartbeats take ten."""


class Traffic:
    """One server that broadcasts and asks, and counts what comes of it.

    Args:
        pause: Seconds between two rounds: a stream has the latest 10,000 entries only.

    Attributes:
        sent: Broadcasts so far.
        asked: Questions that are over.
    """

    def __init__(self, server: ProcessServer, pause: float = 0.0) -> None:
        self.server = server
        self._pause = pause
        self.sent = 0
        self.asked = 0
        self._is_over = False

    async def run(self) -> None:
        """Go on until `stop`: a question that does not end is an error of `do`."""
        while not self._is_over:
            await self.server.emit(to(), "n", self.server.name, self.sent)
            self.sent += 1
            rooms = ("stays",) if self.asked % 2 else ()  # or those of victims, too
            target = to(*rooms, timeout=1)
            outcome = await self.server.do("ask", target=target, event="who", args=[])
            assert len(set(outcome["answers"])) == len(outcome["answers"]), outcome
            self.asked += 1
            await asyncio.sleep(self._pause)

    def stop(self) -> None:
        """Let it end."""
        self._is_over = True


async def answers_all(server: ProcessServer, names: set[str]) -> bool:
    """Whether all clients answer a server, in time."""
    outcome = await server.do("ask", target=to(timeout=1), event="who", args=[])
    return "error" not in outcome and set(outcome["answers"]) == names


async def _open(
    driver: NodeDriver, server: ProcessServer, *rooms: str, answer: str = ""
) -> JsClient:
    client = driver.client(server.url, transports=["websocket"], auth={"rooms": rooms, "name": ""})
    client.answers["who"] = (answer or server.name,)
    return await client.connected()


@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize("name", CARRIERS)
async def test_kills_of_servers_neither_hang_nor_double_anything(
    name: str, request: pytest.FixtureRequest, driver: NodeDriver
) -> None:
    carrier, peer = CARRIERS[name], peers.node()
    address = address_of(carrier, request)
    makers: list[Callable[[str], ProcessServer]] = [
        partial(node_server, peer=peer, carrier=name, engine=address),
        partial(python_server, carrier=name, engine=address),
    ]
    async with AsyncExitStack() as stack:
        stay, victims = [
            [await stack.enter_async_context(make(f"{what}{n}")) for n, make in enumerate(makers)]
            for what in ("stays", "victim")
        ]
        clients = [await _open(driver, server, "stays") for server in stay]
        for server in victims:
            await _open(driver, server)
        for server in stay:
            await _until_answered(server, {"stays0", "stays1", "victim0", "victim1"})
        traffic = [Traffic(server) for server in stay]
        async with asyncio.TaskGroup() as tasks:
            for each in traffic:
                tasks.create_task(each.run())
            for kill in range(KILLS):
                kind = kill % 2
                victims[kind].kill()
                await victims[kind].__aexit__()
                victims[kind] = await stack.enter_async_context(makers[kind](f"victim{kind}"))
                newcomer = await _open(driver, victims[kind])
                await newcomer.received("n")
            for each in traffic:
                each.stop()
        for server in (*stay, *victims):
            await _until_answered(server, {"stays0", "stays1", "victim0", "victim1"})
        for client in clients:
            await _has_all_once(client, traffic)
        await driver.close_clients()


async def _until_answered(server: ProcessServer, names: set[str]) -> None:
    async with asyncio.timeout(SETTLED):
        while not await answers_all(server, names):
            await asyncio.sleep(0.05)


async def _has_all_once(client: JsClient, traffic: list[Traffic]) -> None:
    """Each broadcast came once, in order; the last ones have had time while all were asked."""
    got: dict[str, list[int]] = {each.server.name: [] for each in traffic}
    async with asyncio.timeout(PATIENCE):
        for _ in range(sum(each.sent for each in traffic)):
            server, number = await client.received("n")
            got[server].append(number)
    assert got == {each.server.name: list(range(each.sent)) for each in traffic}
    assert client.log.count("on n") == sum(each.sent for each in traffic)
    assert all(each.asked == each.sent > 0 for each in traffic)


class Traveller:
    """A client that loses one server and comes back to another, as the one that it was.

    Args:
        client: Connected to the first one.
        redis: Where lost clients are kept.
    """

    def __init__(self, client: JsClient, redis: Redis) -> None:
        self.client = client
        self._redis = redis
        self._id = ""
        self._got: defaultdict[str, list[int]] = defaultdict(list)

    async def leave(self) -> None:
        """Lose the connection, and wait until what belongs to it is in Redis."""
        self._id, pid = await self.client.evaluate("[socket.id, socket._pid]")
        await self.client.run("socket.io.engine.close()")
        await self.client.next("disconnect")
        async with asyncio.timeout(PATIENCE):
            while await self._exists(f"sio:session:{pid}") != "1":
                await asyncio.sleep(0.01)

    async def note(self) -> None:
        """See which one it is."""
        self._id = await self.client.evaluate("socket.id")

    async def _exists(self, key: str) -> str:
        return await asyncio.to_thread(self._redis.cli, "EXISTS", key)

    async def arrive(self, server: ProcessServer) -> None:
        """Come to another server."""
        await self.client.run("socket.io.uri = args[0]; socket.connect()", server.url)
        await self.client.connected()
        found = await self.client.evaluate("[socket.recovered, socket.id]")
        assert found == [True, self._id], f"at {server}"

    async def has_heard(self, traffic: list[Traffic]) -> None:
        """Wait for what was sent so far: from the first event on it has each once, in order."""
        sent = {each.server.name: each.sent for each in traffic}
        async with asyncio.timeout(PATIENCE):
            while any(number not in self._got[name] for name, number in sent.items()):
                server, number, *_ = await self.client.received("n")
                self._got[server].append(number)
        for name, numbers in self._got.items():
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), f"of {name}"


@pytest.mark.timeout(120 + 10 * KILLS)
async def test_clients_of_servers_that_are_killed_get_each_event_once_on_streams(
    redis: Redis, driver: NodeDriver
) -> None:
    """They are lost, their server dies, and they come back to one of ours that goes on.

    Not to one in JavaScript: under traffic that may send twice what comes at just this moment, or
    never (`restoreSession` reads the stream beside the loop that brings what is new).
    """
    makers: list[Callable[[str], ProcessServer]] = [
        partial(node_server, peer=peers.node(), carrier="streams", engine=redis.url, recovers=True),
        partial(python_server, carrier="streams", engine=redis.url, recovers=True),
    ]
    async with AsyncExitStack() as stack:
        stay, victims = [
            [await stack.enter_async_context(make(f"{what}{n}")) for n, make in enumerate(makers)]
            for what in ("stays", "victim")
        ]
        for server in stay:
            await _until_answered(server, set())
        traffic = [Traffic(server) for server in stay]
        async with asyncio.TaskGroup() as tasks:
            for each in traffic:
                tasks.create_task(each.run())
            for kill in range(KILLS):
                kind = kill % 2
                client = await _open(driver, victims[kind])
                client.answers["who"] = (f"traveller{kill}",)
                while "on n" not in client.log:  # who has no offset is nobody in JavaScript
                    await asyncio.sleep(0.01)
                traveller = Traveller(client, redis)
                await traveller.leave()
                victims[kind].kill()
                await victims[kind].__aexit__()
                await traveller.arrive(stay[1])
                await traveller.has_heard(traffic)
                await client.run("socket.disconnect()")
                victims[kind] = await stack.enter_async_context(makers[kind](f"victim{kind}"))
            for each in traffic:
                each.stop()
        await driver.close_clients()


@pytest.mark.timeout(120 + 10 * KILLS)
async def test_clients_connected_to_a_server_that_is_killed_come_back_on_streams(
    redis: Redis, driver: NodeDriver
) -> None:
    """Nobody has noticed their loss, and they go on where they were: in their rooms, with each
    event once. Servers in JavaScript keep nobody before the loss, so it is one of ours that dies.
    """
    makers: list[Callable[[str], ProcessServer]] = [
        partial(node_server, peer=peers.node(), carrier="streams", engine=redis.url, recovers=True),
        partial(python_server, carrier="streams", engine=redis.url, recovers=True),
    ]
    async with AsyncExitStack() as stack:
        stay = [await stack.enter_async_context(make(f"stays{n}")) for n, make in enumerate(makers)]
        victim = await stack.enter_async_context(makers[1]("victim"))
        for server in stay:
            await _until_answered(server, set())
        traffic = [Traffic(server, pause=0.005) for server in stay]
        async with asyncio.TaskGroup() as tasks:
            for each in traffic:
                tasks.create_task(each.run())
            for kill in range(KILLS):
                clients = [
                    await _open(driver, victim, f"room{n}", answer=f"traveller{kill}-{n}")
                    for n in range(3)
                ]
                for client in clients:
                    while "on n" not in client.log:
                        await asyncio.sleep(0.01)
                travellers = [Traveller(client, redis) for client in clients]
                for traveller in travellers:
                    await traveller.note()
                victim.kill()
                await victim.__aexit__()
                async with asyncio.TaskGroup() as arrivals:
                    for traveller in travellers:
                        await traveller.client.next("disconnect")
                        arrivals.create_task(traveller.arrive(stay[1]))
                for number, traveller in enumerate(travellers):
                    await stay[0].emit(to(f"room{number}"), "room", number)
                    assert (await traveller.client.received("room"))[0] == number
                    await traveller.has_heard(traffic)
                    await traveller.client.run("socket.disconnect()")
                victim = await stack.enter_async_context(makers[1]("victim"))
            for each in traffic:
                each.stop()
        await driver.close_clients()
