"""Spans kept in memory, and servers and clients whose spans they are."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sockwave import connect
from sockwave.otel import OpenTelemetry, instrument_client
from tests.support.raw import RawHttp, RawWebSocket, WebSocketPeer, check_switched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan

    from sockwave import ClientSocket, Server

__all__ = ["Recording", "raw_client", "traced"]


class Recording:
    """Spans that have ended.

    Attributes:
        exporter: Where they go.
        provider: Whose.
    """

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Those of a name, or all, in the order of their ends."""
        ended = self.exporter.get_finished_spans()
        return [span for span in ended if name in ("", span.name)]

    def names(self) -> list[str]:
        """Of all of them."""
        return [span.name for span in self.spans()]

    def clear(self) -> None:
        """Forget them."""
        self.exporter.clear()

    async def one(self, name: str) -> ReadableSpan:
        """The only one of a name, as soon as it has ended."""
        async with asyncio.timeout(10):
            while not (found := self.spans(name)):
                await asyncio.sleep(0.001)
        (span,) = found
        return span

    def trace(self, io: Server, **how: Any) -> OpenTelemetry:
        """Trace a server."""
        return OpenTelemetry(io, tracer_provider=self.provider, **how)


@asynccontextmanager
async def traced(
    io: Server, recording: Recording | None, *, path: str = "/", **options: Any
) -> AsyncIterator[ClientSocket]:
    """A client of a server; one that is traced, unless there is no recording."""
    sample = options.pop("sample", 1.0)
    async with io.listen("127.0.0.1", 0) as listener:
        socket = connect(
            f"http://127.0.0.1:{listener.port}{path}", transports=["websocket"], **options
        )
        if recording is not None:
            instrument_client(socket, tracer_provider=recording.provider, sample=sample)
        async with socket:
            yield socket


async def raw_client(port: int, query: str = "", **more: str) -> WebSocketPeer:
    """A client of bytes, with a session on a WebSocket.

    Args:
        query: Goes behind that of the handshake.
        more: Headers of it.
    """
    http = await RawHttp.connect("127.0.0.1", port)
    headers = {**RawWebSocket.request_headers(), **more}
    target = f"/socket.io/?EIO=4&transport=websocket{query}"
    check_switched(await http.request("GET", target, headers), headers)
    websocket = RawWebSocket(http)
    return WebSocketPeer(websocket, await websocket.receive_text())
