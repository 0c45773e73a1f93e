"""Frames of revision 3, between a session and its WebSocket."""

from __future__ import annotations

import pytest

from sockwave.engine.core.session_v3 import SessionV3
from sockwave.engine.core.transport import SharedPacket
from sockwave.engine.server.transports.websocket_v3 import WebSocketV3
from sockwave.types import SessionId
from tests.engine.core.fakes import FakeDriver, FakeSink, FakeTransport


class FramesUnderTest:
    """A session, the frames, and a WebSocket below them."""

    def __init__(self, *, base64: bool = False) -> None:
        self.inner = FakeTransport()
        self.frames = WebSocketV3(self.inner, base64=base64)
        self.sink = FakeSink()
        self.driver = FakeDriver()
        self.session = SessionV3(SessionId("s"), self.frames, self.driver)
        self.session.sink = self.sink
        self.frames.receiver = self.session


@pytest.fixture
def ws() -> FramesUnderTest:
    """With binary frames."""
    return FramesUnderTest()


def test_binary_packets_get_their_type(ws: FramesUnderTest) -> None:
    ws.frames.write([b"4a", SharedPacket(b"4b"), SharedPacket(b"\x01\x02", is_binary=True)])
    assert ws.inner.sent == ["4a", "4b", "b040102"]


def test_binary_packets_become_text_for_a_client_that_needs_it() -> None:
    ws = FramesUnderTest(base64=True)
    ws.frames.write([b"4a", SharedPacket(b"\x01\x02", is_binary=True)])
    assert ws.inner.sent == ["4a", "b4AQI="]


def test_compression_is_left_to_the_packet(ws: FramesUnderTest) -> None:
    for base64 in (False, True):
        frames = WebSocketV3(ws.inner, base64=base64)
        packet = frames._framed(SharedPacket(b"\x01", is_binary=True, compress=False))
        assert isinstance(packet, SharedPacket)
        assert not packet.compress


def test_packets_of_the_peer_lose_their_type(ws: FramesUnderTest) -> None:
    ws.inner.receive("4a", b"\x04\x01", "b4AQI=", b"\x04")
    assert ws.sink.messages == ["a", b"\x01", b"\x01\x02", b""]


@pytest.mark.parametrize(("packet", "data"), [("b4!", b""), ("b4A Q\nID", b"\x01\x02\x03")])
def test_base64_is_read_leniently(ws: FramesUnderTest, packet: str, data: bytes) -> None:
    ws.inner.receive(packet)
    assert (ws.sink.messages, ws.sink.reasons) == ([data], [])


@pytest.mark.parametrize("packet", [b"", b"\x09a", b"\xff"])
def test_unknown_binary_type_is_ignored(ws: FramesUnderTest, packet: bytes) -> None:
    ws.inner.receive(packet, "4a")
    assert (ws.sink.messages, ws.sink.reasons) == (["a"], [])


def test_session_sees_the_state_of_the_websocket(ws: FramesUnderTest) -> None:
    ws.inner.block(in_buffer=10)
    assert not ws.session.is_writable
    assert ws.frames.buffered() == 10
    ws.session.send_packet(b"4a", 2)
    ws.driver.tick()
    assert ws.inner.sent == []
    ws.inner.unblock()
    assert ws.inner.sent == ["4a"]
    assert ws.sink.drains == 1


def test_loss_of_the_websocket_ends_the_session(ws: FramesUnderTest) -> None:
    ws.inner.lose()
    assert ws.sink.reasons == [("transport close", "connection lost")]


def test_end_of_the_session_ends_the_websocket(ws: FramesUnderTest) -> None:
    ws.session.close()
    assert ws.inner.end == "close"
    other = FramesUnderTest()
    other.session.discard()
    assert other.inner.end == "discard"
