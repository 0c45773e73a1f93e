"""Metrics by OpenTelemetry: those of Prometheus, by the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from sockwave import Server
from sockwave.metrics.names import METRICS
from sockwave.otel import OpenTelemetry
from tests.otel.recording import traced

if TYPE_CHECKING:
    from sockwave import Socket


def read(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Metrics by their names."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def test_numbers_are_those_of_the_list_with_the_same_names_and_labels() -> None:
    io = Server()
    reader = InMemoryMetricReader()
    OpenTelemetry(
        io, sample=0, meter_provider=MeterProvider([reader], shutdown_on_exit=False)
    )  # fmt: skip

    @io.event
    async def echo(socket: Socket, text: str) -> str:
        return text

    async with traced(io, None) as client:
        for _ in range(3):
            await client.emit_with_ack("echo", "hi", timeout=5)
        client.emit("no such event")
        await client.emit_with_ack("echo", "hi", timeout=5)
        metrics = read(reader)
    assert set(metrics) <= {metric.name for metric in METRICS}
    received = {
        point.attributes["event"]: point.value
        for point in metrics["sockwave_events_received"].data.data_points
    }
    assert received == {"echo": 4, "other": 1}
    (point,) = metrics["sockwave_sockets"].data.data_points
    assert (point.value, dict(point.attributes)) == (1, {"namespace": "/"})
    (handled,) = metrics["sockwave_handler_seconds"].data.data_points
    assert (handled.count, dict(handled.attributes)) == (4, {"namespace": "/", "event": "echo"})
    bounds = next(each.bounds for each in METRICS if each.name == "sockwave_handler_seconds")
    assert tuple(handled.explicit_bounds) == bounds
    assert metrics["sockwave_handler_seconds"].unit == "s"


async def test_nothing_is_counted_without_a_provider() -> None:
    io = Server()
    OpenTelemetry(io)
    assert not io.observers.of_events
