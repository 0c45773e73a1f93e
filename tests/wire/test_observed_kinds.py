"""Each kind of what can be observed is told once: on each transport, and by each front end.

What is no matter of a transport is not here: how late the loop is, and what happens in a cluster,
are in tests/socketio/server/test_observe.py.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import AckTimeout, RateLimits, Server, Socket, WebTransport
from sockwave.engine.server.fronts.hosting import hosted_server
from sockwave.engine.server.fronts.quic.certificates import Certificates
from sockwave.observe import (
    BacklogGrew,
    ClusterFailed,
    ClusterMessageReceived,
    ClusterMessageSent,
    LoopLag,
    NodeJoined,
    NodeLeft,
    RateLimited,
    RequestRefused,
    Seen,
    SessionClosed,
    SessionOpened,
    SessionUpgraded,
    SocketDisconnected,
    UpgradeFailed,
)
from sockwave.observe.kinds import KINDS
from tests.support.certificate import write_certificate
from tests.support.fronts import hello
from tests.support.raw import PollingPeer, until
from tests.support.webtransport import client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.fronts import Front, Wire

ELSEWHERE: Final = {
    BacklogGrew,
    ClusterFailed,
    ClusterMessageReceived,
    ClusterMessageSent,
    LoopLag,
    NodeJoined,
    NodeLeft,
}
"""Kinds that other tests are about."""

LIFE: Final = {
    "SessionOpened": 1,
    "SocketConnected": 1,
    "SocketRefused": 1,
    "EventReceived": 4,  # say, add, add that is refused, ask
    "EventSent": 3,  # said, and two questions
    "Broadcast": 1,
    "AckSent": 2,  # a refusal is an answer as well
    "EventRefused": 1,
    "AckReceived": 1,
    "AckTimedOut": 1,
    # A handler of each event, and of the connection and its end.
    "HandlerStarted": 6,
    "HandlerEnded": 5,
    "HandlerFailed": 1,
    "SessionClosed": 1,
    "SocketDisconnected": 1,
    "ConnectionEnded": 1,
}
"""What `live` makes, by the names of kinds."""

OF_OTHERS: Final = {"RequestRefused", "SessionUpgraded", "UpgradeFailed", "RateLimited"}
"""Kinds that have a test of their own below."""


def watched(**options: Any) -> tuple[Server, list[Any]]:
    """A server that does something of all kinds, and what its observer was told."""
    io = Server(connection_records=10, **options)
    seen: list[Any] = []

    @io.event
    def say(socket: Socket, text: str) -> None:
        socket.emit("said", text)
        io.emit("news", text)

    @io.event
    def add(socket: Socket, one: int, other: int) -> int:
        return one + other

    @io.event
    async def ask(socket: Socket) -> None:
        await socket.emit_with_ack("question", timeout=10.0)
        with pytest.raises(AckTimeout):
            await socket.emit_with_ack("question", timeout=0.01)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("disconnect", lambda reason: None)

    io.observe(*(kind for kind in KINDS if kind not in ELSEWHERE))(seen.append)
    return io, seen


async def live(peer: Any, seen: list[Any]) -> None:
    """The life of a client, as far as its transport does not matter; it does not end here."""

    async def send(packet: str) -> None:
        if (sending := peer.send(packet)) is not None:
            await sending

    async def receive(start: str) -> str:
        while not str(packet := await peer.receive()).startswith(start):
            assert packet in ("2", "6") or str(packet).startswith(("0", "42")), packet
        return str(packet)

    await send("40")
    await receive("40{")
    await send("40/nowhere,")
    await receive("44/nowhere,")
    await send('42["say","x"]')
    await receive('42["news"')
    await send('421["add",1,2]')
    assert await receive("431") == "431[3]"
    await send('422["add",1,"x"]')
    assert json.loads((await receive("432"))[3:])[0]["error"] == "validation"
    await send('42["ask"]')
    question = await receive("42")
    await send("43" + question.removeprefix("42").partition("[")[0] + "[]")
    await until(lambda: told(seen)["AckTimedOut"])
    await until(lambda: told(seen)["HandlerEnded"] == LIFE["HandlerEnded"] - 1)


def told(seen: list[Seen]) -> Counter[str]:
    """How often, by the names of kinds."""
    return Counter(type(each).__name__ for each in seen)


async def test_life_of_a_client(every_front: Front, transport: str) -> None:
    io, seen = watched()
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await live(peer, seen)
        await peer.send("1")
        await until(lambda: told(seen)["ConnectionEnded"])
    assert told(seen) == LIFE
    assert {each.transport for each in seen if isinstance(each, SessionOpened)} == {transport}
    assert {each.transport for each in seen if isinstance(each, SessionClosed)} == {transport}


@asynccontextmanager
async def webtransport_port(
    io: Server, certificate: Path, *, is_hosted: bool
) -> AsyncIterator[int]:
    """Serve WebTransport, by the listener or beside an application that uvicorn hosts."""
    how = WebTransport(certificate)
    if not is_hosted:
        async with io.listen(webtransport=how) as listener:
            yield listener.port
        return
    ports: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as sock:
        server = hosted_server(
            io,
            hello,
            sock,
            lambda listener: ports.append(listener.port),
            {"log_config": None, "lifespan": "on"},
            certificates=Certificates(certificate, None),
        )
        serving = asyncio.create_task(server.serve([sock]))
        try:
            await until(lambda: ports)
            yield ports[0]
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize("is_hosted", [False, True], ids=["native", "hosted"])
async def test_life_of_a_client_of_webtransport(tmp_path: Path, is_hosted: bool) -> None:
    io, seen = watched(transports=("polling", "websocket", "webtransport"))
    certificate = write_certificate(tmp_path / "both.pem")
    async with webtransport_port(io, certificate, is_hosted=is_hosted) as port:
        async with client(port) as peer:
            await peer.begin()
            peer.send("0")
            await live(peer, seen)
            peer.send("1")
            await until(lambda: told(seen)["ConnectionEnded"])
    assert told(seen) == LIFE
    (opened,) = (each for each in seen if isinstance(each, SessionOpened))
    (closed,) = (each for each in seen if isinstance(each, SessionClosed))
    assert opened.transport == closed.transport == "webtransport"


async def test_connection_that_breaks_off(every_front: Front) -> None:
    io, seen = watched()
    async with every_front.serve(io) as wire:
        peer = await wire.open_websocket()
        await live(peer, seen)
        peer.websocket.http.reset()
        await until(lambda: told(seen)["ConnectionEnded"])
    assert told(seen) == LIFE
    ends = [each for each in seen if isinstance(each, (SessionClosed, SocketDisconnected))]
    assert len({each.reason for each in ends}) == 1


async def test_refused_request(every_front: Front, transport: str) -> None:
    io, seen = watched()
    async with every_front.serve(io) as wire:
        await ask_in_vain(wire, transport)
        await until(lambda: seen)
    assert [(type(each), each.code) for each in seen] == [(RequestRefused, 5)]


async def ask_in_vain(wire: Wire, transport: str) -> None:
    """Speak a revision of Engine.IO that the server does not."""
    target = wire.target(transport, eio="3")
    if transport == "polling":
        assert (await wire.get(target)).status == 400
    else:
        assert (await wire.upgrade(target)).status == 400


async def test_upgrade(every_front: Front) -> None:
    io, seen = watched()
    async with every_front.serve(io) as wire:
        peer = await wire.open_polling()
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        websocket.send("5")
        await until(lambda: told(seen)["SessionUpgraded"])
        websocket.send("1")
        await until(lambda: told(seen)["ConnectionEnded"])
    names = ["SessionOpened", "SessionUpgraded", "SessionClosed", "ConnectionEnded"]
    assert [type(each).__name__ for each in seen] == names
    transports = [each.transport for each in seen[:3]]
    assert transports == ["polling", "websocket", "websocket"]


async def test_upgrade_that_fails(every_front: Front) -> None:
    io, seen = watched()
    async with every_front.serve(io) as wire:
        peer = await wire.open_polling()
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        assert await websocket.receive() == "3probe"
        await websocket.close()
        await until(lambda: told(seen)["UpgradeFailed"])
        await peer.send("1")
        await until(lambda: told(seen)["ConnectionEnded"])
    names = ["SessionOpened", "UpgradeFailed", "SessionClosed", "ConnectionEnded"]
    assert [type(each).__name__ for each in seen] == names


async def test_rate_limit(every_front: Front, transport: str) -> None:
    io, seen = watched(rate_limits=RateLimits(session_packets=1, burst=5.0))
    async with every_front.serve(io) as wire:
        packets = ['42["add",1,2]'] * 20
        peer = await wire.open(transport)
        await peer.send("40")
        await peer.receive()
        if isinstance(peer, PollingPeer):
            assert (await peer.post("\x1e".join(packets))).status == 429
        else:
            await peer.send(*packets)
        await until(lambda: told(seen)["ConnectionEnded"])
    found = told(seen)
    assert [each.limit for each in seen if isinstance(each, RateLimited)] == ["session_packets"]
    assert found["SessionClosed"] == found["SocketDisconnected"] == 1
    assert found["EventReceived"] == found["HandlerFailed"] + found["HandlerEnded"] - 2


def test_every_kind_has_a_test() -> None:
    names = {kind.__name__ for kind in KINDS}
    assert LIFE.keys() | OF_OTHERS | {kind.__name__ for kind in ELSEWHERE} == names
    assert {kind.__name__ for kind in (SessionUpgraded, UpgradeFailed)} < OF_OTHERS
