"""A real browser with the client that the server hands out itself."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from interop.fronts import FRONTS, serving
from interop.serve import ServerProcess, echo_server
from interop.stage import TRANSPORTS
from tests.browser.windows import Window
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.browser, pytest.mark.timeout(120)]

BUNDLE = "/socket.io/socket.io.min.js"

OPEN = """
const [options, done] = arguments;
const script = document.createElement("script");
script.src = "%s";
script.onload = () => {
  window.seen = [];
  window.socket = io({ reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
  socket.on("echoed", (...args) => seen.push(args));
  socket.on("connect", () => seen.push("connect"));
  socket.on("disconnect", () => seen.push("disconnect"));
  socket.once("connect", () => done(socket.id));
};
script.onerror = () => done(null);
document.head.append(script);
"""

ECHO = """
const done = arguments[0];
const bytes = Uint8Array.from({length: 256}, (_, n) => n);
const plain = (value) => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value);
socket.emit("echo", "Grüße 😀", bytes, {deep: [bytes.buffer]}, new Blob(["blob"]),
  (text, a, b, c) => done([text, plain(a), plain(b.deep[0]), plain(c)]));
"""


@pytest.fixture(scope="module")
def window() -> Iterator[Window]:
    window = Window(peers.browser())
    window.driver.set_script_timeout(15)
    yield window
    window.close()


def open_page(window: Window, url: str, transports: list[str]) -> str:
    """Load a page of the server's own origin, and connect from it."""
    window.driver.switch_to.new_window("tab")
    window.driver.get(f"{url}{BUNDLE}")
    sid: str | None = window.driver.execute_async_script(OPEN % BUNDLE, {"transports": transports})
    assert sid is not None, "the bundle does not load"
    return sid


def close_tab(window: Window) -> None:
    """Leave no page behind: one that is only navigated away from lives on for the back button."""
    window.driver.close()
    window.driver.switch_to.window(window.driver.window_handles[0])


def wait_for_transport(window: Window, transport: str) -> None:
    wanted = "polling" if transport == "polling" else "websocket"
    window.until(lambda: window.run("return socket.io.engine.transport.name") == wanted)


def echo(window: Window) -> Any:
    return window.driver.execute_async_script(ECHO)


@pytest.mark.parametrize("front", FRONTS)
async def test_browser_sends_and_gets_text_and_binary(
    window: Window, front: str, transport: str
) -> None:
    io = echo_server()
    async with serving(io, front) as url:
        sid = await asyncio.to_thread(open_page, window, url, TRANSPORTS[transport])
        assert sid in io.sockets
        await asyncio.to_thread(wait_for_transport, window, transport)
        every = list(range(256))
        assert await asyncio.to_thread(echo, window) == ["Grüße 😀", every, every, list(b"blob")]
        assert await asyncio.to_thread(window.run, "return seen.length") == 2
        await asyncio.to_thread(close_tab, window)
        async with asyncio.timeout(10):
            while io.sockets:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("front", FRONTS)
async def test_browser_comes_back_after_a_restart(
    window: Window, front: str, transport: str
) -> None:
    def play(server: ServerProcess) -> None:
        first = open_page(window, server.url, TRANSPORTS[transport])
        wait_for_transport(window, transport)
        server.end(signal.SIGKILL)
        window.until(lambda: not window.run("return socket.connected"))
        window.run("socket.emit('echo', 'sent while away')")
        server.start()
        window.until(lambda: window.run("return seen.length") == 4)
        seen = window.run("return seen")
        assert seen == ["connect", "disconnect", "connect", ["sent while away"]], json.dumps(seen)
        assert window.run("return socket.id") != first
        wait_for_transport(window, transport)
        assert echo(window)[0] == "Grüße 😀"
        close_tab(window)

    with ServerProcess(front) as server:
        await asyncio.to_thread(play, server)
