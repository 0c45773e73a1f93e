"""What an adapter of a cluster has as long as it is in one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

    from sockwave.adapters.cluster import Cluster
    from sockwave.adapters.local import LocalSockets
    from sockwave.adapters.outlet import Outlet

__all__ = ["Life"]

JOIN_PATIENCE: Final = 4.0
"""Seconds that the carrier may take to be reached; who waits longer counts as deaf."""


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
        self.began: float = loop.time()
        self.joining: asyncio.Task[None] | None = None
        self.is_refused = False  # the carrier could not be reached, so far
        self.timer: asyncio.TimerHandle | None = None
        self.timer_at: float = 0.0  # uvloop's handles of what is due at once do not tell
        self.is_telling = False
        self.has_met = False
        self.counted = 0  # processes, as the carrier said last; 0 where it never does

    @property
    def is_deaf(self) -> bool:
        """Whether nothing is heard: the carrier was not reached yet, or brings nothing back."""
        if self.joining is not None and not self.joining.done():
            return self.is_refused or self.loop.time() - self.began >= JOIN_PATIENCE
        hearing = self.cluster.hearing
        return hearing is not None and hearing.is_deaf
