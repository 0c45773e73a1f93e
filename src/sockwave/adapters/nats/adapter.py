"""The adapter of processes anywhere that share a NATS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.adapters.nats.contract import (
    CAPABILITIES,
    DEFAULT_BACKLOG,
    DEFAULT_PREFIX,
    DEFAULT_SERVER,
)
from sockwave.adapters.nats.jetstream.options import CAPABILITIES as STORED
from sockwave.adapters.nats.jetstream.options import JetStream, Keeping, read_jetstream
from sockwave.adapters.nats.sources import make_source
from sockwave.adapters.nats.subjects import Subjects, check_prefix
from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.recovering import cluster_adapter
from sockwave.adapters.renewed_bytes import RenewedBytesDriver
from sockwave.adapters.streams.cluster import StreamsAdapter
from sockwave.adapters.streams.recovery import StreamRecoveryAdapter
from sockwave.adapters.streams.renewed import RenewedStreams
from sockwave.engine.core.option_checks import check_integer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from nats.aio.client import Client

    from sockwave.adapters.adapter import ClusterAdapter
    from sockwave.adapters.driver import Driver
    from sockwave.adapters.streams.renewed import StreamDriver
    from sockwave.socketio.core.recovery_contract import RecoveringHost

__all__ = ["NatsAdapter"]


class NatsAdapter:
    """Makes one server of processes on any machines, by way of NATS.

        io = Server(adapter=NatsAdapter("nats://localhost:4222"))

    Broadcasts, rooms and questions reach the clients of all processes with the same prefix. What
    one process sends arrives at each other one in the order of the calls, at most once. While NATS
    is away each process serves its own clients and keeps what it sends; it connects again for ever.
    What others send to it meanwhile is lost, and `cluster_error` says so. A client that polls must
    reach the same process every time, or the servers have `relay=True`.

    It connects in the event loop of each process. Each server of a process needs one of its own.

    Args:
        servers: A URL, `nats://user:password@host:4222` or `tls://...`, or several of one cluster
            of NATS; or a client of nats-py that you connect and close yourself. Messages that it
            keeps while it has no connection are its own affair.
        prefix: What all subjects begin with: letters, digits, `-`, `_`, and points between them.
            Servers with different ones know nothing of each other.
        tls: A context for TLS with settings of your own; only with URLs.
        credentials: Path of a credentials file (JWT and seed); only with URLs.
        nkeys_seed: Path of a file with a seed; only with URLs.
        options: Times and bounds of the cluster.
        max_backlog: Bytes kept while NATS is away, or does not take them. What does not fit is
            dropped, and `cluster_error` says so.
        jetstream: Keep what is sent to clients in a stream of NATS, which needs JetStream: a
            process that was cut off reads on where it was, and with `connection_state_recovery` a
            client comes back to any process, also when all of them, or NATS, were restarted. True,
            or a `JetStream` with sizes. All servers and emitters of a prefix need the same.

    Raises:
        ModuleNotFoundError: nats-py is not installed.
        ValueError: A URL is none, or the prefix cannot begin a subject.
    """

    def __init__(
        self,
        servers: str | Sequence[str] | Client = DEFAULT_SERVER,
        *,
        prefix: str = DEFAULT_PREFIX,
        tls: ssl.SSLContext | None = None,
        credentials: str | None = None,
        nkeys_seed: str | None = None,
        options: ClusterOptions | None = None,
        max_backlog: int = DEFAULT_BACKLOG,
        jetstream: bool | JetStream = False,
    ) -> None:
        check_prefix(prefix)
        check_integer("max_backlog", max_backlog, 0)
        if options is not None and not isinstance(options, ClusterOptions):
            raise TypeError(f"options must be ClusterOptions, not {type(options).__name__}")
        self._options = options
        source = make_source("NatsAdapter", servers, tls, credentials, nkeys_seed)
        subjects, stored = Subjects(prefix), read_jetstream(jetstream)
        self._keeping = keeping = Keeping()
        self._driver: RenewedBytesDriver | RenewedStreams

        def make() -> Driver:
            from sockwave.adapters.nats.driver import NatsDriver

            return NatsDriver(source, subjects, max_backlog=max_backlog)

        self._plain = RenewedBytesDriver(make, CAPABILITIES)
        if stored is None:
            self._driver = self._plain
            return

        def make_stored() -> StreamDriver:
            from sockwave.adapters.nats.jetstream.driver import JetStreamDriver
            from sockwave.adapters.nats.jetstream.storage import Storage

            storage = Storage(subjects, stored, keeping)
            return JetStreamDriver(source, subjects, storage, max_backlog=max_backlog)

        self._driver = RenewedStreams(make_stored, STORED)

    def __call__(self, namespace: RecoveringHost) -> ClusterAdapter:
        """Make the adapter of a namespace; the server does."""
        driver, means = self._driver, namespace.recovery_means
        if isinstance(driver, RenewedBytesDriver):
            return cluster_adapter(namespace, driver, self._options)
        if means is None:
            return StreamsAdapter(namespace, driver, self._options)
        self._keeping.recovers(means.options.max_disconnection_duration, means.grace)
        return StreamRecoveryAdapter(namespace, driver, means, self._options)

    @property
    def relay_driver(self) -> Driver:
        """What carries requests between servers with `relay=True`: the connection of this one, or
        with JetStream one more."""
        return self._plain

    async def aclose(self) -> None:
        """Disconnect from the others; the server does, when it has closed its namespaces."""
        await self._driver.aclose()
        await self._plain.aclose()  # a second time it does nothing
