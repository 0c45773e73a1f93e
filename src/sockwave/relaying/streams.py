"""Bytes on their way between two servers: what is missing, and how much may be under way.

Between servers of ours the messages of a stream are numbered, since what is missing in the middle
of a client's messages must end its connection, and each side tells how much it has taken in all,
so that nobody sends more than `WINDOW` ahead. Servers in JavaScript do neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.relaying.wire import RelayType, is_ours, number_in

if TYPE_CHECKING:
    from sockwave.relaying.node import RelayNode

__all__ = ["WINDOW", "Gap", "Inflow", "Outflow"]

WINDOW: Final = 256 * 1024
"""Bytes that may be under way; a message may be larger."""

TELL: Final = WINDOW // 4
"""Bytes that are taken until the other side is told."""


class Gap(Exception):  # an answer, not a failure of ours
    """Something in the middle of a stream was lost."""


class Outflow:
    """What goes to a peer.

    Args:
        peer: Its id.

    Attributes:
        sent: Bytes in all.
        taken: Those of which the peer has told that they are.
    """

    __slots__ = ("_is_ours", "_number", "sent", "taken")

    def __init__(self, peer: str) -> None:
        self.sent: int = 0
        self.taken: int = 0
        self._is_ours = is_ours(peer)
        self._number = 0

    def number(self, data: dict[str, Any], size: int) -> dict[str, Any]:
        """Number a message of so many bytes, which goes out now."""
        self.sent += size
        if not self._is_ours:
            self.taken = self.sent  # it tells nothing
            return data
        self._number += 1
        return {**data, "n": self._number}

    @property
    def waiting(self) -> int:
        """Bytes that are under way."""
        return self.sent - self.taken

    @property
    def is_full(self) -> bool:
        """Whether the peer has to take some first."""
        return self.waiting > WINDOW

    def told(self, data: dict[str, Any]) -> None:
        """The peer has told how much it has taken.

        Raises:
            PacketError: It has not.
        """
        self.taken = min(max(self.taken, number_in(data, "size")), self.sent)


class Inflow:
    """What comes from a peer.

    Args:
        node: Tells it what is taken.
        sid: Of the session.
        peer: Its id.
    """

    __slots__ = ("_node", "_number", "_peer", "_sid", "_taken", "_told")

    def __init__(self, node: RelayNode, sid: str, peer: str) -> None:
        self._node = node
        self._sid = sid
        self._peer = peer
        self._number = 0
        self._taken = 0
        self._told = 0

    def is_next(self, data: dict[str, Any]) -> bool:
        """Whether a message is to be taken; False for one that has come before.

        Raises:
            Gap: Something before it is missing.
            PacketError: Its number is none.
        """
        if not is_ours(self._peer):
            return True
        number = number_in(data, "n")
        if number <= self._number:
            return False
        if number != self._number + 1:
            raise Gap
        self._number = number
        return True

    def took(self, size: int) -> None:
        """So many bytes are taken."""
        self._taken += size
        if self._taken - self._told >= TELL and is_ours(self._peer):
            self._told = self._taken
            data = {"sid": self._sid, "size": self._taken}
            self._node.send(RelayType.TAKEN, data, self._peer)
