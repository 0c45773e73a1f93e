"""A refused WebSocket in somebody's uvicorn: its log says nothing that is wrong."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
import uvicorn

from sockwave import Server
from tests.support.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WRONG: Final = "ASGI callable returned without completing handshake."
HANDSHAKE: Final = (
    "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://elsewhere.example\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n\r\n"
)
OURS: Final = "/socket.io/?EIO=4&transport=websocket"


async def careless(scope: Any, receive: Any, send: Any) -> None:
    """An application with the fault that uvicorn looks for: it answers nothing."""


@asynccontextmanager
async def hosted(app: Any, implementation: str) -> AsyncIterator[int]:
    """Somebody's uvicorn; gives its port."""
    port = free_port()
    config = uvicorn.Config(app, port=port, ws=implementation, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await serving


async def status_of(port: int, target: str) -> bytes:
    """Ask for a WebSocket from another origin, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE.format(target).encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n")[0].split(b" ")[1]


@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto"])
async def test_refusal_is_explained_by_our_line_alone(
    implementation: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with hosted(Server(), implementation) as port:
        assert await status_of(port, OURS) == b"403"
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []
    assert "refused: Forbidden: Origin 'http://elsewhere.example'" in caplog.text


async def test_fault_of_another_application_is_still_told(caplog: pytest.LogCaptureFixture) -> None:
    app = Server().wrap(careless)
    async with hosted(app, "websockets-sansio") as port:
        assert await status_of(port, OURS) == b"403"
        assert await status_of(port, "/other") == b"500"
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        WRONG
    ]
