"""Connections that arrive at a worker, and its end."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from sockwave.engine.server.engine import EngineServer
from sockwave.workers.handover import Arrival
from sockwave.workers.router import WorkerRouter
from tests.support.raw import within

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix


def router_in(directory: Path) -> tuple[EngineServer, WorkerRouter]:
    """A worker without others."""
    engine = EngineServer()
    engine.driver.bind(asyncio.get_running_loop())
    return engine, WorkerRouter(engine, str(directory), 1)


async def test_connection_that_arrives_when_all_ends_is_closed(tmp_path: Path) -> None:
    """Its task is cancelled before it begins; nothing is left to the garbage collector."""
    engine, router = router_in(tmp_path)
    router.start()
    ours, theirs = socket.socketpair()
    with ours:
        router.arrived(Arrival(sock=theirs, data=b"GET ", client=None, is_secure=False))
        tasks = engine.driver.cancel_tasks()
        await asyncio.gather(*tasks, return_exceptions=True)
        ours.setblocking(False)
        assert await within(asyncio.get_running_loop().sock_recv(ours, 100)) == b""
    router.close()
