"""Engine.IO alone: the JavaScript clients 4 and 6 against our engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Engine

if TYPE_CHECKING:
    from interop.stage import Stage

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("name", ["eio4", "eio6"])]


def echo_engine(**options: Any) -> Engine:
    engine = Engine(**options)
    engine.on("connection", lambda session: session.on("message", lambda data: session.send(data)))
    return engine


async def test_client_opens_and_upgrades(stage: Stage, name: str) -> None:
    engine = echo_engine()
    await stage.serve(engine)
    client = stage.client(name=name)
    (sid,) = await client.next("open")
    if stage.transport == "upgrade":
        await client.run("if (socket.transport.name !== 'websocket') await once(socket, 'upgrade')")
    wanted = "polling" if stage.transport == "polling" else "websocket"
    assert await client.evaluate("socket.transport.name") == wanted
    await client.run("socket.send('x')")
    assert await client.next("message") == ["x"]
    session = engine.sessions[sid]
    assert session.transport.name == wanted


async def test_text_and_binary_come_back(stage: Stage, name: str) -> None:
    await stage.serve(echo_engine())
    client = stage.client(name=name)
    await client.next("open")
    values = ["4", "ü 😀", "a\nb", b"\x00\xff", b"", "x" * 200_000, b"y" * 200_000]
    for value in values:
        await client.run("socket.send(args[0])", value)
    assert [await client.next("message") for _ in values] == [[value] for value in values]


async def test_messages_of_the_first_moment_keep_their_order(stage: Stage, name: str) -> None:
    await stage.serve(echo_engine())
    client = stage.client(name=name)
    await client.run(
        "for (let n = 0; n < 300; n++) socket.send(n % 10 ? `${n}` : Buffer.from(`${n}`))"
    )
    assert [await client.next("message") for _ in range(300)] == [
        [str(n) if n % 10 else str(n).encode()] for n in range(300)
    ]


async def test_initial_packet_comes_first(stage: Stage, name: str) -> None:
    engine = Engine(initial_packet="welcome")
    engine.on("connection", lambda session: session.send("second"))
    await stage.serve(engine)
    client = stage.client(name=name)
    assert [await client.next("message") for _ in range(2)] == [["welcome"], ["second"]]


async def test_client_closes(stage: Stage, name: str) -> None:
    engine = echo_engine()
    reasons: asyncio.Queue[str] = asyncio.Queue()
    engine.on("connection", lambda session: session.on("close", reasons.put_nowait))
    await stage.serve(engine)
    client = stage.client(name=name)
    await client.next("open")
    await client.run("socket.close()")
    assert await client.next("close") == ["forced close"]
    assert await asyncio.wait_for(reasons.get(), 5) == "transport close"


async def test_server_closes(stage: Stage, name: str) -> None:
    engine = echo_engine()
    await stage.serve(engine)
    client = stage.client(name=name)
    (sid,) = await client.next("open")
    session = engine.sessions[sid]
    session.send("last words")
    session.close()
    assert await client.next("message") == ["last words"]
    assert await client.next("close") == ["transport close"]
