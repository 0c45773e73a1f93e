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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.trace import ReadableSpan

    from sockwave import ClientSocket, Server

__all__ = ["Recording", "traced"]


class Recording:
    """Spans that have ended.

    Attributes:
        provider: Whose.
    """

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def spans(self, name: str = "") -> list[ReadableSpan]:
        """Those of a name, or all, in the order of their ends."""
        ended = self._exporter.get_finished_spans()
        return [span for span in ended if name in ("", span.name)]

    def names(self) -> list[str]:
        """Of all of them."""
        return [span.name for span in self.spans()]

    def clear(self) -> None:
        """Forget them."""
        self._exporter.clear()

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
