"""The carrier of the adapters of one server, whichever event loop runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sockwave.adapters.message_driver import MessageDriver
from sockwave.adapters.renewed import RenewedDriver
from sockwave.adapters.streams.contract import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.driver import Capabilities
    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.types import NamespaceName

__all__ = ["RenewedStreams", "StreamDriver"]


class StreamDriver(MessageDriver, Stream, Protocol):
    """What is made anew in each loop; see `StreamCarrier`."""

    @property
    def is_away(self) -> bool:
        """Whether it cannot be reached, or was not reached yet."""

    def announce(self, channel: NamespaceName, address: str, receiver: MessageReceiver) -> None:
        """Somebody will `subscribe`, and hears of entries from now on."""

    def position(self, channel: NamespaceName) -> int:
        """How far the stream of a namespace was read."""


class RenewedStreams(RenewedDriver):
    """Stands for the `StreamDriver` of the running loop.

    Args:
        make: Makes one.
        capabilities: Of all that it makes.
    """

    def __init__(self, make: Callable[[], StreamDriver], capabilities: Capabilities) -> None:
        super().__init__(self._make_one, capabilities)
        self._make_stream = make
        self._latest: StreamDriver | None = None

    def _make_one(self) -> StreamDriver:
        self._latest = self._make_stream()
        return self._latest

    @property
    def latest(self) -> StreamDriver:
        """That of the loop that an adapter lives in: it has used it already.

        Raises:
            ConnectionError: Nobody has.
        """
        if self._latest is None:
            raise ConnectionError("nothing was sent yet")
        return self._latest

    def announce(self, channel: NamespaceName, address: str, receiver: MessageReceiver) -> None:
        """Hear of entries, also before `subscribe`."""
        self._current()
        self.latest.announce(channel, address, receiver)

    @property
    def is_away(self) -> bool:
        """Whether the stream cannot be reached."""
        return self._latest is None or self._latest.is_away

    def position(self, channel: NamespaceName) -> int:
        """How far the stream of a namespace was read."""
        return 0 if self._latest is None else self._latest.position(channel)
