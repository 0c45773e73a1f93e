"""The adapter of a namespace on a stream, where no connections are recovered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.adapters.adapter import ClusterAdapter

if TYPE_CHECKING:
    from sockwave.adapters.options import ClusterOptions
    from sockwave.adapters.streams.contract import StreamCarrier
    from sockwave.socketio.core.cluster_contract import ClusterHost

__all__ = ["StreamsAdapter"]


class StreamsAdapter(ClusterAdapter):
    """Reaches the sockets of all processes.

    Args:
        host: Its namespace.
        streams: The carrier.
        options: Times and bounds of the cluster.
    """

    def __init__(
        self,
        host: ClusterHost,
        streams: StreamCarrier,
        options: ClusterOptions | None = None,
    ) -> None:
        ClusterAdapter.__init__(self, host, streams, options)
        self._streams = streams

    @property
    def is_deaf(self) -> bool:
        """Whether this process does not hear what it sends itself, or reads no stream."""
        life = self._life
        if life is None or life.joining is None or not life.joining.done():
            return super().is_deaf
        return super().is_deaf or self._streams.is_away
