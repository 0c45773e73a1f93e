"""Each fault of the HTTP proxy, on a server that tells what it was asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from sockwave.testing import HttpFaultProxy
from tests.support.raw import RawHttp, RawWebSocket, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.testing.http_fault_proxy import WebSocketFault


class Site:
    """A server behind a proxy.

    Attributes:
        asked: Methods and bodies of the requests, in the order they came.
        ports: Of the connections that they came by.
        frames: What came behind an upgrade.
    """

    def __init__(self) -> None:
        self.proxy: HttpFaultProxy
        self.asked: list[tuple[str, bytes]] = []
        self.ports: set[int] = set()
        self.frames = b""
        self.clients: list[RawHttp] = []

    async def connect(self) -> RawHttp:
        """A client of the proxy."""
        client = await RawHttp.connect("127.0.0.1", self.proxy.port)
        self.clients.append(client)
        return client

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request by its number."""
        with suppress(OSError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        body = await reader.readexactly(int(length or 0))
        self.ports.add(writer.get_extra_info("peername")[1])
        self.asked.append((head.split()[0].decode(), body))
        if b"\r\nUpgrade:" in head:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
            while data := await reader.read(100):
                self.frames += data
        else:
            text = str(len(self.asked)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Site, HttpFaultProxy]]:
    before = asyncio.all_tasks()
    site = Site()
    server = await asyncio.start_server(site.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with HttpFaultProxy("127.0.0.1", port) as proxy:
        site.proxy = proxy
        yield site, proxy
        for client in site.clients:
            client.reset()
    server.close()
    await until(lambda: asyncio.all_tasks() <= before)
    await asyncio.sleep(0)  # lets what was closed be gone


async def test_each_request_comes_by_a_connection_of_its_own() -> None:
    async with proxied() as (site, proxy):
        for number in range(3):
            http = await site.connect()
            assert (await http.post("/", f"body {number}")).text == str(number + 1)
        assert len(site.ports) == 3
        assert site.asked == [("POST", f"body {number}".encode()) for number in range(3)]
        assert proxy.requests == {"POST": 3}


@pytest.mark.parametrize("at_once", [False, True])
async def test_request_is_repeated(at_once: bool) -> None:
    async with proxied() as (site, proxy):
        proxy.repeats, proxy.repeats_at_once = "POST", at_once
        http = await site.connect()
        answer = await http.post("/", "body")
        assert answer.text in (("1", "2") if at_once else ("2",))
        assert site.asked == [("POST", b"body")] * 2
        http = await site.connect()
        assert (await http.get("/")).text == "3"


async def test_answer_is_lost() -> None:
    async with proxied() as (site, proxy):
        proxy.lose_answers(1, "GET")
        http = await site.connect()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await http.get("/")
        assert len(site.asked) == 1
        http = await site.connect()
        assert (await http.get("/")).text == "2"


async def test_answer_is_late() -> None:
    async with proxied() as (site, proxy):
        proxy.answer_delay = 0.1
        http = await site.connect()
        began = asyncio.get_running_loop().time()
        await http.get("/")
        assert asyncio.get_running_loop().time() - began >= 0.1


@pytest.mark.parametrize("fault", ["pass", "refuse", "hang", "mute"])
async def test_websocket_meets_its_fault(fault: WebSocketFault) -> None:
    async with proxied() as (site, proxy):
        proxy.websockets = fault
        http = await site.connect()
        http.send("GET", "/", RawWebSocket.request_headers())
        http.write(b"frame")
        if fault == "refuse":
            assert (await http.read()).status == 200
        elif fault != "hang":
            assert (await http.read()).status == 101
        if fault == "pass":
            assert await http.reader.readexactly(5) == b"hello"
            await until(lambda: site.frames == b"frame")
        else:
            await asyncio.sleep(0.05)
            assert site.frames == b""
            assert fault == "refuse" or not http.reader.at_eof()
        assert len(site.asked) == (1 if fault in ("pass", "mute") else 0)
        assert proxy.requests == {"UPGRADE": 1}
