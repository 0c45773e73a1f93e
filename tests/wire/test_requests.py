"""Requests that HTTP allows, and some that it does not: one table, the same answer everywhere.

Each is sent as it stands to every front end, on a connection of its own. What an ASGI server reads
itself is its own matter; uvicorn's answers are here so that a difference to it is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from sockwave import Server
from tests.support.apps import echo_server
from tests.support.raw import RawWebSocket, until

if TYPE_CHECKING:
    from tests.support.fronts import Front

OPEN: Final = b"?EIO=4&transport=polling"
SOCKET: Final = b"?EIO=4&transport=websocket"
HOST: Final = b"Host: a.example\r\n"
H2C: Final = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
UPGRADE: Final = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def get(target: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """A request without a body."""
    return b"GET %b HTTP/%b\r\n%b%b\r\n" % (target, version, HOST, b"".join(headers))


class Row(NamedTuple):
    """A request, and what is answered: a status, or a function of the answer that is true."""

    sent: bytes
    status: int
    keeps: bool = True
    """Whether another request may follow on the connection."""


ROWS: Final = {
    "plain": Row(get(b"/socket.io/" + OPEN), 200),
    "h2c on polling": Row(get(b"/socket.io/" + OPEN, H2C), 200),
    "h2c on the client file": Row(get(b"/socket.io/socket.io.js", H2C), 200),
    "h2c on transport=websocket": Row(get(b"/socket.io/" + SOCKET, H2C), 400),
    "unknown upgrade": Row(
        get(b"/socket.io/" + OPEN, b"Connection: upgrade\r\nUpgrade: x/1\r\n"), 200
    ),
    "upgrade of HTTP/1.0": Row(get(b"/socket.io/" + SOCKET, UPGRADE, version=b"1.0"), 400, False),
    "h2c of HTTP/1.0": Row(get(b"/socket.io/" + OPEN, H2C, version=b"1.0"), 200, False),
    "connection names an upgrade that is not there": Row(
        get(b"/socket.io/" + OPEN, b"Connection: Upgrade\r\n"), 200
    ),
    "absolute target": Row(get(b"http://a.example/socket.io/" + OPEN), 200),
    "absolute target in capitals": Row(get(b"HTTP://A.example:80/socket.io/" + OPEN), 200),
    "absolute target of https": Row(get(b"https://a.example/socket.io/" + OPEN), 200),
    "absolute target of a file": Row(get(b"http://a.example/socket.io/socket.io.js"), 200),
    "websocket": Row(get(b"/socket.io/" + SOCKET, UPGRADE), 101),
    "websocket by absolute target": Row(get(b"http://a.example/socket.io/" + SOCKET, UPGRADE), 101),
    "extensions: none": Row(
        get(b"/socket.io/" + SOCKET, UPGRADE, b"Sec-WebSocket-Extensions: \r\n"), 101
    ),
    "extensions: trailing semicolon": Row(
        get(b"/socket.io/" + SOCKET, UPGRADE, b"Sec-WebSocket-Extensions: x-y;\r\n"), 101
    ),
    "extensions: empty items": Row(
        get(b"/socket.io/" + SOCKET, UPGRADE, b"Sec-WebSocket-Extensions: , x-y,,\r\n"), 101
    ),
    "extensions: rubbish": Row(
        get(b"/socket.io/" + SOCKET, UPGRADE, b"Sec-WebSocket-Extensions: =\r\n"), 400, False
    ),
    "HTTP/1.0": Row(get(b"/socket.io/" + OPEN, version=b"1.0"), 200, False),
    "HTTP/1.0 without host": Row(b"GET /socket.io/%b HTTP/1.0\r\n\r\n" % OPEN, 200, False),
    "no host": Row(b"GET /socket.io/%b HTTP/1.1\r\n\r\n" % OPEN, 400, False),
    "HTTP/1.1, close": Row(get(b"/socket.io/" + OPEN, b"Connection: close\r\n"), 200, False),
    "encoded dot": Row(get(b"/socket%2Eio/" + OPEN), 200),
    "encoded slash": Row(get(b"/socket.io%2f" + OPEN), 200),
    "encoded letters": Row(get(b"/%73%6Fcket.io/" + OPEN), 200),
    "encoded twice": Row(get(b"/socket%252Eio/" + OPEN), 404),
    "encoded file": Row(get(b"/socket.io/socket%2eio.js"), 200),
    "websocket, encoded": Row(get(b"/socket%2Eio/" + SOCKET, UPGRADE), 101),
    "bad encoding": Row(get(b"/socket.io%zz/" + OPEN), 404),
    "another path": Row(get(b"/socket.iox/" + OPEN), 404),
    "without the slash": Row(get(b"/socket.io" + OPEN), 404),
    "bytes beyond ASCII": Row(get(b"/\xc3\xbc/" + OPEN), 400, False),
    "POST without a length": Row(b"POST /socket.io/%b HTTP/1.1\r\n%b\r\n" % (OPEN, HOST), 400),
    "folded header": Row(get(b"/socket.io/" + OPEN, b"X-A: b\r\n c\r\n"), 400, False),
    "space before colon": Row(get(b"/socket.io/" + OPEN, b"X-A : b\r\n"), 400, False),
    "lowercase method": Row(b"get /socket.io/%b HTTP/1.1\r\n%b\r\n" % (OPEN, HOST), 400, False),
    "two hosts": Row(get(b"/socket.io/" + OPEN, b"Host: b.example\r\n"), 400, False),
}


UVICORN: Final = {
    "websocket by absolute target": 403,
    "upgrade of HTTP/1.0": 101,
    "extensions: none": 400,
    "extensions: trailing semicolon": 400,
    "no host": 200,
}
"""What uvicorn decides otherwise before we hear of it."""


@pytest.mark.logs_errors  # uvicorn's, about some of the requests
@pytest.mark.parametrize("name", ROWS)
async def test_every_front_end_answers_alike(front: Front, name: str) -> None:
    row = ROWS[name]
    is_uvicorns = not front.is_native and name in UVICORN
    async with front.serve(Server()) as wire:
        http = await wire.http()
        http.write(row.sent)
        reply = await http.read()
        if row.status == 404 and not front.is_alone:
            assert reply.text.startswith("hello "), reply  # it is the application's
            return
        if is_uvicorns:
            assert reply.status == UVICORN[name], reply
            return
        assert reply.status == row.status, reply
        if front.is_native and row.status == 400:
            assert reply.body
        if row.status == 101:
            assert (await RawWebSocket(http).receive_text()).startswith("0{")
        elif row.keeps:
            assert reply.header("connection") != "close"
            assert (await http.get(wire.target())).status == 200
        else:
            assert await http.is_closed()


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["/ü/чат", "/%C3%BC/%D1%87%D0%B0%D1%82", "ü/чат/"])
async def test_path_of_any_characters_is_found(front: Front, option: str) -> None:
    io = Server(path=option)
    assert io.engine.options.path == "/ü/чат"
    async with front.serve(io) as wire:
        wire.path = "/%C3%BC/%D1%87%D0%B0%D1%82/"
        for transport in ("polling", "websocket"):
            peer = await wire.open(transport)
            assert (await peer.connect()).startswith("40{")
        assert (await wire.get(f"{wire.path}socket.io.js")).status == 200


@pytest.mark.parametrize("option", ["/a?b", "/a#b", "/a\n", "/a%0Ab"])
def test_path_that_can_never_be_asked_for_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Server(path=option)


async def test_path_without_a_slash_ends_where_it_ends(front: Front) -> None:
    io = Server(path="/chat", add_trailing_slash=False)
    async with front.serve(io) as wire:
        query = OPEN.decode()
        for ours in ("/chat", "/chat/", "/ch%61t", "/chat/x"):
            assert (await wire.get(ours + query)).text.startswith("0{"), ours
        assert (await wire.get("/chat/socket.io.js")).status == 200
        for other in ("/chatrooms", "/chat.js", "/chat%3Fx", "/chat%252F", "/", "/cha"):
            reply = await wire.get(other + query)
            is_other = reply.status == 404 or reply.text.startswith("hello ")
            assert is_other, (other, reply)
        for ours in ("/chat", "/chat/"):
            await wire.websocket(ours + SOCKET.decode())
        refused = await wire.upgrade("/chatrooms" + SOCKET.decode())
        assert refused.status in (403, 404)


# --- bodies and connections -----------------------------------------------------------------------


async def test_post_without_a_length_has_an_empty_body(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        for is_known in (False, True):  # heads that were read before are read by another way
            peer = await wire.open_polling()
            head = b"Host: a.example\r\n\r\n"
            if is_known:
                peer.posts.write(b"GET /socket.io/ HTTP/1.1\r\n" + head)
                await peer.posts.read()
            peer.posts.write(b"POST %b HTTP/1.1\r\n%b" % (peer.target.encode(), head))
            assert (await peer.posts.read()).text == "ok"
            await until(lambda: not io.engine.sessions)  # nothing is no payload


async def test_request_behind_an_ignored_upgrade_is_answered(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        http = await wire.http()
        glued = get(b"/socket.io/" + OPEN, H2C) + get(b"/socket.io/" + OPEN)
        http.write(glued + glued)
        for _ in range(4):
            assert (await http.read()).status == 200


async def test_body_of_a_request_with_an_ignored_upgrade_is_read(native_front: Front) -> None:
    io, _ = echo_server()
    async with native_front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        headers = {"Connection": "Upgrade", "Upgrade": "h2c"}
        packet = b'42["echo",1]'
        chunked = {**headers, "Transfer-Encoding": "chunked"}
        for fields, body in [(headers, packet), (chunked, b"c\r\n%b\r\n0\r\n\r\n" % packet)] * 2:
            reply = await peer.posts.request("POST", peer.target, fields, body)
            assert reply.text == "ok"
            assert await peer.receive() == packet.decode()


async def test_client_of_http_1_0_may_keep_its_connection(native: Front) -> None:
    async with native.serve(Server()) as wire:
        http = await wire.http()
        for _ in range(3):
            http.write(get(b"/socket.io/" + OPEN, b"Connection: keep-alive\r\n", version=b"1.0"))
            reply = await http.read()
            assert (reply.status, reply.header("connection")) == (200, "keep-alive")


async def test_host_of_an_absolute_target_is_the_host(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        for host, status in (("b.example", 101), ("a.example", 403)):
            http = await wire.http()
            origin = b"Origin: http://%b\r\n" % host.encode()
            http.write(get(b"http://b.example/socket.io/" + SOCKET, UPGRADE, origin))
            assert (await http.read()).status == status


@pytest.mark.parametrize("target", [b"ftp://a/socket.io/", b"http://a@b/socket.io/", b"a", b"//a/"])
async def test_other_targets_are_none(native: Front, target: bytes) -> None:
    async with native.serve(Server()) as wire:
        http = await wire.http()
        http.write(get(target + OPEN))
        assert (await http.read()).status in (400, 404)
