"""A user who is locked out is gone from all workers of all servers: `docs/authentication.md`."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

import sockwave
from tests.live.commands import Command
from tests.support.documents import blocks
from tests.support.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave import ClientSocket

pytestmark = pytest.mark.live

ADDED = """
import os

@io.event
def whereabouts(socket):
    return os.getpid()

@io.event
async def servers(socket):
    return await io.server_count()
"""


async def visitor(stack: AsyncExitStack, port: int, user: str) -> ClientSocket:
    """A client with a connection of its own."""
    url = f"http://127.0.0.1:{port}"
    return await stack.enter_async_context(sockwave.connect(url, auth={"user": user}))


async def test_user_is_locked_out_of_all_workers_of_all_servers(
    tmp_path: Path, redis_url: str
) -> None:
    *_, page, emitter = blocks("authentication.md", "python")
    adapter = f'Server(adapter=RedisAdapter("{redis_url}"))'
    assert "io = Server()" in page
    program = page.replace("io = Server()", f"io = {adapter}") + ADDED
    (tmp_path / "chat.py").write_text(f"from sockwave.adapters import RedisAdapter\n{program}")
    names: dict[str, Any] = {}
    exec(compile(emitter, "authentication.md", "exec"), names)
    async with AsyncExitStack() as stack:
        ports = [free_port(), free_port()]
        for port in ports:
            line = f"sockwave run chat:io --host 127.0.0.1 --port {port} --workers 2"
            stack.enter_context(Command(line, tmp_path, port=port))
        adas: list[ClientSocket] = []
        reached: set[int] = set()
        while len(reached) < 4:
            for port in ports:
                adas.append(await visitor(stack, port, "ada"))
                reached.add(await adas[-1].emit_with_ack("whereabouts"))
        graces = [await visitor(stack, port, "grace") for port in ports]
        while await adas[0].emit_with_ack("servers") < 4:
            await asyncio.sleep(0.02)  # they have not heard of each other yet

        gone = [asyncio.get_running_loop().create_future() for _ in adas]
        for ada, end in zip(adas, gone, strict=True):
            ada.on("disconnect", lambda reason, *_, end=end: end.set_result(str(reason)))
        await asyncio.to_thread(names["lock_out_everywhere"], redis_url, "ada")
        assert set(await asyncio.gather(*gone)) == {"io server disconnect"}
        for grace in graces:
            assert await grace.emit_with_ack("whereabouts") in reached
