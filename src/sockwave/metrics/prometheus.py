"""Metrics of a server for Prometheus, by its own library."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.option_checks import check_integer, check_number
from sockwave.engine.server.routing import told_worker
from sockwave.metrics.counts import Counts
from sockwave.metrics.endpoint import Endpoint
from sockwave.metrics.families import Family, Sample, added, families_of
from sockwave.metrics.names import METRICS
from sockwave.metrics.workers import Colleagues
from sockwave.platform import keep_port_after_restart, share_port
from sockwave.workers.identity import Identity

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.core import Metric as LibraryMetric
    from prometheus_client.exposition import choose_encoder
except ModuleNotFoundError as _error:
    _wanted = 'pip install "sockwave[metrics]"'
    raise ImportError(
        f"PrometheusMetrics needs {_error.name}: {_wanted}", name=_error.name
    ) from _error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.engine.server.fronts.asgi_scope import Receive, Scope, Send
    from sockwave.socketio.server.server import Server

__all__ = ["PrometheusMetrics"]

WORKER_TIMEOUT: Final = 2.0
"""Seconds; Prometheus itself waits for ten."""

_logger: Final = logging.getLogger("sockwave.metrics")
_count: Final = itertools.count()


class PrometheusMetrics:
    """Counts what happens in a server, and tells it to Prometheus.

        io = Server()
        PrometheusMetrics(io).listen(9100)      # http://127.0.0.1:9100/metrics

    It counts from when it is made, so make it before the server runs. Which numbers there are, and
    how many series they become at most, says docs/metrics.md.

    Over the workers of `io.run(workers=4)` each answer is the sum of all of them, with what the
    application has registered at the same registry: counters and histograms are added up, and its
    gauges get a label `worker`. Other servers of a cluster are scraped by themselves.

    Args:
        io: The server.
        registry: Of the library, where the metrics are registered; by default its own, which has
            those of the process and of Python, too. With `None`, one that has nothing else.
        events: Names of events that have series of their own. Those that have a handler, or are
            declared, have that by themselves; all others are counted together, as `other`.
        worker_timeout: Seconds to wait for the numbers of a worker that does not answer. Those that
            it has told last are taken then, and `sockwave_workers_answering` says so.

    Raises:
        ImportError: The library is not installed: it comes with `sockwave[metrics]`.
        TypeError: An argument is of another type.
        ValueError: The registry has the metrics of another server.
    """

    def __init__(
        self,
        io: Server,
        *,
        registry: CollectorRegistry | None = REGISTRY,
        events: Iterable[str] = (),
        worker_timeout: float = WORKER_TIMEOUT,
    ) -> None:
        if not hasattr(io, "observe"):
            raise TypeError(f"PrometheusMetrics takes a sockwave.Server, not {io!r}")
        if isinstance(events, str):
            raise TypeError("events must be several names, as in events=['tick']")
        check_number("worker_timeout", worker_timeout, 0, 3_600)
        self._io = io
        own = CollectorRegistry() if registry is None else registry
        self.registry: CollectorRegistry = own
        self._collector = _Collector()
        try:
            self.registry.register(self._collector)
        except ValueError as error:
            raise ValueError(
                "this registry has the metrics of a server already: give each server a registry of"
                " its own, as in PrometheusMetrics(io, registry=None)"
            ) from error
        self._counts = Counts(io, events)
        self._collector.counts = self._counts
        identity = None if told_worker() is None else Identity.of_this_process()
        self._colleagues = None
        if identity is not None:
            self._colleagues = Colleagues(identity, next(_count), self._scrape, worker_timeout)
        self._where: tuple[str, int] | None = None
        self._endpoint: Endpoint | None = None
        self._starting: asyncio.Task[None] | None = None
        self.port: int = 0
        io.engine.driver.on_bind(self._begin)
        io.when_closed(self._end)

    # --- asking -----------------------------------------------------------------------------------

    def listen(self, port: int, host: str = "127.0.0.1") -> None:
        """Answer `GET /metrics` on a port of its own, as long as the server runs.

        The port opens when the server begins, and closes when it has ended: what happens while it
        drains is seen. Workers share it; whichever is asked answers for all.

        Args:
            port: Of TCP; 0 for any free one, which `port` names when it is open. Not with workers.
            host: An address of this machine. The numbers are nobody's secret, but name events and
                namespaces: keep them inside.

        Raises:
            RuntimeError: It listens already, or the server runs.
            ValueError: 0 with workers: each would have another one.
        """
        check_integer("port", port, 0, 65_535)
        if self._where is not None:
            raise RuntimeError(f"the metrics are on port {self._where[1]} already")
        if self._io.engine.driver.is_bound and not self._io.engine.driver.has_ended:
            raise RuntimeError("listen before the server runs, or mount `asgi`")
        if not port and self._colleagues is not None:
            raise ValueError("port: with workers it must be a certain one, which they share")
        self._where = host, port

    async def text(self, accept: str = "") -> tuple[bytes, str]:
        """A scrape, for a web framework; over all workers.

        Args:
            accept: The header of the request, which may ask for OpenMetrics.

        Returns:
            The body, and its content type.
        """
        encode, content_type = choose_encoder(accept)
        if self._colleagues is None:
            return encode(self.registry), content_type
        return encode(_Scraped(added(await self._colleagues.scrapes()))), content_type

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An application of ASGI that answers each request with `text`: mount it where you like."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        is_read = scope["method"] in ("GET", "HEAD")
        accept = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
        body, content_type = await self.text(",".join(accept)) if is_read else (b"", "text/plain")
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        if not is_read:
            headers.append((b"allow", b"GET, HEAD"))
        status = 200 if is_read else 405
        await send({"type": "http.response.start", "status": status, "headers": headers})
        shown = body if scope["method"] == "GET" else b""
        await send({"type": "http.response.body", "body": shown})

    def close(self) -> None:
        """Count no more, and take the metrics out of the registry; a second time does nothing.

        A port that was opened closes with the server.
        """
        if self._collector.counts is not None:
            self._collector.counts = None
            self._counts.stop()
            self.registry.unregister(self._collector)

    def _scrape(self) -> list[Family]:
        return [_from_library(metric) for metric in self.registry.collect()]

    # --- the life of the server -------------------------------------------------------------------

    def _begin(self) -> None:
        """There is a loop; a port that cannot be had is told to whoever runs the server."""
        self._endpoint = None
        if self._where is not None:
            sock = _listening(*self._where, is_shared=self._colleagues is not None)
            self.port = sock.getsockname()[1]
            self._endpoint = Endpoint(sock, self.text)
        if self._endpoint is not None or self._colleagues is not None:
            self._starting = self._io.engine.driver.loop.create_task(self._start())

    async def _start(self) -> None:
        try:
            if self._colleagues is not None:
                await self._colleagues.start()
            if self._endpoint is not None:
                await self._endpoint.start()
        except OSError:
            _logger.exception("the metrics cannot be served")

    async def _end(self) -> None:
        starting, self._starting = self._starting, None
        if starting is not None:
            await asyncio.wait([starting])
        endpoint, self._endpoint = self._endpoint, None
        if endpoint is not None:
            await endpoint.aclose()
        if self._colleagues is not None:
            await self._colleagues.aclose()


class _Collector:
    """What the registry asks."""

    def __init__(self) -> None:
        self.counts: Counts | None = None

    def describe(self) -> list[LibraryMetric]:
        """What there will be, so that the registry finds what has the same name."""
        return [LibraryMetric(each.name, each.help, each.kind, each.unit) for each in METRICS]

    def collect(self) -> list[LibraryMetric]:
        """The numbers as they are now; in any thread."""
        if self.counts is None:
            return []
        return list(map(_to_library, families_of(self.counts.read())))


class _Scraped:
    """A registry of what is there already."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[LibraryMetric]:
        """It."""
        return list(map(_to_library, self._families))


def _to_library(family: Family) -> LibraryMetric:
    metric = LibraryMetric(family.name, family.help, family.type, family.unit)
    for sample in family.samples:
        metric.add_sample(sample.name, dict(sample.labels), sample.value)
    return metric


def _from_library(metric: Any) -> Family:
    samples = [
        Sample(each.name, tuple(each.labels.items()), float(each.value)) for each in metric.samples
    ]
    return Family(metric.name, metric.type, metric.documentation, metric.unit, samples)


def _listening(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: It cannot be had; the text names the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        (share_port if is_shared else keep_port_after_restart)(sock)
        sock.bind((host, port))
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"metrics on {host}:{port}: {error.strerror}") from error
    return sock
