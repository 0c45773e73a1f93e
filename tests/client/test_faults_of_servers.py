"""Servers that refuse, lie or break the protocol: a clear error each time, and another attempt."""

from __future__ import annotations

import asyncio
import json
import socket as socket_module
import ssl
import subprocess
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from sockwave import (
    ConnectTimeout,
    FailureCause,
    LimitExceeded,
    Server,
    SockwaveError,
    TransportError,
    connect,
)
from sockwave.codec.websocket import accept_key, encode_frame, server_frame
from sockwave.engine.client.http_failures import failed
from tests.client.servers import native_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

FAST: dict[str, Any] = {
    "reconnection_delay": 0.01,
    "reconnection_delay_max": 0.02,
    "close_timeout": 0.05,
}
HANDSHAKE = {"sid": "abc", "upgrades": [], "pingInterval": 10_000, "pingTimeout": 5_000}


async def read_head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


@asynccontextmanager
async def raw_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A TCP server whose connections run `answer`, and then close."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type] # it is one
        try:
            await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # asyncio reports a cancelled connection as an error
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def http_server(status: str, headers: str = "", body: bytes = b"") -> Any:
    """Answers every request the same way."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return raw_server(answer)


def http_proxy(heads: list[str]) -> Any:
    """Passes requests on, and keeps the first head of each connection."""

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        heads.append(head)
        target = head.split()[1].removeprefix("http://")
        host, _, port = target.partition("/")[0].partition(":")
        there_reader, there = await asyncio.open_connection(host, int(port))
        there.write(head.replace(f"http://{host}:{port}", "").encode())

        async def forward() -> None:
            while data := await there_reader.read(65_536):
                writer.write(data)
            writer.close()

        back = asyncio.ensure_future(forward())
        try:
            while data := await reader.read(65_536):
                there.write(data.replace(f"http://{host}:{port}".encode(), b""))
        finally:
            there.close()
            await back

    return raw_server(proxy)


def websocket_server(*frames: bytes) -> Any:
    """Switches to a WebSocket, sends frames with the 101 itself, and waits for the end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await read_head(reader)
        key = head.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
        accept = accept_key(key.encode()).decode()
        response = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        writer.write(response.encode() + b"".join(frames))
        while await reader.read(65_536):
            pass

    return raw_server(answer)


def opening(**changes: Any) -> bytes:
    """An OPEN packet."""
    return b"0" + json.dumps({**HANDSHAKE, **changes}).encode()


JOINED = server_frame(opening()) + server_frame(b'40{"sid":"s"}')


async def failure(url: str, **options: Any) -> SockwaveError:
    """What the first attempt fails with."""
    with pytest.raises(SockwaveError) as caught:
        async with connect(url, **{**FAST, **options}):
            raise AssertionError
    return caught.value


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_dead_port_is_a_transport_error_with_its_cause(transport: str) -> None:
    with socket_module.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = await failure(url, transports=[transport])
    assert isinstance(error, TransportError)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert (error.transport, error.status) == (transport, None)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_refused_handshake_shows_status_and_body(transport: str) -> None:
    async with http_server("403 Forbidden", body=b'{"code":4}') as url:
        error = await failure(url, transports=[transport])
    assert isinstance(error, TransportError)
    assert (error.status, error.body) == (403, '{"code":4}')


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_redirect_is_not_followed(transport: str) -> None:
    async with http_server("200 OK") as other:
        async with http_server("302 Found", f"Location: {other}\r\n") as url:
            error = await failure(
                url, transports=[transport], extra_headers={"Authorization": "secret"}
            )
    assert isinstance(error, TransportError)
    assert error.status == 302


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_server_that_says_nothing_is_given_up_in_time(transport: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(silent) as url:
        error = await failure(url, transports=[transport], timeout=0.05)
    assert isinstance(error, ConnectTimeout)


async def test_endless_response_head_is_given_up() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: " + b"x" * 1_000 + b"\r\n")
            await writer.drain()

    async with raw_server(endless) as url:
        assert isinstance(await failure(url, timeout=2.0), TransportError)


async def test_response_of_polling_has_a_limit() -> None:
    async with http_server("200 OK", body=b"4" * 5_000) as url:
        error = await failure(url, transports=["polling"], max_payload=1_000)
    assert "too large" in str(error)


@pytest.mark.parametrize("body", [b"", b"garbage", b"\xff\xfe", b"0{}", b"\x1e", opening(sid=1)])
async def test_polling_handshake_that_is_none_is_an_error(body: bytes) -> None:
    async with http_server("200 OK", body=body) as url:
        assert isinstance(await failure(url, transports=["polling"]), SockwaveError)


async def test_websocket_whose_key_was_not_proven_is_refused() -> None:
    headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
    async with http_server("101 Switching Protocols", headers) as url:
        error = await failure(url, transports=["websocket"])
    assert "not a WebSocket handshake" in str(error.__cause__)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(encode_frame(1, b"4x", mask=True), id="masked"),
        pytest.param(b"\xc1\x02" + b"4x", id="reserved bit"),
        pytest.param(b"\x81\x7f" + (2**62).to_bytes(8, "big"), id="huge frame"),
        pytest.param(b"\x83\x00", id="unknown opcode"),
        pytest.param(server_frame(b'42["\xff"]'), id="not UTF-8"),
        pytest.param(server_frame(b"4\xff"), id="not even a packet"),
        pytest.param(server_frame(b"42[broken"), id="broken JSON"),
        pytest.param(server_frame(b'42["connect"]'), id="reserved name"),
        pytest.param(server_frame(b'4511-["a"]'), id="too many attachments"),
        pytest.param(server_frame(b"4599999999999999999999-["), id="huge count"),
        pytest.param(server_frame(b"x", binary=True), id="attachment of nothing"),
        pytest.param(
            server_frame(b'451-["a",{"_placeholder":true,"num":7}]')
            + server_frame(b"x", binary=True),
            id="placeholder to nowhere",
        ),
        pytest.param(
            server_frame(b'451-["a",{"_placeholder":true,"num":0}]') + server_frame(b'42["b"]'),
            id="text for an attachment",
        ),
        pytest.param(server_frame(b"7"), id="unknown packet"),
        pytest.param(server_frame(b'42["a",' + b"[" * 200 + b"]" * 200 + b"]"), id="nesting"),
    ],
)
async def test_broken_protocol_ends_the_connection_and_another_is_made(frame: bytes) -> None:
    async with websocket_server(JOINED, frame) as url:
        socket = connect(url, transports=["websocket"], **FAST)
        lost: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        socket.on("disconnect", lambda reason, error: lost.put_nowait((reason, error)))
        for _ in range(2):
            reason, error = await lost.get()
            assert reason in ("parse error", "transport error")
            assert isinstance(error, SockwaveError)
            assert not isinstance(error, LimitExceeded)
        await socket.aclose()


@pytest.mark.parametrize(
    "packet", [b'42/other,["a"]', b"41/other,", b'43/other,5["x"]', b'4399["late"]']
)
async def test_packet_for_nobody_is_passed_over(packet: bytes) -> None:
    async with websocket_server(JOINED, server_frame(packet), server_frame(b'42["after"]')) as url:
        socket = connect(url, transports=["websocket"], **FAST)
        assert await anext(socket.events("after")) == ()
        await socket.aclose()


async def test_old_server_is_told_by_a_connect_error() -> None:
    async with websocket_server(server_frame(opening()), server_frame(b"40")) as url:
        assert "older protocol" in str(await failure(url, transports=["websocket"]))


async def test_next_transport_is_tried_when_asked_for() -> None:
    async with native_server(transports=["websocket"]).listen() as listener:
        async with connect(listener.url, try_all_transports=True, **FAST) as socket:
            assert socket.manager.transport == "websocket"
        assert isinstance(await failure(listener.url), TransportError)


async def test_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    context = self_signed(tmp_path)
    async with native_server().listen(ssl=context) as listener:
        url = listener.url.replace("http:", "https:")
        for transport in ("polling", "websocket"):
            error = await failure(url, transports=[transport])
            assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
        async with connect(url, ssl=False, transports=["websocket"]) as socket:
            assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
        trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        async with connect(url, ssl=trusting) as socket:
            assert await socket.emit_with_ack("ack", b"1", timeout=40) == b"1"


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that no authority has signed."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *subject], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.unix
async def test_unix_socket_is_reached(tmp_path: Path) -> None:
    path = str(tmp_path / "io.sock")
    async with native_server().listen(unix_path=path):
        for transports in (["polling"], ["websocket"]):
            options: dict[str, Any] = {"transports": transports, "unix_path": path}
            async with connect("http://localhost", **options) as socket:
                assert await socket.emit_with_ack("ack", 1, timeout=40) == 1


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_http_proxy_is_used(transport: Any) -> None:
    seen: list[str] = []
    async with native_server().listen() as listener, http_proxy(seen) as url:
        async with connect(listener.url, proxy=url, transports=[transport]) as socket:
            assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
    assert seen
    assert all(head.split()[1].startswith(listener.url) for head in seen)


async def test_socks_proxy_is_used() -> None:
    asked: list[str] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = (await reader.readexactly(2))[1]
        await reader.readexactly(count)
        writer.write(b"\x05\x00")  # no authentication
        assert await reader.readexactly(4) == b"\x05\x01\x00\x01"  # CONNECT to an IPv4 address
        host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        asked.append(f"http://{host}:{port}")
        there_reader, there = await asyncio.open_connection(host, port)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))

        async def forward() -> None:
            while data := await there_reader.read(65_536):
                writer.write(data)
            writer.close()

        back = asyncio.ensure_future(forward())
        try:
            while data := await reader.read(65_536):
                there.write(data)
        finally:
            there.close()
            await back

    async with native_server().listen() as listener, raw_server(proxy) as url:
        socks = url.replace("http:", "socks5:")
        for transport in ("polling", "websocket"):
            options: dict[str, Any] = {"proxy": socks, "transports": [transport]}
            async with connect(listener.url, **options) as socket:
                assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
    assert set(asked) == {listener.url}


async def test_socket_that_no_server_accepts_waits_as_long_as_asked() -> None:
    async with websocket_server(server_frame(opening())) as url:
        socket = connect(url, transports=["websocket"], **FAST)
        with pytest.raises(ConnectTimeout):
            await socket.wait_connected(timeout=0.05)
        assert socket.active
        await socket.aclose()


async def test_attempts_end_when_their_number_is_used_up() -> None:
    told: list[Any] = []
    async with http_server("503 Busy") as url:
        socket = connect(url, reconnection_attempts=2, **FAST)
        manager = socket.manager
        for event in ("reconnect_attempt", "reconnect_error", "reconnect_failed", "error"):
            manager.on(event, lambda *args, event=event: told.append((event, *args[:1])))
        with pytest.raises(TransportError):
            await socket.wait_connected(timeout=40)
        await socket.aclose()
    names = [name for name, *_ in told]
    assert names == [
        "error",
        "reconnect_attempt",
        "error",
        "reconnect_error",
        "reconnect_attempt",
        "error",
        "reconnect_failed",
        "reconnect_error",
    ]


async def test_function_for_headers_that_fails_is_a_failed_attempt() -> None:
    def headers() -> dict[str, str]:
        raise ValueError("no token")

    error = await failure("http://127.0.0.1:9", extra_headers=headers)
    assert isinstance(error, TransportError)
    assert isinstance(error.__cause__, ValueError)


async def test_auth_that_fails_is_asked_again() -> None:
    calls = 0

    def auth() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ValueError("no token yet")
        return {"token": "s3cret"}

    async with native_server().listen() as listener:
        socket = connect(f"{listener.url}/private", auth=auth, **FAST)
        errors: list[str] = []
        socket.on("connect_error", lambda error: errors.append(str(error)))
        await socket.wait_connected(timeout=40)
        await socket.aclose()
    assert errors == ["auth failed: no token yet"] * 2


async def test_offline_buffer_has_a_bound() -> None:
    socket = connect("http://127.0.0.1:9", auto_connect=False, send_buffer_limit=3)
    for number in range(3):
        socket.emit("event", number)
    with pytest.raises(LimitExceeded, match="3 events"):
        socket.emit("event", 3)
    socket.send_buffer.clear()
    socket.emit("event", 4)
    assert len(socket.send_buffer) == 1


async def test_failing_handler_is_reported_and_harms_nobody() -> None:
    failures: list[str] = []
    async with native_server().listen() as listener, connect(listener.url) as socket:
        socket.manager.on_error(lambda error, where, event: failures.append(f"{event}: {error}"))

        @socket.on("echo")
        def first(value: Any) -> None:
            raise ValueError("of mine")

        echoes = socket.events("echo")
        socket.emit("echo", 1)
        assert await anext(echoes) == (1,)
        assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
    assert failures == ["echo: of mine"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_cancelled_handler_is_reported_and_harms_nobody(transport: Any) -> None:
    failures: list[str] = []
    options: dict[str, Any] = {"transports": [transport], "max_pending_handlers": 5}
    async with native_server().listen() as listener, connect(listener.url, **options) as socket:
        socket.manager.on_error(lambda error, *_: failures.append(type(error).__name__))

        @socket.on("echo")
        def plain(value: Any) -> None:
            raise asyncio.CancelledError

        @socket.on("echo")
        async def waits(value: Any) -> None:
            task = asyncio.ensure_future(asyncio.sleep(60))
            asyncio.get_running_loop().call_soon(task.cancel)
            await task

        for _ in range(20):
            socket.emit("echo", 1)
        assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
        while len(failures) < 40:
            await asyncio.sleep(0)
    assert failures == ["CancelledError"] * 40


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_events_wait_for_slow_handlers_and_answers_do_not(transport: Any) -> None:
    running = 0
    may_end, done = asyncio.Event(), asyncio.Event()
    async with native_server().listen() as listener:
        options: dict[str, Any] = {"transports": [transport], "max_pending_handlers": 10}
        async with connect(listener.url, **options) as socket:

            @socket.on("tick")
            async def tick(number: int) -> None:
                nonlocal running
                running += 1
                await may_end.wait()
                running -= 1
                if number == 4_999:
                    done.set()

            socket.emit("burst", 5_000)
            assert await socket.emit_with_ack("ack", 1, timeout=40) == 1
            assert running == 10
            may_end.set()
            await done.wait()


async def test_compressed_messages_pass_and_a_bomb_does_not() -> None:
    bomb = Server(per_message_deflate=True, max_payload=10_000_000)
    bomb.on(
        "connection", lambda socket: socket.on("bomb", lambda: socket.emit("b", "x" * 9_000_000))
    )
    async with bomb.listen() as listener:
        options: dict[str, Any] = {"transports": ["websocket"], "max_payload": 1_000_000, **FAST}
        async with connect(listener.url, **options) as socket:
            lost: asyncio.Queue[Any] = asyncio.Queue()
            socket.on("disconnect", lambda reason, error: lost.put_nowait(error))
            socket.emit("bomb")
            assert "too big" in str(await lost.get())
            await socket.wait_connected(timeout=40)


async def test_poll_whose_answer_was_lost_is_not_asked_for_again_in_silence() -> None:
    """Whatever the answer held is lost: the client must not go on as if nothing had been."""
    polls: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await read_head(reader)
            body = b"ok"
            if head.startswith("POST"):
                length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
                await reader.readexactly(length)
            elif "sid=" not in head:
                body = opening()
            else:
                polls.append(head.partition(" HTTP")[0])
                if len(polls) == 2:
                    writer.transport.abort()
                    return
                body = b'40{"sid":"s"}' if len(polls) == 1 else b"6"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    reasons: asyncio.Queue[str] = asyncio.Queue()
    async with raw_server(answer) as url:
        socket = connect(url, transports=["polling"], reconnection=False, **FAST)
        socket.on("disconnect", lambda reason: reasons.put_nowait(reason))
        assert await asyncio.wait_for(reasons.get(), 5) == "transport error"
        await socket.aclose()
    assert len(polls) == 2


async def test_connection_that_rested_takes_no_post(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server closes what rests, and a POST that crosses that is lost with all it had."""
    now = 0.0
    monkeypatch.setattr("aiohttp.connector.monotonic", lambda: now)
    seen: set[Any] = set()  # the addresses that requests came from
    io = native_server(ping_interval=100)
    io.engine.use(lambda request: seen.add(request.client))

    async with io.listen() as listener, connect(listener.url, transports=["polling"]) as client:
        for seconds in (0.0, 1.0):
            now += seconds
            await client.emit_with_ack("ack", seconds)
            assert len(seen) == 2  # of the GET, and of POSTs
        now += 2.0
        await client.emit_with_ack("ack", "last")
    assert len(seen) > 2


@pytest.mark.parametrize("inner", [ConnectionResetError(104, "Connection reset by peer"), None])
def test_session_is_in_no_text_of_a_failure(inner: OSError | None) -> None:
    error = aiohttp.ClientOSError(None, "Can not write request body for http://h/?sid=s3cret")
    error.__cause__ = inner
    found = failed("xhr post error", "polling", error, is_first=False)
    text = "".join(traceback.format_exception(found))
    assert "s3cret" not in text
    assert ("reset by peer" in str(found)) is (inner is not None)
    assert found.cause == (FailureCause.LOST if inner is not None else FailureCause.UNREACHABLE)
