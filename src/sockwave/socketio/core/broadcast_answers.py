"""What clients have answered to a broadcast, and who of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from sockwave.errors import AckTimeout, EventError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import TypeVar  # with a default, which `typing` has from 3.13 on

    from sockwave.types import SocketId

    A = TypeVar("A", default=Any)
else:
    from typing import TypeVar

    A = TypeVar("A")

__all__ = ["BroadcastAnswers", "all_answered", "all_typed"]


class BroadcastAnswers(list[A], Generic[A]):
    """Answers to a broadcast, in order of arrival: a list that also tells whose they are.

    To an event that is declared as an `AckEvent` they have its type. An answer that says that the
    event has failed, or is not of that type, is an `EventError` among them: others may have done
    better, so that it is not raised.

    Attributes:
        by_socket: Answers by the id of the socket, in order of arrival. Those of clients of servers
            that do not tell their ids, as the ones in JavaScript, are only in the list.
        missing: Ids of sockets that were asked and did not answer, as far as their servers told;
            there are some only in `AckTimeout.responses`.
    """

    __slots__ = ("by_socket", "missing")

    def __init__(self) -> None:
        super().__init__()
        self.by_socket: dict[SocketId, A] = {}
        self.missing: tuple[SocketId, ...] = ()

    def take(self, socket: SocketId | None, value: A) -> None:
        """Add an answer.

        Args:
            socket: Whose it is; None where nobody tells.
        """
        self.append(value)
        if socket is not None:
            self.by_socket[socket] = value

    def take_all(self, others: BroadcastAnswers[A]) -> None:
        """Add the answers to the same question that was asked elsewhere."""
        self.extend(others)
        self.by_socket.update(others.by_socket)
        self.missing += others.missing


async def all_answered(
    event: Any, asking: Awaitable[BroadcastAnswers]
) -> BroadcastAnswers[Any | EventError]:
    """Wait for the answers to an event that is declared.

    Raises:
        AckTimeout: As without types; its answers have them, too.
    """
    try:
        answers = await asking
    except AckTimeout as error:
        error.responses = all_typed(event, error.responses)
        raise
    return all_typed(event, answers)


def all_typed(event: Any, answers: list[Any]) -> BroadcastAnswers[Any | EventError]:
    """The same answers, of the type that the event declares."""
    typed: BroadcastAnswers[Any | EventError] = BroadcastAnswers()
    known = getattr(event, "types", None)
    types: Callable[[Any], Any] = _as_it_came if known is None else known.answer
    typed.extend(_or_error(types, answer) for answer in answers)
    if isinstance(answers, BroadcastAnswers):
        typed.by_socket = {id_: _or_error(types, each) for id_, each in answers.by_socket.items()}
        typed.missing = answers.missing
    return typed


def _or_error(types: Callable[[Any], Any], answer: Any) -> Any:
    try:
        return types(answer)
    except EventError as error:
        return error


def _as_it_came(answer: Any) -> Any:
    return answer
