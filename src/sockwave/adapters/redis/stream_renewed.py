"""The carrier of the adapters of one server, whichever event loop runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.adapters.redis.stream_driver import StreamsDriver, StreamSettings
from sockwave.adapters.renewed import RenewedDriver

if TYPE_CHECKING:
    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.redis.places import Place
    from sockwave.types import NamespaceName

__all__ = ["RenewedStreams"]


class RenewedStreams(RenewedDriver):
    """Stands for the `StreamsDriver` of the running loop.

    Args:
        place: Where Redis is.
        settings: Options of all that it makes.
    """

    def __init__(self, place: Place, settings: StreamSettings) -> None:
        super().__init__(self._make_one, StreamsDriver.capabilities)
        self._place = place
        self._settings = settings
        self._latest: StreamsDriver | None = None

    def _make_one(self) -> StreamsDriver:
        self._latest = StreamsDriver(self._place, self._settings)
        return self._latest

    @property
    def latest(self) -> StreamsDriver:
        """That of the loop that an adapter lives in: it has used it already.

        Raises:
            ConnectionError: Nobody has.
        """
        if self._latest is None:
            raise ConnectionError("nothing was sent to Redis yet")
        return self._latest

    def announce(self, channel: NamespaceName, address: str, receiver: MessageReceiver) -> None:
        """Hear of entries, also before `subscribe`."""
        self._current()
        self.latest.announce(channel, address, receiver)

    @property
    def is_away(self) -> bool:
        """Whether Redis cannot be reached."""
        return self._latest is None or self._latest.is_away

    def position(self, channel: NamespaceName) -> int:
        """How far the stream of a namespace was read."""
        return 0 if self._latest is None else self._latest.position(channel)
