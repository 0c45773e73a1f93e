"""The metrics of `sockwave.metrics` by OpenTelemetry: the same names, the same labels.

Numbers are counted as for Prometheus, and read when the SDK asks for them. Only histograms cannot
be read later in OpenTelemetry: each value is recorded as it comes.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation, get_meter

from sockwave.metrics.counts import Counts
from sockwave.metrics.labels import Labels
from sockwave.metrics.names import METRICS
from sockwave.observe import AckReceived, HandlerEnded, HandlerFailed, LoopLag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider

    from sockwave.metrics.counts import Numbers
    from sockwave.metrics.names import Metric
    from sockwave.socketio.server.server import Server

__all__ = ["observe_metrics"]

_UNITS: Final = {"seconds": "s", "bytes": "By"}

_FRESH: Final = 0.1
"""Seconds for which numbers are good: the SDK asks for one metric after the other."""


def observe_metrics(server: Server, provider: MeterProvider | None) -> None:
    """Tell all metrics of a server, from now on."""
    reading = _Reading(Counts(server))
    labels = Labels(server)
    meter = get_meter("sockwave", meter_provider=provider)
    for metric in METRICS:
        unit = _UNITS.get(metric.unit, "")
        if metric.kind == "histogram":
            histogram = meter.create_histogram(
                metric.name, unit, metric.help, explicit_bucket_boundaries_advisory=metric.bounds
            )
            _record(server, metric, labels, histogram)
        elif metric.kind == "counter":
            callback = partial(reading.of, metric)
            meter.create_observable_counter(metric.name, [callback], unit, metric.help)
        else:
            callback = partial(reading.of, metric)
            meter.create_observable_gauge(metric.name, [callback], unit, metric.help)


class _Reading:
    """Numbers as they were when the SDK began to ask."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._numbers: Numbers = {}
        self._read_at = float("-inf")

    def of(self, metric: Metric, options: CallbackOptions) -> Iterable[Observation]:
        """Those of one metric; in any thread."""
        now = monotonic()
        if now > self._read_at + _FRESH:
            self._numbers, self._read_at = self._counts.read(), now
        for values, value in self._numbers[metric.name].items():
            if isinstance(value, (int, float)):
                yield Observation(value, dict(zip(metric.labels, values, strict=True)))


def _record(server: Server, metric: Metric, labels: Labels, histogram: Histogram) -> None:
    """Record each value of a histogram."""

    def of_client(seen: HandlerEnded | HandlerFailed) -> None:
        values = labels.event(seen.namespace, seen.event, seen.socket)
        histogram.record(seen.seconds, dict(zip(metric.labels, values, strict=True)))

    def answered(seen: AckReceived) -> None:
        values = labels.event(seen.namespace, seen.event, None)
        histogram.record(seen.seconds, dict(zip(metric.labels, values, strict=True)))

    def lagged(seen: LoopLag) -> None:
        histogram.record(seen.seconds)

    observers: dict[str, tuple[type[Any], Callable[[Any], None]]] = {
        "HandlerEnded": (HandlerEnded, of_client),
        "HandlerFailed": (HandlerFailed, of_client),
        "AckReceived": (AckReceived, answered),
        "LoopLag": (LoopLag, lagged),
    }
    for name in metric.seen:
        kind, observer = observers[name]
        server.observers.add((kind,), observer)
