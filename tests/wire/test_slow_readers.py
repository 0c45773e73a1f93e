"""Clients that take what they are sent slowly, or not before they have sent a lot themselves."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave.engine import Limits
from sockwave.engine.core.session_queue import MARK
from sockwave.engine.core.transport import SLICE
from tests.support.apps import echo_engine, the_session
from tests.support.fronts import FRONTS
from tests.support.raw import UNIT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.fronts import Front
    from tests.support.raw import Peer, PollingPeer, RawHttp, WebSocketPeer

SIZE: Final = 10_000

SLOWLY: Final[dict[str, Any]] = {"ping_interval": 2 * UNIT, "ping_timeout": 16 * UNIT}
"""Less than a second without anything taken is the end."""

SIP: Final = 200_000
"""Bytes that a slow client reads every two `UNIT`."""

TOTAL: Final = 8_000_000
"""Bytes of which a client has taken a fifth when the time for a pong is over."""


def _websocket(peer: Peer) -> WebSocketPeer:
    return peer  # type: ignore[return-value] # the caller has asked for it


def _polling(peer: Peer) -> PollingPeer:
    return peer  # type: ignore[return-value] # the caller has asked for it


def reading_connection(peer: Peer, transport: str) -> RawHttp:
    """The one that brings packets, with a buffer that does not grow by itself."""
    http = _websocket(peer).websocket.http if transport == "websocket" else _polling(peer).gets
    http.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP // 2)
    return http


@asynccontextmanager
async def sipping(http: RawHttp) -> AsyncIterator[None]:
    """Let a connection read a little at a time."""
    transport: Any = http.writer.transport
    feed, read = http.reader.feed_data, 0

    def feed_and_pause(data: bytes) -> None:
        nonlocal read
        feed(data)
        read += len(data)
        if read >= SIP:
            transport.pause_reading()

    async def sip() -> None:
        nonlocal read
        while True:
            await asyncio.sleep(2 * UNIT)
            read = 0
            transport.resume_reading()

    http.reader.feed_data = feed_and_pause  # type: ignore[method-assign,assignment] # slow
    task = asyncio.ensure_future(sip())
    try:
        yield
    finally:
        task.cancel()
        http.reader.feed_data = feed  # type: ignore[method-assign] # as it was


async def received(peer: Peer, transport: str, count: int) -> list[str]:
    """Packets until so many messages are there, pings among them; each ping is answered."""
    packets: list[str] = []
    while sum(packet != "2" for packet in packets) < count:
        if transport == "websocket":
            new = [await _websocket(peer).websocket.receive_text()]
        else:
            reply = await _polling(peer).poll()
            assert reply.status == 200, reply
            new = reply.text.split("\x1e")
        packets += new
        if "2" in new:
            await peer.send("3")
    return packets


# --- those who read slowly ------------------------------------------------------------------------


@pytest.mark.unix  # which tells what it holds for a peer
async def test_slow_reader_of_many_messages_stays(native_front: Front, transport: str) -> None:
    await _read_many_messages(native_front, transport, TOTAL, **SLOWLY)


async def test_slow_reader_behind_a_host_stays_while_we_have_some_for_it(transport: str) -> None:
    """What the host and the machine hold we cannot see: there is time for that."""
    options = {**SLOWLY, "ping_timeout": 60 * UNIT}
    await _read_many_messages(FRONTS["wrapped"], transport, 3 * TOTAL // 2, **options)


async def _read_many_messages(front: Front, transport: str, total: int, **options: Any) -> None:
    engine, ends = echo_engine(**options)
    count = total // SIZE
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        async with sipping(reading_connection(peer, transport)):
            for number in range(count):
                the_session(engine).send(f"{number:06}" + "." * SIZE)
            packets = await received(peer, transport, count)
            texts = [packet for packet in packets if packet != "2"]
            assert [int(text[1:7]) for text in texts] == list(range(count))
            assert ends == []
            assert packets.index("2") < len(packets) - 2 * SLICE // SIZE, "it has overtaken some"


@pytest.mark.unix  # likewise
async def test_slow_reader_of_one_large_message_stays(native_front: Front, transport: str) -> None:
    engine, ends = echo_engine(**SLOWLY)
    async with native_front.serve(engine) as wire:
        peer = await wire.open(transport)
        async with sipping(reading_connection(peer, transport)):
            the_session(engine).send("." * TOTAL)
            await received(peer, transport, 1)
            assert ends == []


async def test_client_that_takes_nothing_of_much_is_gone_with_its_connection(
    front: Front, transport: str
) -> None:
    limits = Limits(body_timeout=4 * UNIT, keep_alive_timeout=2 * UNIT)
    engine, ends = echo_engine(**SLOWLY, limits=limits)
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        http = reading_connection(peer, transport)
        http.writer.transport.pause_reading()  # type: ignore[attr-defined] # of any loop's transport
        the_session(engine).send("." * TOTAL)
        if transport == "polling":
            http.send("GET", _polling(peer).target)
        await until(lambda: ends)
        assert ends == [("ping timeout", "")]
        await until(lambda: not engine.driver.connections)
        assert engine.driver.backlog == 0


async def test_answer_that_ends_its_connection_is_read_slowly_to_its_end(
    native_front: Front,
) -> None:
    engine, ends = echo_engine()
    async with native_front.serve(engine) as wire:
        peer = await wire.open_polling()
        the_session(engine).send("." * TOTAL)
        async with sipping(reading_connection(peer, "polling")):
            reply = await peer.gets.request("GET", peer.target, {"Connection": "close"})
        assert (len(reply.body), ends) == (TOTAL + 1, [])


async def test_old_client_gets_the_answer_to_its_ping_before_what_waits_for_it(
    front: Front,
) -> None:
    engine, ends = echo_engine(allow_eio3=True)
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket(eio="3")
        http = reading_connection(peer, "websocket")
        http.writer.transport.pause_reading()  # type: ignore[attr-defined] # of any loop's transport
        session, pings, count = the_session(engine), [], 0
        session.on("heartbeat", lambda: pings.append("2"))
        while session.backlog < 3 * SLICE:
            session.send("." * SIZE)
            count += 1
            await asyncio.sleep(0)
        peer.websocket.send("2")
        await until(lambda: pings)
        http.writer.transport.resume_reading()  # type: ignore[attr-defined] # of any loop's transport
        packets = [await peer.websocket.receive_text() for _ in range(count + 1)]
        assert packets.index("3") < count
        assert ends == []


# --- those who send much and read nothing --------------------------------------------------------


async def test_client_that_does_not_read_its_echoes_is_not_read_from_until_it_does(
    front: Front,
) -> None:
    engine, ends = echo_engine()
    count = 2_600  # of 26 MB the kernel holds a part, and `max_backlog` would not hold the rest
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        session, peak = the_session(engine), 0

        def look(data: str | bytes) -> None:
            nonlocal peak
            peak = max(peak, session.backlog)

        session.on("message", look)
        http = reading_connection(peer, "websocket")
        http.writer.transport.pause_reading()  # type: ignore[attr-defined] # of any loop's transport
        for number in range(count):
            peer.websocket.send(f"4{number:06}" + "." * SIZE)
        await until(lambda: session._is_full)
        assert ends == []
        http.writer.transport.resume_reading()  # type: ignore[attr-defined] # the same
        for number in range(count):
            assert (await peer.websocket.receive_text())[1:7] == f"{number:06}"
        assert ends == []
        assert peak <= MARK + 2 * SLICE


async def test_post_waits_for_its_answer_until_the_client_has_polled_the_last_ones(
    front: Front,
) -> None:
    engine, ends = echo_engine()
    each = 90
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        session, peak = the_session(engine), 0

        def look(data: str | bytes) -> None:
            nonlocal peak
            peak = max(peak, session.backlog)

        session.on("message", look)
        body = "\x1e".join(["4" + "." * SIZE] * each)

        async def post_all() -> None:
            for _ in range(10):
                assert (await peer.post(body)).body == b"ok"

        posting = asyncio.ensure_future(post_all())
        await until(lambda: session._is_full)
        packets = await received(peer, "polling", 10 * each)
        await posting
        assert (len(packets), ends) == (10 * each, [])
        assert peak <= MARK + 2 * SLICE


async def test_poll_before_the_last_answer_is_taken_ends_the_session(native_front: Front) -> None:
    """Each connection would hold another answer, and the bound of the session none of them."""
    engine, ends = echo_engine()
    async with native_front.serve(engine) as wire:
        peer = await wire.open_polling()
        http = reading_connection(peer, "polling")
        http.writer.transport.pause_reading()  # type: ignore[attr-defined] # of any loop's transport
        the_session(engine).send("." * TOTAL)
        http.send("GET", peer.target)
        await until(lambda: the_session(engine).backlog == 0)
        await until(lambda: engine.driver.backlog > 0)
        assert (await (await wire.http()).get(peer.target)).status == 400
        assert ends == [("transport error", "overlap from client")]
