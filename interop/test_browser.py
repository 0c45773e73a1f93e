"""Chromium and Firefox with the client that the server hands out itself."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from interop.fronts import FRONTS, serving
from interop.serve import ServerProcess
from interop.stage import TRANSPORTS
from sockwave import MsgpackParser, Recovery, Server, Socket
from tests.support.cuts import BreakingProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from interop.browsers import Browser, Page

pytestmark = [pytest.mark.interop, pytest.mark.browser]

BUNDLE: Final = "/socket.io/socket.io.min.js"

OPEN: Final = """
const [bundle, options] = args;
const script = document.createElement("script");
script.src = bundle;
await new Promise((resolve, reject) => {
  script.onload = resolve;
  script.onerror = () => reject(new Error("the bundle does not load"));
  document.head.append(script);
});
window.plain = (value) =>
  value instanceof ArrayBuffer || ArrayBuffer.isView(value)
  ? { bytes: [...new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength)] }
  : Array.isArray(value) ? value.map(plain)
  : value;
window.seen = [];
window.socket = io({ reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
socket.on("connect", () => seen.push("connect"));
socket.on("disconnect", () => seen.push("disconnect"));
socket.onAny((event, ...args) => {
  const answer = typeof args.at(-1) === "function" ? args.pop() : () => {};
  seen.push([event, ...args.map(plain)]);
  answer(...args);
});
await new Promise((resolve) => socket.once("connect", resolve));
return socket.id;
"""

ECHO: Final = """
const bytes = Uint8Array.from({length: 256}, (_, n) => n);
return await new Promise((resolve) => socket.emit(
  "echo", "Grüße 😀", bytes, [[bytes.buffer]], new Blob(["blob"]),
  (...all) => resolve(all.map(plain)),
));
"""
EVERY: Final = bytes(range(256))
SENT: Final[list[Any]] = ["Grüße 😀", EVERY, [[EVERY]], b"blob"]


@asynccontextmanager
async def connected(
    browser: Browser, url: str, transport: str, bundle: str = BUNDLE, **options: Any
) -> AsyncIterator[Page]:
    """A page of the server's own origin that is connected, on its last transport."""
    page = await browser.open(url + bundle)
    await page.run(OPEN, bundle, {"transports": TRANSPORTS[transport], **options})
    await is_on(page, transport)
    yield page
    await page.close()


async def is_on(page: Page, transport: str) -> None:
    """Wait until the page uses the last of its transports."""
    wanted = "polling" if transport == "polling" else "websocket"
    await page.until(f"socket.io.engine.transport.name === '{wanted}'")


async def until(condition: Callable[[], object], seconds: float = 15) -> None:
    """Wait for something inside the server."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def plain(value: Any) -> Any:
    """What the page makes of a value that it shows us."""
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    return [plain(item) for item in value] if isinstance(value, list) else value


def recording_server(**options: Any) -> tuple[Server, list[list[Any]]]:
    """A server that sends back what comes, and remembers it."""
    io = Server(**options)
    got: list[list[Any]] = []

    @io.event
    def echo(socket: Socket, *args: Any) -> Any:
        got.append(list(args))
        socket.emit("echoed", *args)
        return args

    return io, got


@pytest.mark.parametrize("front", FRONTS)
async def test_text_and_binary_go_both_ways(browser: Browser, front: str, transport: str) -> None:
    io, got = recording_server()
    async with serving(io, front) as url:
        async with connected(browser, url, transport) as page:
            (socket,) = io.sockets.values()
            assert await page.run("return socket.id") == socket.id
            assert await page.run(ECHO) == plain(SENT)
            assert got == [SENT]
            assert await socket.emit_with_ack("ask", *SENT, timeout=10) == tuple(SENT)
            assert await page.run("return seen") == [
                "connect",
                ["echoed", *plain(SENT)],
                ["ask", *plain(SENT)],
            ]
            wanted = "polling" if transport == "polling" else "websocket"
            assert socket.conn.transport.name == wanted
        await until(lambda: not io.sockets)  # the tab is closed


async def test_page_speaks_msgpack(browser: Browser, transport: str) -> None:
    io, got = recording_server(parser=MsgpackParser())
    bundle = "/socket.io/socket.io.msgpack.min.js"
    async with serving(io, "native") as url, connected(browser, url, transport, bundle) as page:
        # Of binary values, the parser of JavaScript knows only buffers in a browser.
        await page.run("socket.emit('echo', 'ü', new Uint8Array([1, 2]).buffer)")
        await page.until("seen.length === 2")
        assert got == [["ü", b"\x01\x02"]]
        assert await page.run("return seen[1]") == ["echoed", "ü", plain(b"\x01\x02")]


@pytest.mark.parametrize("front", FRONTS)
async def test_page_comes_back_after_a_restart(
    browser: Browser, front: str, transport: str
) -> None:
    with ServerProcess(front) as server:
        async with connected(browser, server.url, transport) as page:
            first = await page.run("return socket.id")
            await asyncio.to_thread(server.end, signal.SIGKILL)
            await page.until("!socket.connected")
            await page.run("socket.emit('echo', 'sent while away')")
            await asyncio.to_thread(server.start)
            await page.until("seen.length === 4")
            echoed = ["echoed", "sent while away"]
            assert await page.run("return seen") == ["connect", "disconnect", "connect", echoed]
            assert await page.run("return socket.id") != first
            await is_on(page, transport)
            assert await page.run(ECHO) == plain(SENT)


class Way(AsyncExitStack):
    """A server with recovery, and a way to it that breaks; all over with the block."""

    async def open(self, front: str, **options: Any) -> tuple[Server, BreakingProxy, str]:
        """Start both; the address is the way's."""
        io = Server(ping_interval=1, ping_timeout=1, connection_state_recovery=Recovery(**options))
        url = urlsplit(await self.enter_async_context(serving(io, front)))
        assert url.hostname and url.port
        proxy = BreakingProxy(url.hostname, url.port)
        await self.enter_async_context(proxy.running())
        return io, proxy, f"http://127.0.0.1:{proxy.port}"


async def seen_by(page: Page) -> tuple[list[str], list[list[Any]]]:
    """What happened to the page's socket, and its events without where they stand in the log."""
    seen = await page.run("return seen")
    life = [entry for entry in seen if isinstance(entry, str)]
    return life, [entry[:-1] for entry in seen if isinstance(entry, list)]


@pytest.mark.parametrize("front", FRONTS)
async def test_page_is_recovered_with_what_it_missed(
    browser: Browser, front: str, transport: str
) -> None:
    async with Way() as way:
        io, proxy, url = await way.open(front)
        async with connected(browser, url, transport) as page:
            (socket,) = io.sockets.values()
            socket.join("r")
            socket.data["name"] = "ada"
            socket.emit("n", 1)
            await page.until("seen.length === 2")

            @socket.on("disconnect")
            def gone(reason: str) -> None:
                for number in range(2, 12):
                    io.to("r").emit("n", number, bytes([number]))

            await until(lambda: socket.conn.transport.is_writable)  # a poll is there to be cut
            proxy.cut()
            await page.until("seen.length === 14")
            assert await page.run("return [socket.id, socket.recovered]") == [socket.id, True]
            io.emit("n", 12)
            await page.until("seen.length === 15")
            life, events = await seen_by(page)
            assert life == ["connect", "disconnect", "connect"]
            missed = [["n", number, plain(bytes([number]))] for number in range(2, 12)]
            assert events == [["n", 1], *missed, ["n", 12]]
            (again,) = io.sockets.values()
            assert again.recovered
            assert again.data == {"name": "ada"}
            assert again.rooms == {socket.id, "r"}


async def test_page_that_is_late_starts_anew(browser: Browser, transport: str) -> None:
    async with Way() as way:
        io, proxy, url = await way.open("native", max_disconnection_duration=0.001)
        async with connected(browser, url, transport) as page:
            (socket,) = io.sockets.values()
            io.event("disconnect")(lambda socket, reason: io.emit("missed"))
            await until(lambda: socket.conn.transport.is_writable)
            proxy.cut()
            await page.until("seen.length >= 3")
            io.emit("n", 1)
            await page.until("seen.length >= 4")
            assert await seen_by(page) == (["connect", "disconnect", "connect"], [["n", 1]])
            assert await page.run("return socket.recovered") is False
            assert await page.run("return socket.id") != socket.id
