"""The ways round by WebTransport, and rubbish on it."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

pytest.importorskip("aioquic")

from sockwave import ConnectError, Engine, Server, WebTransport
from sockwave.codec.webtransport import frame_head
from tests.support.apps import echo_engine
from tests.support.certificate import write_certificate
from tests.support.raw import until
from tests.support.webtransport import client

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave.engine import Request

TRANSPORTS: Final = ("polling", "websocket", "webtransport")
TRIES: Final = 1_000
AT_A_TIME: Final = 10


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "both.pem")


def no_fronts() -> bool:
    """Whether no QUIC connection is left in memory."""
    gc.collect()
    return not any(type(each).__name__ == "QuicFront" for each in gc.get_objects())


def refuse(request: Request) -> None:
    raise ConnectError("no")


async def test_v46_nobody_goes_round_the_rules_by_webtransport(certificate: Path) -> None:
    begun: list[object] = []

    def listen(server: Server | Engine) -> None:
        server.on("connection", begun.append)

    async def tries(server: Server | Engine, path: str) -> None:
        listen(server)
        async with server.listen(webtransport=WebTransport(certificate)) as listener:
            for headers in ({}, {"origin": "https://127.0.0.1"}):
                async with client(listener.port) as peer:
                    peer.ask(path, **headers)
                    peer.open_stream()
                    peer.send("0", "40", '42["echo",1]')
                    await peer.until(lambda: peer.error is not None or peer.status != 200)
                    await peer.until(lambda: peer.error is not None)
                    assert peer.frames == []
        assert begun == []

    await tries(Server(transports=TRANSPORTS, allow_request=refuse), "/socket.io/")
    await tries(Engine(transports=TRANSPORTS, allow_request=lambda _: False), "/engine.io/")
    with_middleware = Server(transports=TRANSPORTS)
    with_middleware.engine.use(refuse)
    await tries(with_middleware, "/socket.io/")
    await tries(Server(transports=TRANSPORTS, allowed_hosts=["a.example"]), "/socket.io/")


async def test_v47_rubbish_on_webtransport_frees_everything(certificate: Path) -> None:
    engine, _ = echo_engine(transports=TRANSPORTS, upgrade_timeout=1.0)
    rng = random.Random(47)

    async def attack(port: int, kind: int) -> None:
        with suppress(ConnectionError):  # the server may be the first to end it
            async with client(port) as peer:
                peer.ask("/engine.io/")
                if kind == 4:  # no stream, no end
                    return
                peer.open_stream()
                match kind:
                    case 0:
                        peer.send_raw(rng.randbytes(rng.randrange(1, 2_000)))
                    case 1:
                        peer.send_raw(frame_head(2**63 - 1))
                    case 2:
                        peer._quic.reset_stream(peer.stream, 1)
                        peer.transmit()
                    case 3:
                        peer._quic.reset_stream(peer.session, 1)
                        peer.transmit()

    async def some(port: int, first: int) -> None:
        for turn in range(first, TRIES, AT_A_TIME):
            await attack(port, turn % 5)

    async with engine.listen(webtransport=WebTransport(certificate)) as listener:
        await asyncio.gather(*[some(listener.port, first) for first in range(AT_A_TIME)])
        await until(lambda: not engine.sessions and not engine.driver.connections)
        await until(no_fronts)
        async with client(listener.port) as peer:
            await peer.begin("/engine.io/")
            peer.send("0", "4hello")
            await peer.receive()
            assert await peer.receive() == "4hello"
