"""How a connection ends, as both sides tell it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

import pytest

from interop.fronts import serving
from interop.node import NodeDriver
from interop.stage import TRANSPORTS
from sockwave import Server, Socket
from sockwave.testing.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from interop.node import JsClient
    from interop.stage import Stage
    from sockwave.socketio.server.keywords import ServerOptionsDict

pytestmark = pytest.mark.interop


class Ends:
    """A server that notes why its sockets end."""

    def __init__(self, **options: Unpack[ServerOptionsDict]) -> None:
        self.io = Server(**options)
        self.reasons: asyncio.Queue[str] = asyncio.Queue()
        for name in ("/", "/chat"):
            self.io.of(name).event("disconnect")(
                lambda socket, reason: self.reasons.put_nowait(str(reason))
            )

    @property
    def socket(self) -> Socket:
        """The only one in the main namespace."""
        (socket,) = self.io.sockets.values()
        return socket

    async def reason(self) -> str:
        """The next one."""
        return await asyncio.wait_for(self.reasons.get(), 10)


async def test_server_disconnects_a_client(stage: Stage) -> None:
    ends = Ends()
    await stage.serve(ends.io)
    client = await stage.connect()
    ends.socket.emit("last words", b"\x01")
    ends.socket.disconnect()
    assert await client.received("last words") == [b"\x01"]
    assert await client.next("disconnect") == ["io server disconnect"]
    assert await ends.reason() == "server namespace disconnect"
    assert not await client.evaluate("socket.connected")


async def test_server_closes_the_connection_of_a_client(stage: Stage) -> None:
    ends = Ends()
    await stage.serve(ends.io)
    client = await stage.connect()
    other = await stage.client(on=client, namespace="/chat").connected()
    await client.run("socket.io.engine.once('close', (reason) => { globalThis.closed = reason })")
    ends.socket.emit("last words", b"\x01")
    ends.socket.disconnect(close=True)
    assert await client.received("last words") == [b"\x01"]
    assert await client.next("disconnect") == ["io server disconnect"]
    assert await other.next("disconnect") == ["io server disconnect"]
    assert [await ends.reason(), await ends.reason()] == ["server namespace disconnect"] * 2
    await until(client, "globalThis.closed !== undefined")
    # Without sockets the client's manager closes too, and may be the first.
    assert await client.evaluate("globalThis.closed") in ("transport close", "forced close")
    async with asyncio.timeout(10):  # the client's goodbye may be on its way
        while ends.io.engine.sessions:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("front", ["native", "asgi", "workers"])
async def test_clients_kicked_at_any_step_of_their_upgrade_know_it(
    front: str, driver: NodeDriver
) -> None:
    """Over 80 ms, from 0 to 0.4 s after each has connected: nobody takes it for a lost connection,
    and comes back."""
    io = Server()

    async def kick(socket: Socket, after: float) -> None:
        await asyncio.sleep(after)
        socket.disconnect(close=True)

    @io.event
    async def connect(socket: Socket) -> None:
        kicks.create_task(kick(socket, next(delays)))

    async with (
        serving(io, front) as url,
        FaultProxy("127.0.0.1", urlsplit(url).port or 0) as proxy,
        asyncio.TaskGroup() as kicks,
    ):
        proxy.to_client.delay = proxy.to_server.delay = 0.04
        delays = iter([0.4 * number / 57 for number in range(57)])
        try:
            clients = [driver.client(proxy.url, forceNew=True) for _ in range(57)]
            ends = [await client.next("disconnect") for client in clients]
            assert ends == [["io server disconnect"]] * 57
        finally:
            await driver.close_clients()


async def until(client: JsClient, condition: str) -> None:
    """Wait for something in JavaScript."""
    await client.run(
        f"while (!({condition})) await new Promise((resolve) => setTimeout(resolve, 2))"
    )


async def test_client_disconnects(stage: Stage) -> None:
    ends = Ends()
    seen: list[int] = []
    ends.io.event("last words")(lambda socket, n: seen.append(n))
    await stage.serve(ends.io)
    client = await stage.connect()
    await client.run("socket.emit('last words', 1); socket.disconnect()")
    assert await client.next("disconnect") == ["io client disconnect"]
    assert await ends.reason() == "client namespace disconnect"
    assert seen == [1]


async def test_client_connects_again_after_it_disconnected(stage: Stage) -> None:
    ends = Ends()
    await stage.serve(ends.io)
    client = await stage.connect()
    for _ in range(3):
        await client.run("socket.disconnect().connect()")
        await client.connected()
        assert await ends.reason() == "client namespace disconnect"
    assert len(ends.io.sockets) == 1


async def test_client_closes_its_engine(stage: Stage) -> None:
    ends = Ends()
    await stage.serve(ends.io)
    client = await stage.connect()
    await client.run("socket.io.engine.close()")
    assert await client.next("disconnect") == ["forced close"]
    assert await ends.reason() == "transport close"


async def test_client_whose_process_dies_is_gone(stage: Stage) -> None:
    ends = Ends()
    url = await stage.serve(ends.io)
    async with NodeDriver(stage.driver.peer) as doomed:
        client = await doomed.client(url, transports=TRANSPORTS[stage.transport]).connected()
        if stage.transport == "upgrade":
            await client.upgraded()
        session = ends.socket.conn
        while not session.is_writable:
            await asyncio.sleep(0.001)
        doomed.kill()
        wanted = "transport error" if session.transport.name == "polling" else "transport close"
        assert await ends.reason() == wanted


async def test_server_shuts_down(stage: Stage) -> None:
    ends = Ends()
    await stage.serve(ends.io)
    client = await stage.connect()
    await ends.io.close()
    (reason,) = await client.next("disconnect")
    assert reason in ("transport close", "transport error")
    assert await ends.reason() == "server shutting down"


async def test_last_words_arrive_and_the_client_comes_back(stage: Stage) -> None:
    ends = Ends()
    await stage.serve(ends.io)
    client = await stage.connect(reconnection=True, reconnectionDelay=20, reconnectionDelayMax=100)
    ends.io.engine.on("closing", lambda: ends.io.emit("we restart", b"\x01"))
    await ends.io.close()
    assert await client.received("we restart") == [b"\x01"]
    assert await client.next("disconnect") == ["transport close"]
    assert await ends.reason() == "server shutting down"
    await client.next("connect")


async def test_silent_client_is_given_up(stage: Stage) -> None:
    ends = Ends(ping_interval=0.05, ping_timeout=0.15)
    await stage.serve(ends.io)
    client = await stage.connect()
    await client.run("socket.io.engine.sendPacket = socket.io.engine._sendPacket = () => {}")
    assert await ends.reason() == "ping timeout"
    (reason,) = await client.next("disconnect")
    assert reason in ("transport close", "transport error")


async def test_client_gives_up_on_a_silent_server(stage: Stage) -> None:
    ends = Ends(ping_interval=0.1, ping_timeout=0.1)
    await stage.serve(ends.io)
    client = stage.client()
    await client.connected()
    ends.io.engine.driver.cancel(ends.socket.conn)  # no more pings
    assert await client.next("disconnect") == ["ping timeout"]


async def test_heartbeat_keeps_an_idle_client(stage: Stage) -> None:
    ends = Ends(ping_interval=0.05, ping_timeout=2.0)
    await stage.serve(ends.io)
    client = await stage.connect()
    await client.run("let n = 0; while (n++ < 8) await once(socket.io, 'ping')")
    assert len(ends.io.sockets) == 1
    assert client.log == ["connect"]
