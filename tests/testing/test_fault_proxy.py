"""Each fault of the proxy, seen by a client and a server that know nothing of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from sockwave.testing import FaultProxy
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONG = 0.1
"""Seconds of a fault that is measured: nothing may come sooner, but anything later."""


class Peers:
    """An echo server behind a proxy, and its clients.

    Attributes:
        pieces: What the server read, piece by piece.
        lost: How the server's connections ended.
    """

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.pieces: list[bytes] = []
        self.lost: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection, which has reached the server."""
        before = self.proxy.connections
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        self.writers.append(writer)
        await until(lambda: self.proxy.connections > before)
        return reader, writer


@asynccontextmanager
async def echoing(seed: int = 0) -> AsyncIterator[Peers]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1_000_000):
                peers.pieces.append(data)
                writer.write(data)
            peers.lost.append("end")
        except ConnectionResetError:
            peers.lost.append("reset")
        finally:
            writer.close()

    before = asyncio.all_tasks()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy("127.0.0.1", port, seed=seed) as proxy:
        peers = Peers(proxy)
        yield peers
        for writer in peers.writers:
            writer.transport.abort()
    server.close()
    await until(lambda: asyncio.all_tasks() <= before)
    await asyncio.sleep(0)  # lets what was closed be gone


async def test_without_faults_everything_passes() -> None:
    async with echoing() as peers:
        reader, writer = await peers.connect()
        writer.write(b"x" * 1_000_000)
        assert await reader.readexactly(1_000_000) == b"x" * 1_000_000
        writer.close()
        await until(lambda: peers.lost == ["end"] and not peers.proxy.connections)
        assert peers.proxy.to_server.passed == peers.proxy.to_client.passed == 1_000_000


async def test_delay_holds_back_but_does_not_slow_down() -> None:
    loop = asyncio.get_running_loop()
    async with echoing() as peers:
        peers.proxy.to_server.delay = LONG
        reader, writer = await peers.connect()
        began = loop.time()
        for _ in range(20):
            writer.write(b"x")
            await asyncio.sleep(0.002)
        await reader.readexactly(20)
        assert LONG <= loop.time() - began < 20 * LONG


async def test_jitter_keeps_the_order_and_is_repeated_by_its_seed() -> None:
    drawn = []
    for _ in range(2):
        async with echoing(seed=7) as peers:
            peers.proxy.set(jitter=0.01)
            reader, writer = await peers.connect()
            for number in range(20):
                writer.write(bytes([number]))
                await asyncio.sleep(0)
            assert await reader.readexactly(20) == bytes(range(20))
            drawn.append(peers.proxy._random.getstate())
    assert len(drawn) == 2


async def test_rate_bounds_the_bytes_a_second() -> None:
    loop = asyncio.get_running_loop()
    async with echoing() as peers:
        peers.proxy.to_client.rate = 100_000
        reader, writer = await peers.connect()
        began = loop.time()
        writer.write(bytes(20_000))
        await reader.readexactly(20_000)
        assert loop.time() - began >= 0.2


async def test_slices_arrive_one_by_one() -> None:
    async with echoing() as peers:
        peers.proxy.to_server.slice, peers.proxy.to_server.slice_delay = 3, 0.005
        reader, writer = await peers.connect()
        writer.write(b"0123456789")
        assert await reader.readexactly(10) == b"0123456789"
        assert peers.pieces == [b"012", b"345", b"678", b"9"]


async def test_slices_end_after_so_many_bytes() -> None:
    async with echoing() as peers:
        peers.proxy.to_server.slice, peers.proxy.to_server.slice_delay = 1, 0.005
        peers.proxy.to_server.slice_until = 2
        reader, writer = await peers.connect()
        writer.write(b"0123456789")
        assert await reader.readexactly(10) == b"0123456789"
        assert peers.pieces == [b"0", b"1", b"23456789"]


async def test_merged_pieces_arrive_together() -> None:
    async with echoing() as peers:
        peers.proxy.to_server.merge, peers.proxy.to_server.merge_wait = 6, LONG
        reader, writer = await peers.connect()
        for piece in (b"01", b"23", b"45", b"67"):
            writer.write(piece)
            await asyncio.sleep(0.005)
        assert await reader.readexactly(8) == b"01234567"
        assert peers.pieces == [b"012345", b"67"]


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
async def test_black_hole_swallows_data_and_end_of_one_direction(direction: str) -> None:
    async with echoing() as peers:
        reader, writer = await peers.connect()
        getattr(peers.proxy, direction).stall()
        writer.write(b"lost?")
        if direction == "to_client":
            await until(lambda: peers.pieces == [b"lost?"])
        writer.write_eof()
        await asyncio.sleep(0.05)
        assert peers.pieces == ([b"lost?"] if direction == "to_client" else [])
        assert not reader.at_eof()
        peers.proxy.resume()
        assert await reader.read(-1) == b"lost?"


async def test_limit_closes_after_so_many_bytes() -> None:
    async with echoing() as peers:
        peers.proxy.to_client.limit = 7
        reader, writer = await peers.connect()
        writer.write(b"0123456789")
        assert await reader.read(-1) == b"0123456"


async def test_reset_after_so_many_bytes() -> None:
    async with echoing() as peers:
        peers.proxy.to_server.reset_after = 7
        reader, writer = await peers.connect()
        writer.write(b"0123456789")
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        await until(lambda: peers.lost)
        assert sum(map(len, peers.pieces)) <= 7


async def test_end_is_passed_on_late() -> None:
    loop = asyncio.get_running_loop()
    async with echoing() as peers:
        peers.proxy.to_server.close_delay = LONG
        _, writer = await peers.connect()
        began = loop.time()
        writer.close()
        await until(lambda: peers.lost == ["end"])
        assert loop.time() - began >= LONG


@pytest.mark.parametrize("fault", ["cut", "reset"])
async def test_all_connections_end_on_command(fault: str) -> None:
    async with echoing() as peers:
        connections = [await peers.connect() for _ in range(3)]
        for reader, writer in connections:
            writer.write(b"x")
            await reader.readexactly(1)
        getattr(peers.proxy, fault)()
        for reader, _ in connections:
            if fault == "reset":
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
            else:
                assert await reader.read(-1) == b""
        await until(lambda: len(peers.lost) == 3)


async def test_down_refuses_until_up() -> None:
    async with echoing() as peers:
        reader, _ = await peers.connect()
        peers.proxy.down()
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", peers.proxy.port)
        await peers.proxy.up()
        reader, writer = await peers.connect()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"


async def test_rubbish_reaches_the_client() -> None:
    async with echoing(seed=3) as peers:
        reader, _ = await peers.connect()
        peers.proxy.corrupt(16)
        assert len(await reader.readexactly(16)) == 16


async def test_fault_that_there_is_none_of_is_an_error() -> None:
    async with echoing() as peers:
        with pytest.raises(AttributeError):
            peers.proxy.set(dellay=1)


async def test_server_that_is_gone_is_a_connection_that_ends() -> None:
    async with FaultProxy("127.0.0.1", 9) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            assert await reader.read(-1) == b""
        except ConnectionResetError:
            pass
        writer.transport.abort()
        assert proxy.accepted == 1
