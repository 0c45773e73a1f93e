"""What is of its own with WebTransport; the rest is tested by all transports alike."""

from __future__ import annotations

import asyncio
import socket as socket_module
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("aioquic")

from sockwave import ConnectError, FailureCause, Manager, Server, TransportError, connect
from sockwave.engine import Request, Response
from sockwave.engine.core.udp_trials import UdpTrials
from tests.client.servers import CERTIFICATE, HASH, listening, native_server
from tests.client.udp_gate import gated
from tests.support.raw import UNIT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sockwave import Listener
    from sockwave.engine.core.client_session import ClientSession

DIRECT: dict[str, Any] = {"transports": ["webtransport"], "server_certificate_hashes": [HASH]}
ALL: dict[str, Any] = {
    "transports": ["polling", "websocket", "webtransport"],
    "server_certificate_hashes": [HASH],
    "reconnection_delay": 0.02,
    "reconnection_delay_max": 0.1,
}
FIRST: dict[str, Any] = {**ALL, "transports": ["webtransport", "websocket"]}


@asynccontextmanager
async def served(host: str = "127.0.0.1", **options: Any) -> AsyncIterator[Listener]:
    async with listening(native_server(**options), host=host) as listener:
        yield listener


def session_of(manager: Manager) -> ClientSession:
    session = manager._supervisor.session
    assert session is not None
    return session


async def moved(manager: Manager, transport: str) -> None:
    """Wait until this carries the connection."""
    await until(lambda: manager.transport == transport)


async def failure_of(url: str, **options: Any) -> TransportError:
    """Try once, and say how that failed."""
    async with Manager(url, **{**DIRECT, "reconnection": False, **options}) as manager:
        with pytest.raises(TransportError) as caught:
            await manager.open()
        return caught.value


# --- whom it believes -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["hex", "colons", "bytes"])
async def test_server_is_believed_by_the_hash_of_its_certificate(form: str) -> None:
    assert HASH is not None
    pairs = [HASH[at : at + 2].upper() for at in range(0, 64, 2)]
    given = {"hex": HASH, "colons": ":".join(pairs), "bytes": bytes.fromhex(HASH)}[form]
    options = {**DIRECT, "server_certificate_hashes": ["00" * 32, given]}
    async with served() as listener, connect(listener.url, **options) as socket:
        assert socket.manager.transport == "webtransport"


async def test_server_with_another_certificate_is_not_believed() -> None:
    async with served() as listener:
        failure = await failure_of(listener.url, server_certificate_hashes=["00" * 32])
    assert (failure.cause, failure.transport) == (FailureCause.CERTIFICATE, "webtransport")
    assert f"the hash of the certificate is {HASH}" in str(failure)
    assert "server_certificate_hashes" in failure.advice


async def test_certificate_of_nobody_known_is_not_believed() -> None:
    async with served() as listener:
        failure = await failure_of(listener.url, server_certificate_hashes=())
    assert failure.cause is FailureCause.CERTIFICATE
    assert "self-signed certificate" in str(failure)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The file of the server's own certificate."""
    assert CERTIFICATE is not None
    (tmp_path / "ca.pem").write_bytes(CERTIFICATE.certificate)
    return tmp_path / "ca.pem"


async def test_file_of_authorities_is_believed(authority: Path) -> None:
    options = {**DIRECT, "server_certificate_hashes": (), "webtransport_cafile": authority}
    async with served() as listener, connect(listener.url, **options) as socket:
        assert await socket.emit_with_ack("ack", 1, timeout=10) == 1


async def test_name_has_to_be_in_the_certificate(tmp_path: Path, authority: Path) -> None:
    options = {"server_certificate_hashes": (), "webtransport_cafile": authority}
    async with served(host="127.0.0.2") as listener:
        failure = await failure_of(f"http://127.0.0.2:{listener.port}", **options)
    assert failure.cause is FailureCause.CERTIFICATE
    assert "127.0.0.2" in str(failure)


async def test_file_that_is_not_there_is_the_failure_of_the_attempt(tmp_path: Path) -> None:
    options = {"server_certificate_hashes": (), "webtransport_cafile": tmp_path / "no.pem"}
    failure = await failure_of("http://127.0.0.1:9", **options)
    assert failure.cause is FailureCause.APPLICATION
    assert "no.pem cannot be read: No such file or directory" in str(failure)


async def test_context_says_whom_to_believe() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    options = {**DIRECT, "server_certificate_hashes": ()}
    async with served() as listener:
        for believed in (False, careless):
            async with connect(listener.url, ssl=believed, **options) as socket:
                assert socket.connected
        strict = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        failure = await failure_of(listener.url, ssl=strict, server_certificate_hashes=())
    assert failure.cause is FailureCause.CERTIFICATE


# --- the way there --------------------------------------------------------------------------------


async def test_handshake_has_headers_and_the_query_of_the_user() -> None:
    options = {**DIRECT, "extra_headers": {"X-Test": "h"}, "query": {"room": "q"}}
    async with served() as listener, connect(listener.url, **options) as socket:
        assert await socket.emit_with_ack("handshake", timeout=10) == {"query": "q", "header": "h"}


async def test_address_of_ipv6() -> None:
    async with served(host="::1") as listener:
        async with connect(f"http://[::1]:{listener.port}", **DIRECT) as socket:
            assert await socket.emit_with_ack("ack", b"6", timeout=10) == b"6"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_name_with_addresses_of_both_families_finds_the_one_that_answers(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is refused, or says nothing."""
    async with served(host=host) as listener:
        loop = asyncio.get_running_loop()

        async def both(*_: Any, **__: Any) -> list[Any]:
            found = []
            for address in ("::1", "127.0.0.1"):
                found += socket_module.getaddrinfo(
                    address, listener.port, type=socket_module.SOCK_DGRAM
                )
            return found

        monkeypatch.setattr("sockwave.engine.client.quic.dialing.resolve", both)
        silent = socket_module.socket(
            socket_module.AF_INET6 if host == "127.0.0.1" else socket_module.AF_INET,
            socket_module.SOCK_DGRAM,
        )
        for is_silent in (False, True):
            if is_silent:
                silent.bind(("::1" if host == "127.0.0.1" else "127.0.0.1", listener.port))
            began = loop.time()
            async with connect(f"http://localhost:{listener.port}", **DIRECT) as socket:
                assert socket.manager.transport == "webtransport"
            assert loop.time() - began < 5
        silent.close()


async def test_nobody_who_listens_is_told_at_once() -> None:
    with socket_module.socket(socket_module.AF_INET, socket_module.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = await failure_of(f"http://127.0.0.1:{port}")
    assert failure.cause is FailureCause.REFUSED
    assert "does the server speak WebTransport" in failure.advice


async def test_proxy_is_no_way_for_it() -> None:
    failure = await failure_of("http://127.0.0.1:9", proxy="http://127.0.0.1:8")
    assert failure.cause is FailureCause.PROXY


async def test_host_that_is_not_known_is_named() -> None:
    failure = await failure_of("http://nowhere.invalid:9")
    assert failure.cause is FailureCause.NAME


# --- refusals -------------------------------------------------------------------------------------


async def test_middleware_of_the_engine_may_refuse() -> None:
    io = native_server()

    @io.engine.use
    def no_entry(request: Request) -> Response | None:
        return Response(status=403, body=b"no") if request.headers.get("x-test") == "no" else None

    async with listening(io) as listener:
        failure = await failure_of(listener.url, extra_headers={"x-test": "no"})
        assert (failure.status, failure.cause) == (403, FailureCause.STATUS)
        async with connect(listener.url, extra_headers={"x-test": "yes"}, **DIRECT) as socket:
            assert socket.connected


async def test_middleware_of_a_namespace_may_refuse() -> None:
    async with served() as listener:
        with pytest.raises(ConnectError, match="unauthorized"):
            async with connect(f"{listener.url}/private", **DIRECT):
                raise AssertionError


# --- what it costs --------------------------------------------------------------------------------


async def test_no_message_has_a_task() -> None:
    async with served() as listener, connect(listener.url, **DIRECT) as socket:
        await socket.emit_with_ack("ack", timeout=10)
        tasks = asyncio.all_tasks()
        made: list[Any] = []
        loop = asyncio.get_running_loop()

        def note(loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(coroutine)
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(note)
        events = socket.events("tick")
        socket.emit("burst", 200)
        for number in range(200):
            assert await anext(events) == (number,)
        loop.set_task_factory(None)
        assert made == []
        assert asyncio.all_tasks() == tasks


async def test_server_that_sends_without_end_is_held_back() -> None:
    """While nobody reads, what has come is never more than the window of the stream."""
    io = native_server(ping_interval=25, max_backlog=2**26)
    async with listening(io) as listener, connect(listener.url, **DIRECT) as socket:
        await socket.emit_with_ack("ack", timeout=10)
        session = session_of(socket.manager)
        session.pause_reading()
        for _ in range(100):
            io.emit("echo", b"x" * 50_000)
        held = 0
        for _ in range(20):
            await asyncio.sleep(UNIT)
            assert session.transport is not None
            held = session.transport.partial()
        assert 200_000 < held <= 262_144
        events = socket.events("echo")
        session.resume_reading()
        for _ in range(100):
            assert (await anext(events))[0] == b"x" * 50_000


async def test_larger_messages_than_are_wanted_end_the_connection() -> None:
    async with served() as listener:
        socket = connect(listener.url, max_payload=10_000, reconnection=False, **DIRECT)
        reasons: asyncio.Queue[str] = asyncio.Queue()
        socket.on("disconnect", reasons.put_nowait)
        await socket.wait_connected(10)
        socket.emit("echo", "x" * 20_000)
        assert await reasons.get() == "transport error"
        await socket.aclose()


# --- when UDP does not get through ----------------------------------------------------------------


async def test_network_that_drops_udp_leaves_the_websocket_and_is_remembered() -> None:
    async with served() as listener, gated(listener) as gate:
        gate.is_shut = True
        async with Manager(gate.url, **ALL) as manager:
            await manager.open()
            await moved(manager, "websocket")
            tried = gate.seen
            assert tried > 0
            await again(manager)
            await moved(manager, "websocket")
            assert gate.seen == tried


async def again(manager: Manager) -> None:
    """Lose the connection, and wait for the next one."""
    opened = asyncio.Event()
    manager.on("reconnect", lambda _: opened.set())
    socket = manager.socket()
    await socket.wait_connected(10)
    socket.emit("drop")
    await opened.wait()


async def test_webtransport_goes_before_a_websocket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sockwave.engine.client.upgrading.HEAD_START", 30.0)
    async with served() as listener, Manager(listener.url, **ALL) as manager:
        await manager.open()
        await moved(manager, "webtransport")
        await manager.socket().wait_connected(10)
        assert await manager.socket().emit_with_ack("ack", "moved", timeout=10) == "moved"


async def test_udp_is_tried_again_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as listener, gated(listener) as gate:
        gate.is_shut = True
        async with Manager(gate.url, **ALL) as manager:
            await manager.open()
            await moved(manager, "websocket")
            gate.is_shut = False
            monkeypatch.setattr("sockwave.engine.client.upgrading.HEAD_START", 30.0)
            udp, clock = manager.runtime.udp, manager.runtime.awake_clock
            await until(lambda: not udp.is_due(clock()))
            # For UDP alone: a clock that jumps would end the heartbeat of the session, too.
            is_due = UdpTrials.is_due
            monkeypatch.setattr(UdpTrials, "is_due", lambda trials, now: is_due(trials, now + 301))
            await again(manager)
            await moved(manager, "webtransport")


@pytest.mark.parametrize("passes", [2, 4])
async def test_network_that_drops_udp_in_the_middle_of_the_move_leaves_the_websocket(
    passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first packets of the handshake, or of the session, which the server waits for."""
    monkeypatch.setattr("sockwave.engine.client.upgrading.ASK_AGAIN", 1.5)
    async with served(upgrade_timeout=1.0) as listener, gated(listener) as gate:
        gate.passes = passes
        options = {**ALL, "timeout": 1.0}
        async with Manager(gate.url, **options) as manager:
            socket = manager.socket()
            await socket.wait_connected(10)
            await until(lambda: manager.transport == "websocket" or gate.is_shut)
            await moved(manager, "websocket")
            assert await socket.emit_with_ack("ack", b"on", timeout=10) == b"on"


async def test_webtransport_that_is_wanted_first_gives_way_and_is_remembered() -> None:
    async with served() as listener, gated(listener) as gate:
        gate.is_shut = True
        async with Manager(gate.url, **{**FIRST, "timeout": 2.0}) as manager:
            await manager.open()
            assert manager.transport == "websocket"
            tried = gate.seen
            await again(manager)
            assert (manager.transport, gate.seen) == ("websocket", tried)


async def test_session_that_falls_silent_goes_on_by_the_next_transport() -> None:
    async with served(ping_timeout=0.4) as listener, gated(listener) as gate:
        async with Manager(gate.url, **{**FIRST, "close_timeout": 0.2}) as manager:
            reasons: asyncio.Queue[str] = asyncio.Queue()
            manager.on("close", lambda reason, _: reasons.put_nowait(str(reason)))
            socket = manager.socket()
            await socket.wait_connected(10)
            assert manager.transport == "webtransport"
            gate.is_shut = True
            assert await reasons.get() == "ping timeout"
            await moved(manager, "websocket")
            assert await socket.emit_with_ack("ack", 1, timeout=10) == 1


async def test_server_that_is_gone_altogether_is_not_taken_for_a_network_that_blocks() -> None:
    async with served() as listener:
        url = listener.url
    async with Manager(url, **{**FIRST, "reconnection": False}) as manager:
        with pytest.raises(TransportError):
            await manager.open()
        assert manager.runtime.udp.is_due(manager.runtime.awake_clock())


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("transports", [["webtransport"], ["polling", "webtransport"]])
async def test_client_is_back_after_a_restart_of_the_server(transports: list[str]) -> None:
    options = {**ALL, "transports": transports}
    async with served() as listener:
        url, port = listener.url, listener.port
        socket = connect(url, **options)
        await socket.wait_connected(10)
        await moved(socket.manager, "webtransport")
    await until(lambda: not socket.connected)
    async with listening(native_server(), port=port):
        await socket.wait_connected(20)
        await moved(socket.manager, "webtransport")
        assert await socket.emit_with_ack("ack", "back", timeout=10) == "back"
        await socket.aclose()


async def test_what_was_emitted_last_arrives_before_the_goodbye() -> None:
    io = Server(transports=["webtransport"])
    got: list[int] = []
    ended = asyncio.Event()

    @io.event
    def note(socket: Any, data: bytes) -> None:
        got.append(len(data))

    @io.event
    def disconnect(socket: Any, reason: str) -> None:
        got.append(0)
        ended.set()

    async with listening(io) as listener:
        async with connect(listener.url, **DIRECT) as socket:
            for _ in range(20):
                socket.emit("note", b"x" * 100_000)
        await ended.wait()
    assert got == [100_000] * 20 + [0]


async def test_silent_server_holds_nobody_up_for_long() -> None:
    async with served(ping_interval=25) as listener, gated(listener) as gate:
        socket = connect(gate.url, **{**DIRECT, "close_timeout": 4 * UNIT})
        await socket.wait_connected(10)
        gate.is_shut = True
        began = asyncio.get_running_loop().time()
        await socket.aclose()
        assert asyncio.get_running_loop().time() - began < 4 * UNIT + 2


# --- what is needed for it ------------------------------------------------------------------------


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr.splitlines()[-1] if done.returncode else done.stdout


def test_without_the_extra_one_line_says_what_to_install() -> None:
    program = """
import sys
sys.modules["aioquic"] = None
import sockwave
sockwave.Manager("http://127.0.0.1:9", transports=["websocket"])
sockwave.Manager("http://127.0.0.1:9", transports=["polling", "webtransport"])
"""
    assert run(program) == (
        'ImportError: WebTransport needs aioquic: pip install "sockwave[client,webtransport]"'
    )


def test_library_is_imported_only_where_it_is_used() -> None:
    program = """
import asyncio, sys, sockwave

async def main():
    io = sockwave.Server()
    async with io.listen() as listener, sockwave.connect(listener.url) as socket:
        pass
    sockwave.Manager("http://127.0.0.1:9", transports=["webtransport"])

asyncio.run(main())
print([name for name in ("aioquic", "cryptography") if name in sys.modules])
"""
    assert run(program) == "[]\n"
