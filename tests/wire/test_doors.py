"""That the front end of workers does what its name says: connections come to others first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sockwave import Server
from sockwave.workers.router import WorkerRouter
from tests.support.fronts import FRONTS

if TYPE_CHECKING:
    from tests.support.fronts import Front

pytestmark = pytest.mark.unix


@pytest.fixture(params=["workers", "workers-hosted"])
def workers(request: pytest.FixtureRequest) -> Front:
    return FRONTS[request.param]


def router_of(io: Server) -> WorkerRouter:
    router = io.engine.router
    assert isinstance(router, WorkerRouter)
    return router


async def test_each_connection_is_handed_over_once(workers: Front) -> None:
    io = Server()
    async with workers.serve(io) as wire:
        peer = await wire.open_polling()  # the handshake on one connection, what follows on both
        await peer.connect()
        websocket = await wire.open_websocket()
        await websocket.connect()
        assert (await wire.get("/")).status == (404 if workers.is_alone else 200)
        assert router_of(io).adopted == 4
        assert router_of(io).handed_over == 0
        assert set(io.engine.sessions) == {peer.sid, websocket.sid}


async def test_ids_of_nobody_are_unknown_to_the_server(workers: Front) -> None:
    io = Server()
    async with workers.serve(io) as wire:
        for sid in ("unknown", io.engine.id_prefix, "!"):
            reply = await wire.get(wire.target(sid=sid))
            assert reply.json() == {"code": 1, "message": "Session ID unknown"}
        assert router_of(io).adopted == 3
