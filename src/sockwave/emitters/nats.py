"""An emitter for servers that have a NATS in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.adapters.nats.contract import DEFAULT_PREFIX, DEFAULT_SERVER
from sockwave.adapters.nats.sources import make_source
from sockwave.adapters.nats.subjects import Subjects
from sockwave.emitters.engines import AsyncEmitter
from sockwave.emitters.inquiries import ACK_TIMEOUT
from sockwave.engine.core.option_checks import check_bool

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from nats.aio.client import Client

    from sockwave.emitters.engines import Engine

__all__ = ["NatsEmitter", "nats_engine"]


class NatsEmitter(AsyncEmitter[Any]):
    """Emits to the clients of servers with a `NatsAdapter`.

        async with NatsEmitter("nats://localhost:4222") as emitter:
            await emitter.to("lobby").emit("news", 1)

    It takes one connection, made when it is needed, and belongs to one event loop. One emitter's
    events arrive in the order in which they were awaited.

    Args:
        servers: A URL, `nats://user:password@host:4222` or `tls://...`, or several of one cluster
            of NATS; or a client of nats-py that you connect and close yourself.
        namespace: The namespace that is reached without `of`.
        prefix: What all subjects begin with, as the servers have it.
        tls: A context for TLS with settings of your own; only with URLs.
        credentials: Path of a credentials file (JWT and seed); only with URLs.
        nkeys_seed: Path of a file with a seed; only with URLs.
        jetstream: Put what is for clients into the stream of servers with this option: they
            recover it, and it is there when an event has been awaited.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: nats-py is missing: `pip install "sockwave[nats]"`.
        ValueError: A URL is none, or the prefix cannot begin a subject.
    """

    def __init__(
        self,
        servers: str | Sequence[str] | Client = DEFAULT_SERVER,
        *,
        namespace: str = "/",
        prefix: str = DEFAULT_PREFIX,
        tls: ssl.SSLContext | None = None,
        credentials: str | None = None,
        nkeys_seed: str | None = None,
        jetstream: bool = False,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        engine = nats_engine(servers, prefix, tls, credentials, nkeys_seed, jetstream=jetstream)
        super().__init__(engine, namespace, ack_timeout)


def nats_engine(
    servers: str | Sequence[str] | Client,
    prefix: str,
    tls: ssl.SSLContext | None,
    credentials: str | None,
    nkeys_seed: str | None,
    *,
    jetstream: bool = False,
) -> Engine[Any]:
    """What carries for such emitters.

    Raises:
        ModuleNotFoundError: nats-py is missing.
        TypeError, ValueError: A wrong option.
    """
    check_bool("jetstream", jetstream)
    subjects = Subjects(prefix)
    source = make_source("NatsEmitter", servers, tls, credentials, nkeys_seed)
    from sockwave.emitters.nats_engine import NatsEngine

    return NatsEngine(source, subjects, is_stored=jetstream)
