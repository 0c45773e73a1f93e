"""Clients that poll at one process and move to WebTransport at another one, which carries that."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

pytest.importorskip("aioquic")

from sockwave import Server, WebTransport
from sockwave.adapters import WorkersAdapter
from sockwave.workers.session_in import RelayedSession
from tests.support.apps import echo_server, ends_of, the_socket
from tests.support.certificate import write_certificate
from tests.support.fronts import Wire
from tests.support.raw import UNIT, until
from tests.support.webtransport import Client, UdpProxy, client
from tests.workers.doors import router_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.unix

TRANSPORTS: Final = ("polling", "websocket", "webtransport")
FULL: Final = 256 * 1024


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("webtransport") / "both.pem")


class Two(NamedTuple):
    """Two processes, in one loop."""

    owner: Server
    other: Server
    wire: Wire
    port: int
    """Of the other one."""

    @property
    def session(self) -> Any:
        """The only one, of the owner."""
        (found,) = self.owner.engine.sessions.values()
        return found

    @property
    def carried_session(self) -> Any:
        """What the owner has of it."""
        connections = self.owner.engine.driver.connections
        (found,) = (each for each in connections if isinstance(each, RelayedSession))
        return found

    @property
    def carrier(self) -> Any:
        """What the other one has of it."""
        (front,) = self.other.engine.driver.connections
        return front.receiver  # type: ignore[attr-defined] # of this front

    @property
    def carried(self) -> int:
        """Sessions that the other one carries."""
        return router_of(self.other).carried

    @asynccontextmanager
    async def moved(self, port: int = 0) -> AsyncIterator[Client]:
        """A client that began at the owner, and has moved by the other one."""
        polling = await self.wire.open_polling()
        await polling.send("40")
        assert str(await polling.receive()).startswith("40")
        async with client(port or self.port) as peer:
            await peer.begin()
            peer.send(f'0{{"sid":"{polling.sid}"}}', "2probe")
            assert await peer.receive() == "3probe"
            assert (await polling.poll()).text == "6"
            peer.send("5")
            await until(lambda: self.session.transport.name == "webtransport")
            yield peer

    def is_empty(self) -> bool:
        """Whether nothing is left of any client by QUIC."""
        engines = (self.owner.engine, self.other.engine)
        return not self.carried and not any(
            type(connection).__name__ in ("QuicFront", "RelayedSession")
            for engine in engines
            for connection in engine.driver.connections
        )


@asynccontextmanager
async def two(tmp_path: Path, certificate: Path, **options: Any) -> AsyncIterator[Two]:
    webtransport = WebTransport(certificate)
    owner, other = (
        echo_server(adapter=WorkersAdapter(tmp_path / "run"), transports=TRANSPORTS, **options)[0]
        for _ in range(2)
    )
    async with (
        owner.listen(webtransport=webtransport, shutdown_timeout=5.0) as first,
        other.listen(webtransport=webtransport, shutdown_timeout=5.0) as second,
    ):
        wire = Wire(first.host, first.port, "/socket.io/")
        try:
            yield Two(owner, other, wire, second.port)
        finally:
            await wire.aclose()


async def test_session_goes_on_at_its_process(tmp_path: Path, certificate: Path) -> None:
    text = "é" * 150_000
    async with two(tmp_path, certificate) as served:
        async with served.moved() as peer:
            socket = the_socket(served.owner)
            assert socket.handshake.query["transport"] == "polling"
            assert not served.other.sockets
            assert served.carried == 1
            peer.send('420["ask",1]', f'421["ask","{text}"]')
            assert await peer.receive() == "430[1]"
            assert await peer.receive() == f'431["{text}"]'
            peer.send('451-["echo",{"_placeholder":true,"num":0}]', b"\x01\x02")
            assert await peer.receive() == '451-["echo",{"_placeholder":true,"num":0}]'
            assert await peer.receive() == b"\x01\x02"
            served.owner.emit("all", 1)
            assert await peer.receive() == '42["all",1]'
        await until(served.is_empty)


async def test_what_comes_behind_the_first_packet_comes_along(
    tmp_path: Path, certificate: Path
) -> None:
    async with two(tmp_path, certificate) as served:
        polling = await served.wire.open_polling()
        async with client(served.port) as peer:
            peer.ask()
            peer.open_stream()
            peer.send(f'0{{"sid":"{polling.sid}"}}', "2probe", "5", "40", '420["ask",1]')
            assert await peer.receive() == "3probe"
            assert str(await peer.receive()).startswith("40")
            assert await peer.receive() == "430[1]"


async def test_address_may_change_meanwhile(tmp_path: Path, certificate: Path) -> None:
    async with two(tmp_path, certificate) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy, served.moved(proxy.port) as peer:
            for number in range(3):
                await proxy.move()
                peer.send(f'42{number}["ask",{number}]')
                assert await peer.receive() == f"43{number}[{number}]"


async def test_trial_that_fails_leaves_the_session_where_it_is(
    tmp_path: Path, certificate: Path
) -> None:
    async with two(tmp_path, certificate) as served:
        ends = ends_of(served.owner)
        polling = await served.wire.open_polling()
        for first in ("4no probe", "2"):
            async with client(served.port) as peer:
                await peer.begin()
                peer.send(f'0{{"sid":"{polling.sid}"}}', first)
                await peer.until(lambda: peer.error is not None)
        await until(served.is_empty)
        await polling.send("40")
        assert str(await polling.receive()).startswith("40")
        assert ends == []


async def test_id_that_the_process_does_not_know_is_refused(
    tmp_path: Path, certificate: Path
) -> None:
    async with two(tmp_path, certificate) as served:
        polling = await served.wire.open_polling()
        unknown = polling.sid[:2] + "x" * (len(polling.sid) - 2)
        of_nobody = "99" + polling.sid[2:]
        for sid in (unknown, of_nobody):
            async with client(served.port) as peer:
                await peer.begin()
                peer.send(f'0{{"sid":"{sid}"}}')
                await peer.until(lambda: peer.error is not None)
        await until(served.is_empty)


async def test_server_closes_after_what_it_has_sent(tmp_path: Path, certificate: Path) -> None:
    async with two(tmp_path, certificate) as served:
        ends = ends_of(served.owner)
        async with served.moved() as peer:
            socket = the_socket(served.owner)
            for number in range(200):
                socket.emit("n", number, "x" * 1_000)
            socket.disconnect(close=True)
            for number in range(200):
                assert str(await peer.receive()).startswith(f'42["n",{number},')
            assert await peer.receive() == "41"
            await peer.until(lambda: peer.error is not None or peer.capsule is not None)
            assert peer.capsule == (0, "")
        await until(served.is_empty)
        assert len(ends) == 1


@pytest.mark.parametrize("how", ["session", "connection"])
async def test_client_leaves(tmp_path: Path, certificate: Path, how: str) -> None:
    async with two(tmp_path, certificate) as served:
        ends = ends_of(served.owner)
        async with served.moved() as peer:
            if how == "session":
                peer.close_session()
            else:
                peer.close()
            await until(lambda: len(ends) == 1)
            assert ends[0][0] == "transport close"
        await until(served.is_empty)


async def test_process_that_carries_is_gone(tmp_path: Path, certificate: Path) -> None:
    async with two(tmp_path, certificate) as served:
        ends = ends_of(served.owner)
        async with served.moved() as peer:
            await served.other.close(drain_period=0, shutdown_timeout=0)
            await until(lambda: len(ends) == 1)
            await peer.until(lambda: peer.error is not None)
            assert ends[0][0] == "transport close"


async def test_process_that_carries_waits_for_the_owner_to_end_the_session(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockwave.engine.server.shutdown.CLOSE_GRACE", UNIT)
    async with two(tmp_path, certificate) as served, served.moved() as peer:
        carrier = asyncio.create_task(served.other.close(drain_period=20.0, shutdown_timeout=5.0))
        for number in range(10):
            await asyncio.sleep(UNIT / 2)
            peer.send(f'42{number}["ask",{number}]')
            assert await peer.receive() == f"43{number}[{number}]"
        await served.owner.close(drain_period=0, shutdown_timeout=5.0)
        await peer.until(lambda: peer.error is not None)
        assert peer.capsule == (0, "")
        await carrier


async def test_owner_says_goodbye(tmp_path: Path, certificate: Path) -> None:
    async with two(tmp_path, certificate) as served:
        async with served.moved() as peer:
            the_socket(served.owner).emit("last", "x" * 50_000)
            await served.owner.close(drain_period=0, shutdown_timeout=5.0)
            assert str(await peer.receive()).startswith('42["last"')
            await peer.until(lambda: peer.error is not None or peer.capsule is not None)
        await until(served.is_empty)


async def test_client_that_takes_nothing_is_bounded_at_both(
    tmp_path: Path, certificate: Path
) -> None:
    async with two(tmp_path, certificate) as served:
        async with UdpProxy(("127.0.0.1", served.port)) as proxy, served.moved(proxy.port) as peer:
            session = the_socket(served.owner)
            proxy.is_deaf = True
            for number in range(100):
                session.emit("n", number, "x" * 20_000)
            carried, carrier = served.carried_session, served.carrier
            await until(lambda: not carried.is_writable)
            most = FULL + 2 * 65_536
            for _ in range(20):
                await asyncio.sleep(0.01)
                assert carried.buffered() <= most
                assert carrier._session.buffered() <= most
            proxy.is_deaf = False
            for number in range(100):
                assert str(await peer.receive(30.0)).startswith(f'42["n",{number},')
            await until(lambda: carried.buffered() == 0)


async def test_client_may_send_no_more_than_a_window_while_nobody_reads(
    tmp_path: Path, certificate: Path
) -> None:
    async with two(tmp_path, certificate) as served:
        async with served.moved() as peer:
            transport = served.session.transport
            transport.pause_reading()
            await asyncio.sleep(0.05)
            for number in range(60):
                peer.send(f'42{number}["ask","{"x" * 20_000}"]')
            held = -1
            while held < transport._reader.held:
                held = transport._reader.held
                await asyncio.sleep(0.2)
            assert FULL // 2 < held <= 2 * FULL
            assert peer.frames == []
            transport.resume_reading()
            for number in range(60):
                assert str(await peer.receive(20.0)).startswith(f"43{number}[")
