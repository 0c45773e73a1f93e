"""The copy of what another process keeps for lost sockets: the side of the mirror.

The owner tells each operation, in order; `told` does the same here. Beside, there is what others
have sent to the owner, and to this process as its mirror: it waits here until the owner has said
that it has acted on it. What is left over when the owner dies is done then, so that nothing falls
between.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.holding import Holding, read_entry
from sockwave.adapters.messages import number_of
from sockwave.errors import PacketError, SockwaveError
from sockwave.types import SocketId

if TYPE_CHECKING:
    from sockwave.adapters.holding import Place
    from sockwave.adapters.messages import Message

__all__ = ["Replica", "Waiting"]

MESSAGE_BYTES: Final = 1_024
"""What a message that waits counts beyond its event."""


class Waiting:
    """Messages about sockets that were heard here, and that another process may have to act on.

    Args:
        most: How many are kept.
        most_bytes: And how much.

    Attributes:
        is_full: Whether some were not kept.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.is_full: bool = False
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._messages: deque[Message] = deque()

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> None:
        """One was heard."""
        if len(self._messages) >= self._most or self._bytes > self._most_bytes:
            self.is_full = True
        else:
            self._messages.append(message)
            self._bytes += _size(message)

    def drop_heard(self, heard: dict[str, int]) -> None:
        """Forget those that the other process has acted on; most often it is the oldest."""
        messages = self._messages
        while messages and _is_heard(messages[0], heard):
            self._bytes -= _size(messages.popleft())

    def not_heard(self, heard: dict[str, int]) -> list[Message]:
        """Those that it has not acted on, in order."""
        return [message for message in self._messages if not _is_heard(message, heard)]


def _size(message: Message) -> int:
    data = message.data
    parts = [data.get("text")]
    for key in ("bin", "messages"):
        if isinstance(
            several := data.get(key), list
        ):  # else it is malformed, and nobody acts on it
            parts += several
    return MESSAGE_BYTES + sum(len(part) for part in parts if isinstance(part, (bytes, str)))


def _is_heard(message: Message, heard: dict[str, int]) -> bool:
    return (message.number or 0) <= heard.get(message.sender, -1)


class Replica:
    """The copy of one owner.

    Args:
        owner: Id of the member.
        stream: Number of the series of operations; another one begins from nothing.
        place: See there.

    Attributes:
        holdings: Its stores: the own one and those that it has inherited.
        heard: Number of the latest message of each member that it has acted on.
        waiting: What was sent to it, and it has not acted on as far as it is known.
        is_whole: Whether nothing is missing.
    """

    def __init__(self, owner: str, stream: int, place: Place) -> None:
        self.owner = owner
        self.stream = stream
        self.holdings: dict[str, Holding] = {}
        self.heard: dict[str, int] = {}
        self.waiting: Waiting = Waiting(place.options.max_packets, place.options.max_bytes)
        self.is_whole: bool = False
        self._place = place
        self._told = 0

    def told(self, data: dict[str, Any], now: float) -> bool:
        """Do what the owner has done.

        Returns:
            Whether nothing is missing before it.

        Raises:
            PacketError: Malformed.
        """
        if data.get("k") != self._told:
            return False
        self._told += 1
        heard = data.get("heard") or {}
        try:
            for operation in data.get("ops", ()):
                self._do(operation, now)
            for sender in heard:
                self.heard[sender] = max(number_of(heard, sender), self.heard.get(sender, -1))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PacketError("invalid payload", f"no copy of lost sockets: {error!r}") from error
        if heard:
            self.waiting.drop_heard(self.heard)
        if data.get("whole") is True:
            self.is_whole = True
        return True

    def _do(self, operation: list[Any], now: float) -> None:
        what, *rest = operation
        if what == "entry":
            epochs, fields = rest
            self._entry(epochs, fields, now)
        elif what == "store":
            epoch, first, limit, heard = rest
            self.holdings[epoch] = Holding(self._place, epoch, first, limit, heard)
        else:
            epoch, *rest = rest
            if what == "end":
                self.holdings.pop(epoch, None)
            elif (holding := self.holdings.get(epoch)) is not None:
                self._do_in(holding, what, rest, now)

    def _entry(self, epochs: list[str], fields: dict[str, Any], now: float) -> None:
        """An event was logged in these stores."""
        entry = read_entry(fields, self._place, now)
        for epoch in epochs:
            if (holding := self.holdings.get(epoch)) is not None:
                holding.append(entry)

    def _do_in(self, holding: Holding, what: str, rest: list[Any], now: float) -> None:
        if what == "old":
            position, fields = rest
            holding.prepend(position, read_entry(fields, self._place, now))
            return
        id_ = SocketId(rest[0])
        if what == "whole":
            holding.whole(id_, rest[1], now)
        elif what == "describe":
            holding.describe(id_, *rest[1:])
        elif what == "join":
            holding.join(id_, tuple(rest[1]))
        elif what == "leave":
            holding.leave(id_, rest[1])
        elif what == "save":
            holding.save(id_, rest[1], now)
        elif what == "gone":
            holding.gone(id_)

    def inherit(self, now: float) -> dict[str, Holding]:
        """The owner is gone: what it had, with all that it has not acted on any more."""
        messages = self.waiting.not_heard(self.heard)
        for holding in self.holdings.values():
            holding.inherit(now)
            for message in messages:
                if message.sender != self.owner:
                    # What is malformed its owner would not have acted on either.
                    with suppress(SockwaveError, KeyError, TypeError, ValueError):
                        holding.message(message, now)
            for sender, number in self.heard.items():
                holding.heard[sender] = max(number, holding.heard.get(sender, -1))
        return self.holdings

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        for holding in self.holdings.values():
            holding.expire(now)
