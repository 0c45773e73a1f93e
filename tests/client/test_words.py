"""Errors and the log of a client say what went wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

import sockwave
from sockwave import (
    ConnectError,
    Disconnected,
    FailureCause,
    Server,
    Socket,
    SockwaveError,
    TransportError,
    connect,
)
from tests.client.servers import native_server
from tests.client.test_faults_of_servers import (
    HANDSHAKE,
    failure,
    http_server,
    raw_server,
    read_head,
    self_signed,
    websocket_server,
)
from tests.security.hostile import ACCEPTED, Hostile

if TYPE_CHECKING:
    from pathlib import Path

TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


async def fault(url: str, **options: Any) -> TransportError:
    error = await failure(url, **options)
    assert isinstance(error, TransportError)
    prefix = ("xhr poll error", "websocket error", "timeout", "the server speaks an older")
    assert str(error).startswith(prefix)
    return error


@TRANSPORTS
@pytest.mark.parametrize(
    ("options", "cause", "details", "advice"),
    [
        ({}, FailureCause.REFUSED, "Connect call failed", "does a server listen there?"),
        ({"proxy": "http://127.0.0.1:9"}, FailureCause.PROXY, "Connect call failed", "`proxy`"),
        ({"proxy": "socks5://127.0.0.1:9"}, FailureCause.PROXY, "connect to proxy", "`proxy`"),
        pytest.param(
            *({"unix_path": "/nowhere"}, FailureCause.REFUSED, "No such file", "listen there?"),
            marks=pytest.mark.unix,
        ),
    ],
    ids=["port", "proxy", "SOCKS proxy", "Unix socket"],
)
async def test_error_names_the_cause_where_nobody_answers(
    transport: str, options: dict[str, Any], cause: str, details: str, advice: str
) -> None:
    error = await fault("http://127.0.0.1:9", transports=[transport], **options)
    assert error.cause == cause
    assert details in error.details and advice in error.advice
    assert error.details in str(error) and error.advice in str(error)


@TRANSPORTS
@pytest.mark.parametrize(
    ("status", "headers", "body", "cause", "words"),
    [
        ("301 X", "Location: http://x.example/y\r\n", b"", "redirect", "'http://x.example/y'"),
        ("404 X", "", b"nothing here", "status", "404 'nothing here' (nothing is served here"),
        ("400 X", "", b'{"code":1,"message":"Session ID unknown"}', "status", "sticky sessions"),
        ("403 X", "", b"\x1b[2J\n\xe2\x80\xae", "status", r"403 '\x1b[2J \u202e'"),
        ("407 X", "", b"", "proxy", "trust_env"),
        ("413 X", "", b"", "too large", "maxHttpBufferSize"),
        ("502 X", "", b"", "status", "a proxy does not reach the server"),
    ],
)
async def test_error_names_the_cause_of_an_answer(
    transport: str, status: str, headers: str, body: bytes, cause: str, words: str
) -> None:
    async with http_server(status, headers, body) as url:
        error = await fault(url, transports=[transport])
    assert (error.cause, error.status) == (cause, int(status[:3]))
    assert words in str(error)
    assert str(error).isprintable()


async def test_redirect_is_an_attribute_too_and_its_query_is_in_no_text() -> None:
    target = "https://elsewhere.example/?token=s3cret"
    async with http_server("308 X", f"Location: {target}\r\n") as url:
        error = await fault(url)
    assert error.location == target
    assert "'https://elsewhere.example/?'" in str(error) and "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("body", "cause", "words"),
    [
        (b"<!DOCTYPE html><p>Hello", "not socketio", "begins with '<!DOCTYPE html><p>Hello' (is"),
        (b"", "not socketio", "the answer is empty"),
        (b'96:0{"sid":"x"}2:40', "old revision", "needs Socket.IO 3 or later"),
        (b'\x00\x01\x05\xff0{"sid":"x"}', "old revision", "needs Socket.IO 3 or later"),
    ],
    ids=["HTML", "nothing", "Engine.IO 3 as text", "Engine.IO 3 as bytes"],
)
async def test_error_names_what_answers_a_poll_instead(body: bytes, cause: str, words: str) -> None:
    async with http_server("200 OK", body=body) as url:
        error = await fault(url, transports=["polling"])
    assert error.cause == cause
    assert words in str(error)
    assert isinstance(error.__cause__, SockwaveError)


async def test_old_server_is_recognised_on_a_websocket() -> None:
    frames = [
        b"\x81%c0%b" % (len(opened) + 1, opened) for opened in [json.dumps(HANDSHAKE).encode()]
    ]
    async with websocket_server(*frames, b"\x81\x0240") as url:
        error = await fault(url, transports=["websocket"])
    assert error.cause == "old revision"
    assert "needs Socket.IO 3 or later" in error.advice


@TRANSPORTS
async def test_error_names_the_certificate(transport: str, tmp_path: Path) -> None:
    async with native_server().listen(ssl=self_signed(tmp_path)) as listener:
        url = f"https://127.0.0.1:{listener.port}"
        error = await fault(url, transports=[transport])
        assert error.cause == "certificate"
        assert "`ssl`" in error.advice
        plain = await fault(url.replace("https", "http"), transports=[transport])
        assert plain.cause in ("lost", "status")


@TRANSPORTS
async def test_error_says_that_the_port_speaks_no_tls(transport: str) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(plain) as url:
        error = await fault(url.replace("http", "https"), transports=[transport])
    assert error.cause == "tls"
    assert "http://" in error.advice


@TRANSPORTS
async def test_error_says_that_the_port_speaks_no_http(transport: str) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"220 mail.example ESMTP\r\n")

    async with raw_server(other) as url:
        error = await fault(url, transports=[transport])
    assert error.cause == "lost"
    assert "no HTTP" in error.details and "transport=" not in str(error)


@TRANSPORTS
async def test_error_says_how_long_was_waited(transport: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(silent) as url:
        error = await fault(url, transports=[transport], timeout=0.05)
    assert error.cause == "timeout"
    assert "0.05 s (option `timeout`)" in str(error)


@TRANSPORTS
@pytest.mark.parametrize("is_binary", [False, True], ids=["text", "bytes"])
async def test_wait_names_the_message_that_was_too_large(transport: str, is_binary: bool) -> None:
    io = Server(max_payload=10_000)
    io.on("connection", lambda socket: socket.on("event", len))
    async with io.listen() as listener:
        options: dict[str, Any] = {"transports": [transport], "reconnection": False}
        async with connect(listener.url, **options) as socket:
            lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            socket.on("disconnect", lambda reason, error: lost.set_result(error))
            with pytest.raises(Disconnected, match=r"\d{5} bytes.*at most 10000.*max_payload") as e:
                await socket.emit_with_ack("event", bytes(50_000) if is_binary else "a" * 50_000)
            assert isinstance(e.value.__cause__, TransportError)
            assert e.value.__cause__.cause == "too large"
            assert (await lost).cause == "too large"


async def test_wait_for_the_connection_names_the_latest_failure() -> None:
    socket = connect("http://127.0.0.1:9", reconnection_delay=0.01)
    failed = asyncio.Event()
    socket.on("connect_error", failed.set)
    await failed.wait()
    with pytest.raises(sockwave.ConnectTimeout, match=r"within 0.01 seconds: .*listen there") as e:
        await socket.wait_connected(0.01)
    assert e.value.cause == "refused"
    await socket.aclose()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "sockwave.socketio"]


async def test_log_has_a_line_at_the_first_failure_and_at_each_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    answers = ["503 X"] * 3 + ["404 X"] * 3 + ["503 X"] * 2
    used_up = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        if not answers:
            used_up.set()
            return
        writer.write(f"HTTP/1.1 {answers.pop(0)}\r\nContent-Length: 0\r\n\r\n".encode())

    async with raw_server(answer) as url:
        socket = connect(url, reconnection_delay=0.01, reconnection_delay_max=0.01)
        await used_up.wait()
        await socket.aclose()
    shown = [line for line in lines(caplog) if "HTTP status" in line]
    assert [line.split("HTTP status ")[1][:3] for line in shown] == ["503", "404", "503"]
    assert all(line.startswith(f"no connection to {url}: xhr poll error") for line in shown)


async def test_log_tells_of_a_loss_and_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with (
        native_server().listen() as listener,
        connect(listener.url, reconnection_delay=0.01) as socket,
    ):
        back = asyncio.Event()
        socket.on("connect", back.set)
        socket.emit("drop")
        await back.wait()
        said = lines(caplog)
    assert [line.split(":")[0] for line in said if "lost" in line] == ["connection to http"]
    assert any(line == f"connected to {listener.url}" for line in said)


async def test_log_tells_of_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    async with native_server().listen() as listener:
        await failure(f"{listener.url}/private")
        assert f"{listener.url} refuses /private: unauthorized" in lines(caplog)


@TRANSPORTS
async def test_text_of_the_server_forms_no_line_of_the_log(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    io, hostile = Server(), "a\x7f\x1b[31m\nhttp://other refuses\u202e" + "z" * 100_000

    @io.of("/private").use
    async def refuse(_: Socket) -> None:
        raise ConnectError(hostile)

    async with io.listen() as listener:
        error = await failure(f"{listener.url}/private", transports=[transport])
        assert str(error) == hostile
        options: dict[str, Any] = {"transports": [transport]}
        async with connect(listener.url, **options) as socket:
            handled = asyncio.Event()

            @socket.on_any
            def fail(event: str) -> None:
                handled.set()
                raise ValueError(event[:4])

            await socket.wait_connected()
            io.emit(hostile[:120])
            await handled.wait()
    said = lines(caplog)
    assert any(line.startswith(f"{listener.url} refuses /private: a") for line in said)
    assert any("handler" in line for line in said)
    assert all(line.isascii() and line.isprintable() and len(line) < 400 for line in said)


async def test_client_that_closes_is_no_matter_for_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:
        await socket.emit_with_ack("ack", timeout=40)
    assert lines(caplog) == []


def test_client_without_a_loop_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"auto_connect=False.*sockwave\.sync"):
        connect("http://127.0.0.1:9")


@TRANSPORTS
@pytest.mark.parametrize("packet", ["7", "42[broken", "bA", ""])
async def test_error_of_a_broken_packet_has_an_end_to_its_causes(
    transport: str, packet: str
) -> None:
    async with Hostile(transport, [ACCEPTED, packet.encode()]).serve() as url:
        options: dict[str, Any] = {"transports": [transport], "reconnection": False}
        socket = connect(url, **options)
        lost: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        socket.on("disconnect", lambda reason, error: lost.set_result(error))
        error, causes = await lost, 0
        while error is not None:
            error, causes = error.__cause__, causes + 1
            assert causes < 10
        await socket.aclose()
