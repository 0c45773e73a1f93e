"""RFC 6455, the opening handshake and the end of the connection, as a server on the wire.

The number in a name is the section of the RFC. What a frame may be is in `tests/conformance`.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Cors, Server
from sockwave.codec.websocket import Opcode, encode_close, encode_frame
from tests.support.raw import Closed, RawWebSocket, Reply, check_switched

if TYPE_CHECKING:
    from tests.support.fronts import Front, Wire

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": "server.example",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


async def ask(
    wire: Wire,
    changes: dict[str, str | None],
    *more: tuple[str, str],
    line: str = "GET {} HTTP/1.1",
) -> Reply:
    """Send a handshake with other headers, None for one that is left out."""
    http = await wire.http()
    headers = {**HEADERS, **changes}
    fields = [(name, value) for name, value in headers.items() if value is not None]
    head = "".join(f"{name}: {value}\r\n" for name, value in [*fields, *more])
    http.write(f"{line.format(wire.target('websocket'))}\r\n{head}\r\n".encode("latin-1"))
    return await http.read()


# --- the opening handshake ------------------------------------------------------------------------


async def test_1_3_server_answers_the_example(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        reply = await ask(wire, {})
        assert reply.status == 101
        assert reply.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_4_2_2_answer_has_the_headers_once(front: Front) -> None:
    async with front.serve(Server()) as wire:
        reply = await ask(wire, {"Sec-WebSocket-Protocol": "a, b", "Sec-WebSocket-Extensions": "x"})
        check_switched(reply, HEADERS)
        names = [name for name, _ in reply.headers]
        for name in ("upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol"):
            assert names.count(name) == 1


@pytest.mark.parametrize("key", [b"\0" * 16, b"\xff" * 16, bytes(range(16))])
async def test_4_2_2_accept_is_the_hash_of_key_and_guid(front: Front, key: bytes) -> None:
    text = base64.b64encode(key)
    expected = hashlib.sha1(text + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    async with front.serve(Server()) as wire:
        reply = await ask(wire, {"Sec-WebSocket-Key": text.decode()})
        assert reply.header("sec-websocket-accept") == base64.b64encode(expected).decode()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Host": None}, id="no Host"),
        pytest.param({"Upgrade": None}, id="no Upgrade"),
        pytest.param({"Upgrade": "websocketx"}, id="Upgrade to something else"),
        pytest.param({"Connection": None}, id="no Connection"),
        pytest.param({"Connection": "keep-alive"}, id="Connection without Upgrade"),
        pytest.param({"Connection": "xupgrade"}, id="Connection with another token"),
        pytest.param({"Sec-WebSocket-Key": None}, id="no key"),
        pytest.param({"Sec-WebSocket-Key": ""}, id="empty key"),
        pytest.param({"Sec-WebSocket-Key": KEY[:20] + "==="}, id="key of other length"),
        pytest.param({"Sec-WebSocket-Key": "*" * 22 + "=="}, id="key that is no base64"),
        pytest.param({"Sec-WebSocket-Key": "A" * 24}, id="key of 18 octets"),
        pytest.param({"Sec-WebSocket-Version": None}, id="no version"),
        pytest.param({"Sec-WebSocket-Version": ""}, id="empty version"),
        pytest.param({"Sec-WebSocket-Version": "12"}, id="other version"),
        pytest.param({"Sec-WebSocket-Version": "13, 13"}, id="two versions"),
    ],
)
async def test_4_2_1_incomplete_handshake_is_answered_with_an_error(
    native_front: Front, changes: dict[str, str | None]
) -> None:
    async with native_front.serve(Server()) as wire:
        assert (await ask(wire, changes)).status == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET {} HTTP/1.0", 400),
        ("POST {} HTTP/1.1", 405),
        ("PUT {} HTTP/1.1", 405),
        ("HEAD {} HTTP/1.1", 405),
    ],
)
async def test_4_2_1_handshake_is_a_get_of_http_1_1(
    native_front: Front, line: str, status: int
) -> None:
    async with native_front.serve(Server()) as wire:
        assert (await ask(wire, {}, line=line)).status == status


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, UPGRADE"},
        {"Connection": "upgrade,close-not"},
        {"Sec-WebSocket-Protocol": "a, b", "Sec-WebSocket-Extensions": "x; y=1, z"},
    ],
)
async def test_4_2_1_tokens_are_case_insensitive_members_of_lists(
    native_front: Front, changes: dict[str, str | None]
) -> None:
    async with native_front.serve(Server()) as wire:
        assert (await ask(wire, changes)).status == 101


async def test_4_2_1_names_of_headers_are_case_insensitive(front: Front) -> None:
    lower = {name.lower(): value for name, value in HEADERS.items()}
    async with front.serve(Server()) as wire:
        reply = await ask(wire, dict.fromkeys(HEADERS), *lower.items())
        check_switched(reply, HEADERS)


@pytest.mark.parametrize("name", ["Sec-WebSocket-Key", "Sec-WebSocket-Version"])
async def test_11_3_header_that_may_come_once_is_refused_twice(
    native_front: Front, name: str
) -> None:
    async with native_front.serve(Server()) as wire:
        assert (await ask(wire, {}, (name, HEADERS[name]))).status == 400


@pytest.mark.parametrize("version", ["0", "7", "14", "255", "013"])
async def test_4_4_other_version_is_told_the_known_ones(native_front: Front, version: str) -> None:
    async with native_front.serve(Server()) as wire:
        reply = await ask(wire, {"Sec-WebSocket-Version": version})
        assert reply.status == 400
        assert "13" in str(reply.header("sec-websocket-version")).split(", ")


async def test_4_2_2_foreign_origin_is_answered_with_403(front: Front) -> None:
    async with front.serve(Server(cors=Cors(origin=["https://good.example"]))) as wire:
        assert (await ask(wire, {"Origin": "https://good.example"})).status == 101
        assert (await ask(wire, {"Origin": "https://evil.example"})).status == 403
        assert (await ask(wire, {})).status == 101


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("a", "a"), ("b, a", "b"), ("x/y", None), ("", None), (None, None)],
)
async def test_4_2_2_chosen_subprotocol_is_one_of_those_offered(
    native_front: Front, offered: str | None, chosen: str | None
) -> None:
    async with native_front.serve(Server()) as wire:
        reply = await ask(wire, {"Sec-WebSocket-Protocol": offered})
        assert (reply.status, reply.header("sec-websocket-protocol")) == (101, chosen)


async def test_4_2_2_subprotocols_may_be_in_several_headers(front: Front) -> None:
    more = [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")]
    async with front.serve(Server()) as wire:
        reply = await ask(wire, {}, *more)
        assert (reply.status, reply.header("sec-websocket-protocol")) == (101, "a")


@pytest.mark.parametrize("deflate", [True, None], ids=["on", "off"])
@pytest.mark.parametrize(
    "offers", [(), ("x",), ("x; y=1", "x-webkit-deflate-frame"), ("permessage-bzip2",)]
)
async def test_9_1_server_uses_no_extension_that_was_not_offered(
    native_front: Front, deflate: Any, offers: tuple[str, ...]
) -> None:
    async with native_front.serve(Server(per_message_deflate=deflate)) as wire:
        more = [("Sec-WebSocket-Extensions", offer) for offer in offers]
        reply = await ask(wire, {}, *more)
        assert (reply.status, reply.header("sec-websocket-extensions")) == (101, None)


async def test_9_1_offers_may_be_in_several_headers(native_front: Front) -> None:
    async with native_front.serve(Server(per_message_deflate=True)) as wire:
        more = [("Sec-WebSocket-Extensions", name) for name in ("x", "permessage-deflate", "y")]
        reply = await ask(wire, {}, *more)
        assert reply.header("sec-websocket-extensions") == "permessage-deflate"


@pytest.mark.parametrize("deflate", [True, None], ids=["on", "off"])
@pytest.mark.parametrize(
    "header",
    [
        *(";", "a b", "a; b=", "a; b=c d", 'a; b="', 'a; b="c d"', "a=1"),
        *(";a", "a, ;b", "a; =b", "permessage-deflate; a; \xff"),
    ],
)
async def test_9_1_malformed_extensions_fail_the_handshake(
    native_front: Front, deflate: Any, header: str
) -> None:
    async with native_front.serve(Server(per_message_deflate=deflate)) as wire:
        assert (await ask(wire, {"Sec-WebSocket-Extensions": header})).status == 400


@pytest.mark.parametrize(
    "header",
    [
        *('a; b="c"', "a;b=c;d , e", ", a,, b ,", "a\t;\tb = c", "!#$%&'*+-.^_`|~a1"),
        # RFC 9110, sections 5.6.1 and 5.6.6: empty items and parameters are no fault.
        *("", ",", "a;", "a;;b", "a ; ;", "permessage-deflate;"),
    ],
)
async def test_9_1_extensions_may_be_any_list_of_tokens(native_front: Front, header: str) -> None:
    async with native_front.serve(Server()) as wire:
        assert (await ask(wire, {"Sec-WebSocket-Extensions": header})).status == 101


# --- the end --------------------------------------------------------------------------------------


async def connected(wire: Wire) -> RawWebSocket:
    """A WebSocket behind its OPEN packet, whose close frames are not answered by itself."""
    peer = await wire.open_websocket()
    peer.websocket.answers_close = False
    return peer.websocket


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_5_5_1_close_is_answered_with_its_code_and_the_server_ends_the_connection(
    native_front: Front, code: int
) -> None:
    async with native_front.serve(Server()) as wire:
        websocket = await connected(wire)
        websocket.http.write(encode_close(code, "bye", mask=True))
        assert (await websocket.receive()) == Closed(code)
        assert await websocket.http.is_closed()  # section 7.1.1: the server first


async def test_5_5_1_nothing_is_sent_behind_the_close_frame(native_front: Front) -> None:
    io = Server()
    async with native_front.serve(io) as wire:
        websocket = await connected(wire)
        ping = encode_frame(Opcode.PING, b"late", mask=True)
        websocket.http.write(encode_close(1000, mask=True) + ping + ping)
        assert (await websocket.receive()) == Closed(1000)
        assert await websocket.receive() == Closed(1006)  # the end of TCP, and no pong
        assert websocket.pongs == []


async def test_5_5_2_ping_is_answered_with_a_pong_of_its_data(front: Front) -> None:
    async with front.serve(Server()) as wire:
        websocket = (await wire.open_websocket()).websocket
        for data in (b"", b"\0\xff", b"x" * 125):
            websocket.frame(Opcode.PING, data)
            while not websocket.pongs:
                await websocket.read_more()
            assert websocket.pongs.pop() == data


async def test_7_1_7_server_fails_the_connection_with_a_close_frame_and_ends_it(
    native_front: Front,
) -> None:
    async with native_front.serve(Server()) as wire:
        websocket = await connected(wire)
        websocket.http.write(b"\x83\x80\0\0\0\0" + encode_close(1000, mask=True))
        assert (await websocket.closed()).code == 1002
        assert await websocket.http.is_closed()
