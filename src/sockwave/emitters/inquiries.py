"""What an emitter asks the servers, and what they have answered so far: no I/O, no clock.

Theory. An emitter is no member of the cluster: nobody counts it, and it hears no heartbeats. Its
questions have random ids, and servers answer to the address that all emitters share, so what has
another id is another emitter's, or comes too late. How many servers will answer is told by the
carrier, where it counts them (`counted`). Elsewhere those of ours say, with their answers, how many
they know of; where nobody says so, as servers in JavaScript on PostgreSQL, those that have answered
within a second are taken for all.

What is kept of answers is bounded in bytes; whoever sends more than that ends the question.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import (
    ANONYMOUS,
    EMITTER,
    Message,
    MessageType,
    encode_options,
    number_of,
)
from sockwave.adapters.requests import ClientQuestion, MemberQuestion, Question, Requests
from sockwave.adapters.responses import Responses
from sockwave.errors import AckTimeout, ClusterTimeout, LimitExceeded, PacketError, SockwaveError
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
from sockwave.socketio.core.cluster_contract import RemoteOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteDetails
    from sockwave.types import Json, NamespaceName

__all__ = [
    "ACK_TIMEOUT",
    "ANSWERS",
    "SEND_TIMEOUT",
    "AckInquiry",
    "CountInquiry",
    "FetchInquiry",
    "Inquiry",
]

T = TypeVar("T")
S = TypeVar("S")

ACK_TIMEOUT: Final = 60.0
"""Seconds that answers of clients are waited for where nobody says: as `ack_timeout` of servers."""

SEND_TIMEOUT: Final = 5.0
"""Seconds within which an engine must have taken what is emitted or asked, connecting included."""

FETCH_TIMEOUT: Final = 5.0
"""Seconds that servers have to tell of their sockets, as in the reference."""

SETTLE: Final = 1.0
"""Seconds after which all have answered, where nobody knows how many there are."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of answers to one question."""

PER_ANSWER: Final = 128
"""Bytes that each counts beside its own, so that small ones are bounded in number, too."""

MAX_NAMES: Final = 1_000
"""Other servers that are known by name."""

ANSWERS: Final = frozenset(
    {
        MessageType.FETCH_SOCKETS_RESPONSE,
        MessageType.BROADCAST_CLIENT_COUNT,
        MessageType.BROADCAST_ACK,
        MessageType.COUNT_RESPONSE,
        MessageType.ACK_LOST,
    }
)
"""What servers answer to emitters."""

_logger: Final = logging.getLogger("sockwave.adapters")


class Inquiry(Generic[T]):
    """One question; `begin` comes first, `result` last.

    Args:
        type_: Of the message.
        data: Its fields, without the id of the question.
        namespace: Where it is asked.
        timeout: Seconds until it is over at the latest.

    Attributes:
        id: Which nobody can guess.
        message: What is asked.
        timeout: See above.
        failure: What has ended it before its time.
    """

    def __init__(
        self, type_: MessageType, data: dict[str, Any], namespace: NamespaceName, timeout: float
    ) -> None:
        self.id: str = secrets.token_hex(8)
        self._key = self.id.encode()
        self.message: Message = Message(type_, {"requestId": self.id, **data}, EMITTER, namespace)
        self.timeout = timeout
        self.failure: SockwaveError | None = None
        self._outcome: RemoteOutcome | None = None
        self._requests = Requests(1)
        self._responses = Responses(self._requests)
        self._question: Question | None = None
        self._settles = float("inf")
        self._size = 0
        self._told = 0
        self._believed = 0
        self._believes = False
        self._dropped = 0
        self._others: set[str] = set()
        self._heard: set[str] = set()

    # --- its course -------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """It is about to be sent."""
        self._question = self._ask(now + self.timeout)
        self._requests.add(self.id, self._question)

    def counted(self, servers: int | None, now: float) -> None:
        """The carrier says how many servers there are, or, with None, that it does not know."""
        if servers is None:
            self._believes = True
            self._settles = now + SETTLE
            self._believe()
        elif self._question is not None:
            self._question.counted(servers)
        self._requests.look(self.id)

    def came(self, data: bytes, decode: Callable[[bytes], Message | None]) -> bool:
        """Something has come where servers answer; it may belong to another question.

        Args:
            decode: Makes a message of it, if it is one; called only where it may belong to this.

        Returns:
            Whether it may have changed something.
        """
        if self._key not in data or self.is_over:
            return False
        self._size += len(data) + PER_ANSWER
        if self._size > MAX_BYTES:
            self.fail(LimitExceeded(f"the answers have more than {MAX_BYTES} bytes in all"))
            return True
        try:
            message = decode(data)
            if message is not None and self._is_answer(message):
                self._servers_told(message)
                self._responses.received(message)
        except PacketError as error:
            self._refused(error.detail or str(error))
        return True

    def _is_answer(self, message: Message) -> bool:
        is_here = message.namespace == self.message.namespace
        return is_here and message.type in ANSWERS and message.data.get("requestId") == self.id

    def _servers_told(self, message: Message) -> None:
        """Servers of ours say how many there are."""
        if message.sender != ANONYMOUS:
            self._heard.add(message.sender)
        if "servers" not in message.data:
            return
        servers, others = number_of(message.data, "servers"), message.data.get("others")
        if isinstance(others, list):
            named = (each for each in others if isinstance(each, str))
            self._others.update(each for each in named if len(self._others) < MAX_NAMES)
        self._told = max(self._told, servers)
        self._believe()

    def _believe(self) -> None:
        """Wait for as many as they say, unless the carrier knows better."""
        if self._question is not None and self._believes and self._told > self._believed:
            self._question.counted(self._told - self._believed)
            self._believed = self._told
            self._settles = float("inf")

    def _refused(self, why: str) -> None:
        self._dropped += 1
        if is_worth_a_line(self._dropped):
            _logger.warning("answer %d to an emitter is dropped: %s", self._dropped, why)

    def fail(self, error: SockwaveError) -> None:
        """It cannot be answered any more."""
        if not self.is_over:
            self.failure = error
            self._requests.cancel(self.id)

    # --- time -------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether `result` is there."""
        return self._outcome is not None or self.failure is not None

    def next_deadline(self) -> float:
        """When `handle_timeout` wants to be called."""
        deadline = self._requests.next_deadline()
        return self._settles if deadline is None else min(deadline, self._settles)

    def handle_timeout(self, now: float) -> None:
        """Do what is due; called early or late does no harm."""
        if now >= self._settles and self._question is not None:
            self._settles = float("inf")
            self._question.counted(0)
            self._requests.look(self.id)
        self._requests.expire(now)

    # --- its end ----------------------------------------------------------------------------------

    def result(self) -> T:
        """What was answered.

        Raises:
            SockwaveError: Something is missing.
        """
        if self.failure is not None:
            raise self.failure
        assert self._outcome is not None
        return self._result(self._outcome)

    def _end_if_for_nobody(self, options: BroadcastOptions) -> None:
        """The rooms of an empty list have no form on the wire: nobody need be asked."""
        if options.rooms == ():
            self._outcome = RemoteOutcome(is_complete=True)

    def _over(self, outcome: RemoteOutcome) -> None:
        self._outcome = outcome

    def _missing_servers(self, outcome: RemoteOutcome) -> tuple[str, ...]:
        """Those that are known by name."""
        silent = sorted(self._others - self._heard)
        return tuple(dict.fromkeys((*outcome.gone, *outcome.silent, *silent)))

    def _ask(self, deadline: float) -> Question:
        raise NotImplementedError

    def _result(self, outcome: RemoteOutcome) -> T:
        raise NotImplementedError


class AckInquiry(Inquiry[BroadcastAnswers]):
    """An event whose clients answer.

    Args:
        event: Its name.
        args: Its arguments.
        options: Whom it reaches, and how long it waits.
        namespace: Where.
        ack_timeout: How long it waits where they do not say.
    """

    def __init__(
        self,
        event: str,
        args: Sequence[Json],
        options: BroadcastOptions,
        namespace: NamespaceName,
        ack_timeout: float,
    ) -> None:
        timeout = ack_timeout if options.flags.timeout is None else options.flags.timeout
        opts = encode_options(options)
        opts["flags"]["timeout"] = round(timeout * 1000)
        packet = {"type": 2, "data": [event, *args], "nsp": namespace}
        data = {"packet": packet, "opts": opts, "ids": True}
        super().__init__(MessageType.BROADCAST, data, namespace, timeout)
        self._end_if_for_nobody(options)
        self._answers = BroadcastAnswers()

    def _ask(self, deadline: float) -> Question:
        return ClientQuestion((), deadline, self._answered, self._over, is_counted=False)

    def _answered(self, answer: RemoteAnswer) -> None:
        if answer.socket is None or answer.socket not in self._answers.by_socket:
            self._answers.take(answer.socket, answer.value)

    def _result(self, outcome: RemoteOutcome) -> BroadcastAnswers:
        if outcome.is_complete:
            return self._answers
        answers, servers = self._answers, self._missing_servers(outcome)
        answers.missing = tuple(id_ for id_ in outcome.missing if id_ not in answers.by_socket)
        raise AckTimeout(answers, missing=answers.missing, missing_servers=servers)


class FetchInquiry(Inquiry[list[S]]):
    """The sockets that an event would reach.

    Args:
        options: Which, and how long it waits.
        namespace: Where.
        make: Makes of each what its user gets.
    """

    def __init__(
        self,
        options: BroadcastOptions,
        namespace: NamespaceName,
        make: Callable[[RemoteDetails], S],
    ) -> None:
        timeout = FETCH_TIMEOUT if options.flags.timeout is None else options.flags.timeout
        data = {"opts": encode_options(options)}
        super().__init__(MessageType.FETCH_SOCKETS, data, namespace, timeout)
        self._end_if_for_nobody(options)
        self._make = make
        self._found: list[S] = []

    def _ask(self, deadline: float) -> Question:
        return MemberQuestion((), deadline, self._answered, self._over, is_counted=False)

    def _answered(self, member: str, sockets: Any) -> None:
        if isinstance(sockets, list):
            self._found.extend(map(self._make, sockets))

    def _result(self, outcome: RemoteOutcome) -> list[S]:
        if outcome.is_complete:
            return self._found
        raise ClusterTimeout(self._found, self._missing_servers(outcome))


class CountInquiry(Inquiry[int]):
    """How many servers there are, where the carrier does not know.

    It asks each of them for the sockets of a room that nobody has.

    Args:
        namespace: Of the servers.
    """

    def __init__(self, namespace: NamespaceName) -> None:
        options = BroadcastOptions((secrets.token_hex(16),))
        data = {"opts": encode_options(options), "count": True}
        super().__init__(MessageType.FETCH_SOCKETS, data, namespace, FETCH_TIMEOUT)
        self._count = 0
        self._ends = float("inf")

    def _ask(self, deadline: float) -> Question:
        return MemberQuestion((), deadline, self._answered, self._over, is_counted=False)

    def counted(self, servers: int | None, now: float) -> None:
        """The carrier does not know: they have so long to answer."""
        super().counted(servers, now)
        self._ends = now + SETTLE

    def next_deadline(self) -> float:
        """When `handle_timeout` wants to be called."""
        return min(super().next_deadline(), self._ends)

    def _answered(self, member: str, sockets: Any) -> None:
        self._count += 1

    def handle_timeout(self, now: float) -> None:
        """All have answered, that are going to."""
        if now >= self._ends:
            self._requests.expire(float("inf"))
        super().handle_timeout(now)

    def _result(self, outcome: RemoteOutcome) -> int:
        return max(self._count, self._told)
