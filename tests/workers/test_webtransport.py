"""WebTransport with several workers behind one port, as a program of a user has them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, Final

import pytest

pytest.importorskip("aioquic")

from tests.support.certificate import write_certificate
from tests.support.webtransport import Client, UdpProxy, client
from tests.workers.programs import Program, Visitor, alive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.unix

TRANSPORTS: Final = 'transports=["polling", "websocket", "webtransport"]'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("webtransport") / "both.pem")


HOSTED: Final = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"app"})
"""
CARRIED: Final = """
@io.on("connection")
def telling(socket):
    def carried():
        names = [type(each).__name__ for each in io.engine.driver.connections]
        return names.count("RelayedSession")
    socket.on("carried", carried)
"""


class Peer:
    """A client of Socket.IO, on a stream that it has."""

    def __init__(self, quic: Client) -> None:
        self.quic = quic
        self._asked = 0

    async def move(self, visitor: Visitor) -> None:
        """Go on with the session of one that polls."""
        sid = visitor.sid
        assert await self.quic.begin() == 200
        self.quic.send(f'0{{"sid":"{sid}"}}', "2probe")
        assert await self.quic.receive() == "3probe"
        assert await asyncio.to_thread(visitor.request) == (200, b"6")
        self.quic.send("5")

    @property
    def is_over(self) -> bool:
        """Whether the server has ended the session, or the connection."""
        return self.quic.error is not None or self.quic.capsule is not None

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
        await self.quic.until(lambda: self.quic.frames or self.is_over, 20.0)
        if not self.quic.frames:
            raise ConnectionError("the session has ended")
        answer = str(await self.quic.receive())
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


async def test_session_goes_on_where_the_address_changes(tmp_path: Path, certificate: Path) -> None:
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


async def test_polling_client_moves_wherever_its_connection_comes(
    tmp_path: Path, certificate: Path
) -> None:
    with program(tmp_path, certificate, more=CARRIED) as served:
        async with AsyncExitStack() as stack:
            moved = []
            for _ in range(16):
                visitor = Visitor(served.port)
                await asyncio.to_thread(visitor.open)
                owner = await asyncio.to_thread(visitor.ask, "pid")
                peer_ = Peer(await stack.enter_async_context(client(served.port)))
                await peer_.move(visitor)
                assert await peer_.ask("pid") == owner
                moved.append((owner, peer_))
            text = "é" * 50_000
            for owner, peer_ in moved:
                assert await peer_.ask("echo", text) == text
                assert await peer_.ask("pid") == owner
            carried = {owner: await peer_.ask("carried") for owner, peer_ in moved}
            assert 0 < sum(carried.values()) < 16


async def test_clients_that_are_asked_to_come_again_come_to_the_same_worker(
    tmp_path: Path, certificate: Path
) -> None:
    more = (
        "import sockwave.engine.server.fronts.quic.endpoint as endpoint\nendpoint.RETRY_ABOVE = 0"
    )
    with program(tmp_path, certificate, more=more) as served:
        for _ in range(8):
            async with peer(served.port) as asked:
                assert asked.quic._quic._retry_count == 1
                assert await asked.ask("pid") in served.workers()


async def test_beside_an_application(tmp_path: Path, certificate: Path) -> None:
    with program(tmp_path, certificate, 2, arguments="app=app", more=HOSTED) as served:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(served.port)) for _ in range(12)]
            assert {await each.ask("pid") for each in peers} == set(served.workers())
            visitor = Visitor(served.port)
            await asyncio.to_thread(visitor.open)
            moving = Peer(await stack.enter_async_context(client(served.port)))
            await moving.move(visitor)
            assert await moving.ask("pid") in served.workers()


async def test_worker_is_killed(tmp_path: Path, certificate: Path) -> None:
    with program(tmp_path, certificate) as served:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(served.port)) for _ in range(24)]
            owners = [await each.ask("pid") for each in peers]
            victim = owners[0]
            datagrams = recorded(peers[0].quic)
            token = peers[0].quic._quic._peer_cid.stateless_reset_token
            os.kill(victim, signal.SIGKILL)
            served.wait_for(r"worker \d of 4 serves", 5)
            for owner, each in zip(owners, peers, strict=True):
                if owner != victim:
                    assert await each.ask("pid") == owner
            peers[0].quic.send("42" + json.dumps(["echo", "x" * 100]))
            async with asyncio.timeout(20):  # whoever got the packet knows that nobody has it
                while not any(data.endswith(token) for data in datagrams):
                    await asyncio.sleep(0.02)
            new = [await stack.enter_async_context(peer(served.port)) for _ in range(24)]
            assert {await each.ask("pid") for each in new} == set(served.workers())
            assert victim not in served.workers()


def recorded(quic: Client) -> list[bytes]:
    """All datagrams that come from now on."""
    datagrams: list[bytes] = []
    received = quic.datagram_received

    def receive(data: bytes | str, addr: Any) -> None:
        assert isinstance(data, bytes)
        datagrams.append(data)
        received(data, addr)

    quic.datagram_received = receive  # type: ignore[method-assign] # as in a subclass
    return datagrams


async def test_moved_session_ends_with_either_worker(tmp_path: Path, certificate: Path) -> None:
    with program(tmp_path, certificate, 2, more=CARRIED) as served:
        async with AsyncExitStack() as stack:
            by_owner: dict[int, Peer] = {}
            while len(by_owner) < 2:  # each carries one of the other
                visitor = Visitor(served.port)
                await asyncio.to_thread(visitor.open)
                moving = Peer(await stack.enter_async_context(client(served.port)))
                await moving.move(visitor)
                owner = await moving.ask("pid")
                if await moving.ask("carried") and owner not in by_owner:
                    by_owner[owner] = moving
            victim, survivor = by_owner
            os.kill(victim, signal.SIGKILL)
            # The connection of one is gone, and the session of the other.
            await by_owner[victim].quic.until(lambda: by_owner[victim].is_over, 20.0)
            served.wait_for(r"worker \d of 2 serves", 3)
            visitor = Visitor(served.port)
            await asyncio.to_thread(visitor.open)
            while await asyncio.to_thread(visitor.ask, "pid") != survivor:
                visitor = Visitor(served.port)
                await asyncio.to_thread(visitor.open)
            while await asyncio.to_thread(visitor.ask, "carried"):
                await asyncio.sleep(0.05)


async def test_reload_leaves_sessions_where_they_are_until_they_are_to_end(
    tmp_path: Path, certificate: Path
) -> None:
    with program(tmp_path, certificate, 2, arguments="drain_period=40.0") as served:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(served.port)) for _ in range(24)]
            owners = [await each.ask("pid") for each in peers]
            old = set(owners)
            assert len(old) == 2
            served.signal(signal.SIGHUP)
            await asyncio.to_thread(served.wait_for, "reload: all workers are new")
            asked = (each.ask("pid") for each in peers)
            answers = await asyncio.gather(*asked, return_exceptions=True)
            went_on = [n for n, answer in enumerate(answers) if answer == owners[n]]
            assert len(went_on) >= 12, answers
            new = [await stack.enter_async_context(peer(served.port)) for _ in range(24)]
            found = {await each.ask("pid") for each in new}
            assert len(found) == 2
            assert not found & old


async def test_stopped_server_says_goodbye(tmp_path: Path, certificate: Path) -> None:
    with program(tmp_path, certificate, 2) as served:
        async with peer(served.port) as one, peer(served.port) as two:
            served.signal(signal.SIGTERM)
            for each in (one, two):
                await each.quic.until(lambda each=each: each.is_over, 20.0)
                assert each.quic.capsule == (0, "")
        assert await asyncio.to_thread(served.wait) == 0


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP"])
async def test_moved_sessions_end_in_order_when_workers_do(
    tmp_path: Path, certificate: Path, how: str
) -> None:
    arguments = "drain_period=4.0, shutdown_timeout=10.0"
    with program(tmp_path, certificate, 2, more=CARRIED, arguments=arguments) as served:
        async with AsyncExitStack() as stack:
            moved: list[Peer] = []
            carried: set[int] = set()
            while len(carried) < 2:
                visitor = Visitor(served.port)
                await asyncio.to_thread(visitor.open)
                moving = Peer(await stack.enter_async_context(client(served.port)))
                await moving.move(visitor)
                moved.append(moving)
                if await moving.ask("carried"):
                    carried.add(await moving.ask("pid"))
            served.signal(signal.Signals[how])
            for each in moved:
                await each.quic.until(lambda each=each: each.is_over, 30.0)
                assert each.quic.capsule == (0, "")


FORKING: Final = """
if "SOCKWAVE_WORKER" in os.environ and not os.fork():
    print("child", os.getpid(), flush=True)
    import time
    time.sleep(600)
    os._exit(0)

@io.on("connection")
def forking(socket):
    def fork():
        import time
        child = os.fork()
        if child:
            return child
        time.sleep(600)
        os._exit(0)
    socket.on("fork", fork)
"""


async def test_port_is_free_at_the_end_whatever_workers_have_forked(
    tmp_path: Path, certificate: Path
) -> None:
    with program(tmp_path, certificate, 2, more=FORKING) as served:
        children = [int(pid) for pid in served.wait_for(r"child (\d+)", 2)]
        try:
            async with AsyncExitStack() as stack:
                peers = [await stack.enter_async_context(peer(served.port)) for _ in range(2)]
                children += [await each.ask("fork") for each in peers]
                assert [await each.ask("echo", 1) for each in peers] == [1, 1]
            served.signal(signal.SIGTERM)
            assert await asyncio.to_thread(served.wait) == 0
            assert all(map(alive, children))
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as again:
                again.bind(("127.0.0.1", served.port))
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)


async def test_reload_that_brings_webtransport_says_that_a_restart_is_needed(
    tmp_path: Path, certificate: Path
) -> None:
    with Program(tmp_path, "2", options=TRANSPORTS) as served:
        served.write(
            "2",
            more="from sockwave import WebTransport",
            arguments=f"webtransport=WebTransport({str(certificate)!r})",
            options=TRANSPORTS,
        )
        served.signal(signal.SIGHUP)
        await asyncio.to_thread(served.wait_for, "reload: all workers are new")
        assert served.output.count("no WebTransport: the server was started without it") == 2
        status, body = await asyncio.to_thread(Visitor(served.port).request)
        assert status == 200
        assert json.loads(body[1:])["upgrades"] == ["websocket"]  # nothing that is not there


async def test_reload_that_takes_webtransport_away(tmp_path: Path, certificate: Path) -> None:
    with program(tmp_path, certificate, 2, arguments="drain_period=40.0") as served:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(peer(served.port)) for _ in range(8)]
            owners = [await each.ask("pid") for each in peers]
            served.write("2", options=TRANSPORTS)
            served.signal(signal.SIGHUP)
            await asyncio.to_thread(served.wait_for, "reload: all workers are new")
            status, body = await asyncio.to_thread(Visitor(served.port).request)
            assert status == 200
            assert json.loads(body[1:])["upgrades"] == ["websocket"]
            asked = (each.ask("pid") for each in peers)
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert sum(answer == owner for answer, owner in zip(answers, owners, strict=True)) >= 4


def test_port_that_is_taken_is_one_line(tmp_path: Path, certificate: Path) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        source = (
            "from sockwave import Server, WebTransport\n"
            f"io = Server({TRANSPORTS})\n"
            f"io.run(port={port}, workers=2, webtransport=WebTransport({str(certificate)!r}))\n"
        )
        script = tmp_path / "taken.py"
        script.write_text(source)
        found = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
        )
    assert found.returncode == 1
    assert f"127.0.0.1:{port} for WebTransport" in found.stderr
    assert "Traceback" not in found.stderr
