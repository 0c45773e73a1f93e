"""Traces of a server and of a client, by OpenTelemetry; needs `sockwave[otel]`.

    from sockwave.otel import OpenTelemetry

    io = Server()
    OpenTelemetry(io, sample=0.01)

Where spans go is said by the SDK of OpenTelemetry, as everywhere else. See docs/tracing.md.
"""

try:
    import opentelemetry.trace as _trace
except ModuleNotFoundError as _error:  # pragma: no cover # it is installed where tests run
    raise ImportError(
        f'sockwave.otel needs {_error.name}: pip install "sockwave[otel]"', name=_error.name
    ) from _error

from sockwave.otel.client import instrument_client
from sockwave.otel.server import OpenTelemetry

__all__ = ["OpenTelemetry", "instrument_client"]

del _trace
