"""Numbers of a server for Prometheus; `sockwave[metrics]` brings its library.

    from sockwave.metrics import PrometheusMetrics

    PrometheusMetrics(io).listen(9100)

`METRICS` lists all of them.
"""

from typing import TYPE_CHECKING, Any

from sockwave.metrics.names import METRICS, Metric

if TYPE_CHECKING:
    from sockwave.metrics.prometheus import PrometheusMetrics

__all__ = ["METRICS", "Metric", "PrometheusMetrics"]


def __getattr__(name: str) -> Any:
    """Import the library when it is first needed: the list does without."""
    if name != "PrometheusMetrics":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sockwave.metrics.prometheus import PrometheusMetrics

    return PrometheusMetrics
