"""A server goes and comes back on the same port: clients return by themselves."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from interop.serve import ServerProcess
from interop.stage import TRANSPORTS

if TYPE_CHECKING:
    from interop.node import NodeDriver

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_client_comes_back_after_a_restart(
    front: str, transport: str, number: signal.Signals, driver: NodeDriver
) -> None:
    with ServerProcess(front) as server:
        client = driver.client(
            server.url,
            transports=TRANSPORTS[transport],
            reconnection=True,
            reconnectionDelay=20,
            reconnectionDelayMax=100,
        )
        await client.connected()
        if transport == "upgrade":
            await client.upgraded()
        assert await client.ask("pid") == [server.pid]
        first = await client.evaluate("socket.id")

        code = await asyncio.to_thread(server.end, number)
        assert code == (0 if number == signal.SIGTERM and front != "asgi" else -number)
        (reason,) = await client.next("disconnect")
        assert reason in ("transport close", "transport error")
        await client.emit("echo", "sent while away", b"\x01")
        await client.next("connect_error")

        await asyncio.to_thread(server.start)
        await client.next("connect")
        assert await client.received("echoed") == ["sent while away", b"\x01"]
        assert await client.ask("pid") == [server.pid]
        assert await client.evaluate("socket.id") != first
        if transport == "upgrade":
            await client.upgraded()
        assert await client.ask("echo", b"\x02", "again") == [b"\x02", "again"]
        await driver.close_clients()
