"""What the JavaScript client says of what answers it, as docs/troubleshooting.md has it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import MsgpackParser, Server, Socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from interop.node import NodeDriver
    from interop.stage import Stage

pytestmark = pytest.mark.interop

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "troubleshooting.md").read_text()
OPEN = '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
OLD = '73:0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}2:40'
HTML = "<!doctype html><title>Shop</title>"

Answer = tuple[int, str]


@asynccontextmanager
async def answering(get: Answer | None, post: Answer = (200, "ok")) -> AsyncIterator[str]:
    """Something that is no server of ours: one answer to each method, or none at all."""
    silent: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        answer = post if head.startswith(b"POST") else get
        if answer is None:
            silent.append(writer)
            return
        status, body = answer
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"\r\n{body}".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for writer in silent:
            writer.close()
        server.close()


@pytest.fixture
def client(driver: NodeDriver, runner: asyncio.Runner) -> Iterator[Callable[..., Any]]:
    """Opens clients, which end with the test."""
    yield driver.client
    runner.run(driver.close_clients())


@pytest.mark.parametrize(
    ("get", "post", "options", "text", "status"),
    [
        ((404, "no"), (200, "ok"), {}, "xhr poll error", 404),
        ((502, "no"), (200, "ok"), {}, "xhr poll error", 502),
        ((200, OPEN), (413, "large"), {}, "xhr post error", 413),
        ((200, HTML), (200, "ok"), {}, "server error", None),
        ((200, OLD), (200, "ok"), {}, "server error", None),
        (None, (200, "ok"), {"timeout": 200}, "timeout", None),
    ],
)
async def test_polling_client_says_what_the_page_has(
    client: Callable[..., Any],
    get: Answer | None,
    post: Answer,
    options: dict[str, Any],
    text: str,
    status: int | None,
) -> None:
    async with answering(get, post) as url:
        (error,) = await client(url, transports=["polling"], **options).next("connect_error")
    assert (error["message"], error["description"]) == (text, status)
    assert f"| `{text}` |" in PAGE


async def test_websocket_that_is_answered_with_a_page_has_no_reason(
    client: Callable[..., Any],
) -> None:
    async with answering((200, HTML)) as url:
        (error,) = await client(url, transports=["websocket"]).next("connect_error")
    assert error["message"] == "websocket error"
    assert "| `websocket error` |" in PAGE


async def test_parsers_that_differ_end_the_connection_at_once(
    native_stage: Callable[[str], Stage],
) -> None:
    stage = native_stage("websocket")
    await stage.serve(Server(parser=MsgpackParser()))
    (reason,) = await stage.client().next("disconnect")
    assert reason == "transport close"  # the server, whose log says why, was the first
    assert "often one side has the msgpack parser" in PAGE


async def test_client_that_the_server_takes_out_says_so(
    native_stage: Callable[[str], Stage],
) -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.disconnect()

    stage = native_stage("websocket")
    await stage.serve(io)
    assert await stage.client().next("disconnect") == ["io server disconnect"]


async def test_namespace_that_is_not_there_is_invalid(native_stage: Callable[[str], Stage]) -> None:
    stage = native_stage("polling")
    await stage.serve(Server())
    (error,) = await stage.client(namespace="/nowhere").next("connect_error")
    assert error["message"] == "Invalid namespace"
