"""A client of WebTransport for tests, which shows what is on the wire."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("aioquic")

from aioquic._buffer import Buffer, BufferReadError
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration

from sockwave.codec.webtransport import Frame, FrameReader, encode_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Client", "UdpProxy", "client"]


class Client(QuicConnectionProtocol):
    """One QUIC connection, with one session.

    Attributes:
        status: Of the latest answer; None until there is one.
        statuses: Of all answers.
        settings: Of the server.
        frames: What came on the stream and was not taken.
        capsule: Code and words by which the server has closed the session.
        error: Code by which the connection has ended.
        is_ended: Whether the server has ended the stream of the session itself.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.http = H3Connection(self._quic, enable_webtransport=True)
        self.status: int | None = None
        self.statuses: list[int] = []
        self.headers: dict[bytes, bytes] = {}
        self.session: int = -1
        self.stream: int = -1
        self.frames: list[Frame] = []
        self.capsule: tuple[int, str] | None = None
        self.error: int | None = None
        self.is_ended: bool = False
        self._reader = FrameReader(2**40)
        self._capsules = b""
        self._changed = asyncio.Event()

    @property
    def settings(self) -> dict[int, int]:
        """Of the server."""
        return self.http.received_settings or {}

    def quic_event_received(self, event: events.QuicEvent) -> None:
        """See what came."""
        if isinstance(event, events.ConnectionTerminated):
            self.error = event.error_code
        elif isinstance(event, events.StreamDataReceived) and event.stream_id == self.stream:
            self._reader.feed(event.data)
            while (frame := self._reader.read()) is not None:
                self.frames.append(frame)
        else:
            for received in self.http.handle_event(event):
                if isinstance(received, HeadersReceived):
                    self.headers = dict(received.headers)
                    self.status = int(self.headers[b":status"])
                    self.statuses.append(self.status)
                    self.is_ended = self.is_ended or received.stream_ended
                elif isinstance(received, DataReceived):
                    self._session_data(received)
        self._changed.set()

    def _session_data(self, received: DataReceived) -> None:
        self._capsules += received.data
        self.is_ended = self.is_ended or received.stream_ended
        buffer = Buffer(data=self._capsules)
        try:
            kind = buffer.pull_uint_var()
            body = buffer.pull_bytes(buffer.pull_uint_var())
        except BufferReadError:
            return
        assert kind == 0x2843
        self.capsule = int.from_bytes(body[:4], "big"), body[4:].decode()

    async def until(self, is_so: Any, seconds: float = 5.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    def ask(self, path: str = "/socket.io/", **headers: str) -> None:
        """Ask for a session."""
        self.session = self._quic.get_next_available_stream_id()
        fields = {
            ":method": "CONNECT",
            ":scheme": "https",
            ":authority": "127.0.0.1",
            ":path": path,
            ":protocol": "webtransport",
        }
        fields.update({name.replace("__", ":").replace("_", "-"): v for name, v in headers.items()})
        self.http.send_headers(self.session, [(k.encode(), v.encode()) for k, v in fields.items()])
        self.transmit()

    def open_stream(self) -> None:
        """Open the stream of the session."""
        self.stream = self.http.create_webtransport_stream(self.session)

    async def begin(self, path: str = "/socket.io/", **headers: str) -> int:
        """Ask for a session and open its stream; give the status."""
        self.ask(path, **headers)
        await self.until(lambda: self.status is not None or self.error is not None)
        if self.status == 200:
            self.open_stream()
        return self.status or 0

    def send(self, *packets: str | bytes) -> None:
        """Send packets."""
        self.send_raw(
            b"".join(
                encode_frame(each.encode())
                if isinstance(each, str)
                else encode_frame(each, binary=True)
                for each in packets
            )
        )

    def send_raw(self, data: bytes) -> None:
        """Send bytes on the stream."""
        self._quic.send_stream_data(self.stream, data)
        self.transmit()

    async def receive(self, seconds: float = 5.0) -> str | bytes:
        """Take the next packet."""
        await self.until(lambda: self.frames, seconds)
        frame = self.frames.pop(0)
        return frame.data if frame.is_binary else frame.data.decode()

    def close_session(self, code: int = 0, words: str = "") -> None:
        """End the session as browsers do."""
        body = code.to_bytes(4, "big") + words.encode()
        capsule = encode_uint_var(0x2843) + encode_uint_var(len(body)) + body
        self.http.send_data(self.session, capsule, end_stream=True)
        self.transmit()


@asynccontextmanager
async def client(
    port: int, host: str = "127.0.0.1", *, wait_connected: bool = True, **options: Any
) -> AsyncIterator[Client]:
    """Connect, and believe any certificate."""
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=H3_ALPN,
        max_datagram_frame_size=65_536,
        verify_mode=ssl.CERT_NONE,
        **options,
    )
    connecting = connect(
        host,
        port,
        configuration=configuration,
        create_protocol=Client,
        wait_connected=wait_connected,
    )
    async with connecting as found:
        assert isinstance(found, Client)
        found.transmit()
        yield found


class UdpProxy(asyncio.DatagramProtocol):
    """Stands between one client and a server; the server's view of the client's address may change.

    Attributes:
        port: For the client.
        is_cut: Whether packets of both are dropped.
        is_deaf: Whether those of the server are.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self.is_cut: bool = False
        self.is_deaf: bool = False
        self.port: int = 0
        self._server = server
        self._client: Any = None
        self._front: Any = None
        self._back: Any = None

    async def __aenter__(self) -> UdpProxy:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self._front.get_extra_info("sockname")[1]
        await self.move()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._front.close()
        self._back.close()

    async def move(self) -> int:
        """Come from another port from now on, and give it."""
        if self._back is not None:
            self._back.close()
        self._back, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Back(self), remote_addr=self._server
        )
        port: int = self._back.get_extra_info("sockname")[1]
        return port

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From the client."""
        self._client = addr
        if not self.is_cut:
            self._back.sendto(data)

    def answered(self, data: bytes) -> None:
        """From the server."""
        if not (self.is_cut or self.is_deaf):
            self._front.sendto(data, self._client)


class _Back(asyncio.DatagramProtocol):
    def __init__(self, proxy: UdpProxy) -> None:
        self._proxy = proxy

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._proxy.answered(data)
