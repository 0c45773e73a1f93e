"""Several servers on one port, told apart by their paths (docs/protocol/server.md#attaching)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from sockwave import Engine, Server
from sockwave.engine.server.fronts.serving import Servable
from tests.support.apps import echo_engine, echo_server
from tests.support.fronts import FRONTS, Wire

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi import AsgiApp


class Both(Servable):
    """A server in front of another one, as one thing that the fronts of the tests can serve."""

    def __init__(self, first: Server, second: Engine) -> None:
        self.first = first
        self.second = second

    @property
    def engine(self) -> EngineServer:
        return self.first.engine

    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        for each in (self.first, self.second):
            await each.close(drain_period=drain_period, shutdown_timeout=shutdown_timeout)

    def wrap(self, app: AsgiApp) -> AsgiApp:
        return self.first.wrap(self.second.wrap(app))


@pytest.mark.parametrize("name", ["hosted", "wrapped"])
async def test_servers_share_a_port_by_their_paths(name: str, transport: str) -> None:
    io, _ = echo_server()
    engine, _ = echo_engine(path="/raw")
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(FRONTS[name].serve(Both(io, engine)))
        other = Wire(wire.host, wire.port, "/raw/")
        stack.push_async_callback(other.aclose)
        peer, raw = await wire.open(transport), await other.open(transport)
        await peer.connect()
        await raw.send("4hello")
        assert await raw.receive() == "4hello"
        await peer.send('420["ask",1]')
        assert await peer.receive() == "430[1]"
        assert (io.engine.clients_count, engine.clients_count) == (1, 1)
        assert (await wire.get("/elsewhere")).body == b"hello /elsewhere"
    assert engine.clients_count == 0


def test_servers_tell_their_paths() -> None:
    assert Server().path == "/socket.io"
    assert Server(path="chat/").path == "/chat"
