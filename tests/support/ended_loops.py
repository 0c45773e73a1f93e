"""A server whose event loop has ended, or ends; see `main`."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import AckTimeout, Disconnected, Server
from sockwave.platform import new_event_loop
from tests.support.apps import the_socket
from tests.support.raw import RawHttp, RawWebSocket, WebSocketPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Socket

__all__ = ["SCENES"]


class Thread:
    """A server in a loop and thread of its own, with one client."""

    socket: Socket

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.io = Server()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._is_cut = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(40)

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        except RuntimeError:
            assert self._is_cut
        if not self._is_cut:
            for task in asyncio.all_tasks(self.loop):  # as `asyncio.run` does
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    async def _serve(self) -> None:
        self._listening = self.io.listen()
        listener = await self._listening.__aenter__()
        http = await RawHttp.connect("127.0.0.1", listener.port)
        headers = RawWebSocket.request_headers()
        await http.request("GET", "/socket.io/?EIO=4&transport=websocket", headers)
        websocket = RawWebSocket(http)
        peer = WebSocketPeer(websocket, await websocket.receive_text())
        await peer.connect()
        self.socket = the_socket(self.io)
        self._started.set()
        await self._stop.wait()

    def end(self) -> None:
        """End the loop as `asyncio.run` does: its tasks are cancelled."""
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(40)

    def cut(self) -> None:
        """Stop the loop and close it, whatever runs in it."""
        self._is_cut = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(40)


async def in_the_middle(thread: Thread, end: Callable[[], None]) -> None:
    """Those who wait in this loop learn that nobody will answer."""
    io, socket = thread.io, thread.socket
    waits: list[asyncio.Task[Any]] = [
        asyncio.ensure_future(io.emit_with_ack("q", timeout=600)),
        asyncio.ensure_future(socket.emit_with_ack("q", timeout=600)),
    ]
    while socket._acks is None or len(socket._acks) < 2:
        await asyncio.sleep(0.001)
    await asyncio.to_thread(end)
    broadcast, single = await asyncio.gather(*waits, return_exceptions=True)
    assert isinstance(broadcast, AckTimeout), broadcast
    assert isinstance(single, Disconnected), single


async def ends_in_the_middle(thread: Thread) -> None:
    await in_the_middle(thread, thread.end)


async def is_cut_in_the_middle(thread: Thread) -> None:
    await in_the_middle(thread, thread.cut)


async def has_ended(thread: Thread) -> None:
    """Nobody is there to be reached: nothing happens, or an error of ours tells."""
    thread.cut()
    io, socket = thread.io, thread.socket
    everything_is_dropped(io, socket)
    assert await io.emit_with_ack("x", timeout=600) == []
    assert await io.fetch_sockets() == []
    assert (await io.count(), await io.server_count()) == (0, 1)
    with pytest.raises(Disconnected, match="the event loop of the server has ended"):
        await socket.emit_with_ack("x", timeout=600)
    with pytest.raises(Disconnected):
        await socket.drain()
    await io.close()
    assert not io.sockets


async def has_ended_in_a_thread_of_that_number(thread: Thread) -> None:
    """The system gives the number of a thread that has ended to another one."""
    thread.cut()
    thread.io.engine.driver.thread_id = threading.get_ident()
    everything_is_dropped(thread.io, thread.socket)


def everything_is_dropped(io: Server, socket: Socket) -> None:
    for _ in range(3):
        socket.emit("x", {"a": 1})
        io.emit("x")
        io.to("room").volatile.emit("x", b"bytes")
        socket.emit("x", ack=print)
        socket.timeout(1).emit("x", ack=print)
        socket.join("room")
        socket.leave("room")
        io.sockets_join("room")
        io.disconnect_sockets()
        socket.disconnect()
        socket.conn.send("x")
        socket.conn.close()
    assert socket.conn.backlog < 100


async def serves_again(thread: Thread) -> None:
    """Another loop may take the server over."""
    thread.cut()
    async with thread.io.listen() as listener:
        http = await RawHttp.connect("127.0.0.1", listener.port)
        headers = RawWebSocket.request_headers()
        await http.request("GET", "/socket.io/?EIO=4&transport=websocket", headers)
        websocket = RawWebSocket(http)
        peer = WebSocketPeer(websocket, await websocket.receive_text())
        await peer.connect()
        thread.io.emit("x")
        assert await peer.receive() == '42["x"]'


SCENES: Final = {
    scene.__name__: scene
    for scene in (
        ends_in_the_middle,
        is_cut_in_the_middle,
        has_ended,
        has_ended_in_a_thread_of_that_number,
        serves_again,
    )
}


def main(kind: str, scene: str) -> None:
    """Play a scene on a kind of loop: `python -m tests.support.ended_loops uvloop has_ended`."""
    thread = Thread(asyncio.new_event_loop() if kind == "asyncio" else new_event_loop())
    try:
        asyncio.run(SCENES[scene](thread))
    finally:
        if not thread.loop.is_closed():
            thread.end()
    sys.stdout.write("ok\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
