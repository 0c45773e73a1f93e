"""A way out that knows the number of the message that went last."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.messages import Message
    from sockwave.adapters.outlet import Outlet
    from sockwave.types import Room

__all__ = ["NotingOutlet"]


class NotingOutlet:
    """See `WayOut`.

    Args:
        outlet: Takes the messages.

    Attributes:
        number: Of the last message.
    """

    def __init__(self, outlet: Outlet) -> None:
        self.number: int | None = None
        self.is_selective: bool = outlet.is_selective
        self.has_strangers: bool = outlet.has_strangers
        self.echoes: bool = outlet.echoes
        self.is_ordered: bool = outlet.is_ordered
        self.mode: str = outlet.mode
        self._outlet = outlet

    def forget(self) -> None:
        """No message was the last one."""
        self.number = None

    def send(self, message: Message, to: frozenset[str] | None) -> None:
        """Send to all, or to these at least."""
        self._outlet.send(message, to)
        self.number = message.number

    def room_added(self, room: Room) -> None:
        """Pass it on."""
        self._outlet.room_added(room)

    def room_dropped(self, room: Room) -> None:
        """Pass it on."""
        self._outlet.room_dropped(room)

    def count_others(self, counted: Callable[[int], None]) -> None:
        """Pass it on."""
        self._outlet.count_others(counted)
