"""What an adapter of a cluster has as long as it is in one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from sockwave.adapters.cluster import Cluster
    from sockwave.adapters.local import LocalSockets
    from sockwave.adapters.outlet import Outlet

__all__ = ["Life"]


class Life:
    """The adapter in one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        cluster: Cluster,
        local: LocalSockets,
        outlet: Outlet,
    ) -> None:
        self.loop = loop
        self.cluster = cluster
        self.local = local
        self.outlet = outlet
        self.joining: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.timer_at = 0.0  # uvloop's handles of what is due at once do not tell
        self.is_telling = False
        self.has_met = False
        self.counted = 0  # processes, as the carrier said last; 0 where it never does
