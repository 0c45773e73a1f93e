"""Acknowledgements that are waited for, by id, each with its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from sockwave.errors import AckTimeout, Disconnected, LimitExceeded, SockwaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from sockwave.engine.core.heartbeat import WheelEntry

__all__ = ["AckClock", "AckResult", "AckTable", "AckWaiter", "ack_callback", "ack_value"]

AckResult: TypeAlias = tuple[Any, ...] | SockwaveError
"""The arguments of an answer, or why there is none."""


def ack_value(args: tuple[Any, ...]) -> Any:
    """Give a single argument as itself, none as None, several as a tuple."""
    if len(args) == 1:
        return args[0]
    return args or None


def ack_callback(ack: Callable[..., object], *, error_first: bool) -> Callable[[AckResult], None]:
    """Call a user's function with an answer.

    Args:
        error_first: As `ack(None, *args)` or `ack(error)`; else as `ack(*args)`, and not at all
            when there is no answer.
    """

    def done(result: AckResult) -> None:
        if error_first:
            if isinstance(result, SockwaveError):
                ack(result)
            else:
                ack(None, *result)
        elif not isinstance(result, SockwaveError):
            ack(*result)

    return done


class AckClock(Protocol):
    """Deadlines of the engine."""

    def clock(self) -> float:
        """Monotonic seconds."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Set a deadline."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take it out."""


class AckWaiter:
    """One answer that is waited for; `done` is called once, with the arguments or an error."""

    __slots__ = ("_done", "_id", "_table", "wheel_slot")

    def __init__(
        self,
        table: AckTable,
        id_: int,
        done: Callable[[AckResult], None],
    ) -> None:
        self.wheel_slot: int = 0
        self._table: AckTable | None = table
        self._id = id_
        self._done = done

    def finish(self, result: AckResult) -> None:
        """Deliver the answer, or why there is none."""
        table, self._table = self._table, None
        if table is not None:
            table.forget(self._id, self)
            self._done(result)

    def cancel(self) -> None:
        """Nobody waits any more: a late answer is dropped."""
        table, self._table = self._table, None
        if table is not None:
            table.forget(self._id, self)

    def handle_timeout(self, now: float) -> None:
        """No answer in time."""
        self.finish(AckTimeout())


class AckTable:
    """The answers that one socket owes."""

    __slots__ = ("_clock", "_most", "_waiting")

    def __init__(self, clock: AckClock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._waiting: dict[int, AckWaiter] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(
        self,
        id_: int,
        done: Callable[[AckResult], None],
        timeout: float | None,
    ) -> AckWaiter:
        """Wait for an answer.

        Args:
            timeout: Seconds; None for an answer to a broadcast, which watches the time for all of
                its receivers and is not refused for one that owes too many.

        Raises:
            LimitExceeded: Too many are waited for.
        """
        if timeout is not None and len(self._waiting) >= self._most:
            self.check_room()
        waiter = self._waiting[id_] = AckWaiter(self, id_, done)
        if timeout is not None:
            self._clock.schedule(waiter, self._clock.clock() + timeout)
        return waiter

    def check_room(self) -> None:
        """See that another answer may be waited for.

        Raises:
            LimitExceeded: Too many are waited for.
        """
        if len(self._waiting) >= self._most:
            raise LimitExceeded(f"{self._most} acknowledgements of this socket are outstanding")

    def received(self, id_: int | None, args: tuple[Any, ...]) -> None:
        """An answer has come; one that nobody waits for is dropped."""
        waiter = self._waiting.get(id_) if id_ is not None else None
        if waiter is not None:
            waiter.finish(args)

    def cancel(self, id_: int) -> None:
        """Nobody waits for this answer any more."""
        if (waiter := self._waiting.get(id_)) is not None:
            waiter.cancel()

    def forget(self, id_: int, waiter: AckWaiter) -> None:
        """The waiter is done."""
        self._clock.cancel(waiter)
        if self._waiting.get(id_) is waiter:
            del self._waiting[id_]

    def disconnected(
        self, reason: str, error: SockwaveError | None = None, *, keep: Container[int] = ()
    ) -> None:
        """No answer will come any more, but to what is yet to be sent."""
        for id_, waiter in list(self._waiting.items()):
            if id_ not in keep:
                waiter.finish(Disconnected(reason, error))
