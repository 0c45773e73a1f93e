"""Bad input ends one session at most: one line in the log, and nobody else notices."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from tests.support.apps import echo_server
from tests.support.raw import RawWebSocket, until
from tests.wire.test_websocket import BROKEN

if TYPE_CHECKING:
    from tests.support.fronts import Front, Wire
    from tests.support.raw import Peer

REQUESTS = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "only a method": b"GET\r\n\r\n",
    "unknown method": b"HELLO /socket.io/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad target": b"GET socket.io HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET /socket.io/ HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two origins": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b\r\n\r\n",
    "other version": b"GET /socket.io/ HTTP/2.0\r\nHost: a\r\n\r\n",
    "old version": b"GET /socket.io/\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "space in a name": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "folded header": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    "control in a value": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: a\x0bb\r\n\r\n",
    "zero in a value": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "bare line feed": b"GET /socket.io/ HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "bare return": b"GET /socket.io/ HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
    "length and chunks": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nab",
    "length with a sign": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
    "negative length": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "list of lengths": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4,4\r\n\r\nabcd",
    "hexadecimal length": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na",
    "huge length": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 18446744073709551615\r\n\r\n",
    "too large length": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\n",
    "unknown coding": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: xchunked\r\n\r\n",
    "two codings": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "compressed body": b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 2\r\n\r\nab",
    "bad chunk": b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "long head": b"GET /socket.io/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000,
    "long target": b"GET /socket.io/?" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "escape codes": b"GET /socket.io/?EIO=4&transport=%1b[2J%0d%0aINFO HTTP/1.1\r\nHost: a\r\n\r\n",
}
"""Whole requests; each is answered once, with an error, and closed."""

POSTS: dict[str, str | bytes] = {
    "unknown packet": "9",
    "text": "abc",
    "empty packet": "\x1e",
    "no base64": "b!",
    "ping of a client": "2",
    "message without data": "4",
    "unknown type": "49",
    "no JSON": '42["a',
    "not UTF-8": b'42["\xff"]',
    "reserved event": '42["connect"]',
    "attachment from nowhere": "bAAAA",
    "too many attachments": '4511-["a"]',
    "event before CONNECT": '42["echo"]',
    "two CONNECTs": "40\x1e40",
    "unknown namespace": "40/nobody\x1b[2J,",
    "unknown ack namespace": "43/x,1[]",
    "connect error": '44{"message":"a"}',
}
"""Bodies of a POST in a session of its own; `str` also goes over a WebSocket, packet by packet."""

UPGRADES = {
    "no key": {"Sec-WebSocket-Key": ""},
    "other version": {"Sec-WebSocket-Version": "12"},
    "other protocol": {"Upgrade": "irc/6.9"},
    "other origin": {"Origin": "https://evil.example"},
}


class Honest:
    """Two clients who ask and are answered, whatever others do."""

    def __init__(self, *peers: Peer) -> None:
        self._peers = peers
        self._number = 0

    @classmethod
    async def join(cls, wire: Wire) -> Honest:
        peers = [await wire.open("polling"), await wire.open("websocket")]
        for peer in peers:
            await peer.connect()
        return cls(*peers)

    async def ask(self, times: int) -> None:
        for _ in range(times):
            self._number += 1
            for peer in self._peers:
                await peer.send(f'42{self._number}["ask",{self._number}]')
            for peer in self._peers:
                assert await peer.receive() == f"43{self._number}[{self._number}]"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says about peers."""
    records = [r for r in caplog.get_records("call") if r.name.startswith("sockwave")]
    assert all(record.levelno == logging.INFO for record in records)
    return [m for m in map(logging.LogRecord.getMessage, records) if not m.startswith("listening")]


async def check_one_line(caplog: pytest.LogCaptureFixture) -> None:
    await until(lambda: lines(caplog))
    (line,) = lines(caplog)
    assert line.startswith("127.0.0.1: ")
    assert line.isprintable() and len(line) < 256


OURS = [name for name, request in REQUESTS.items() if b" /socket.io/" in request]
"""Those that a host does not read itself."""


@pytest.mark.parametrize("name", OURS)
async def test_bad_request_disturbs_nobody(
    native_front: Front, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    await check_request(native_front, REQUESTS[name], caplog)


@pytest.mark.parametrize("name", sorted(REQUESTS.keys() - set(OURS)))
async def test_request_that_is_none_disturbs_nobody(
    native: Front, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    await check_request(native, REQUESTS[name], caplog)


async def check_request(front: Front, request: bytes, caplog: pytest.LogCaptureFixture) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        honest = await Honest.join(wire)
        http = await wire.http()
        http.write(request)
        await honest.ask(2)
        reply = await http.read()
        assert 400 <= reply.status < 600
        assert len(reply.body) <= 1024
        if reply.header("connection") == "close":
            assert await http.is_closed()
        await honest.ask(2)
        await check_one_line(caplog)
        assert ends == []


@pytest.mark.parametrize("name", POSTS)
async def test_bad_body_disturbs_nobody(
    front: Front, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        honest = await Honest.join(wire)
        peer = await wire.open_polling()
        await peer.post(POSTS[name])
        await honest.ask(2)
        await check_one_line(caplog)
        assert len(io.sockets) == 2
        assert ends == [] or name == "two CONNECTs"


@pytest.mark.parametrize("name", [name for name, body in POSTS.items() if isinstance(body, str)])
async def test_bad_message_disturbs_nobody(
    front: Front, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        honest = await Honest.join(wire)
        peer = await wire.open_websocket()
        for packet in str(POSTS[name]).split("\x1e"):
            await peer.send(packet)
        await honest.ask(2)
        await check_one_line(caplog)
        assert len(io.sockets) == 2
        assert ends == [] or name == "two CONNECTs"


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_frame_disturbs_nobody(
    native: Front, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    io, ends = echo_server()
    async with native.serve(io) as wire:
        honest = await Honest.join(wire)
        peer = await wire.open_websocket()
        peer.websocket.http.write(BROKEN[name][0])
        await honest.ask(2)
        await peer.ended()
        await honest.ask(2)
        await check_one_line(caplog)
        assert ends == []


@pytest.mark.parametrize("name", UPGRADES)
async def test_bad_upgrade_disturbs_nobody(
    native_front: Front, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    io, ends = echo_server()
    async with native_front.serve(io) as wire:
        honest = await Honest.join(wire)
        http = await wire.http()
        headers = {**RawWebSocket.request_headers(), **UPGRADES[name]}
        http.send("GET", wire.target("websocket"), headers)
        await honest.ask(2)
        assert (await http.read()).status in (400, 403)
        await honest.ask(2)
        await check_one_line(caplog)
        assert ends == []


async def test_good_request_before_a_bad_one_is_answered(native_front: Front) -> None:
    async with native_front.serve(echo_server()[0]) as wire:
        http = await wire.http()
        good = f"GET {wire.target()} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        http.write(good + b"GET /socket.io/ HTTP/1.1\r\nbad\r\n\r\n")
        assert [(await http.read()).status for _ in range(2)] == [200, 400]
        assert await http.is_closed()


async def test_reset_in_the_middle_of_a_refusal_disturbs_nobody(front: Front) -> None:
    io, ends = echo_server()
    async with front.serve(io) as wire:
        honest = await Honest.join(wire)
        for _ in range(30):
            http = await wire.http()
            target = wire.target("websocket", sid="unknown")
            http.send("GET", target, RawWebSocket.request_headers())
            http.reset()
        await honest.ask(5)
        assert ends == []


async def test_flood_of_one_fault_is_one_line_a_second(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        http = await wire.http()
        for _ in range(50):
            assert (await http.get(wire.target(sid="unknown"))).status == 400
        assert len(lines(caplog)) <= 2


async def test_text_of_a_peer_cannot_forge_a_line(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    io, _ = echo_server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send("40/\x1b[2J\nINFO fake " + "x" * 200 + ",")
        assert str(await peer.receive()).startswith("44/")
        await asyncio.sleep(0)
        await check_one_line(caplog)
