"""Clients each of whose requests may come to another machine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sockwave import connect
from tests.relaying.cluster import machines
from tests.support.raw import within

BLOB = bytes(range(256)) * 64


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket"), ("websocket",)])
async def test_client_does_not_notice_that_its_requests_come_anywhere(
    transports: tuple[Any, ...],
) -> None:
    async with machines() as there, connect(there.proxy.url, transports=transports) as socket:
        for number in range(20):
            answer = await socket.emit_with_ack("echo", number, BLOB, {"text": "ä" * 100})
            assert answer == [number, BLOB, {"text": "ä" * 100}]
        assert sum(there.sessions) == 1
        if transports != ("websocket",):
            assert sum(hub.relayed for hub in there.hubs)
    assert there.proxy.statuses <= {101, 200}


async def test_rooms_reach_clients_wherever_they_poll() -> None:
    async with machines() as there:
        sockets = [connect(there.proxy.url, transports=("polling",)) for _ in range(9)]
        heard: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in sockets]
        for socket, queue in zip(sockets, heard, strict=True):
            socket.on("heard", queue.put_nowait)
            await within(socket.emit_with_ack("join", "room"))
        assert all(there.sessions)
        sockets[0].emit("shout", "room", BLOB)
        assert [await within(queue.get()) for queue in heard] == [BLOB] * 9
        for socket in sockets:
            await socket.aclose()
    assert there.proxy.statuses == {200}
