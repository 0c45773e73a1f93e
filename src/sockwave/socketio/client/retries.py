"""Events that are sent until they are acknowledged, one after the other.

docs/protocol/client-sockets.md#retries has the rules.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from sockwave.errors import LimitExceeded, SockwaveError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.acks import AckResult

__all__ = ["RetryQueue"]

E = TypeVar("E")


@dataclass(slots=True)
class _Queued(Generic[E]):
    event: E
    done: Callable[[AckResult], None]
    tries: int = 0


class RetryQueue(Generic[E]):
    """At least once and in order: the next event leaves when the one before it is answered.

    Args:
        retries: Tries after the first; when they are used up, the event is given up.
        limit: Events in the queue; past it `add` raises.
        send: Sends one try with an acknowledgement id of its own, and calls back once.
    """

    __slots__ = ("_in_flight", "_limit", "_queue", "_retries", "_send", "is_connected")

    def __init__(
        self,
        retries: int,
        limit: int,
        send: Callable[[E, Callable[[AckResult], None]], None],
    ) -> None:
        self.is_connected: bool = False
        self._retries = retries
        self._limit = limit
        self._send = send
        self._queue: deque[_Queued[E]] = deque()
        self._in_flight = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, event: E, done: Callable[[AckResult], None]) -> None:
        """Queue an event; `done` is called once, with its answer or the error of its last try.

        Raises:
            LimitExceeded: The queue is full.
        """
        if len(self._queue) >= self._limit:
            raise LimitExceeded(f"{self._limit} events wait for their acknowledgement")
        self._queue.append(_Queued(event, done))
        self._advance()

    def connected(self) -> None:
        """The socket can send: the queue moves."""
        self.is_connected = True
        self._advance()

    def disconnected(self) -> None:
        """The socket cannot send: the queue rests, and no try is used up."""
        self.is_connected = False

    def start_anew(self) -> None:
        """The answer to the try under way will not come: it is as if it had not been sent."""
        self.is_connected = False
        if self._in_flight:
            self._in_flight = False
            self._queue[0].tries -= 1

    def _advance(self) -> None:
        if not self.is_connected or self._in_flight or not self._queue:
            return
        head = self._queue[0]
        head.tries += 1
        self._in_flight = True
        self._send(head.event, lambda result: self._answered(head, result))

    def _answered(self, head: _Queued[E], result: AckResult) -> None:
        self._in_flight = False
        if not isinstance(result, SockwaveError) or head.tries > self._retries:
            self._queue.popleft()
            head.done(result)
        self._advance()
