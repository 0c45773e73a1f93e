"""JavaScript clients go on where they were after a short loss."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from interop.fronts import serving
from interop.stage import TRANSPORTS
from sockwave import Recovery, Server, Socket
from tests.support.cuts import BreakingProxy
from tests.support.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.node import JsClient, NodeDriver

pytestmark = pytest.mark.interop

RECONNECTION: dict[str, Any] = {
    "reconnection": True,
    "reconnectionDelay": 5,
    "reconnectionDelayMax": 10,
    "timeout": 2_000,
}


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something inside the server."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Cut:
    """A server behind a way that breaks, and one client of it."""

    def __init__(self, driver: NodeDriver, transport: str, front: str, **options: Any) -> None:
        # A JavaScript client whose WebSocket is cut in the last step of an upgrade does not notice:
        # it waits for a ping in vain.
        self.io = Server(
            ping_interval=0.5, ping_timeout=0.5, connection_state_recovery=Recovery(**options)
        )
        self.proxy: BreakingProxy
        self.client: JsClient
        self._driver = driver
        self._transports = TRANSPORTS[transport]
        self._front = front
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Cut:
        url = urlsplit(await self._stack.enter_async_context(serving(self.io, self._front)))
        assert url.hostname and url.port
        self.proxy = BreakingProxy(url.hostname, url.port)
        await self._stack.enter_async_context(self.proxy.running())
        self._stack.push_async_callback(self._driver.close_clients)
        self.client = self._driver.client(
            f"http://127.0.0.1:{self.proxy.port}", transports=self._transports, **RECONNECTION
        )
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self._stack.aclose()


async def test_client_is_recovered_with_what_it_missed(
    driver: NodeDriver, transport: str, front: str
) -> None:
    async with Cut(driver, transport, front) as cut:
        io, client = cut.io, await cut.client.connected()
        (socket,) = io.sockets.values()
        socket.data["name"] = "ada"
        socket.join("r")
        socket.emit("1", 1)
        assert (await client.received("1"))[0] == 1
        assert not await client.evaluate("socket.recovered")
        back: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        io.on("connection", back.set_result)

        @socket.on("disconnect")
        def gone(reason: str) -> None:
            io.to("r").emit("2", b"\x02")
            socket.emit("3")

        await asyncio.sleep(0.1)  # a poll is open again: without one, nothing is there to be cut
        cut.proxy.cut()
        assert await client.next("connect") == [socket.id]
        again = await back
        assert await client.evaluate("socket.recovered")
        assert again.recovered
        assert (again.id, again.data, again.rooms) == (
            socket.id,
            {"name": "ada"},
            {socket.id, "r"},
        )
        assert (await client.received("2"))[0] == b"\x02"
        assert len(await client.received("3")) == 1
        io.emit("4")
        await client.received("4")
        assert [entry for entry in client.log if entry.startswith("on ")] == [
            f"on {number}" for number in range(1, 5)
        ]


async def test_late_client_is_a_new_one(driver: NodeDriver, transport: str) -> None:
    async with Cut(driver, transport, "native", max_disconnection_duration=0.001) as cut:
        io, client = cut.io, await cut.client.connected()
        first = await client.evaluate("socket.id")
        io.emit("1")
        await client.received("1")
        await asyncio.sleep(0.1)  # a poll is open again: without one, nothing is there to be cut
        io.event("disconnect")(lambda socket, reason: io.emit("missed"))
        cut.proxy.cut()
        assert await client.next("connect") != [first]
        assert not await client.evaluate("socket.recovered")
        io.emit("2")
        await client.received("2")
        assert "on missed" not in client.log


@pytest.mark.timeout(180)
async def test_every_event_arrives_once_and_in_order_over_300_cuts(
    driver: NodeDriver, transport: str
) -> None:
    chance = random.Random(transport)
    numbers: list[int] = []
    async with Cut(driver, transport, "native") as cut:
        traffic = Traffic(cut.io, chance, numbers)
        client, proxy = cut.client, cut.proxy

        async def listen() -> None:
            while True:
                numbers.append((await client.received("n"))[0])

        async with asyncio.TaskGroup() as group:
            emitting = group.create_task(traffic.run())
            listening = group.create_task(listen())
            await client.run(
                "socket.states = []; socket.on('connect', () => socket.states.push("
                "Boolean(socket.recovered)))"
            )
            await until(lambda: numbers)
            # On a slow machine most cuts come before the client is connected: then there are more.
            while proxy.cuts < 300 or len(await client.evaluate("socket.states")) <= 50:
                if chance.random() < 0.5:
                    await asyncio.sleep(chance.random() * 0.04)
                    proxy.cut()
                else:
                    proxy.cut_after(chance.choice([1, 300, 1_000, 30_000]) + chance.randrange(300))
                    await proxy.next_cut(20)
            emitting.cancel()
            with suppress(TimeoutError):
                await until(lambda: len(numbers) >= traffic.sent, 10)
            await asyncio.sleep(0.3)  # nothing may come twice
            listening.cancel()
        states = await client.evaluate("socket.states")
    assert states.count(False) <= 1, "the first one, if it was seen"
    assert numbers == list(range(traffic.sent))
