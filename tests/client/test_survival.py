"""The client stays connected whatever the network and the server do."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import Any

import pytest

from sockwave import Manager, Server, Socket, connect
from sockwave.socketio.client.backoff import Backoff
from sockwave.testing.fault_proxy import FaultProxy
from tests.client.servers import native_server
from tests.support.raw import until

FAULTS = ("cut", "reset", "corrupt")
CUTS = 500
CLIENTS = 200
PATIENCE = 60.0


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    "transports",
    [["websocket"], ["polling"], ["polling", "websocket"]],
    ids=["websocket", "polling", "upgrade"],
)
@pytest.mark.timeout(300)
async def test_five_hundred_cuts_end_in_a_connection_each_time(
    transports: Any,
) -> None:
    chance = random.Random(4)
    received: list[int] = []
    io = Server(ping_interval=0.2, ping_timeout=0.4)
    io.on("connection", lambda peer: record(peer, received))
    before = open_files()
    async with io.listen() as listener, FaultProxy(listener.host, listener.port, seed=4) as proxy:
        manager = Manager(
            proxy.url,
            transports=transports,
            reconnection_delay=0.001,
            reconnection_delay_max=0.01,
            close_timeout=0.1,
        )
        socket = manager.socket()
        losses: list[str] = []
        socket.on("disconnect", lambda reason: losses.append(reason))
        number = 0
        certain: set[int] = set()
        for _ in range(CUTS):
            await socket.wait_connected(timeout=PATIENCE)
            lost = asyncio.Event()  # it may be by itself, before the fault, on a busy machine
            socket.once("disconnect", lost.set)
            await asyncio.sleep(chance.random() * 0.004)  # the moment of the fault
            getattr(proxy, chance.choice(FAULTS))()
            await lost.wait()
            before_emit = len(losses)
            emitted = range(number, number + 3)
            for number in emitted:
                socket.emit("log", number)
            number = emitted.stop
            while not await answered(socket):
                pass
            if len(losses) == before_emit:  # else they may have been under way when it was lost
                certain.update(emitted)
        tasks = len(asyncio.all_tasks())
        await manager.close()
    assert received == sorted(set(received))
    assert certain <= set(received)
    assert certain
    assert tasks < 20
    await until(lambda: open_files() <= before + 2)  # the server closes what it held


def record(peer: Socket, received: list[int]) -> None:
    peer.on("log", received.append)
    peer.on("ack", lambda value: value)


async def answered(socket: Any) -> bool:
    """Whether the server has all that was emitted before; a late fault may still come between."""
    try:
        return bool(await socket.emit_with_ack("ack", True, timeout=PATIENCE))
    except Exception:
        return False


async def test_connection_that_is_half_open_is_given_up_and_made_anew() -> None:
    io = native_server(ping_interval=0.3, ping_timeout=1.0)
    async with io.listen() as listener, FaultProxy(listener.host, listener.port) as proxy:
        async with connect(proxy.url, transports=["websocket"], reconnection_delay=0.01) as socket:
            reasons: asyncio.Queue[str] = asyncio.Queue()
            socket.on("disconnect", lambda reason: reasons.put_nowait(reason))
            proxy.stall()
            assert await reasons.get() == "ping timeout"
            proxy.resume()
            await socket.wait_connected(timeout=PATIENCE)


async def test_slow_and_sliced_network_changes_nothing() -> None:
    async with (
        native_server().listen() as listener,
        FaultProxy(listener.host, listener.port) as proxy,
    ):
        proxy.set(delay=0.001, jitter=0.001, slice=97)
        async with connect(proxy.url) as socket:
            for number in range(50):
                socket.emit("log", number)
            assert await socket.emit_with_ack("get_log", timeout=PATIENCE) == list(range(50))


@pytest.mark.timeout(300)
async def test_clients_come_back_after_a_restart_spread_by_jitter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged by the delays that were drawn: when a busy machine gets to them is its own affair."""
    delay = 0.8
    drawn: list[float] = []
    draw = Backoff.next

    def recorded(backoff: Backoff) -> float:
        drawn.append(draw(backoff))
        return drawn[-1]

    monkeypatch.setattr(Backoff, "next", recorded)
    loop = asyncio.get_running_loop()
    async with native_server().listen() as listener:
        port = listener.port
        sockets = [
            connect(listener.url, transports=["websocket"], reconnection_delay=delay)
            for _ in range(CLIENTS)
        ]
        await asyncio.gather(*(socket.wait_connected(timeout=PATIENCE) for socket in sockets))
        lost = asyncio.gather(*(until_lost(socket) for socket in sockets))
        await asyncio.sleep(0)
    await lost
    stopped = loop.time()
    async with native_server().listen(port=port):
        back = await asyncio.gather(*(until_back(socket) for socket in sockets))
        times = [moment - stopped for moment in back]
        await asyncio.gather(*(socket.aclose() for socket in sockets))
    buckets = Counter(int(time * 10) for time in times)
    with capsys.disabled():
        print(f"\n{CLIENTS} clients after a restart, by tenths of a second (delay {delay} s):")
        for bucket in range(max(buckets) + 1):
            print(f"  {bucket / 10:.1f} s {'#' * buckets[bucket]} {buckets[bucket]}")
    assert len(times) == CLIENTS
    first = drawn[:CLIENTS]
    assert all(delay * 0.5 <= wait <= delay * 1.5 for wait in first)
    assert max(Counter(int(wait * 10) for wait in first).values()) < CLIENTS * 0.35


async def until_lost(socket: Any) -> None:
    lost = asyncio.Event()
    socket.once("disconnect", lost.set)
    await lost.wait()


async def until_back(socket: Any) -> float:
    await socket.wait_connected(timeout=PATIENCE)
    return asyncio.get_running_loop().time()
