"""The files of `examples/compose`: the same commands as processes, nginx in front, and clients."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from tests.live.clients import connected, hear
from tests.live.compose import FOLDER, SERVERS, Composed
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave import ClientSocket
    from sockwave.types import TransportName
    from tests.live.clients import EventQueue

WAYS: list[list[TransportName]] = [["polling"], ["websocket"], ["polling", "websocket"]]


async def enter(stack: AsyncExitStack, url: str) -> list[tuple[ClientSocket, EventQueue]]:
    """Clients in the kitchen, at all servers."""
    clients: list[tuple[ClientSocket, EventQueue]] = []
    places: set[str] = set()
    while places != {*SERVERS}:
        way = WAYS[len(clients) % len(WAYS)]
        client = await stack.enter_async_context(
            connected(url, transports=way, reconnection_delay=0.05, reconnection_delay_max=0.5)
        )
        clients.append(client)
        places.add(await client[0].emit_with_ack("enter", "kitchen", timeout=DEADLINE))
        assert len(clients) < 50
    return clients


async def until_all_hear(clients: list[tuple[ClientSocket, EventQueue]]) -> None:
    """What each of them says comes to all, once all servers know who is in the room."""
    for number, (client, _) in enumerate(clients):
        turn, missed = 0, True
        while missed:
            turn += 1
            client.emit("say", "kitchen", f"{number}, {turn}")
            heard = [comes(queue, f"{number}, {turn}") for _, queue in clients]
            missed = not all(await asyncio.gather(*heard))


async def comes(queue: EventQueue, text: str) -> bool:
    """Whether a line comes soon; what is in front of it is taken, too."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while await queue.get() != ("said", text):
                pass
            return True
    return False


async def check_that_all_hear(clients: list[tuple[ClientSocket, EventQueue]]) -> None:
    """What each of them says comes to all, once."""
    for number, (client, _) in enumerate(clients):
        client.emit("say", "kitchen", f"soup {number}")
        for _, queue in clients:
            assert await hear(queue, 1) == [("said", f"soup {number}")]


@pytest.mark.parametrize("file", sorted(file.name for file in FOLDER.glob("*.yaml")))
async def test_services_are_one_chat(file: str, tmp_path: Path) -> None:
    composed = Composed(file, tmp_path)
    await asyncio.to_thread(composed.__enter__)
    try:
        async with AsyncExitStack() as stack:
            clients = await enter(stack, composed.url)
            async with asyncio.timeout(DEADLINE):
                await until_all_hear(clients)
            await check_that_all_hear(clients)
            assert await asyncio.to_thread(composed.stop, "b") == 0
        output = "".join(server.output for server in composed.servers.values())
        assert "Traceback" not in output
    finally:
        await asyncio.to_thread(composed.__exit__, None, None, None)
