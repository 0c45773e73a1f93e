"""Compression, as the JavaScript clients and the front ends negotiate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from interop.stage import Stage
from sockwave import Deflate, Server, Socket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from interop.node import NodeDriver

pytestmark = pytest.mark.interop

LARGE = "compressible " * 10_000
"""Just below what is not compressed for its size."""


def echo_server(**options: Any) -> Server:
    io = Server(**options)

    @io.event
    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    return io


@pytest.mark.parametrize(
    "deflate",
    [
        Deflate(),
        Deflate(threshold=0),
        Deflate(server_no_context_takeover=True, client_no_context_takeover=True),
        Deflate(server_max_window_bits=9),
    ],
    ids=["defaults", "everything", "no context", "small windows"],
)
async def test_messages_are_deflated_both_ways(
    native_stage: Callable[[str], Stage], deflate: Deflate
) -> None:
    stage = native_stage("websocket")
    await stage.serve(echo_server(per_message_deflate=deflate))
    client = await stage.connect(perMessageDeflate={"threshold": 0})
    extensions = await client.evaluate("socket.io.engine.transport.ws.extensions")
    assert "permessage-deflate" in extensions
    for value in (LARGE, LARGE.encode(), "x", b"", [LARGE[:40_000], b"\x00" * 70_000, "ü"] * 3):
        assert await client.ask("echo", value) == [value]
        assert await client.received("echoed") == [value]
    received = await client.evaluate("socket.io.engine.transport.ws._socket.bytesRead")
    assert received < 30_000


async def test_deflated_messages_keep_their_order(
    native_stage: Callable[[str], Stage],
) -> None:
    stage = native_stage("upgrade")
    await stage.serve(echo_server(per_message_deflate=Deflate(threshold=0)))
    client = await stage.connect(perMessageDeflate={"threshold": 0})
    code = (
        "return await Promise.all(Array.from({length: 500}, (_, n) =>"
        "  socket.emitWithAck('echo', [n, 'x'.repeat(n), Buffer.alloc(n % 50)])))"
    )
    wanted = [[n, "x" * n, bytes(n % 50)] for n in range(500)]
    assert await client.run(code) == wanted
    assert [await client.received("echoed") for _ in range(500)] == [[value] for value in wanted]


async def test_deflate_is_not_used_where_it_is_off(native_stage: Callable[[str], Stage]) -> None:
    stage = native_stage("websocket")
    await stage.serve(echo_server())
    client = await stage.connect(perMessageDeflate=True)
    assert await client.evaluate("socket.io.engine.transport.ws.extensions") == ""
    assert await client.ask("echo", LARGE) == [LARGE]


async def test_uvicorn_deflates_on_its_own(stage: Stage) -> None:
    await stage.serve(echo_server())
    client = await stage.connect(perMessageDeflate={"threshold": 0})
    for value in (LARGE, LARGE.encode()):
        assert await client.ask("echo", value) == [value]


@pytest.mark.parametrize("accepted", ["gzip", "deflate", "gzip;q=0.5, deflate", "br", "identity"])
async def test_poll_is_compressed_as_the_client_accepts(fetching: Stage, accepted: str) -> None:
    io = echo_server()
    used: set[str | None] = set()
    io.engine.on(
        "headers", lambda headers, request: used.add(dict(headers).get("Content-Encoding"))
    )
    await fetching.serve(io)
    client = fetching.client(
        transports=["fetch"], extraHeaders={"Accept-Encoding": accepted}, upgrade=False
    )
    await client.connected()
    for value in (LARGE, LARGE.encode(), "small"):
        assert await client.ask("echo", value) == [value]
        assert await client.received("echoed") == [value]
    wanted = {"gzip": {"gzip"}, "br": set(), "identity": set()}.get(accepted, {"deflate"})
    assert used == {None, *wanted}


async def test_client_on_kept_alive_connections_upgrades(fetching: Stage) -> None:
    await fetching.serve(echo_server())
    client = await fetching.client(transports=["fetch", "websocket"]).connected()
    await client.upgraded()
    assert await client.ask("echo", "ü", b"\x01") == ["ü", b"\x01"]


async def test_client_on_kept_alive_connections_keeps_order(fetching: Stage) -> None:
    await fetching.serve(echo_server())
    client = await fetching.client(transports=["fetch"]).connected()
    for n in range(100):
        await client.emit("echo", n, bytes(n))
    assert [await client.received("echoed") for _ in range(100)] == [
        [n, bytes(n)] for n in range(100)
    ]


@pytest.fixture
def fetching(front: str, driver: NodeDriver, runner: asyncio.Runner) -> Iterator[Stage]:
    """For clients that poll by `fetch`: unlike Node's XHR it keeps connections and inflates."""
    stage = Stage(front, "polling", driver)
    yield stage
    runner.run(stage.aclose())
