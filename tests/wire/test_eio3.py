"""Clients of Engine.IO 3 and Socket.IO 2 (docs/protocol/revision-3.md)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from sockwave import ConnectError, Cors, Limits, Server
from tests.support.apps import echo_engine, echo_server, the_session, the_socket
from tests.support.raw import DEADLINE, UNIT, Closed, RawHttp, RawWebSocket, Reply, until, within

if TYPE_CHECKING:
    from sockwave import Socket
    from tests.support.fronts import Front, Wire

OCTETS = "application/octet-stream"
TEXT = "text/plain; charset=UTF-8"
FOUR = b"\x01\x02\x03\x04"


class OldPoller:
    """A session of revision 3 on polling: bodies as they travel."""

    def __init__(self, gets: RawHttp, posts: RawHttp, target: str, first: Reply) -> None:
        self.gets = gets
        self.posts = posts
        self.first = first
        body = first.body
        if body.startswith(b"___eio["):
            body = json.loads(body[body.index(b"(") + 1 : -2]).encode()
        length, _, packet = body.partition(b":")
        assert len(packet) == int(length)
        self.handshake: dict[str, Any] = json.loads(packet.removeprefix(b"0"))
        self.sid: str = self.handshake["sid"]
        self.target = f"{target}&sid={self.sid}"

    async def poll(self) -> Reply:
        return await self.gets.get(self.target)

    async def post(self, body: bytes | str, content_type: str = TEXT) -> Reply:
        return await self.posts.post(self.target, body, Content_Type=content_type)


async def open_polling(wire: Wire, eio: str | None = "3", **query: str) -> OldPoller:
    """Open a session of revision 3."""
    target = wire.target("polling", eio, **query)
    gets, posts = await wire.http(), await wire.http()
    first = await gets.get(target)
    assert first.status == 200, first
    return OldPoller(gets, posts, target, first)


async def open_websocket(wire: Wire, **query: str) -> tuple[RawWebSocket, dict[str, Any]]:
    """Open a session of revision 3 on a WebSocket."""
    websocket = await wire.websocket(wire.target("websocket", "3", **query))
    first = await websocket.receive_text()
    return websocket, json.loads(first.removeprefix("0"))


# --- refused, and let in --------------------------------------------------------------------------


@pytest.mark.parametrize("eio", ["3", None, "2", "04", "garbage"])
async def test_old_revision_is_refused_unless_it_is_allowed(front: Front, eio: str | None) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(wire.target("polling", eio))
        assert (reply.status, reply.json()["code"]) == (400, 5)
        reply = await wire.upgrade(wire.target("websocket", eio))
        assert (reply.status, reply.body) == (400, b"Unsupported protocol version")


@pytest.mark.parametrize("eio", ["3", None, "2", "04", "garbage"])
async def test_whatever_is_not_4_is_3(front: Front, eio: str | None) -> None:
    async with front.serve(Server(allow_eio3=True)) as wire:
        peer = await open_polling(wire, eio)
        assert (await peer.poll()).body == b"2:40"


async def test_new_clients_are_served_beside_old_ones(front: Front, transport: str) -> None:
    async with front.serve(Server(allow_eio3=True)) as wire:
        peer = await wire.open(transport)
        assert "sid" in json.loads((await peer.connect()).removeprefix("40"))


async def test_handshake_is_that_of_revision_4_with_its_length(every_front: Front) -> None:
    async with every_front.serve(Server(allow_eio3=True)) as wire:
        peer = await open_polling(wire)
        assert peer.first.text.startswith('118:0{"sid":"')
        assert list(peer.handshake) == [
            "sid",
            "upgrades",
            "pingInterval",
            "pingTimeout",
            "maxPayload",
        ]
        assert peer.handshake["upgrades"] == ["websocket"]
        assert peer.first.header("content-type") == TEXT
        _, handshake = await open_websocket(wire)
        assert list(handshake) == list(peer.handshake)


async def test_initial_packet_is_in_the_first_payload(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True, initial_packet="hello")
    async with front.serve(engine) as wire:
        reply = await wire.get(wire.target("polling", "3"))
        assert reply.text.endswith("}6:4hello")


@pytest.mark.parametrize(("opened", "asked"), [("3", "4"), ("4", "3"), ("4", None)])
async def test_session_keeps_its_revision(front: Front, opened: str, asked: str | None) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    failures: list[Any] = []
    engine.on("connection_error", lambda failure: failures.append(failure.context))
    async with front.serve(engine) as wire:
        await wire.get(wire.target("polling", opened))
        sid = the_session(engine).id
        reply = await wire.get(wire.target("polling", asked, sid=sid))
        assert (reply.status, reply.json()["code"]) == (400, 3)
        reply = await wire.upgrade(wire.target("websocket", asked, sid=sid))
        assert reply.status == 400
        assert the_session(engine).is_open
    other = 7 - int(opened)
    expected = {
        "name": "PROTOCOL_MISMATCH",
        "protocol": other,
        "previousProtocol": int(opened),
    }
    assert failures == [expected, expected]


async def test_session_tells_its_revision(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        await open_polling(wire)
        assert the_session(engine).protocol == 3


# --- polling --------------------------------------------------------------------------------------


async def test_text_comes_back_with_lengths_in_utf_16_units(every_front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with every_front.serve(engine) as wire:
        peer = await open_polling(wire)
        body = "6:4hello2:4€3:4😀3:4汉字"
        reply = await peer.post(body)
        assert (reply.status, reply.body) == (200, b"ok")
        assert reply.header("content-type") == "text/html"
        reply = await peer.poll()
        assert reply.text == body
        assert reply.header("content-type") == TEXT


@pytest.mark.parametrize("content_type", [OCTETS, "Application/Octet-Stream; x=y"])
async def test_binary_payload_comes_back_as_one(front: Front, content_type: str) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        body = bytes.fromhex("00 04 ff 34 e2 82 ac 01 05 ff 04 01 02 03 04")
        assert (await peer.post(body, content_type)).body == b"ok"
        reply = await peer.poll()
        assert reply.body == body
        assert reply.header("content-type") == OCTETS
        assert reply.header("x-content-type-options") == "nosniff"


async def test_text_alone_needs_no_binary_payload(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        await peer.post(b"\x00\x02\xff4a", OCTETS)
        reply = await peer.poll()
        assert (reply.body, reply.header("content-type")) == (b"2:4a", TEXT)


async def test_client_that_asks_for_base64_gets_base64(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, b64="1")
        await peer.post("2:4€10:b4AQIDBA==")
        reply = await peer.poll()
        assert (reply.text, reply.header("content-type")) == ("2:4€10:b4AQIDBA==", TEXT)


async def test_base64_is_what_the_handshake_says_and_empty_means_no(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, b64="")
        peer.target += "&b64=1"
        await peer.post("10:b4AQIDBA==")
        assert (await peer.poll()).body == b"\x01\x05\xff\x04" + FOUR


@pytest.mark.parametrize(
    "body",
    [
        "",
        "99999999999:x",
        "-1:x",
        "1:",
        "4:4😀2:4a",
        "2:4",
        "1:9",
        "4a",
        "1" * 100_000,
        b"2:4\xff",
    ],
)
async def test_hostile_text_payload_ends_the_session(front: Front, body: str | bytes) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        assert (await peer.post(body)).body == b"ok"
        assert (await peer.poll()).json()["code"] == 1
    assert [reason for reason, _ in ends] == ["parse error"]


@pytest.mark.parametrize(
    "body",
    [
        b"\x00" + b"\x09" * 100_000,
        b"\x00\x05\xff4",
        b"\x01\x01\x00",
        b"\x00\x01\xff9",
        b"2:4a",
        b"\x00" + b"\x09" * 300 + b"\xff4a",
    ],
)
async def test_hostile_binary_payload_ends_the_session(front: Front, body: bytes) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        assert (await peer.post(body, OCTETS)).body == b"ok"
        assert (await peer.poll()).json()["code"] == 1
    assert [reason for reason, _ in ends] == ["parse error"]


async def test_packets_before_an_error_are_delivered(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    seen: list[Any] = []
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        the_session(engine).on("message", seen.append)
        await peer.post("2:4a2:4b9:4c")
    assert seen == ["a", "b"]
    assert ends == [("parse error", "parser error: a length points past the end")]


@pytest.mark.parametrize("segment", ["2:4a", "0:"])
async def test_payload_of_too_many_packets_is_refused(front: Front, segment: str) -> None:
    engine, ends = echo_engine(allow_eio3=True, limits=Limits(packets_per_post=600))
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        assert (await peer.post(segment * 600)).status == 200
        assert (await peer.post(segment * 601)).status == 413
    assert ends == [("transport error", "too many packets in one payload")]


async def test_second_poll_gets_400_and_the_first_a_close(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        assert (await wire.get(peer.target)).status == 400
        assert (await peer.gets.read()).body == b"1:1"
    assert ends == [("transport error", "overlap from client")]


async def test_close_of_the_client_frees_its_poll(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        await peer.post("1:1")
        assert (await peer.gets.read()).body == b"1:6"
    assert [reason for reason, _ in ends] == ["transport close"]


async def test_close_of_the_server_waits_for_the_next_poll(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        the_session(engine).close()
        assert (await peer.poll()).body == b"1:61:1"


async def test_large_poll_is_compressed(native: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with native.serve(engine) as wire:
        peer = await open_polling(wire)
        the_session(engine).send(bytes(2_000))
        reply = await peer.gets.get(peer.target, Accept_Encoding="gzip")
        assert reply.header("content-encoding") == "gzip"
        assert reply.header("content-type") == OCTETS


# --- JSONP ----------------------------------------------------------------------------------------

SCRIPT = "text/javascript; charset=UTF-8"
FORM = "application/x-www-form-urlencoded"


async def test_poll_by_script_calls_its_function(every_front: Front) -> None:
    async with every_front.serve(Server(allow_eio3=True)) as wire:
        peer = await open_polling(wire, j="3")
        assert peer.first.text.startswith('___eio[3]("118:0{\\"sid\\":\\"')
        assert peer.first.text.endswith('}");')
        assert peer.first.header("content-type") == SCRIPT
        assert peer.first.header("x-content-type-options") == "nosniff"
        reply = await peer.poll()
        assert (reply.body, reply.header("content-type")) == (b'___eio[3]("2:40");', SCRIPT)


async def test_script_of_revision_4_holds_a_payload_of_revision_4(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        reply = await wire.get(wire.target("polling", "4", j="0"))
        assert reply.text.startswith('___eio[0]("0{')
        session = the_session(engine)
        session.send("a")
        session.send(FOUR)
        reply = await wire.get(wire.target("polling", "4", j="0", sid=session.id))
        assert reply.body == b'___eio[0]("4a\\u001ebAQIDBA==");'


async def test_script_holds_base64_also_where_that_was_not_asked_for(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, j="0")
        await peer.post("d=" + quote_plus("10:b4AQIDBA=="), FORM)
        assert (await peer.poll()).body == b'___eio[0]("10:b4AQIDBA==");'


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("a b+c&d=e%", "a b+c&d=e%"),
        ("汉字 😀", "汉字 😀"),
        ("line\\nfeed", "line\nfeed"),
        ("back\\\\nslash", "back\\nslash"),
        ("three\\\\\\n", "three\\\\n"),
        ("\\\\ \\r n", "\\\\ \\r n"),
    ],
)
async def test_form_is_decoded(front: Front, field: str, message: str) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    seen: list[Any] = []
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, j="0")
        the_session(engine).on("message", seen.append)
        length = len(f"4{message}".encode("utf-16-le")) // 2
        reply = await peer.post("x=y&d=" + quote_plus(f"{length}:4{field}"), FORM)
        assert (reply.status, reply.body) == (200, b"ok")
    assert seen == [message]


@pytest.mark.parametrize("body", ["", "e=2:4a", "2:4a", "&&&"])
async def test_form_without_its_field_does_nothing(front: Front, body: str) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, j="0")
        assert (await peer.post(body, FORM)).body == b"ok"
        assert the_session(engine).is_open
        assert ends == []


async def test_form_is_no_binary_payload(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, j="0")
        assert (await peer.post("d=2:4a", OCTETS)).status == 400
    assert ends == [("transport error", "invalid content")]


async def test_nothing_in_a_script_can_end_it(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, j="0")
        text = "</script><!-- \u2028\u2029 \" ' \\ \n ]]>"
        the_session(engine).send(text)
        reply = await peer.poll()
        body = reply.text.removeprefix("___eio[0](").removesuffix(");")
        assert not set(body) & set("<\u2028\u2029\n")
        assert json.loads(body).partition(":")[2] == f"4{text}"


@pytest.mark.parametrize("j", ["0;alert(1)//", "-1", "1e9", "", "٣", "1" * 7_000, "a0", " 0"])
async def test_index_of_a_script_is_digits(front: Front, j: str) -> None:
    async with front.serve(Server(allow_eio3=True)) as wire:
        reply = await wire.get(wire.target("polling", "3", j=j))
        assert (reply.status, reply.json()) == (400, {"code": 3, "message": "Bad request"})
        assert reply.header("content-type") == "application/json"


async def test_index_is_that_of_the_handshake(front: Front) -> None:
    async with front.serve(Server(allow_eio3=True)) as wire:
        peer = await open_polling(wire, j="7")
        reply = await wire.get(peer.target.replace("j=7", "j=alert(1)"))
        assert reply.body == b'___eio[7]("2:40");'


async def test_parameter_of_a_script_means_nothing_unless_old_clients_are_allowed(
    front: Front,
) -> None:
    async with front.serve(Server()) as wire:
        reply = await wire.get(wire.target("polling", "4", j="0"))
        assert reply.text.startswith("0{")
        assert reply.header("content-type") == TEXT


@pytest.mark.parametrize(
    ("cors", "site", "referer", "status"),
    [
        (None, None, None, 200),
        (None, "same-origin", None, 200),
        (None, "cross-site", "https://good.example/page", 403),
        (None, "same-site", None, 403),
        ("*", "cross-site", None, 200),
        ("https://good.example", "cross-site", "https://good.example/page", 200),
        ("https://good.example", "cross-site", "https://good.example", 200),
        ("https://good.example", "cross-site", "https://good.example.evil/page", 403),
        ("https://good.example", "cross-site", None, 403),
        ("https://good.example", None, None, 200),
    ],
)
async def test_page_of_a_foreign_origin_cannot_read_a_session_by_a_script(
    native: Front, cors: str | None, site: str | None, referer: str | None, status: int
) -> None:
    io = Server(allow_eio3=True, cors=None if cors is None else Cors(origin=cors))
    headers = {"Sec_Fetch_Site": site, "Referer": referer}
    async with native.serve(io) as wire:
        reply = await wire.get(
            wire.target("polling", "3", j="0"),
            **{name: value for name, value in headers.items() if value is not None},
        )
        assert reply.status == status


# --- WebSocket ------------------------------------------------------------------------------------


async def test_frames_come_back_with_their_type(every_front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with every_front.serve(engine) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send("4hello €")
        websocket.send(b"\x04" + FOUR)
        websocket.send("b4AQIDBA==")
        websocket.send(b"\x04")
        assert [await websocket.receive() for _ in range(4)] == [
            "4hello €",
            b"\x04" + FOUR,
            b"\x04" + FOUR,
            b"\x04",
        ]


async def test_client_that_asks_for_base64_gets_text_frames(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        websocket, _ = await open_websocket(wire, b64="1")
        websocket.send(b"\x04" + FOUR)
        assert await websocket.receive() == "b4AQIDBA=="


async def test_binary_frame_may_be_another_packet_and_an_unknown_one_is_ignored(
    front: Front,
) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        websocket, _ = await open_websocket(wire)
        for frame in (b"", b"\x09x", b"\xff", b"\x02"):
            websocket.send(frame)
        assert await websocket.receive() == "3"


@pytest.mark.parametrize("frame", ["9", "", "x"])
async def test_hostile_text_frame_ends_the_session(front: Front, frame: str) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send(frame)
        await websocket.closed()
        await until(lambda: ends)
    assert [reason for reason, _ in ends] == ["parse error"]


async def test_close_packet_of_the_client_ends_the_session(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send("1")
        await websocket.closed()
    assert ends[0][0] == "transport close"


# --- heartbeat ------------------------------------------------------------------------------------


async def test_ping_of_the_client_is_answered(front: Front) -> None:
    async with front.serve(Server(allow_eio3=True)) as wire:
        peer = await open_polling(wire)
        await peer.poll()
        await peer.post("1:2")
        assert (await peer.poll()).body == b"1:3"
        websocket, _ = await open_websocket(wire)
        assert await websocket.receive() == "40"
        websocket.send("2")
        websocket.send("2data")
        assert [await websocket.receive(), await websocket.receive()] == ["3", "3"]


async def test_pong_of_the_client_ends_the_session(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        await peer.post("1:3")
        assert (await peer.poll()).status == 400
    assert ends == [("transport error", "invalid heartbeat direction")]


async def test_server_sends_no_ping_and_waits_for_the_clients(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True, ping_interval=2 * UNIT, ping_timeout=2 * UNIT)
    async with front.serve(engine) as wire:
        websocket, _ = await open_websocket(wire)
        for _ in range(4):
            await asyncio.sleep(2 * UNIT)
            websocket.send("2")
            assert await websocket.receive() == "3"
        assert ends == []
        assert isinstance(await websocket.receive(), Closed)
    assert ends == [("ping timeout", "")]


async def test_messages_are_no_sign_of_life(native: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True, ping_interval=2 * UNIT, ping_timeout=2 * UNIT)
    async with native.serve(engine) as wire:
        websocket, _ = await open_websocket(wire)
        while not ends:
            websocket.send("4a")
            await asyncio.sleep(UNIT / 2)
    assert ends == [("ping timeout", "")]


async def test_silent_poller_is_dropped(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True, ping_interval=UNIT, ping_timeout=UNIT)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        assert (await peer.poll()).body == b"1:1"
    assert ends == [("ping timeout", "")]


# --- upgrade --------------------------------------------------------------------------------------


async def upgrade(wire: Wire, peer: OldPoller, **query: str) -> RawWebSocket:
    """From polling to a WebSocket, as a client does it."""
    websocket = await wire.websocket(wire.target("websocket", "3", sid=peer.sid, **query))
    peer.gets.send("GET", peer.target)
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await peer.gets.read()).body == b"1:6"
    websocket.send("5")
    return websocket


async def test_session_moves_to_a_websocket(every_front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with every_front.serve(engine) as wire:
        peer = await open_polling(wire)
        websocket = await upgrade(wire, peer)
        websocket.send(b"\x04" + FOUR)
        assert await websocket.receive() == b"\x04" + FOUR
        assert the_session(engine).upgraded
        assert (await wire.get(peer.target)).json()["code"] == 3
        websocket.send("4still here")
        assert await websocket.receive() == "4still here"


async def test_packets_of_the_upgrade_go_out_in_the_form_of_the_new_transport(
    front: Front,
) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire, b64="1")
        websocket = await upgrade(wire, peer)
        await peer_post_is_refused(peer)
        the_session(engine).send(FOUR)
        assert await websocket.receive() == b"\x04" + FOUR


async def peer_post_is_refused(peer: OldPoller) -> None:
    """Once the session has left polling."""
    async with asyncio.timeout(DEADLINE):
        while (await peer.post("1:6")).status != 400:
            await asyncio.sleep(0.01)


async def test_time_without_a_ping_counts_anew_after_an_upgrade(front: Front) -> None:
    engine, ends = echo_engine(allow_eio3=True, ping_interval=2 * UNIT, ping_timeout=2 * UNIT)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        await asyncio.sleep(2 * UNIT)
        websocket = await upgrade(wire, peer)
        await asyncio.sleep(3 * UNIT)
        assert ends == []
        assert isinstance(await websocket.receive(), Closed)
    assert ends == [("ping timeout", "")]


@pytest.mark.parametrize("frame", ["2", "4hello", "b4AQID", "b4!", b"\x04a", b"\x09"])
async def test_anything_else_on_the_second_transport_leaves_the_session_on_polling(
    front: Front, frame: str | bytes
) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await open_polling(wire)
        websocket = await wire.websocket(wire.target("websocket", "3", sid=peer.sid))
        websocket.send(frame)
        await websocket.closed()
        await peer.post("2:4a")
        assert (await peer.poll()).body == b"2:4a"
        assert ends == []
        websocket = await upgrade(wire, peer)
        websocket.send("4b")
        assert await websocket.receive() == "4b"


# --- Socket.IO ------------------------------------------------------------------------------------


async def test_client_is_in_the_main_namespace_without_asking(front: Front) -> None:
    io = Server(allow_eio3=True)
    auths: list[Any] = []
    io.use(lambda socket: auths.append((socket.handshake.auth, socket.handshake.query["x"])))
    async with front.serve(io) as wire:
        peer = await open_polling(wire, x="y")
        assert (await peer.poll()).body == b"2:40"
        assert the_socket(io).id == peer.sid
        websocket, handshake = await open_websocket(wire, x="z")
        assert await websocket.receive() == "40"
        assert handshake["sid"] in io.sockets
    assert auths == [({}, "y"), ({}, "z")]


@pytest.mark.parametrize("packet", ["40", "40/", '40{"token":"x"}', "40/?a=1", "40?a=1"])
async def test_connect_to_the_main_namespace_is_a_violation(front: Front, packet: str) -> None:
    io = Server(allow_eio3=True)
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        assert await websocket.receive() == "40"
        websocket.send(packet)
        assert isinstance(await websocket.receive(), Closed)


async def test_sample_session_of_the_specification(front: Front) -> None:
    io = Server(allow_eio3=True)
    joined: list[Socket] = []
    io.of("/admin").on("connection", joined.append)
    async with front.serve(io) as wire:
        peer = await open_polling(wire)
        assert (await peer.poll()).body == b"2:40"
        assert (await peer.post("24:40/admin?a=1&b=c%20d&a=2")).body == b"ok"
        assert (await peer.poll()).body == b"9:40/admin,"
        await peer.post("1:2")
        assert (await peer.poll()).body == b"1:3"
        (socket,) = joined
        assert socket.handshake.auth == {"a": "2", "b": "c d"}
        assert socket.id == f"/admin#{peer.sid}"
        assert socket.namespace.name == "/admin"


@pytest.mark.parametrize(
    ("packet", "auth"),
    [
        ("40/admin", {}),
        ("40/admin,", {}),
        ("40/admin?", {}),
        ("40/admin?token=abc,", {"token": "abc"}),
        ("40/admin?q=a+b%2C%26&u=%C3%BC?", {"q": "a b,&", "u": "ü?"}),
        ("40/admin?" + "t=" + "x" * 3_000, {"t": "x" * 3_000}),
    ],
)
async def test_query_of_a_namespace_is_its_auth(
    front: Front, packet: str, auth: dict[str, str]
) -> None:
    io = Server(allow_eio3=True)
    auths: list[Any] = []
    io.of("/admin").use(lambda socket: auths.append(socket.handshake.auth))
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send(packet)
        assert [await websocket.receive(), await websocket.receive()] == ["40", "40/admin,"]
    assert auths == [auth]


async def test_query_may_be_in_the_namespace_of_every_packet(front: Front) -> None:
    io = Server(allow_eio3=True)
    admin = io.of("/admin")
    answers: list[Any] = []
    admin.event("ask")(lambda socket, *args: args)

    @admin.event
    async def question(socket: Socket) -> None:
        answers.append(await socket.emit_with_ack("question"))

    left = asyncio.Event()
    admin.event("disconnect")(lambda socket, reason: left.set())
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send("40/admin?a=1,")
        assert [await websocket.receive(), await websocket.receive()] == ["40", "40/admin,"]
        websocket.send('42/admin?a=1,1["ask",2]')
        assert await websocket.receive() == "43/admin,1[2]"
        websocket.send('42/admin?a=b?/-,2["ask","/x?y,"]')
        assert await websocket.receive() == '43/admin,2["/x?y,"]'
        websocket.send('451-/admin?a=1,3["ask",{"_placeholder":true,"num":0}]')
        websocket.send(b"\x04" + FOUR)
        assert await websocket.receive() == '461-/admin,3[{"_placeholder":true,"num":0}]'
        assert await websocket.receive() == b"\x04" + FOUR
        websocket.send('42/admin?,["question"]')
        assert await websocket.receive() == '42/admin,0["question"]'
        websocket.send('43/admin?a=1,0["!"]')
        websocket.send("41/admin?a=1")
        await within(left.wait())
        assert answers == ["!"]


async def test_question_mark_outside_the_namespace_is_no_query(front: Front) -> None:
    io, _ = echo_server(allow_eio3=True)
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        assert await websocket.receive() == "40"
        websocket.send('421["ask","/a?b,c"]')
        assert await websocket.receive() == '431["/a?b,c"]'


@pytest.mark.parametrize("packet", ["40/admin?a=1,{]", "40/admin?a=1,[]", "40/" + "x" * 300])
async def test_connect_that_cannot_be_decoded_ends_the_connection(
    front: Front, packet: str
) -> None:
    io = Server(allow_eio3=True)
    errors: list[str] = []
    io.event("error")(lambda socket, error: errors.append(str(error)))
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send(packet)
        await websocket.closed()
    assert len(errors) == 1


async def test_connect_between_a_packet_and_its_attachments_ends_the_connection(
    front: Front,
) -> None:
    io = Server(allow_eio3=True)
    io.of("/admin")
    errors: list[str] = []
    io.event("error")(lambda socket, error: errors.append(str(error)))
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send('451-["a",{"_placeholder":true,"num":0}]')
        websocket.send("40/admin?a=1")
        await websocket.closed()
    assert errors == ["got plaintext data when reconstructing a packet"]


async def test_refusals_have_the_old_forms(front: Front) -> None:
    io = Server(allow_eio3=True)

    def refuse(socket: Socket) -> None:
        query = socket.handshake.auth
        raise ConnectError("nope", data={"code": 1} if "data" in query else None)

    io.of("/no").use(refuse)
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        for packet in ("40/no", "40/no?data=1", "40/unknown"):
            websocket.send(packet)
        assert [await websocket.receive() for _ in range(4)] == [
            "40",
            '44/no,"nope"',
            '44/no,{"code":1}',
            '44/unknown,{"message":"Invalid namespace"}',
        ]


async def test_refusal_of_the_main_namespace_has_the_old_form(front: Front) -> None:
    io = Server(allow_eio3=True)

    @io.use
    async def refuse(socket: Socket) -> None:
        await asyncio.sleep(0)
        raise ConnectError("nope")

    async with front.serve(io) as wire:
        peer = await open_polling(wire)
        assert (await peer.poll()).body == b'8:44"nope"'


@pytest.mark.logs_errors
async def test_refusal_whose_data_cannot_be_sent_tells_its_message(native: Front) -> None:
    io = Server(allow_eio3=True)

    @io.use
    def refuse(socket: Socket) -> None:
        raise ConnectError("nope", data={"bytes": b"1"})

    async with native.serve(io) as wire:
        peer = await open_polling(wire)
        assert (await peer.poll()).body == b'8:44"nope"'


async def test_events_and_acknowledgements_are_the_same_as_ever(front: Front) -> None:
    io, ends = echo_server(allow_eio3=True)
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        assert await websocket.receive() == "40"
        websocket.send('420["echo","€",1]')
        assert [await websocket.receive(), await websocket.receive()] == [
            '42["echo","€",1]',
            '430["€",1]',
        ]
        websocket.send('451-1["ask",{"_placeholder":true,"num":0}]')
        websocket.send(b"\x04" + FOUR)
        assert await websocket.receive() == '461-1[{"_placeholder":true,"num":0}]'
        assert await websocket.receive() == b"\x04" + FOUR
        websocket.send("41")
        await until(lambda: ends)
        websocket.send("2")
        assert await websocket.receive() == "3"
    assert ends[0][0] == "client namespace disconnect"


async def test_binary_event_on_polling(front: Front) -> None:
    io, _ = echo_server(allow_eio3=True)
    async with front.serve(io) as wire:
        peer = await open_polling(wire)
        assert (await peer.poll()).body == b"2:40"
        event = '451-["echo",{"_placeholder":true,"num":0}]'
        await peer.post(f"{len(event)}:{event}10:b4AQIDBA==")
        length = bytes(map(int, str(len(event))))
        expected = b"\x00" + length + b"\xff" + event.encode() + b"\x01\x05\xff\x04" + FOUR
        assert (await peer.poll()).body == expected


async def test_broadcast_reaches_old_and_new_clients(front: Front) -> None:
    io = Server(allow_eio3=True)
    async with front.serve(io) as wire:
        old, _ = await open_websocket(wire)
        assert await old.receive() == "40"
        poller = await open_polling(wire, b64="1")
        assert (await poller.poll()).body == b"2:40"
        new = await wire.open_websocket()
        await new.connect()
        io.emit("news", FOUR)
        event = '451-["news",{"_placeholder":true,"num":0}]'
        assert [await old.receive(), await old.receive()] == [event, b"\x04" + FOUR]
        assert [await new.receive(), await new.receive()] == [event, FOUR]
        assert (await poller.poll()).text == f"{len(event)}:{event}10:b4AQIDBA=="


async def test_namespaces_of_one_connection_end_with_it(front: Front) -> None:
    io = Server(allow_eio3=True)
    left: list[tuple[str, str]] = []
    for name in ("/", "/admin"):
        namespace = io.of(name)
        namespace.event("disconnect")(
            lambda socket, reason: left.append((socket.namespace.name, reason))
        )
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send("40/admin?x=1")
        assert [await websocket.receive(), await websocket.receive()] == ["40", "40/admin,"]
        await websocket.close()
        await until(lambda: len(left) == 2)
    assert left == [("/", "transport close"), ("/admin", "transport close")]


async def test_server_disconnects_an_old_client(front: Front) -> None:
    io = Server(allow_eio3=True)
    io.of("/admin").on("connection", lambda socket: socket.disconnect())
    async with front.serve(io) as wire:
        websocket, _ = await open_websocket(wire)
        websocket.send("40/admin")
        assert [await websocket.receive() for _ in range(3)] == ["40", "40/admin,", "41/admin,"]


@pytest.mark.logs_errors
async def test_id_of_a_socket_is_not_in_the_log_for_it_is_the_sessions(
    native: Front, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(allow_eio3=True)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        raise RuntimeError(repr(socket))

    async with native.serve(io) as wire:
        peer = await open_polling(wire)
        assert (await peer.poll()).body == b'25:44"Internal server error"'
    assert "<Socket " in caplog.text
    assert peer.sid not in caplog.text
    assert peer.sid[:4] in caplog.text
