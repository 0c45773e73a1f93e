"""HTTP long-polling (docs/protocol/polling.md)."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import HttpCompression, Limits, Server
from tests.support.apps import echo_engine, the_session, the_socket
from tests.support.raw import DEADLINE, UNIT, Reply, until, within

if TYPE_CHECKING:
    from tests.support.fronts import Front


@pytest.mark.parametrize(
    "packets",
    [
        ["4hello"],
        ["4hello", "4world"],
        ["4€", "4汉字", "4😀"],
        [b"\x01\x02\x03\x04"],
        ["4a", b"\x00\xff", "4b", b"", "4"],
        [f"4{number}" for number in range(600)],
    ],
    ids=["one", "two", "not-ascii", "binary", "mixed", "many"],
)
async def test_packets_come_back_as_they_were(
    every_front: Front, transport: str, packets: list[str | bytes]
) -> None:
    engine, _ = echo_engine()
    async with every_front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.send(*packets)
        assert [await peer.receive() for _ in packets] == packets


async def test_waiting_poll_gets_all_packets_of_a_tick_in_one_payload(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        the_session(engine).send("hello")
        the_session(engine).send(b"\x01\x02\x03\x04")
        reply = await peer.gets.read()
        assert reply.body == b"4hello\x1ebAQIDBA=="


async def test_packets_wait_for_the_next_poll(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        for word in ("a", "b", "c"):
            the_session(engine).send(word)
            await asyncio.sleep(0)
        assert (await peer.poll()).body == b"4a\x1e4b\x1e4c"


async def test_post_is_answered_with_these_headers(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        reply = await peer.post("4a")
        assert (reply.status, reply.body) == (200, b"ok")
        assert reply.header("content-type") == "text/html"
        assert reply.header("content-length") == "2"
        assert reply.header("cache-control") == "no-store"


@pytest.mark.parametrize("encoded", ["AQIDBA==", "AQIDBA", "-_8=", "-_8"])
async def test_base64_is_read_leniently(front: Front, encoded: str) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        await peer.post(f"b{encoded}")
        padded = encoded + "=" * (-len(encoded) % 4)
        assert await peer.receive() == base64.urlsafe_b64decode(padded)


async def test_chunked_body_is_one_body(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.posts.send("POST", peer.target, {"Transfer-Encoding": "chunked"})
        for chunk in (b"4he", b"llo\x1e", b"4wor", b"ld"):
            peer.posts.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await asyncio.sleep(0.001)
        peer.posts.write(b"0\r\n\r\n")
        assert (await peer.posts.read()).body == b"ok"
        assert [await peer.receive(), await peer.receive()] == ["4hello", "4world"]


async def test_body_in_single_bytes_is_one_body(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        body = "4€\x1e4b".encode()
        peer.posts.send("POST", peer.target, {"Content-Length": str(len(body))})
        for byte in body:
            peer.posts.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert (await peer.posts.read()).body == b"ok"
        assert [await peer.receive(), await peer.receive()] == ["4€", "4b"]


async def test_expected_continue_comes_before_the_body(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        headers = {"Content-Length": "2", "Expect": "100-continue"}
        peer.posts.send("POST", peer.target, headers)
        assert (await peer.posts.read()).status == 100
        peer.posts.write(b"4a")
        assert (await peer.posts.read()).body == b"ok"


async def test_no_browser_may_take_a_poll_for_a_page(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        reply = await wire.get(wire.target())
        assert reply.header("x-content-type-options") == "nosniff"


# --- compression --------------------------------------------------------------------------------


async def poll_with(
    front: Front,
    message: str | bytes,
    accept: str | None = "gzip, deflate",
    compress: bool = True,
    **options: Any,
) -> Reply:
    """Poll for one message."""
    engine, _ = echo_engine(**options)
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        the_session(engine).send(message, compress=compress)
        headers = {"Accept-Encoding": accept} if accept is not None else {}
        reply = await peer.gets.request("GET", peer.target, headers)
        assert reply.status == 200
        assert reply.header("content-length") == str(len(reply.body))
        return reply


TEXT = "a" * 1023
"""With its type digit just the default threshold."""


async def test_payload_of_just_the_threshold_is_compressed(front: Front) -> None:
    reply = await poll_with(front, TEXT)
    assert reply.header("content-encoding") == "gzip"
    assert gzip.decompress(reply.body).decode() == f"4{TEXT}"


async def test_large_payload_is_compressed_whole(front: Front) -> None:
    text = "".join(map(str, range(60_000)))
    reply = await poll_with(front, text)
    assert reply.header("content-encoding") == "gzip"
    assert gzip.decompress(reply.body).decode() == f"4{text}"


async def test_payload_above_the_limit_is_not_compressed(front: Front) -> None:
    reply = await poll_with(front, "a" * 100_000, http_compression={"limit": 100_000})
    assert reply.header("content-encoding") is None
    assert len(reply.body) == 100_001


async def test_large_script_is_compressed_whole(front: Front) -> None:
    engine, _ = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        http = await wire.http()
        target = wire.target("polling", j="0")
        opened = await http.get(target)
        sid = json.loads(json.loads(opened.text.partition("(")[2][:-2])[1:])["sid"]
        the_session(engine).send("<" * 100_000)
        reply = await http.get(f"{target}&sid={sid}", Accept_Encoding="gzip")
        assert reply.header("content-encoding") == "gzip"
        script = gzip.decompress(reply.body).decode()
        assert json.loads(script.partition("(")[2][:-2]) == "4" + "<" * 100_000


async def test_payload_below_the_threshold_is_not_compressed(front: Front) -> None:
    reply = await poll_with(front, TEXT[:-1])
    assert reply.header("content-encoding") is None
    assert reply.text == f"4{TEXT[:-1]}"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("deflate", "deflate"),
        ("deflate, gzip", "deflate"),
        ("gzip, deflate", "gzip"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("GZIP", "gzip"),
        ("br, gzip", "gzip"),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=nonsense", None),
        (",;,", None),
        ("", None),
        (None, None),
    ],
)
async def test_client_chooses_the_compression(
    native: Front, accept: str | None, encoding: str | None
) -> None:
    reply = await poll_with(native, TEXT, accept)
    assert reply.header("content-encoding") == encoding
    plain = reply.body
    if encoding is not None:
        plain = zlib.decompress(plain, 31 if encoding == "gzip" else 15)
    assert plain.decode() == f"4{TEXT}"


async def test_message_may_ask_not_to_be_compressed(front: Front) -> None:
    reply = await poll_with(front, TEXT, compress=False)
    assert reply.header("content-encoding") is None


async def test_binary_message_is_compressed_by_its_encoded_size(native: Front) -> None:
    reply = await poll_with(native, bytes(1000))
    assert reply.header("content-encoding") == "gzip"
    assert base64.b64decode(gzip.decompress(reply.body)[1:]) == bytes(1000)


@pytest.mark.parametrize("off", [False, None])
async def test_compression_may_be_off(native: Front, off: bool | None) -> None:
    reply = await poll_with(native, TEXT * 10, http_compression=off)
    assert reply.header("content-encoding") is None


@pytest.mark.parametrize("option", [{"threshold": 0}, HttpCompression(threshold=0)])
async def test_threshold_of_zero_compresses_everything(native: Front, option: Any) -> None:
    reply = await poll_with(native, "a", http_compression=option)
    assert reply.header("content-encoding") == "gzip"


async def test_event_may_ask_not_to_be_compressed(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_polling()
        await peer.connect()
        socket = the_socket(io)
        for emitter, encoding in (
            (socket.compress(False), None),
            (socket, "gzip"),
            (io.compress(False), None),
            (io, "gzip"),
        ):
            emitter.emit("e", TEXT)
            reply = await peer.gets.get(peer.target, Accept_Encoding="gzip")
            assert reply.header("content-encoding") == encoding


# --- closing ------------------------------------------------------------------------------------


async def test_close_by_the_client_frees_its_poll(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        assert (await peer.post("1")).body == b"ok"
        assert (await peer.gets.read()).body == b"6"
        assert ends == [("transport close", "")]
        await peer.ended()


async def test_packets_behind_a_close_are_dropped(front: Front) -> None:
    engine, ends = echo_engine()
    seen: list[str] = []
    engine.on("connection", lambda session: session.on("message", seen.append))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        assert (await peer.post("4a\x1e1\x1e4b\x1egarbage")).body == b"ok"
        assert seen == ["a"]
        assert ends == [("transport close", "")]


async def test_close_by_the_server_answers_the_waiting_poll(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        the_session(engine).close()
        assert (await peer.gets.read()).body == b"1"
        assert ends == [("forced close", "")]
        await peer.ended()


async def test_close_by_the_server_comes_with_the_next_poll(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        the_session(engine).close()
        await asyncio.sleep(0)
        assert ends == []
        assert (await peer.poll()).body == b"6\x1e1"
        assert ends == [("forced close", "")]
        await peer.ended()


async def test_packets_before_a_close_go_out_first(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        session = the_session(engine)
        session.send("last")
        session.close()
        session.send("too late")
        assert (await peer.poll()).body == b"4last"
        assert (await peer.poll()).body == b"6\x1e1"
        assert ends == [("forced close", "")]


async def test_packets_that_come_while_closing_are_dropped(front: Front) -> None:
    engine, _ = echo_engine()
    seen: list[str] = []
    engine.on("connection", lambda session: session.on("message", seen.append))
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        the_session(engine).close()
        assert (await peer.post("4late")).body == b"ok"
        assert seen == []
        assert (await peer.poll()).body == b"6\x1e1"


async def test_close_ends_by_itself_when_nobody_polls(front: Front) -> None:
    engine, ends = echo_engine(close_timeout=UNIT)
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        the_session(engine).close()
        await until(lambda: ends)
        assert ends == [("forced close", "")]
        await peer.ended()


async def test_server_that_stops_answers_the_waiting_poll(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        closing = asyncio.create_task(engine.close())
        assert (await peer.gets.read()).body == b"1"
        assert ends == [("forced close", "")]
        await within(closing)


async def test_aborted_poll_closes_the_session(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        await until(lambda: the_session(engine).is_writable)
        peer.gets.reset()
        await until(lambda: ends)
        assert ends == [("transport error", "poll connection closed prematurely")]
        peer.gets = await wire.http()
        await peer.ended()


async def test_aborted_post_closes_the_session(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.posts.send("POST", peer.target, {"Content-Length": "10"}, b"4he")
        await asyncio.sleep(UNIT / 5)
        peer.posts.reset()
        await until(lambda: ends)
        assert ends == [("transport error", "data request connection closed prematurely")]
        await peer.ended()


async def test_connection_close_on_a_poll_is_no_abort(front: Front) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        for word in ("a", "b"):
            http = await wire.http()
            http.send("GET", peer.target, {"Connection": "close"})
            await until(lambda: the_session(engine).is_writable)
            the_session(engine).send(word)
            reply = await http.read()
            assert reply.text == f"4{word}"
            assert reply.header("connection") == "close"
            assert await http.is_closed()
        assert ends == []


async def test_poll_and_post_run_at_the_same_time(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        assert (await peer.post("4a")).body == b"ok"
        assert (await peer.gets.read()).body == b"4a"


async def test_one_connection_carries_many_requests(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.posts = peer.gets
        for number in range(20):
            await peer.send(f"4{number}")
            assert await peer.receive() == f"4{number}"


async def test_requests_of_one_connection_are_answered_in_order(native: Front) -> None:
    async with native.serve(Server()) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)  # waits
        for _ in range(3):
            peer.gets.send("GET", "/nothing")
        await asyncio.sleep(UNIT / 5)
        await peer.send("40")
        statuses = [(await peer.gets.read()).status for _ in range(4)]
        assert statuses == [200, 404, 404, 404]


async def test_http_1_0_is_answered_and_closed(native_front: Front) -> None:
    async with native_front.serve(Server()) as wire:
        http = await wire.http()
        http.write(f"GET {wire.target()} HTTP/1.0\r\n\r\n".encode())
        reply = await http.read()
        assert reply.status == 200 and reply.header("connection") == "close"
        assert await http.is_closed()


async def test_answers_belong_to_their_sessions(front: Front) -> None:
    engine, _ = echo_engine()
    async with front.serve(engine) as wire:
        peers = [await wire.open_polling() for _ in range(20)]
        await asyncio.gather(*[peer.send(f"4{peer.sid}") for peer in peers])
        answers = await asyncio.gather(*[peer.receive() for peer in peers])
        assert answers == [f"4{peer.sid}" for peer in peers]


async def test_slow_handler_delays_no_other_peer(front: Front) -> None:
    io = Server()
    release = asyncio.Event()

    @io.event
    async def slow(socket: Any) -> str:
        await release.wait()
        return "done"

    io.event("fast")(lambda socket: "done")
    async with front.serve(io) as wire:
        first, second = await wire.open_polling(), await wire.open_polling()
        await first.connect()
        await second.connect()
        await first.send('420["slow"]')
        await second.send('420["fast"]')
        assert await second.receive() == '430["done"]'
        release.set()
        assert await first.receive() == '430["done"]'


async def test_poll_outlasts_the_time_outs_of_http(native_front: Front) -> None:
    limits = Limits(head_timeout=UNIT, body_timeout=UNIT, keep_alive_timeout=UNIT)
    engine, _ = echo_engine(limits=limits)
    async with native_front.serve(engine) as wire:
        peer = await wire.open_polling()
        peer.gets.send("GET", peer.target)
        await asyncio.sleep(4 * UNIT)
        assert not peer.gets.reader.at_eof()
        the_session(engine).send("still here")
        assert (await peer.gets.read()).body == b"4still here"
        assert await peer.gets.is_closed(DEADLINE)
