"""The client's WebTransport, on a session that is told what comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.codec.webtransport import encode_frame
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.client.runtime import Runtime
from sockwave.engine.client.webtransport import WebTransportTransport
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import SharedPacket
from sockwave.errors import PacketError, TransportError
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeSession:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.written: bytes = b""
        self.calls: list[Any] = []
        self.is_writable: bool = True

    def write(self, data: bytes) -> None:
        self.written += data

    def buffered(self) -> int:
        return 0

    def progress(self) -> Taken:
        return Taken(0, 0)

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def close(self, code: int, reason: str) -> None:
        self.calls.append((code, reason))

    def refuse(self, reason: str) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self.calls.append("abort")


class Receiver:
    """Keeps what it is told, and may pause at a packet."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.at: dict[bytes, Callable[[], None]] = {}

    def text_received(self, packet: bytes) -> None:
        self.told.append(packet)
        self.at.get(packet, lambda: None)()

    def binary_received(self, data: bytes) -> None:
        self.told.append((data,))

    def transport_writable(self, transport: Any) -> None:
        self.told.append("writable")

    def transport_closed(self, transport: Any, reason: DisconnectReason, text: str) -> None:
        self.told.append(reason)


Opened = tuple[WebTransportTransport, FakeSession, Receiver]


def opened(sid: str | None = None, **options: Any) -> Opened:
    runtime = Runtime()
    runtime.bind()
    session, receiver = FakeSession(), Receiver()
    id_ = None if sid is None else SessionId(sid)
    made = ClientEngineOptions(**options)
    return WebTransportTransport(session, receiver, runtime, made, id_), session, receiver


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("sid", "first"), [(None, b"\x010"), ("abc", b'\x0e0{"sid":"abc"}')], ids=["new", "upgrade"]
)
def test_first_frame_says_which_session_it_is(sid: str | None, first: bytes) -> None:
    async def run() -> None:
        assert opened(sid)[1].written == first

    asyncio.run(run())


def test_packets_go_in_frames_and_large_ones_too() -> None:
    async def run() -> None:
        transport, session, _ = opened()
        session.written = b""
        large = SharedPacket(b"y" * 70_000, is_binary=True)
        transport.write([b"4a", SharedPacket(b"\x01", is_binary=True), large, b"4b"])
        frames = [encode_frame(b"4a"), encode_frame(b"\x01", binary=True)]
        frames += [encode_frame(b"y" * 70_000, binary=True), encode_frame(b"4b")]
        assert session.written == b"".join(frames)

    asyncio.run(run())


def test_binary_goes_as_text_where_that_is_wanted() -> None:
    async def run() -> None:
        transport, session, _ = opened(force_base64=True)
        session.written = b""
        transport.write([SharedPacket(b"\x01\x02", is_binary=True)])
        assert session.written == b"\x05bAQI="

    asyncio.run(run())


def test_packets_that_came_before_the_end_have_their_turn_also_after_a_pause() -> None:
    async def run() -> None:
        transport, session, receiver = opened()
        receiver.at[b"4stop"] = transport.pause_reading
        transport.data_received(encode_frame(b"4stop") + encode_frame(b"4last"))
        transport.session_lost(DisconnectReason.TRANSPORT_CLOSE, "peer closed with 0")
        assert receiver.told == [b"4stop"]
        assert session.calls == ["pause"]
        transport.resume_reading()
        await turns()
        assert receiver.told == [b"4stop", b"4last", DisconnectReason.TRANSPORT_CLOSE]
        assert isinstance(transport.failure, TransportError)
        assert str(transport.failure) == "webtransport session closed: peer closed with 0"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\x00", "empty frame"), (b"\x7e\x03\xe9", "message too big")],
    ids=["empty", "large"],
)
def test_frame_that_makes_no_sense_ends_the_session_once(data: bytes, words: str) -> None:
    async def run() -> None:
        transport, session, receiver = opened(max_payload=1_000)
        transport.data_received(encode_frame(b"4ok") + data)
        assert session.calls == [(1, words)]
        assert receiver.told == [b"4ok", DisconnectReason.TRANSPORT_ERROR]
        assert isinstance(transport.failure, PacketError)
        transport.data_received(encode_frame(b"4late"))
        transport.session_lost(DisconnectReason.TRANSPORT_CLOSE, "")
        assert receiver.told[2:] == []

    asyncio.run(run())


def test_what_is_not_whole_counts_as_on_its_way() -> None:
    async def run() -> None:
        transport, _, receiver = opened()
        transport.data_received(encode_frame(b"4" + b"x" * 200)[:100])
        assert (transport.partial(), receiver.told) == (100, [])

    asyncio.run(run())


def test_transport_that_is_left_tells_nobody_and_is_cut_when_it_does_not_end() -> None:
    async def run() -> None:
        transport, session, receiver = opened()
        transport.discard()
        assert session.calls == [(0, "")]
        transport.write([b"4nothing"])
        transport.handle_timeout(0.0)
        assert session.calls == [(0, ""), "abort"]
        transport.session_lost(DisconnectReason.TRANSPORT_ERROR, "")
        assert receiver.told == []
        assert session.written == b"\x010"

    asyncio.run(run())
