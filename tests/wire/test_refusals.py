"""Every refusal says why: in the log what was compared and the option, to the peer in words."""

from __future__ import annotations

import logging
import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Cors, Limits, RateLimits, Server
from tests.support.apps import echo_engine
from tests.support.raw import UNIT, RawWebSocket, until

if TYPE_CHECKING:
    from sockwave import Request
    from sockwave.engine import Response
    from tests.support.fronts import Front

HOST = "test.example"


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Lines of the log, without the address."""
    ours = [each for each in caplog.records if each.name == "sockwave.engine"]
    lines = [each.getMessage() for each in ours if each.levelno == logging.INFO]
    return [line.partition(": ")[2] for line in lines if line.startswith("127.0.0.1: ")]


async def asked(
    front: Front, target: dict[str, Any], headers: dict[str, str], **options: Any
) -> Any:
    """Answer to a GET."""
    async with front.serve(Server(**options)) as wire:
        return await wire.request("GET", wire.target(**target), headers)


WEBSOCKET = {"transport": "websocket"}


@pytest.mark.parametrize(
    ("target", "options", "line"),
    [
        (
            {"transport": "tobi"},
            {},
            "Transport unknown: transport='tobi' is not in transports=[polling, websocket]",
        ),
        (
            {"sid": "abcdefgh"},
            {},
            (
                "Session ID unknown: no session abcd... in this process: it has ended, or belongs"
                " to another process; sessions live in one (see Workers)"
            ),
        ),
        (
            WEBSOCKET,
            {},
            (
                "Bad request: transport=websocket without an upgrade to WebSocket; does a proxy"
                " drop the headers Upgrade and Connection?"
            ),
        ),
        (
            {"eio": "3"},
            {},
            (
                "Unsupported protocol version: EIO='3' is not 4: clients of Engine.IO 3 need"
                " allow_eio3=True"
            ),
        ),
        (
            {},
            {"allow_request": lambda request: False},
            "Forbidden: allow_request says 'Forbidden'",
        ),
        (
            {},
            {"allowed_hosts": ["example.com"]},
            f"Forbidden: Host '{HOST}' is not in allowed_hosts=['example.com']",
        ),
    ],
)
async def test_log_says_why_a_request_was_refused(
    front: Front,
    caplog: pytest.LogCaptureFixture,
    target: dict[str, Any],
    options: dict[str, Any],
    line: str,
) -> None:
    async with front.serve(Server(**options)) as wire:
        assert (await wire.get(wire.target(**target))).status in (400, 403)
    assert refusals(caplog) == [f"refused: {line}"]


@pytest.mark.parametrize(
    ("origin", "options", "line"),
    [
        (
            "http://a",
            {},
            (
                f"Origin 'http://a' is not the server's own, http or https and Host '{HOST}', and"
                " there is no option cors that names it"
            ),
        ),
        (
            "http://a",
            {"cors": ["https://b.example"]},
            "Origin 'http://a' is not in cors=['https://b.example']",
        ),
        (
            "http://" + "a" * 500,
            {"cors": Cors(origin=["https://b.example"] * 100)},
            (
                f"Origin 'http://{'a' * 57}...' is not in cors=['https://b.example', 'https://b.example',"
                " 'https://b.example', 'https://b.example', 'https://b..."
            ),
        ),
    ],
)
async def test_log_names_origin_and_rule_of_a_page_that_may_not_come_in(
    front: Front,
    caplog: pytest.LogCaptureFixture,
    origin: str,
    options: dict[str, Any],
    line: str,
) -> None:
    async with front.serve(Server(**options)) as wire:
        assert (await wire.upgrade(wire.target("websocket"), Origin=origin)).status == 403
    assert refusals(caplog) == [f"refused: Forbidden: {line}"]


async def test_log_says_why_a_request_of_a_session_was_refused(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with front.serve(Server(allow_eio3=True)) as wire:
        peer = await wire.open_websocket()
        assert (await wire.get(wire.target(sid=peer.sid))).status == 400
        assert (
            await wire.get(wire.target(eio="3", transport="websocket", sid=peer.sid))
        ).status == 400
        polling = await wire.open_polling()
        assert (await wire.get(wire.target(eio="3", sid=polling.sid))).status == 400
        assert (await wire.request("PUT", wire.target())).status == 400
    assert refusals(caplog)[:1] == [
        "refused: Bad request: transport='polling' for a session that is on websocket"
    ]
    assert "refused: Bad handshake method: a session begins with GET, not 'PUT'" in refusals(caplog)


@pytest.mark.parametrize(
    ("status", "sent", "line"),
    [
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01", "a TLS handshake on a port without TLS"),
        (400, b"GET /socket.io/ HTTP/1.1\r\n\r\n", "no header host"),
        (400, b"GET ftp://a HTTP/1.1\r\nHost: a\r\n\r\n", "the target is neither a path nor a"),
        (
            400,
            b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            "not HTTP/1.1: Invalid character in Content-Length",
        ),
        (
            400,
            b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "a transfer-encoding other than chunked: b'gzip, chunked'",
        ),
        (
            415,
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
            "bodies cannot be compressed: b'br'",
        ),
        (
            431,
            b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17_000 + b"\r\n\r\n",
            "the head is too large: over limits.head_bytes=16384",
        ),
        (
            414,
            b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            "the target is too long: over limits.target_bytes=8192",
        ),
        (
            431,
            b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 101 + b"\r\n",
            "too many headers: over limits.head_count=100",
        ),
        (408, b"GET /socket.io/ HTTP/1.1\r\n", "the head takes too long: longer than limits.head_"),
    ],
)
async def test_request_that_cannot_be_read_is_told_why(
    native: Front, caplog: pytest.LogCaptureFixture, status: int, sent: bytes, line: str
) -> None:
    async with native.serve(Server(limits=Limits(head_timeout=10 * UNIT))) as wire:
        http = await wire.http()
        http.write(sent)
        reply = await http.read()
        assert reply.status == status
        assert (reply.header("content-type") or "").startswith("text/plain")
        assert reply.text[:30] in line or line in reply.text
        assert (
            "limits." not in reply.text
        )  # how this server is set up is none of the peer's business
    (logged,) = refusals(caplog)
    assert logged.startswith(f"bad request ({status}): {line}"), logged


async def test_too_large_body_is_told_with_the_option(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with front.serve(Server(max_payload=100)) as wire:
        peer = await wire.open_polling()
        assert (await peer.post("4" * 101)).status == 413
    assert "the body is too large: over max_payload=100" in refusals(caplog)


async def test_rate_limit_is_told_with_its_option(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with front.serve(Server(rate_limits=RateLimits(address_sessions=1))) as wire:
        await wire.open_polling()
        assert (await wire.get(wire.target())).status == 429
    assert "refused: Rate limit exceeded: rate_limits.address_sessions=1" in refusals(caplog)


async def test_middleware_that_refuses_is_quoted(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server()

    @io.engine.use
    def refuse(request: Request) -> Response | None:
        raise ConnectError("not today")

    async with front.serve(io) as wire:
        reply = await wire.get(wire.target())
        assert (reply.status, reply.json()["message"]) == (400, "Bad request")
    assert refusals(caplog) == [
        "refused: Bad request: a middleware of the engine raised 'not today'"
    ]


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        ("x", "parse error: parser error: 'x' is no type of a packet"),
        ("", "parse error: parser error: an empty packet"),
    ],
)
async def test_packet_that_cannot_be_read_is_told_why(
    front: Front, caplog: pytest.LogCaptureFixture, packet: str, line: str
) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        assert (await peer.post(packet)).status == 200
        await until(lambda: ends)
    assert refusals(caplog) == [line]
    assert ends == [("parse error", line.removeprefix("parse error: "))]


async def test_overlapping_polls_are_told_in_words(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        (session,) = engine.sessions.values()
        await until(lambda: session.transport.is_writable)
        assert (await wire.get(peer.target)).status == 400
    assert ends == [("transport error", "overlap from client")]
    line = "transport error: two polls at a time (overlap from client)"
    assert refusals(caplog) == [line]


@pytest.mark.logs_errors
async def test_process_with_others_beside_it_says_so_once(
    front: Front, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object())
    async with front.serve(Server()) as wire:
        for _ in range(3):
            assert (await wire.get(wire.target(sid="other"))).status == 400
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    if front.has_workers:  # here others are asked
        assert warnings == []
    else:
        assert len(warnings) == 1 and "--workers" in warnings[0].getMessage()


async def test_unknown_upgrade_version_is_told(
    native_front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with native_front.serve(Server()) as wire:
        http = await wire.http()
        headers = {**RawWebSocket.request_headers(), "Sec-WebSocket-Version": "99"}
        reply = await http.request("GET", wire.target("websocket"), headers)
        assert (reply.status, reply.text) == (400, "unknown version of WebSocket")
    assert refusals(caplog) == ["refused: unknown version of WebSocket: '99'"]


@pytest.mark.parametrize(
    ("packet", "line"),
    [
        ("42{}", "invalid payload: an event is a list that begins with its name"),
        ('42["a"', "invalid payload: not JSON"),
        ("42", "invalid payload: not JSON"),
        ('42["connect"]', "invalid payload: the name of this event is not for clients"),
        ("42[null]", "invalid payload: the name of an event is a number or text"),
        ("43{}", "invalid payload: of a packet ACK"),
        ("42[" + "[" * 200 + "]" * 200 + "]", "invalid payload: nested deeper than max_depth"),
        ('4511-["a"]', "too many attachments: more than max_attachments=10"),
        ('42/x,["a"]', "event for a namespace that was not joined: '/x'"),
        ("40", "second CONNECT for a namespace: '/'"),
        ("40/nobody,", "unknown namespace /nobody"),
    ],
)
async def test_packet_of_socket_io_that_is_refused_is_told_why(
    native: Front, caplog: pytest.LogCaptureFixture, packet: str, line: str
) -> None:
    async with native.serve(Server()) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send(packet)
        await until(lambda: [each for each in caplog.messages if each.startswith("127.0.0.1: ")])
    ours = [each for each in caplog.messages if each.startswith("127.0.0.1: ")]
    assert ours == [f"127.0.0.1: {line}"]


async def test_session_that_joins_nothing_is_told_with_the_option(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    async with native.serve(Server(connect_timeout=0.1)) as wire:
        peer = await wire.open_websocket()
        await peer.ended()
    assert "127.0.0.1: no namespace joined in time: connect_timeout=0.1" in caplog.messages
