"""One bound in bytes for many connections: the account that their intakes share.

Each connection has its own bound; many of them together could still fill the memory. So all of one
server, or of one client, count on an account. While it is over its limit, those connections are not
read that hold more than an equal share: whoever holds little is served as ever, whatever the others
do. They are asked whether they can be read again when the total has fallen to three quarters of the
limit, so that they do not stop and go with each event.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Account", "Stopped"]


class Stopped(Protocol):
    """A connection that nothing is read from."""

    def look_for_room(self) -> None:
        """Read again, if there is room."""


class Account:
    """Bytes that all connections of one owner hold for their handlers.

    When they hold more than the bound, nothing is read from those that hold more than an equal
    share of it; nobody is disconnected for that.

    Args:
        limit: Bytes.

    Attributes:
        total: Bytes held now.
        holders: Connections that hold some.
    """

    __slots__ = ("_stopped", "holders", "limit", "total")

    def __init__(self, limit: int) -> None:
        self.limit: int = limit
        self.total: int = 0
        self.holders: int = 0
        self._stopped: dict[Stopped, None] = {}

    def is_over_share(self, held: int) -> bool:
        """Whether a connection that holds so much is one of those to stop."""
        return self.total > self.limit and held * self.holders > self.limit

    def stop(self, stopped: Stopped) -> None:
        """Nothing is read from a connection until there is room."""
        self._stopped[stopped] = None

    def forget(self, stopped: Stopped) -> None:
        """A connection reads again, or is over."""
        self._stopped.pop(stopped, None)

    def look(self) -> None:
        """Let those read again that may: something has ended."""
        if self._stopped and self.total <= self.limit - self.limit // 4:
            for stopped in list(self._stopped):
                stopped.look_for_room()
