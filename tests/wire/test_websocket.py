"""A session on a WebSocket (docs/protocol/websocket.md)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Deflate, Server
from sockwave.codec.deflate import PerMessageDeflate
from sockwave.codec.websocket import Opcode, encode_frame
from tests.support.apps import echo_engine, echo_server, the_session, the_socket
from tests.support.raw import UNIT, Closed, RawWebSocket, check_switched, until

if TYPE_CHECKING:
    from tests.support.fronts import Front, Wire


async def test_fragments_are_one_message(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        frame = peer.websocket.frame
        frame(Opcode.TEXT, b"4he", fin=False)
        frame(Opcode.CONTINUATION, b"l", fin=False)
        frame(Opcode.PING, b"between")
        frame(Opcode.CONTINUATION, b"lo")
        frame(Opcode.BINARY, b"\x01", fin=False)
        frame(Opcode.CONTINUATION, b"\x02")
        assert await peer.receive() == "4hello"
        assert await peer.receive() == b"\x01\x02"
        assert peer.websocket.pongs == [b"between"]


async def test_character_may_be_split_between_fragments(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        text = "4€".encode()
        peer.websocket.frame(Opcode.TEXT, text[:2], fin=False)
        peer.websocket.frame(Opcode.CONTINUATION, text[2:])
        assert await peer.receive() == "4€"


async def test_ping_is_answered_with_its_data(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        for data in (b"", b"x" * 125):
            peer.websocket.frame(Opcode.PING, data)
        peer.websocket.frame(Opcode.PONG, b"unasked")
        await peer.send("4a")
        assert await peer.receive() == "4a"
        assert peer.websocket.pongs == [b"", b"x" * 125]


async def test_frames_in_single_bytes_are_the_same_frames(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        frames = encode_frame(Opcode.TEXT, b"4a" * 70, mask=True)
        frames += encode_frame(Opcode.BINARY, b"\x00\x01", mask=True)
        for byte in frames:
            peer.websocket.http.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await peer.receive() == "4a" * 70
        assert await peer.receive() == b"\x00\x01"


async def test_many_frames_in_one_segment_keep_their_order(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send(*[f"4{number}" for number in range(2_000)])
        assert [await peer.receive() for _ in range(2_000)] == [f"4{n}" for n in range(2_000)]


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 999_999])
async def test_messages_of_any_length_come_back(front: Front, size: int) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send("4" + "x" * (size - 1), b"\x07" * size)
        assert await peer.receive() == "4" + "x" * (size - 1)
        assert await peer.receive() == b"\x07" * size


async def test_server_frames_are_whole_and_unmasked(native_front: Front) -> None:
    io = Server()
    async with native_front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        peer.websocket.raw.clear()
        io.emit("foo")
        assert await peer.receive() == '42["foo"]'
        the_socket(io).emit("foo")
        assert await peer.receive() == '42["foo"]'
        assert peer.websocket.raw == bytes.fromhex("810934325b22666f6f225d") * 2


async def test_bytes_behind_the_handshake_request_are_not_lost(native_front: Front) -> None:
    engine, _ = echo_engine()
    async with native_front.serve(engine) as wire:
        http = await wire.http()
        headers = RawWebSocket.request_headers()
        http.send("GET", wire.target("websocket"), headers)
        http.write(encode_frame(Opcode.TEXT, b"4early", mask=True))
        check_switched(await http.read(), headers)
        websocket = RawWebSocket(http)
        assert (await websocket.receive_text()).startswith("0{")
        assert await websocket.receive() == "4early"


async def test_bytes_behind_the_request_wait_for_the_application(native_front: Front) -> None:
    allowed = asyncio.Event()

    async def allow(request: Any) -> bool:
        await allowed.wait()
        return True

    engine, _ = echo_engine(allow_request=allow)
    async with native_front.serve(engine) as wire:
        http = await wire.http()
        headers = RawWebSocket.request_headers()
        http.send("GET", wire.target("websocket"), headers)
        for number in range(3):
            http.write(encode_frame(Opcode.TEXT, b"4%d" % number, mask=True))
            await asyncio.sleep(UNIT / 10)
        allowed.set()
        check_switched(await http.read(), headers)
        websocket = RawWebSocket(http)
        assert (await websocket.receive_text()).startswith("0{")
        assert [await websocket.receive() for _ in range(3)] == ["40", "41", "42"]


async def test_first_subprotocol_is_echoed(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        target = wire.target("websocket")
        reply = await wire.upgrade(target, Sec_WebSocket_Protocol="a.b, c")
        assert reply.header("sec-websocket-protocol") == "a.b"
        assert (await wire.upgrade(target)).header("sec-websocket-protocol") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Sec-WebSocket-Version": "8"},
    ],
)
async def test_handshake_may_look_like_this(native_front: Front, headers: dict[str, str]) -> None:
    async with native_front.serve(Server()) as wire:
        http = await wire.http()
        request = {**RawWebSocket.request_headers(), **headers}
        check_switched(await http.request("GET", wire.target("websocket"), request), request)


# --- the end ------------------------------------------------------------------------------------


async def test_close_frame_of_the_client_is_answered(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        peer.websocket.answers_close = False
        peer.websocket.frame(Opcode.CLOSE, (4321).to_bytes(2, "big") + b"bye")
        assert (await peer.ended()).code == 4321
        await until(lambda: ends)
        assert ends == [("transport close", "peer closed with 4321")]


async def test_empty_close_frame_is_answered_with_an_empty_one(native_front: Front) -> None:
    engine, ends = echo_engine()
    async with native_front.serve(engine) as wire:
        peer = await wire.open_websocket()
        peer.websocket.answers_close = False
        peer.websocket.frame(Opcode.CLOSE, b"")
        assert await peer.ended() == Closed(1005)
        assert ends == [("transport close", "peer closed with 1005")]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
async def test_any_close_code_is_a_close(native: Front, code: int) -> None:
    engine, ends = echo_engine()
    async with native.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.websocket.close(code)
        assert ends == [("transport close", f"peer closed with {code}")]


async def test_lost_connection_is_a_close(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        peer.websocket.http.reset()
        await until(lambda: ends)
        assert ends[0][0] == "transport close"


async def test_server_closes_with_an_empty_frame_behind_its_packets(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        session = the_session(engine)
        session.send("last")
        session.close()
        session.send("too late")
        assert await peer.receive() == "4last"
        closed = await peer.ended()
        assert closed.code == (1005 if front.is_native else 1000)  # ASGI always sends a code
        assert ends == [("forced close", "")]


async def test_peer_that_does_not_answer_the_close_is_cut(native_front: Front) -> None:
    engine, _ = echo_engine(close_timeout=UNIT)
    async with native_front.serve(engine) as wire:
        peer = await wire.open_websocket()
        peer.websocket.answers_close = False
        the_session(engine).close()
        assert await peer.websocket.closed() == Closed(1005)
        assert await peer.websocket.http.is_closed()


async def test_close_packet_of_the_client_closes(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send("1")
        await peer.ended()
        assert ends == [("transport close", "")]


async def test_server_that_stops_closes(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        closing = asyncio.create_task(engine.close())
        assert (await peer.ended()).code in (1000, 1005)
        await closing
        assert ends == [("forced close", "")]


# --- broken frames ------------------------------------------------------------------------------

BROKEN = {
    "unmasked": (b"\x81\x024a", 1002),
    "reserved-bit": (b"\xa1\x80\x00\x00\x00\x00", 1002),
    "compressed-without-deflate": (b"\xc1\x80\x00\x00\x00\x00", 1002),
    "unknown-opcode": (b"\x83\x80\x00\x00\x00\x00", 1002),
    "unknown-control": (b"\x8b\x80\x00\x00\x00\x00", 1002),
    "fragmented-ping": (b"\x09\x80\x00\x00\x00\x00", 1002),
    "long-ping": (b"\x89\xfe\x00\x7e\x00\x00\x00\x00", 1002),
    "continuation-first": (b"\x80\x80\x00\x00\x00\x00", 1002),
    "message-in-message": (b"\x01\x80\x00\x00\x00\x00\x81\x80\x00\x00\x00\x00", 1002),
    "length-with-top-bit": (b"\x82\xff\x80" + bytes(7) + bytes(4), 1002),
    "close-of-one-byte": (b"\x88\x81\x00\x00\x00\x00\x03", 1002),
    "close-code-1005": (b"\x88\x82\x00\x00\x00\x00\x03\xed", 1002),
    "close-code-0": (b"\x88\x82\x00\x00\x00\x00\x00\x00", 1002),
    "close-reason-not-utf-8": (b"\x88\x83\x00\x00\x00\x00\x03\xe8\xff", 1007),
    "text-not-utf-8": (b"\x81\x82\x00\x00\x00\x004\xff", 1007),
    "fragment-not-utf-8": (b"\x01\x82\x00\x00\x00\x004\xff", 1007),
    "begun-frame-not-utf-8": (b"\x81\x89\x00\x00\x00\x004\xff", 1007),
    "control-packet-not-utf-8": (b"\x81\x82\x00\x00\x00\x003\xff", 1007),
    "too-big": (b"\x82\xff\x00\x00\x00\x01\x00\x00\x00\x00", 1009),
    "a-byte-too-big": (b"\x82\xff" + (1_000_001).to_bytes(8, "big"), 1009),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_frame_is_answered_with_its_code(native_front: Front, name: str) -> None:
    frame, code = BROKEN[name]
    engine, ends = echo_engine()
    async with native_front.serve(engine) as wire:
        peer = await wire.open_websocket()
        peer.websocket.http.write(frame)
        assert (await peer.ended()).code == code
        ((reason, description),) = ends
        assert reason == "transport error" and description


NOT_UTF8 = [
    *(b"4\xff", b"40\xff", b"40/\xff,", b"40{\xff}", b"41\xff", b"41/a\xff", b"4\xff2"),
    *(b"42\xff", b'42["\xff"]', b'42["a"]\xff', b'4\xff["a"]', b'42/\xff,["a"]', b'42x["\xff"]'),
    *(b"43\xff", b"431[\xff]", b"44\xff", b'44{"message":"\xff"}', b'45\xff-["a"]', b"451-\xff"),
    *(b'451-["a",{"_placeholder":true,"num":\xff}]', b"461-1[]\xff", b"47\xff", b"4\xc3"),
    *(b"0\xff", b"2\xff", b"3\xff", b"5\xff", b"6\xff", b"7\xff", b"b\xff", b"\xff"),
]


@pytest.mark.parametrize("message", NOT_UTF8)
async def test_text_that_is_not_utf8_is_answered_with_1007(
    native_front: Front, message: bytes
) -> None:
    """Whatever else is wrong with the packet."""
    io, ends = echo_server(allow_eio3=True)
    async with native_front.serve(io) as wire:
        peers = [await wire.open_websocket(), await wire.open_websocket(EIO="3")]
        await peers[0].connect()
        for peer in peers:
            await until(lambda: len(io.sockets) == 2)
            peer.websocket.frame(Opcode.TEXT, message)
        for peer in peers:
            assert (await peer.ended()).code == 1007
        assert [reason for reason, _ in ends] == ["transport error"] * 2


async def test_text_that_is_not_utf8_between_a_packet_and_its_attachments_is_answered_with_1007(
    native_front: Front,
) -> None:
    io, ends = echo_server()
    async with native_front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.send('451-["a",{"_placeholder":true,"num":0}]')
        peer.websocket.frame(Opcode.TEXT, b'42["\xff"]')
        assert (await peer.ended()).code == 1007
        assert [reason for reason, _ in ends] == ["transport error"]


async def test_broken_frame_right_behind_the_handshake_is_answered(native_front: Front) -> None:
    engine, ends = echo_engine()
    async with native_front.serve(engine) as wire:
        http = await wire.http()
        headers = RawWebSocket.request_headers()
        http.send("GET", wire.target("websocket"), headers)
        http.write(b"\xf1\x80\x00\x00\x00\x00")
        check_switched(await http.read(), headers)
        assert (await RawWebSocket(http).closed()).code == 1002
        assert await http.is_closed()
        assert len(ends) == 1


async def test_nothing_behind_a_broken_frame_is_handled(native_front: Front) -> None:
    engine, _ = echo_engine()
    seen: list[str] = []
    engine.on("connection", lambda session: session.on("message", seen.append))
    async with native_front.serve(engine) as wire:
        peer = await wire.open_websocket()
        good = encode_frame(Opcode.TEXT, b"4a", mask=True)
        peer.websocket.http.write(good + b"\x83\x80\x00\x00\x00\x00" + good)
        await peer.ended()
        assert seen == ["a"]


async def test_message_over_the_limit_closes(front: Front) -> None:
    engine, ends = echo_engine(max_payload=100)
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await peer.send("4" + "x" * 99)
        assert await peer.receive() == "4" + "x" * 99
        await peer.send("4" + "x" * 100)
        assert (await peer.ended()).code == 1009
        assert ends == [("transport error", "message too big")]


async def test_sum_of_fragments_over_the_limit_closes(front: Front) -> None:
    engine, ends = echo_engine(max_payload=100)
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        peer.websocket.frame(Opcode.TEXT, b"4" * 60, fin=False)
        peer.websocket.frame(Opcode.CONTINUATION, b"4" * 60)
        assert (await peer.ended()).code == 1009
        assert ends == [("transport error", "message too big")]


async def test_undecodable_packet_closes(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        for packet in ("abc", "7", ""):
            peer = await wire.open_websocket()
            await peer.send(packet)
            await peer.ended()
        why = ["'a' is no type of a packet", "'7' is no type of a packet", "an empty packet"]
        assert ends == [("parse error", f"parser error: {each}") for each in why]


# --- permessage-deflate -------------------------------------------------------------------------


async def open_deflating(wire: Wire, offer: str) -> tuple[RawWebSocket, str | None]:
    http = await wire.http()
    headers = RawWebSocket.request_headers(Sec_WebSocket_Extensions=offer)
    reply = await http.request("GET", wire.target("websocket"), headers)
    check_switched(reply, headers)
    agreed = reply.header("sec-websocket-extensions")
    return RawWebSocket(http, PerMessageDeflate(Deflate()) if agreed else None), agreed


async def test_deflate_is_off_by_default(native_front: Front) -> None:
    engine, _ = echo_engine()
    async with native_front.serve(engine) as wire:
        assert (await open_deflating(wire, "permessage-deflate"))[1] is None


async def test_deflate_compresses_from_the_threshold_on(native_front: Front) -> None:
    engine, _ = echo_engine(per_message_deflate=True)
    async with native_front.serve(engine) as wire:
        websocket, agreed = await open_deflating(wire, "permessage-deflate")
        assert agreed == "permessage-deflate"
        await websocket.receive()
        for text in ("4" + "x" * 1022, "4" + "x" * 1023, "4" + "y" * 5000):
            websocket.raw.clear()
            websocket.send(text)
            assert await websocket.receive() == text
            assert (len(websocket.raw) < 100) is (len(text) >= 1024)


async def test_large_messages_are_not_deflated(native_front: Front) -> None:
    engine, _ = echo_engine(per_message_deflate={"limit": 10_000})
    async with native_front.serve(engine) as wire:
        websocket, _ = await open_deflating(wire, "permessage-deflate")
        await websocket.receive()
        for text in ("4" + "x" * 9_999, "4" + "x" * 10_000, "4" + "y" * 5_000):
            websocket.raw.clear()
            websocket.send(text)
            assert await websocket.receive() == text
            assert (len(websocket.raw) < 200) is (len(text) <= 10_000)


async def test_compressed_messages_of_the_client_are_read(native_front: Front) -> None:
    engine, _ = echo_engine(per_message_deflate={"threshold": 0})
    async with native_front.serve(engine) as wire:
        websocket, _ = await open_deflating(wire, "permessage-deflate; client_max_window_bits")
        await websocket.receive()
        deflate = PerMessageDeflate(Deflate())
        for payload in (b"4" + b"abc" * 100, b"4" + b"abc" * 101):
            websocket.frame(Opcode.TEXT, deflate.compress(payload), rsv1=True)
            assert await websocket.receive() == payload.decode()


async def test_message_may_ask_not_to_be_deflated(native_front: Front) -> None:
    engine, _ = echo_engine(per_message_deflate=True)
    async with native_front.serve(engine) as wire:
        websocket, _ = await open_deflating(wire, "permessage-deflate")
        await websocket.receive()
        websocket.raw.clear()
        the_session(engine).send("x" * 2000, compress=False)
        assert await websocket.receive() == "4" + "x" * 2000
        assert len(websocket.raw) > 2000


async def test_message_that_inflates_over_the_limit_closes(native_front: Front) -> None:
    engine, ends = echo_engine(per_message_deflate=True, max_payload=1000)
    async with native_front.serve(engine) as wire:
        websocket, _ = await open_deflating(wire, "permessage-deflate")
        bomb = PerMessageDeflate(Deflate()).compress(bytes(1_000_000))
        assert len(bomb) < 1000
        await websocket.receive()
        websocket.frame(Opcode.BINARY, bomb, rsv1=True)
        assert (await websocket.closed()).code == 1009
        assert ends[0][0] == "transport error"


async def test_broken_compression_closes(native_front: Front) -> None:
    engine, ends = echo_engine(per_message_deflate=True)
    async with native_front.serve(engine) as wire:
        websocket, _ = await open_deflating(wire, "permessage-deflate")
        await websocket.receive()
        websocket.frame(Opcode.BINARY, b"\xff\xff\xff", rsv1=True)
        assert (await websocket.closed()).code == 1007
        assert ends[0][0] == "transport error"
