"""Questions to the other processes that are open, and when each of them is over.

Theory. A question knows from whom it wants answers. Each of those ends up in one of three places:
it has answered, it is gone, or it is silent when the time is over. As soon as nobody is waited for
the question is over, and `over` is called, once, with who is missing. Answers of processes that
nobody had heard of when the question went out count too.

Where processes may listen that nobody hears of (`Capabilities.has_strangers`), the carrier is asked
how many there are; until it has said so the question stays open, and then for as many strangers.
Those whose answers do not say whose they are (`ANONYMOUS`) are one to a number: what all of them
have asked is one count.
"""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.messages import ANONYMOUS
from sockwave.errors import LimitExceeded
from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sockwave.types import SocketId

__all__ = ["MOST_STRANGERS", "ClientQuestion", "MemberQuestion", "Question", "Requests"]

MOST_STRANGERS: Final = 1_000
"""Processes that nobody had heard of and that answer one question: more than that are none."""

_logger: Final = logging.getLogger("sockwave.adapters")


class Question:
    """What both kinds have in common.

    Args:
        members: From whom answers are wanted.
        deadline: When it is over at the latest.
        over: Told how it ended.
        is_counted: False if it is to be found out how many strangers there are.

    Attributes:
        deadline: See above.
        is_counted: Whether that is known.
    """

    def __init__(
        self,
        members: Iterable[str],
        deadline: float,
        over: Callable[[RemoteOutcome], None],
        *,
        is_counted: bool = True,
    ) -> None:
        self.deadline = deadline
        self._waiting = set(members)
        self._named = len(self._waiting)
        self._most = self._named + MOST_STRANGERS
        self._gone: list[str] = []
        self._over = over
        self.is_counted: bool = is_counted
        self._strangers = 0

    @property
    def is_over(self) -> bool:
        """Whether nobody is waited for."""
        return not self._waiting and self.is_counted and self._strangers <= 0

    def counted(self, others: int) -> None:
        """The carrier says how many others there are, strangers included."""
        self.is_counted = True
        self._strangers += max(others - self._named, 0)

    def member_left(self, member: str) -> None:
        """It will not answer any more."""
        if member in self._waiting:
            self._waiting.discard(member)
            self._gone.append(member)

    def _answered(self, member: str) -> None:
        if member in self._waiting:
            self._waiting.discard(member)
        else:
            self._strangers -= 1

    def finish(self) -> None:
        """Tell how it ended."""
        self._over(self._outcome())

    def _outcome(self) -> RemoteOutcome:
        return RemoteOutcome(
            is_complete=self.is_over and not self._gone,
            gone=tuple(self._gone),
            silent=tuple(sorted(self._waiting)),
        )


class MemberQuestion(Question):
    """Wants one answer of each process.

    Args:
        answered: Called with each.
    """

    def __init__(
        self,
        members: Iterable[str],
        deadline: float,
        answered: Callable[[str, Any], None],
        over: Callable[[RemoteOutcome], None],
        *,
        is_counted: bool = True,
    ) -> None:
        super().__init__(members, deadline, over, is_counted=is_counted)
        self._tell = answered
        self._heard: set[str] = set()

    def answer(self, member: str, value: Any) -> None:
        """One has answered; a second time changes nothing."""
        is_stranger = member not in self._waiting
        if member in self._heard or (is_stranger and len(self._heard) >= self._most):
            return
        if member != ANONYMOUS:
            self._heard.add(member)
        self._answered(member)
        self._tell(member, value)


@dataclass(slots=True)
class _Clients:
    """Clients of one process: how many were asked, which, and what became of them."""

    count: int | None = None
    ids: frozenset[SocketId] = frozenset()
    answered: set[SocketId] = field(default_factory=set)
    lost: set[SocketId] = field(default_factory=set)
    nameless: int = 0

    @property
    def is_done(self) -> bool:
        heard = self.nameless + len(self.answered) + len(self.lost)
        return self.count is not None and heard >= self.count

    @property
    def missing(self) -> frozenset[SocketId]:
        return (self.ids | self.lost) - self.answered

    @property
    def has_names(self) -> bool:
        """Whether it is known of everybody who does not answer who that is."""
        return self.count is not None and len(self.ids) >= self.count


class ClientQuestion(Question):
    """Wants the answers of clients; each process says how many it has asked.

    Args:
        answered: Called with each.
    """

    def __init__(
        self,
        members: Iterable[str],
        deadline: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
        *,
        is_counted: bool = True,
    ) -> None:
        super().__init__(members, deadline, over, is_counted=is_counted)
        self._tell = answered
        self._clients: dict[str, _Clients] = {id_: _Clients() for id_ in self._waiting}
        self._done: set[str] = set()
        self._nameless = 0  # clients of processes without a name that have not answered yet

    @property
    def is_over(self) -> bool:
        """Whether nobody is waited for."""
        return super().is_over and self._nameless <= 0

    def asked(self, member: str, count: int, ids: frozenset[SocketId]) -> None:
        """A process has asked so many clients; which, if it tells."""
        if member == ANONYMOUS:
            self._strangers -= 1
            self._nameless += count
            return
        clients = self._of(member)
        if clients is not None and clients.count is None:
            clients.count = count
            clients.ids = ids
            self._look(member, clients)

    def answer(self, member: str, socket: SocketId | None, value: Any) -> None:
        """A client has answered."""
        if member == ANONYMOUS:
            self._nameless -= 1
            self._tell(RemoteAnswer(member=member, socket=None, value=value))
            return
        clients = self._of(member)
        if clients is None or clients.is_done or socket in clients.answered:
            return
        if socket is None:
            clients.nameless += 1
        else:
            clients.lost.discard(socket)
            clients.answered.add(socket)
        self._tell(RemoteAnswer(member=member, socket=socket, value=value))
        self._look(member, clients)

    def lost(self, member: str, socket: SocketId) -> None:
        """A client has gone without an answer."""
        clients = self._of(member)
        if clients is None:
            return
        if socket not in clients.answered:
            clients.lost.add(socket)
        self._look(member, clients)

    def member_left(self, member: str) -> None:
        """Its clients will not answer any more."""
        super().member_left(member)
        self._done.add(member)

    def _of(self, member: str) -> _Clients | None:
        """What is known of a process; None where that is none."""
        clients = self._clients.get(member)
        if clients is None and len(self._clients) < self._most:
            # It came while the question was on its way.
            clients = self._clients[member] = _Clients()
            self._strangers -= 1
            self._waiting.add(member)
        return clients

    def _look(self, member: str, clients: _Clients) -> None:
        if clients.is_done and member not in self._done:
            self._done.add(member)
            self._waiting.discard(member)

    def _outcome(self) -> RemoteOutcome:
        missing = [id_ for clients in self._clients.values() for id_ in sorted(clients.missing)]
        silent = [id_ for id_ in sorted(self._waiting) if not self._clients[id_].has_names]
        return RemoteOutcome(
            is_complete=self.is_over and not self._gone and not missing,
            gone=tuple(self._gone),
            silent=tuple(silent),
            missing=tuple(missing),
        )


class Requests:
    """Open questions by their ids.

    Args:
        most: How many may be open.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, Question] = {}
        self._deadlines: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._open)

    def check_room(self) -> None:
        """See that another one may be asked.

        Raises:
            LimitExceeded: Too many are open.
        """
        if len(self._open) >= self._most:
            raise LimitExceeded(f"{self._most} questions to other servers are open: max_pending")

    def add(self, id_: str, question: Question) -> None:
        """Keep one until it is over, which it may be at once."""
        self._open[id_] = question
        heapq.heappush(self._deadlines, (question.deadline, id_))
        self.look(id_)

    def get(self, id_: str) -> Question | None:
        """One that is open; None for one that is over, or was never asked."""
        return self._open.get(id_)

    def cancel(self, id_: str) -> None:
        """Nobody wants to know any more."""
        self._open.pop(id_, None)

    def look(self, id_: str) -> None:
        """End it, if nobody is waited for."""
        question = self._open.get(id_)
        if question is not None and question.is_over:
            self._end(id_)

    def uncounted(self) -> list[str]:
        """Questions of which nobody knows from how many strangers answers come."""
        return [id_ for id_, question in self._open.items() if not question.is_counted]

    def counted(self, id_: str, others: int) -> None:
        """The carrier says how many others there are; the first time counts."""
        question = self._open.get(id_)
        if question is not None and not question.is_counted:
            question.counted(others)
            self.look(id_)

    def count_known(self) -> None:
        """Those who are known are all again: questions that wait for no more are over."""
        for id_ in self.uncounted():
            self.counted(id_, 0)

    def _end(self, id_: str) -> None:
        question = self._open.pop(id_, None)
        if question is not None:
            try:
                question.finish()
            except Exception:  # of whoever asked; the others' questions end as well
                _logger.exception("a question to other servers was over, and then failed")

    def member_left(self, member: str) -> None:
        """A process is gone: who waits for it does so no longer."""
        for id_, question in list(self._open.items()):
            question.member_left(member)
            self.look(id_)

    def next_deadline(self) -> float | None:
        """When the next one is over."""
        while self._deadlines and self._deadlines[0][1] not in self._open:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def expire(self, now: float) -> None:
        """End those whose time is over."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            self._end(heapq.heappop(self._deadlines)[1])

    def end_all(self) -> None:
        """End them as they are: nobody is there any more to answer."""
        for id_ in list(self._open):
            self._end(id_)
