"""Events of this process that are on their way to the stream and back.

Sockets here get an event when it is read from the stream, as its place there is its offset, and
what all processes write has one order. Where that takes too long they get it before, without an
offset. Then their clients cannot tell whether they have got it until they have seen a later offset:
up to there they stand on a *floor*, and below it none of them is recovered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import SocketId

__all__ = ["Floors", "OwnEvent", "OwnEvents"]


@dataclass(slots=True)
class OwnEvent:
    """One event.

    Attributes:
        number: Of its message.
        event: Name and arguments.
        options: Whom it is for.
        ids: Sockets here that it is for, and that wait for it.
        since: When it was sent, by the clock of the loop.
        early: Those that have got it already.
        written: Its place in the stream, as soon as that is known.
        is_refused: It will not be there.
        then: To be done behind it.
    """

    number: int
    event: EncodedEvent
    options: BroadcastOptions
    ids: dict[SocketId, None]
    since: float
    early: list[SocketId] = field(default_factory=list)
    written: int | None = None
    is_refused: bool = False
    then: list[Callable[[], None]] = field(default_factory=list)


class OwnEvents:
    """Those that have not come back yet, in their order."""

    def __init__(self) -> None:
        self._events: deque[OwnEvent] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[OwnEvent]:
        return iter(tuple(self._events))

    def put(self, event: OwnEvent) -> None:
        """One was sent."""
        self._events.append(event)

    def behind(self, act: Callable[[], None]) -> bool:
        """Do something when the last one has come back; False if there is none."""
        if self._events:
            self._events[-1].then.append(act)
        return bool(self._events)

    def written(self, number: int, place: int) -> None:
        """Its place is known."""
        for event in self._events:
            if event.number == number:
                event.written = place
                return

    def refused(self, number: int) -> None:
        """One will not come; `until` has it in its turn."""
        for event in self._events:
            if event.number == number:
                event.is_refused = True
                return

    def until(self, number: int | None) -> Iterator[OwnEvent]:
        """Take out what need not be waited for any more: up to a number, which has come back, and
        then those that will not come."""
        events = self._events
        while events and (
            events[0].is_refused or (number is not None and events[0].number <= number)
        ):
            yield events.popleft()

    def clear(self) -> None:
        """Forget them."""
        self._events.clear()


class Floors:
    """Below which place in the stream no client of a socket is recovered."""

    def __init__(self) -> None:
        self._open: dict[SocketId, int] = {}
        self._floors: dict[SocketId, int] = {}

    def open(self, id_: SocketId) -> None:
        """A socket has got an event whose place is not known yet."""
        self._open[id_] = self._open.get(id_, 0) + 1

    def close(self, id_: SocketId, place: int) -> None:
        """It is known now."""
        left = self._open.pop(id_, 0) - 1
        if left < 0:
            return  # the socket was forgotten meanwhile
        if left:
            self._open[id_] = left
        self._floors[id_] = max(self._floors.get(id_, 0), place)

    def of(self, id_: SocketId) -> int | None:
        """That of a socket: 0 where there is none, None where it is not known."""
        return None if id_ in self._open else self._floors.get(id_, 0)

    def forget(self, id_: SocketId) -> None:
        """The socket is gone."""
        self._open.pop(id_, None)
        self._floors.pop(id_, None)

    def clear(self) -> None:
        """Forget all."""
        self._open.clear()
        self._floors.clear()
