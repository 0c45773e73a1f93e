"""A client that closes says goodbye first, and what it has emitted goes out before that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sockwave import Server, Socket, connect


@pytest.mark.parametrize("turns", [0, 5, 10, 15, 20, 30, 40])
async def test_everything_emitted_arrives_before_the_goodbye(
    options: dict[str, Any], turns: int
) -> None:
    """Over polling that takes several POSTs; with an upgrade under way at whatever step."""
    io = Server()
    got: list[int] = []
    left: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @io.on("connection")
    def serve(socket: Socket) -> None:
        socket.on("number", got.append)
        socket.on("disconnect", left.set_result)

    async with io.listen() as listener:
        async with connect(listener.url, **options) as socket:
            for _ in range(turns):
                await asyncio.sleep(0)
            for number in range(100):
                socket.emit("number", number)
        assert await left == "client namespace disconnect"
        assert got == list(range(100))
