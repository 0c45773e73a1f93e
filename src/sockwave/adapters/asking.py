"""What a member of a cluster asks the others: for answers of clients, for sockets, for answers of
servers. The questions that are open are kept in `requests.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sockwave.adapters.messages import CONTEXT_KEY, MessageType, kind_of
from sockwave.adapters.requests import ClientQuestion, MemberQuestion, Question, Requests
from sockwave.adapters.routing import Router, is_for_nobody
from sockwave.observe import ClusterMessageReceived
from sockwave.observe.observers import NOBODY, Observers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.adapters.hearing import Hearing
    from sockwave.adapters.members import Member, Members
    from sockwave.adapters.messages import Message
    from sockwave.adapters.sides import WayOut
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteOutcome
    from sockwave.socketio.core.encoded_event import EncodedEvent

__all__ = ["Asking"]


class Asking:
    """The base of a member, which can ask.

    Args:
        router: Sends what is asked.
        members: The others.
        requests: Keeps what is open.
        out: The way out.
        make_id: Makes ids of questions.

    Attributes:
        hearing: Whether it hears what it sends; None where it never does.
        observers: Who is told of messages; the adapter sets it.
    """

    namespace: str
    observers: Observers = NOBODY

    def __init__(
        self,
        router: Router,
        members: Members,
        requests: Requests,
        out: WayOut,
        make_id: Callable[[], str],
    ) -> None:
        self._router = router
        self._members = members
        self._requests = requests
        self._out = out
        self._make_id = make_id
        self.hearing: Hearing | None = None

    def _tell_received(self, message: Message) -> None:
        """Tell who observes messages of others."""
        functions = self.observers.cluster_message_received
        self.observers.tell(functions, ClusterMessageReceived(self.namespace, kind_of(message)))

    def _in_context(
        self, act: Callable[[Message, float], None], message: Message, now: float
    ) -> None:
        """Act on a message in the context of a trace, if it came with one that is wanted here."""
        contexts = self.observers.contexts
        if contexts is None or CONTEXT_KEY not in message.data:
            act(message, now)
        else:
            contexts.run_in(message.data[CONTEXT_KEY], act, message, now)

    def ask(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        now: float,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> str:
        """Send an event that asks clients of others for answers.

        Returns:
            Id of the question, for `cancel`.

        Raises:
            EncodeError: It cannot be sent.
            LimitExceeded: Too many questions are open.
        """
        self._requests.check_room()
        wanted, id_ = self._router.wanted(options, now), self._make_id()
        options = replace(options, flags=replace(options.flags, timeout=timeout))
        self._router.publish(event, options, {"requestId": id_, "ids": True}, wanted, now)
        ids, is_counted = self._asked(wanted, options)
        question = ClientQuestion(ids, now + timeout, answered, over, is_counted=is_counted)
        self._open(id_, question)
        return id_

    def fetch(
        self,
        options: BroadcastOptions,
        now: float,
        timeout: float,
        answered: Callable[[str, Any], None],
        over: Callable[[RemoteOutcome], None],
        *,
        only_count: bool = False,
    ) -> str:
        """Ask for sockets of others, or only how many there are.

        Args:
            answered: Gets of each member a list of `RemoteDetails`, or their number; members in
                JavaScript send the list in any case.

        Raises:
            LimitExceeded: Too many questions are open.
        """
        self._requests.check_room()
        wanted, id_ = self._router.wanted(options, now), self._make_id()
        data: dict[str, Any] = {"requestId": id_, **({"count": True} if only_count else {})}
        self._router.send_about(MessageType.FETCH_SOCKETS, options, data, wanted, now)
        ids, is_counted = self._asked(wanted, options)
        question = MemberQuestion(ids, now + timeout, answered, over, is_counted=is_counted)
        self._open(id_, question)
        return id_

    def _asked(self, wanted: Sequence[Member], options: BroadcastOptions) -> tuple[list[str], bool]:
        """From whom answers come, and whether that is all; with strangers everybody is asked."""
        if is_for_nobody(options):
            return [], True
        if not self._out.has_strangers:
            return [member.id for member in wanted], self._knows_all()
        return [member.id for member in self._members], False

    def _knows_all(self) -> bool:
        """Whether those who are known are all: not while nothing is heard."""
        return not self._out.has_strangers and not self._is_deaf()

    def _is_deaf(self) -> bool:
        return self.hearing is not None and self.hearing.is_deaf

    def server_ask(
        self,
        args: tuple[Any, ...],
        now: float,
        timeout: float,
        answered: Callable[[str, Any], None],
        over: Callable[[RemoteOutcome], None],
    ) -> str:
        """Send an event to the other servers, and ask each for an answer.

        Raises:
            EncodeError: It cannot be sent.
            LimitExceeded: Too many questions are open.
        """
        self._requests.check_room()
        id_ = self._make_id()
        data = {"requestId": id_, "packet": list(args)}
        self._router.send(MessageType.SERVER_SIDE_EMIT, data, None)
        ids = [member.id for member in self._members]
        is_counted = self._knows_all()
        question = MemberQuestion(ids, now + timeout, answered, over, is_counted=is_counted)
        self._open(id_, question)
        return id_

    def _open(self, id_: str, question: Question) -> None:
        self._requests.add(id_, question)
        if not question.is_counted and self._out.has_strangers:
            self._count([id_])

    def count_again(self) -> None:
        """Questions that were asked while nobody knew how many others there are: see whether it is
        known now. Without it they would last until their time is over."""
        uncounted = self._requests.uncounted()
        if uncounted and self._out.has_strangers and not self._is_deaf():
            self._count(uncounted)

    def _count(self, ids: Sequence[str]) -> None:
        def counted(others: int) -> None:
            if self._is_deaf():
                return  # a carrier that is away, and cannot count, knows of nobody
            for id_ in ids:
                self._requests.counted(id_, others)

        self._out.count_others(counted)

    def cancel(self, id_: str) -> None:
        """Forget a question: nothing is called any more."""
        self._requests.cancel(id_)
