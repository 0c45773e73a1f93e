"""What clients have answered to a broadcast, and who of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockwave.types import SocketId

__all__ = ["BroadcastAnswers"]


class BroadcastAnswers(list[Any]):
    """Answers to a broadcast, in order of arrival: a list that also tells whose they are.

    Attributes:
        by_socket: Answers by the id of the socket, in order of arrival. Those of clients of servers
            that do not tell their ids, as the ones in JavaScript, are only in the list.
        missing: Ids of sockets that were asked and did not answer, as far as their servers told;
            there are some only in `AckTimeout.responses`.
    """

    __slots__ = ("by_socket", "missing")

    def __init__(self) -> None:
        super().__init__()
        self.by_socket: dict[SocketId, Any] = {}
        self.missing: tuple[SocketId, ...] = ()

    def take(self, socket: SocketId | None, value: Any) -> None:
        """Add an answer.

        Args:
            socket: Whose it is; None where nobody tells.
        """
        self.append(value)
        if socket is not None:
            self.by_socket[socket] = value

    def take_all(self, others: BroadcastAnswers) -> None:
        """Add the answers to the same question that was asked elsewhere."""
        self.extend(others)
        self.by_socket.update(others.by_socket)
        self.missing += others.missing
