"""The copy of what this process keeps for lost sockets: the side of the owner.

Theory. The mirror is the next member in the ring of ids. It gets each operation on what is kept
here, in the order in which it was done and before any client sees its effect, and does the same
(`replica.py`). A new mirror is told in this order:

1. What is there, in pieces: sockets, then events, the latest first. Each piece waits until the one
   before was taken, so it does not matter how much there is. Operations that are done meanwhile are
   told between the pieces; those on sockets that the mirror does not know yet it leaves out, as the
   piece with the socket has their effect.
2. All members are told to send to the mirror whatever they send here, and confirm it.
3. The mirror before, if there was one, is told to drop its copy, and the new one that its copy is
   whole. Only a whole copy is inherited. There is never more than one when it comes to that: who
   hears that the owner has ended has read all that it said before.

A mirror that does not read gets no more than `MAX_UNTAKEN` bytes: then its copy is dropped, and all
begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.adapters.holding import entry_fields
from sockwave.adapters.messages import MessageType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sockwave.adapters.members import Member, Members
    from sockwave.socketio.core.packet_log import LogEntry

__all__ = ["Mirroring", "PieceOf", "pieces_of_log"]

PIECE: Final = 256 * 1024
"""Bytes of what is told at once; the mirror says when it has taken so much."""

MAX_UNTAKEN: Final = 4 * 1024 * 1024
"""Bytes that a mirror may not have taken yet: a quarter of what carriers keep for one process."""

OPERATION_BYTES: Final = 256
"""What an operation counts, beyond its event."""

AGAIN: Final = 1.0
"""Seconds until a mirror that could not follow is tried again."""

PieceOf: TypeAlias = tuple[list[Any], int]
"""An operation, and what it counts."""


@dataclass(slots=True)
class _Stream:
    """What is told to one mirror.

    Attributes:
        mirror: Its id.
        number: Of the stream.
        pieces: What it has not been told yet of what was there.
        untaken: Bytes that it may not have taken.
        unmarked: Of these, those that were told since it was asked to say so.
        marks: How many bytes each mark stands for that is not answered.
        unconfirmed: Members that have not confirmed; None before they were told.
        is_whole: Whether its copy can be inherited.
        told: Messages so far: the mirror sees that none is missing.
    """

    mirror: str
    number: int
    pieces: list[Iterator[PieceOf]] = field(default_factory=list)
    untaken: int = 0
    unmarked: int = 0
    marks: list[int] = field(default_factory=list)
    unconfirmed: set[str] | None = None
    is_whole: bool = False
    told: int = 0


class Mirroring:
    """Keeps a copy elsewhere.

    Args:
        id_: Of this member.
        members: The others.
        send: Sends type and data to some, or to all.
        whole: Yields all that there is to be told.
        heard: Number of the latest message of each member that was acted on.

    Attributes:
        again_at: When a mirror is looked for again.
    """

    def __init__(
        self,
        id_: str,
        members: Members,
        send: Callable[[MessageType, dict[str, Any], frozenset[str] | None], object],
        whole: Callable[[], Iterator[PieceOf]],
        heard: dict[str, int],
    ) -> None:
        self.again_at: float = float("inf")
        self._id = id_
        self._members = members
        self._send = send
        self._whole = whole
        self._heard = heard
        self._unsaid: dict[str, int] = {}
        self._together: list[PieceOf] | None = None
        self._streams: list[_Stream] = []
        self._number = 0
        self._round = 0

    @property
    def is_on(self) -> bool:
        """Whether anybody is told."""
        return bool(self._streams)

    @property
    def mirrors(self) -> list[str]:
        """Who is to get what is sent here."""
        return [stream.mirror for stream in self._streams if stream.unconfirmed is not None]

    # --- who it is --------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Members have come, gone, or said what they can: see who is the mirror."""
        if now < self.again_at < float("inf"):
            return
        self.again_at = float("inf")
        wanted = self._next_in_ring()
        latest = self._streams[-1] if self._streams else None
        if wanted is None or (latest is not None and latest.mirror == wanted.id):
            return
        if latest is not None and not latest.is_whole:
            self._end(latest)
        if any(stream.mirror == wanted.id for stream in self._streams):
            return  # the one of before, again
        self._number += 1
        stream = _Stream(wanted.id, self._number, [self._whole()])
        self._streams.append(stream)
        self._tell(stream, [], begin=True, heard=dict(self._heard))
        self._go_on(stream)

    def _next_in_ring(self) -> Member | None:
        able = [each for each in self._members if each.recovers and each.encodes_alike]
        behind = [each for each in able if each.id > self._id]
        return min(behind or able, key=lambda each: each.id, default=None)

    def member_left(self, id_: str, now: float) -> None:
        """One is gone, maybe a mirror."""
        self._streams = [stream for stream in self._streams if stream.mirror != id_]
        for stream in list(self._streams):
            if stream.unconfirmed is not None:
                stream.unconfirmed.discard(id_)
        self._look_at_confirmations()
        self.look(now)

    def restart(self, now: float) -> None:
        """Something was lost: no copy is whole any more."""
        for stream in list(self._streams):
            self._end(stream)
        self.again_at = now + AGAIN

    # --- what is done -----------------------------------------------------------------------------

    def acting(self) -> None:
        """A message is acted on from now on: all that comes of it is told together."""
        if self._streams:
            self._together = []

    def acted(self, sender: str, number: int, now: float) -> None:
        """It was acted on. A mirror hears that with what came of it, or sometime later if nothing
        did: if the owner dies between, it acts on the message itself, or knows that it need not."""
        if self._streams:
            self._unsaid[sender] = number
        together, self._together = self._together, None
        if together:
            self._tell_all([each for each, _ in together], sum(size for _, size in together), now)

    def told(self, operation: list[Any], size: int, now: float) -> None:
        """Tell what was done."""
        size += OPERATION_BYTES
        if self._together is not None:
            self._together.append((operation, size))
        else:
            self._tell_all([operation], size, now)

    def _tell_all(self, operations: list[list[Any]], size: int, now: float) -> None:
        heard, self._unsaid = self._unsaid, {}
        for stream in list(self._streams):
            self._tell(stream, operations, size, heard=heard)
            if stream.untaken > MAX_UNTAKEN:
                self._end(stream)
                self.again_at = now + AGAIN

    def flush(self) -> None:
        """Tell what was acted on, where no operation came of it."""
        heard, self._unsaid = self._unsaid, {}
        if heard:
            for stream in self._streams:
                self._tell(stream, [], heard=heard)

    def more(self, pieces: Callable[[], Iterator[PieceOf]]) -> None:
        """There is more now than what was there before."""
        for stream in list(self._streams):
            stream.pieces.append(pieces())
            self._go_on(stream)

    def _tell(
        self, stream: _Stream, operations: Sequence[list[Any]], size: int = 0, **more: Any
    ) -> None:
        stream.untaken += size
        stream.unmarked += size
        data: dict[str, Any] = {"s": stream.number, "k": stream.told, **more}
        stream.told += 1
        if operations:
            data["ops"] = operations
        if stream.unmarked >= PIECE or more.get("begin"):
            stream.marks.append(stream.unmarked)
            stream.unmarked = 0
            data["mark"] = True
        self._send(MessageType.REPLICA, data, frozenset({stream.mirror}))

    def _end(self, stream: _Stream) -> None:
        self._streams.remove(stream)
        self._tell(stream, [], end=True)

    def _go_on(self, stream: _Stream) -> None:
        """Tell more of what was there, if all that was told before is taken."""
        while stream.pieces and not stream.marks:
            operations: list[list[Any]] = []
            size = 0
            for operation, bytes_ in stream.pieces[0]:
                operations.append(operation)
                size += OPERATION_BYTES + bytes_
                if size >= PIECE:
                    break
            else:
                stream.pieces.pop(0)
            if operations:
                self._tell(stream, operations, size)
        if not stream.pieces and not stream.marks and stream.unconfirmed is None:
            stream.unconfirmed = {each.id for each in self._members if each.recovers}
            self._announce()
            self._look_at_confirmations()

    def _announce(self) -> None:
        self._round += 1
        self._send(MessageType.MIRRORS, {"mirrors": self.mirrors, "round": self._round}, None)

    # --- answers ----------------------------------------------------------------------------------

    def taken(self, mirror: str, data: dict[str, Any], now: float) -> None:
        """A mirror has taken all up to a mark, or has no copy."""
        for stream in list(self._streams):
            if stream.mirror != mirror or stream.number != data.get("s"):
                continue
            if data.get("none") is True:
                self._streams.remove(stream)
                self.again_at = now + AGAIN
                self._look_at_confirmations()
            elif stream.marks:
                stream.untaken -= stream.marks.pop(0)
                self._go_on(stream)

    def confirmed(self, member: str, round_: object) -> None:
        """A member sends to the mirrors what it sends here."""
        if round_ == self._round:
            for stream in self._streams:
                if stream.unconfirmed is not None:
                    stream.unconfirmed.discard(member)
            self._look_at_confirmations()

    def _look_at_confirmations(self) -> None:
        if not self._streams:
            return
        latest = self._streams[-1]
        if latest.is_whole or latest.unconfirmed is None or latest.unconfirmed:
            return
        for stream in self._streams[:-1]:
            self._end(stream)
        latest.is_whole = True
        self._tell(latest, [], whole=True)
        self._announce()


def pieces_of_log(
    epoch: str, first: int, at: Callable[[int], LogEntry | None], now: Callable[[], float]
) -> Iterator[PieceOf]:
    """Events of a log as operations, the latest first.

    Args:
        first: Position before which they are told.
    """
    for position in range(first - 1, -1, -1):
        entry = at(position)
        if entry is None:
            return
        yield ["old", epoch, position, entry_fields(entry, now())], entry.size
