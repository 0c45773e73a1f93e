"""The client's WebSocket on a TCP connection: what it does otherwise than the server's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sockwave.codec.message_reader import MessageReader
from sockwave.engine.client.http import Upgraded
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.client.websocket import WebSocketTransport
from sockwave.engine.core.transport import SharedPacket
from tests.codec.handlers import RecordingHandler, raw_frame
from tests.engine.server.fakes import FakeHost, FakeReceiver, FakeTcp

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE = raw_frame(8, b"\x03\xe8", masked=False)


def frames(*texts: str) -> bytes:
    """What the server sends, in one segment."""
    return b"".join(raw_frame(1, text.encode(), masked=False) for text in texts)


class FakeClientTcp(FakeTcp):
    """A TCP connection that another protocol had before."""

    protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class FakeRuntime(FakeHost):
    """A client's runtime whose loop runs nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop


class WebSocketUnderTest:
    """A WebSocket with all that surrounds it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        already_read: bytes = b"",
        *,
        is_lost: bool = False,
        force_base64: bool = False,
    ) -> None:
        self.runtime = FakeRuntime(loop)
        self.tcp = FakeClientTcp()
        self.tcp.has_ended = is_lost
        self.receiver = FakeReceiver()
        self.releases = 0
        self.transport = WebSocketTransport(
            Upgraded(self.tcp, already_read, self._released, None),
            self.receiver,
            self.runtime,  # type: ignore[arg-type] # enough of one
            ClientEngineOptions(force_base64=force_base64),
        )

    def _released(self) -> None:
        self.releases += 1

    def sent(self) -> RecordingHandler:
        """What a server reads of what was written: it takes masked frames only."""
        handler = RecordingHandler()
        MessageReader(handler, max_message=100_000).feed(self.tcp.written)
        return handler


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """For the futures only."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def ws(loop: asyncio.AbstractEventLoop) -> WebSocketUnderTest:
    """An open WebSocket."""
    return WebSocketUnderTest(loop)


def test_everything_that_is_sent_is_masked(ws: WebSocketUnderTest) -> None:
    ws.transport.write([b"4a", SharedPacket(b"4b"), SharedPacket(b"\x01", is_binary=True)])
    assert ws.tcp.writes == 1
    ws.transport.data_received(raw_frame(9, b"x", masked=False))
    ws.transport.close()
    assert ws.sent().events == [
        ("text", b"4a"),
        ("text", b"4b"),
        ("binary", b"\x01"),
        ("pong", b"x"),
        ("close", 1005, ""),
    ]


def test_binary_data_may_go_as_text(loop: asyncio.AbstractEventLoop) -> None:
    ws = WebSocketUnderTest(loop, force_base64=True)
    ws.transport.write([b"4a", SharedPacket(b"\x01", is_binary=True)])
    assert ws.sent().events == [("text", b"4a"), ("text", b"bAQ==")]


def test_bytes_behind_the_handshake_wait_for_the_next_turn(
    loop: asyncio.AbstractEventLoop,
) -> None:
    ws = WebSocketUnderTest(loop, frames("4a"))
    assert ws.tcp.protocol is ws.transport
    assert (ws.receiver.packets, ws.tcp.is_reading_now) == ([], False)
    ws.runtime.turn()
    assert (ws.receiver.packets, ws.tcp.is_reading_now) == (["4a"], True)


def test_connection_that_was_lost_during_the_handshake_is_told(
    loop: asyncio.AbstractEventLoop,
) -> None:
    ws = WebSocketUnderTest(loop, is_lost=True)
    assert ws.receiver.ends == []
    ws.runtime.turn()
    assert [reason for reason, _ in ws.receiver.ends] == ["transport close"]
    assert ws.releases == 1


def test_pause_stops_at_once_and_keeps_what_was_read(ws: WebSocketUnderTest) -> None:
    ws.receiver.on_text = lambda text: ws.transport.pause_reading() if text == "4b" else None
    ws.transport.data_received(frames("4a", "4b", "4c"))
    ws.runtime.turn()
    assert (ws.receiver.packets, ws.tcp.is_reading_now) == (["4a", "4b"], False)
    ws.transport.resume_reading()
    ws.runtime.turn()
    assert (ws.receiver.packets, ws.tcp.is_reading_now) == (["4a", "4b", "4c"], True)


def test_answer_to_a_close_is_read_behind_many_messages(ws: WebSocketUnderTest) -> None:
    ws.transport.close()
    ws.transport.data_received(frames(*["4late"] * 1_000) + CLOSE)
    for _ in range(10):
        ws.runtime.turn()
    assert ws.tcp.end == "close"
    assert ws.receiver.packets == []


def test_close_frame_of_the_server_is_answered_and_is_the_failure(ws: WebSocketUnderTest) -> None:
    ws.transport.data_received(raw_frame(8, b"\x03\xe9bye", masked=False))
    assert ws.sent().events == [("close", 1001, "")]
    assert ws.tcp.end == "close"
    assert str(ws.transport.failure) == "websocket connection closed: 1001 'bye'"
    assert len(ws.receiver.ends) == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (raw_frame(1, b"4a", masked=True), 1002),
        (raw_frame(1, b"4\xff", masked=False), 1007),
    ],
)
def test_broken_frame_is_the_failure_and_the_rest_is_dropped(
    ws: WebSocketUnderTest, data: bytes, code: int
) -> None:
    ws.transport.data_received(data + frames("4late"))
    assert ws.sent().events[0][:2] == ("close", code)
    assert ws.transport.failure is not None
    assert [reason for reason, _ in ws.receiver.ends] == ["transport error"]
    assert "4late" not in ws.receiver.packets
    assert ws.tcp.end == "close"


@pytest.mark.parametrize(("is_full", "end"), [(False, "close"), (True, "abort")])
def test_discarded_transport_tells_nobody(ws: WebSocketUnderTest, is_full: bool, end: str) -> None:
    if is_full:
        ws.transport.pause_writing()
    ws.transport.discard()
    ws.transport.data_received(frames("4late"))
    ws.transport.connection_lost(None)
    assert ws.tcp.end == end
    assert (ws.receiver.packets, ws.receiver.ends, ws.releases) == ([], [], 1)
    assert len(ws.runtime.wheel) == 0
