"""Sessions that are handed to other processes, whose clients have come back there.

See `returns.py`, whose other side this is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.messages import MessageType, rooms_of, text_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from sockwave.adapters.sides import Sender
    from sockwave.types import Room, SocketId

__all__ = ["Handovers", "Keeping"]

PATIENCE: Final = 10.0
"""Seconds that others may take: whoever asks has given up before."""

MAX_OPEN: Final = 20_000
"""Sessions that may be on their way at a time."""


class Keeping(Protocol):
    """What is kept here for lost sockets."""

    def look_for(self, pid: str) -> tuple[SocketId, tuple[Room, ...]] | str | None:
        """A session that is here, and its rooms; or of whom there is only a copy with it."""

    def hand_over(
        self, pid: str, offset: str | None, rooms: Collection[Room]
    ) -> dict[str, Any] | None:
        """Forget a session; what goes to the other process, `{again}` where it is in other rooms
        than these, None where all that is missed cannot be told."""


@dataclass(slots=True)
class _Handover:
    """One that is on its way.

    Attributes:
        to: Who wants it.
        deadline: When nobody waits for it.
        unflushed: Members whose FLUSHED has not come; None before it is known who wants what.
        flushed: Those whose FLUSHED was here first.
    """

    to: str
    deadline: float
    flushed: set[str]
    unflushed: set[str] | None = None
    pid: str = ""
    offset: str | None = None
    rooms: tuple[Room, ...] = ()


class Handovers:
    """The side of those who are asked.

    Args:
        id_: Of this member.
        keeping: What is kept here.
        send: To the others.
    """

    def __init__(self, id_: str, keeping: Keeping, send: Sender) -> None:
        self._id = id_
        self._keeping = keeping
        self._send = send
        self._open: dict[tuple[str, str], _Handover] = {}
        # Who waits until it is known whether a copy here is inherited: member, request, secret.
        self._later: dict[tuple[str, str], tuple[str, str, float]] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._later)

    def wanted(self, member: str, data: dict[str, Any], now: float) -> None:
        """Somebody looks for a session.

        Raises:
            PacketError: Malformed.
        """
        self._answer(member, text_of(data, "requestId"), text_of(data, "pid"), now)

    def _answer(self, member: str, request: str, pid: str, now: float) -> None:
        answer: dict[str, Any] = {"requestId": request}
        found = self._keeping.look_for(pid)
        if isinstance(found, str):
            answer["of"] = found
            if len(self._later) < MAX_OPEN:
                self._later[member, request] = found, pid, now + PATIENCE
        elif found is not None:
            id_, rooms = found
            answer.update(found=True, id=id_, rooms=list(rooms))
        self._send(MessageType.SESSION_FOUND, answer, frozenset({member}))

    def inherited(self, owner: str, now: float) -> None:
        """It is known what became of the copy of somebody."""
        for (member, request), (of, pid, _) in list(self._later.items()):
            if of == owner:
                del self._later[member, request]
                self._answer(member, request, pid, now)

    def coming(
        self, member: str, data: dict[str, Any], others: Collection[str], losses: int, now: float
    ) -> None:
        """Somebody hears for a session, too.

        Args:
            others: All members.
            losses: How often messages of this one were lost.

        Raises:
            PacketError: Malformed.
        """
        request, holder = text_of(data, "requestId"), text_of(data, "holder")
        if holder != self._id:
            flushed = {"requestId": request, "by": member, "losses": losses}
            self._send(MessageType.FLUSHED, flushed, frozenset({holder}))
            return
        handover = self._handover(member, request, now)
        if handover is None:
            return
        handover.pid = text_of(data, "pid")
        handover.offset = None if data.get("offset") is None else text_of(data, "offset")
        handover.rooms = rooms_of(data.get("rooms"))
        handover.unflushed = set(others) - {member} - handover.flushed
        self._look(member, request, handover)

    def flushed(self, sender: str, data: dict[str, Any], now: float) -> None:
        """All that a member has sent before is here.

        Raises:
            PacketError: Malformed.
        """
        member, request = text_of(data, "by"), text_of(data, "requestId")
        handover = self._handover(member, request, now)
        if handover is None:
            return
        handover.flushed.add(sender)
        if handover.unflushed is not None:
            handover.unflushed.discard(sender)
            self._look(member, request, handover)

    def _handover(self, member: str, request: str, now: float) -> _Handover | None:
        handover = self._open.get((member, request))
        if handover is None and len(self._open) < MAX_OPEN:
            handover = self._open[member, request] = _Handover(member, now + PATIENCE, set())
        return handover

    def _look(self, member: str, request: str, handover: _Handover) -> None:
        if handover.unflushed is None or handover.unflushed:
            return
        del self._open[member, request]
        session = self._keeping.hand_over(handover.pid, handover.offset, handover.rooms) or {}
        data = {"requestId": request, **session}
        self._send(MessageType.SESSION, data, frozenset({member}))

    def member_left(self, id_: str) -> None:
        """One is gone: nobody waits for what it wanted, nor for its FLUSHED."""
        for key in [key for key in self._later if key[0] == id_]:
            del self._later[key]
        for (member, request), handover in list(self._open.items()):
            if member == id_:
                del self._open[member, request]
            elif handover.unflushed is not None:
                handover.unflushed.discard(id_)
                self._look(member, request, handover)

    def expire(self, now: float) -> None:
        """Forget what nobody waits for any more."""
        for key in [key for key, each in self._open.items() if each.deadline <= now]:
            del self._open[key]
        for key in [key for key, (_, _, deadline) in self._later.items() if deadline <= now]:
            del self._later[key]
