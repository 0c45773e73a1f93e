"""`disconnect` handlers that disconnect others: a whole room, in order, without a deep stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Engine, Server, Socket
from tests.support.raw import stack_depth, until

if TYPE_CHECKING:
    from sockwave.engine import Session
    from tests.support.fronts import Front

MANY = 120


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("event", ["disconnect", "disconnecting"])
async def test_handlers_that_disconnect_the_room_run_in_order_and_side_by_side(
    native: Front, transport: str, event: str, close: bool
) -> None:
    io = Server(block_warning=None)
    ended: list[str] = []
    joined: list[str] = []
    depths: list[int] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        joined.append(socket.id)
        socket.join("room")

        @socket.on(event)
        def leave() -> None:
            ended.append(socket.id)
            depths.append(stack_depth())
            io.in_("room").disconnect_sockets(close=close)

    async with native.serve(io) as wire:
        peers = [await wire.open(transport) for _ in range(MANY)]
        for peer in peers:
            await peer.connect()
        next(iter(io.sockets.values())).disconnect()
        await until(lambda: len(ended) == MANY)
        assert ended == joined
        assert max(depths) < depths[0] + 100
        assert not io.sockets


async def test_socket_that_a_handler_has_disconnected_is_gone_at_once(native: Front) -> None:
    io = Server()
    found: list[Any] = []
    async with native.serve(io) as wire:
        peers = [await wire.open_websocket() for _ in range(2)]
        for peer in peers:
            await peer.connect()
        one, two = io.sockets.values()

        @one.on("disconnect")
        def leave() -> None:
            two.disconnect()
            found.extend([two.connected, two.id in io.sockets])

        one.disconnect()
        assert found == [False, False]


async def test_close_handlers_of_sessions_that_close_others_run_side_by_side(
    native: Front, transport: str
) -> None:
    engine = Engine(block_warning=None)
    ended: list[int] = []
    depths: list[int] = []
    sessions: list[Session] = []

    @engine.on("connection")
    def connection(session: Session) -> None:
        number = len(sessions)
        sessions.append(session)

        @session.on("close")
        def close() -> None:
            ended.append(number)
            depths.append(stack_depth())
            for other in sessions:
                other.discard()

    async with native.serve(engine) as wire:
        for _ in range(MANY):
            await wire.open(transport)
        sessions[0].discard()
        assert ended == list(range(MANY))
        assert max(depths) < depths[0] + 100
