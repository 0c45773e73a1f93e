"""WebTransport with several workers behind one port, as a program of a user has them."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

pytest.importorskip("aioquic")

from tests.support.certificate import write_certificate
from tests.support.webtransport import Client, UdpProxy, client
from tests.workers.programs import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.unix

TRANSPORTS: Final = 'transports=["polling", "websocket", "webtransport"]'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("webtransport") / "both.pem")


class Peer:
    """A client of Socket.IO, on a stream that it has."""

    def __init__(self, quic: Client) -> None:
        self.quic = quic
        self._asked = 0

    async def open(self) -> None:
        """Begin a session, and join."""
        assert await self.quic.begin() == 200
        self.quic.send("0", "40")
        assert str(await self.quic.receive()).startswith("0{")
        assert str(await self.quic.receive()).startswith("40")

    async def ask(self, event: str, *args: object) -> Any:
        """Emit with an acknowledgement."""
        self._asked += 1
        self.quic.send(f"42{self._asked}{json.dumps([event, *args])}")
        head = f"43{self._asked}"
        answer = str(await self.quic.receive(20.0))
        assert answer.startswith(head), answer
        return json.loads(answer[len(head) :])[0]


def program(
    tmp_path: Path,
    certificate: Path,
    workers: int = 4,
    *,
    arguments: str = "",
    options: str = "",
    more: str = "",
) -> Program:
    """Workers that serve WebTransport."""
    return Program(
        tmp_path,
        str(workers),
        more=f"from sockwave import WebTransport\n{more}",
        arguments=", ".join(
            part for part in (f"webtransport=WebTransport({str(certificate)!r})", arguments) if part
        ),
        options=", ".join(part for part in (TRANSPORTS, options) if part),
    )


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    """A client with a session."""
    async with client(port) as quic:
        found = Peer(quic)
        await found.open()
        yield found


async def test_clients_have_sessions_with_all_workers(tmp_path: Path, certificate: Path) -> None:
    with program(tmp_path, certificate) as served:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(served.port)) for _ in range(24)]
            owners = [await each.ask("pid") for each in peers]
            assert set(owners) == set(served.workers())
            assert [await each.ask("pid") for each in peers] == owners
            host, _, is_secure = await peers[0].ask("client")
            assert (host, is_secure) == ("127.0.0.1", True)


async def test_session_goes_on_where_the_address_changes(
    tmp_path: Path, certificate: Path
) -> None:
    large = "é" * 100_000
    with program(tmp_path, certificate) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy, peer(proxy.port) as moving:
            owner = await moving.ask("pid")
            client_then = await moving.ask("client")
            for number in range(16):  # each comes to any of four
                await proxy.move()
                assert await moving.ask("pid") == owner
                assert await moving.ask("echo", number) == number
            assert await moving.ask("echo", large) == large
            assert await moving.ask("client") == client_then
