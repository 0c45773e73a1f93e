"""The other processes of a cluster, as far as one of them has heard of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.adapters.interest import PeerInterest

__all__ = ["HeardNumbers", "Member", "Members", "SeenNumbers"]

WINDOW: Final = 1_024
"""Messages of one sender by which one may be overtaken on its own way; one that comes later than
that is taken for one that was here already."""

MAX_DEPARTED: Final = 1_000
"""Members that are gone and whose late messages are still told from new ones."""


class SeenNumbers:
    """Which numbers were here: each is new once."""

    __slots__ = ("_seen", "_top")

    def __init__(self) -> None:
        self._top = -1
        self._seen = 0  # a bit for each of the last numbers, the lowest for the highest number

    def is_far_behind(self, number: int) -> bool:
        """Whether it is so old that nobody can tell whether it was here."""
        return number <= self._top - WINDOW

    def is_new(self, number: int) -> bool:
        """Whether it is here for the first time; from now on it was here."""
        ahead = number - self._top
        if ahead > 0:
            self._top = number
            kept = self._seen << ahead if ahead < WINDOW else 0
            self._seen = (kept | 1) & _ALL
            return True
        bit = 1 << -ahead if -ahead < WINDOW else 0
        if not bit or self._seen & bit:
            return False
        self._seen |= bit
        return True


_ALL: Final = (1 << WINDOW) - 1


class HeardNumbers:
    """Which messages of one sender were here.

    What is kept in a stream and what goes by itself have one count, and two ways, one of which may
    be any number of messages behind the other. So each is remembered for itself.
    """

    __slots__ = ("_entries", "_others")

    def __init__(self) -> None:
        self._entries = SeenNumbers()
        self._others = SeenNumbers()

    def has_had(self, number: int, *, is_beat: bool, is_entry: bool) -> bool:
        """Whether the message of a number was here; from now on it was.

        Numbers in its name that were not its own would silence it: heartbeats, which nobody sends
        twice, say where it is.
        """
        if is_entry:
            return not self._entries.is_new(number)
        if is_beat and self._entries.is_far_behind(number):
            self._entries = SeenNumbers()
        if self._others.is_new(number):
            return False
        if not is_beat or not self._others.is_far_behind(number):
            return True
        self._others = SeenNumbers()
        return not self._others.is_new(number)


@dataclass(slots=True)
class Member:
    """Another process.

    Attributes:
        id: Made at its start.
        since: Monotonic seconds at which it was heard first.
        seen: And last.
        beat: When its last heartbeat came.
        lateness: Seconds by which that was later than it should have been.
        interest: Its rooms; None while it has not said that it knows our own messages.
        encodes_alike: Whether it has the same parser.
        asked: When it was asked for its rooms last.
        numbers: Of its messages.
        recovers: Whether it keeps lost sockets, and copies of those of others.
        mirrors: Ids of those who keep copies of it: they get what is sent to it.
        losses: How often it had to drop messages, as it says.
        sequence: Of its last message to everybody; None before the first.
        untold: How many of them have not come, and nobody was told yet.
        mode: What it says of its carrier; None before it has said anything.
    """

    id: str
    since: float
    seen: float
    beat: float
    lateness: float = 0.0
    interest: PeerInterest | None = None
    encodes_alike: bool = False
    asked: float = float("-inf")
    numbers: HeardNumbers = field(default_factory=HeardNumbers)
    recovers: bool = False
    mirrors: tuple[str, ...] = ()
    losses: int | None = None
    sequence: int | None = None
    untold: int = 0
    mode: str | None = None

    def missed(self, sequence: int) -> int:
        """How many of its messages to everybody should have come before this one, and have not."""
        last = self.sequence
        if last is not None and sequence + WINDOW < last:
            last = None  # the last one was a lie: nobody counts backwards
        self.sequence = max(sequence, last or 0)
        return 0 if last is None else max(sequence - last - 1, 0)


class Members:
    """Those that are there, and a memory of those that were.

    Args:
        most: How many are kept account of.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._here: dict[str, Member] = {}
        # Numbers of those that were silent for too long; the time for those that have said goodbye.
        self._departed: dict[str, HeardNumbers | float] = {}

    def __len__(self) -> int:
        return len(self._here)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._here.values())

    def __contains__(self, id_: str) -> bool:
        return id_ in self._here

    def get(self, id_: str) -> Member | None:
        """One that is there."""
        return self._here.get(id_)

    def closed_at(self, id_: str) -> float | None:
        """When it has said goodbye, or somebody in its name; None if nobody has."""
        when = self._departed.get(id_)
        return None if isinstance(when, HeardNumbers) else when

    @property
    def is_full(self) -> bool:
        """Whether no more are kept account of."""
        return len(self._here) >= self._most

    def add(self, id_: str, now: float) -> Member:
        """One is heard for the first time, or again after a silence."""
        member = self._here[id_] = Member(id_, now, now, now)
        numbers = self._departed.pop(id_, None)
        if isinstance(numbers, HeardNumbers):
            member.numbers = numbers
        return member

    def remove(self, id_: str, *, for_good: bool, now: float = 0.0) -> Member | None:
        """One is gone.

        Args:
            for_good: It has said so itself, and does not come back under this id.
            now: When.
        """
        member = self._here.pop(id_, None)
        if member is not None or for_good:
            self._departed.pop(id_, None)
            self._departed[id_] = now if for_good or member is None else member.numbers
            if len(self._departed) > MAX_DEPARTED:
                del self._departed[next(iter(self._departed))]
        return member

    def silent_since(self, time: float) -> list[Member]:
        """Those that were not heard after a time."""
        return [member for member in self if member.seen < time]

    def excuse(self, now: float) -> None:
        """Nobody could be heard until now: the silence of all begins anew."""
        for member in self:
            member.seen = now
