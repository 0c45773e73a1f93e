"""OpenTelemetry of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.observe import SessionClosed, SessionOpened
from sockwave.otel.metrics import observe_metrics
from sockwave.otel.sockets import traced_kinds
from sockwave.otel.tracing import ServerTracing
from sockwave.socketio.server.server import Server

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["OpenTelemetry"]


class OpenTelemetry:
    """Traces a server: what its clients cause has spans, from the handshake to the handlers.

    Spans are those of a handshake, of a connect to a namespace with its middlewares and
    `connection` handlers, of an event with its handlers, and of an emit that asks a client for its
    acknowledgement. Handlers run inside of their span. Clients of this library that are traced
    (`instrument_client`) and the server carry the context to each other; other clients see nothing
    of it. See docs/tracing.md.

    It holds as long as the server does. Make it before clients connect.

    Args:
        io: The server.
        tracer_provider: Of the SDK; None for the one of the process.
        sample: Which share of what has no parent is traced, from 0 to 1. Give the SDK's sampler
            none of it: what is not traced costs nothing here, and something there.
        trust_clients: Whether a client that says that its part is traced has the server's part
            traced, too. If not, `sample` decides about everything, and the client's context is a
            link.
        metrics: Whether the metrics of docs/metrics.md are told, too; by default if there is a
            `meter_provider`.
        meter_provider: Of the SDK; None for the one of the process.

    Raises:
        TypeError: `io` is no server, or `sample` no number.
        ValueError: `sample` is not from 0 to 1, or the server is traced already.
    """

    def __init__(
        self,
        io: Server,
        *,
        tracer_provider: TracerProvider | None = None,
        sample: float = 1.0,
        trust_clients: bool = True,
        metrics: bool | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if not isinstance(io, Server):
            raise TypeError(
                f"OpenTelemetry needs a server, as in OpenTelemetry(io), not {type(io).__name__}"
            )
        tracing = ServerTracing(io, tracer_provider, sample, trust_clients=trust_clients)
        io.build_on(traced_kinds(tracing))
        io.observers.contexts = tracing
        io.observe(SessionOpened)(tracing.opened)
        io.observe(SessionClosed)(tracing.closed)
        if meter_provider is not None if metrics is None else metrics:
            observe_metrics(io, meter_provider)
        self._sample = sample

    def __repr__(self) -> str:
        return f"OpenTelemetry(sample={self._sample:g})"
