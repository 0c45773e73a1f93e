"""A server whose requests may come to other machines: `Server(relay=True)`.

It begins when the engine is bound to an event loop, before the first request, and ends with the
server, after which the next event loop, or the next life in the same one, begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.adapters.driver import SupportsRelay
from sockwave.adapters.workers import WorkersAdapter
from sockwave.relaying.hub import RelayHub
from sockwave.relaying.node import RelayNode
from sockwave.relaying.polling import SharedPolling

if TYPE_CHECKING:
    from sockwave.adapters.driver import Driver
    from sockwave.engine.server.fronts.serving import Servable

__all__ = ["Relaying", "join_relay"]


def join_relay(served: Servable, maker: object) -> Relaying:
    """For a server that is made with `relay=True`.

    Args:
        maker: Makes its adapters.

    Raises:
        ValueError: It has no carrier on which requests could be relayed.
    """
    if isinstance(maker, WorkersAdapter):
        raise ValueError("relay: WorkersAdapter relays by itself, on its one machine; leave it out")
    if not isinstance(maker, SupportsRelay):
        name = type(maker).__name__ if maker is not None else "no adapter"
        raise ValueError(
            "relay: requests are relayed over RedisAdapter, ShardedRedisAdapter,"
            f" RedisStreamsAdapter, PostgresAdapter and NatsAdapter, not over {name}"
        )
    return Relaying(served, maker.relay_driver)


class Relaying:
    """A server's place among those that answer for each other.

    Args:
        served: The server.
        carrier: Carries the requests; it stays its owner's.
    """

    def __init__(self, served: Servable, carrier: Driver) -> None:
        self._engine = served.engine
        self._carrier = carrier
        self._hub: RelayHub | None = None
        self._engine.polling_kind = SharedPolling
        self._engine.driver.on_bind(self._begin)
        self._engine.on("closing", self._stopping)

    def _begin(self) -> None:
        if self._hub is not None:  # its loop has ended
            self._hub.node.abandon()
        node = RelayNode(self._carrier, self._engine.driver)
        self._engine.elsewhere = self._hub = RelayHub(self._engine, node)
        node.start()

    def _stopping(self) -> None:
        if self._hub is not None:
            self._hub.stopping()

    async def aclose(self) -> None:
        """The server is closed: leave, so that the next bind begins anew."""
        hub, self._hub = self._hub, None
        if hub is not None:
            self._engine.elsewhere = None
            await hub.node.aclose()
            self._engine.driver.begin_again()
