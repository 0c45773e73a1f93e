"""Which of several handlers of one event answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNSENDABLE", "Ack", "Answers", "note_unsendable"]

UNSENDABLE: Final = {"error": "internal"}
"""The answer where what a handler returned cannot be sent: who waits for it is not left waiting."""


def note_unsendable(error: BaseException) -> None:
    """Say in the traceback whose fault it is."""
    error.add_note(
        "A handler returned this, and the peer waits for an acknowledgement; it was told "
        f"{UNSENDABLE}."
    )


@dataclass(slots=True)
class Answers:
    """Collects what several handlers of one event return, until one answers or all are done.

    A handler that fails never returns: then there is no empty answer, as with a single handler.

    Attributes:
        send: Sends the answer to an event of this name with an id.
        name: Of the event.
        id: Of the event; None when no answer is wanted, or when it was given.
        remaining: Handlers that have not returned.
    """

    send: Callable[[str, int, Any], None]
    name: str
    id: int | None
    remaining: int

    def returned(self, result: Any) -> None:
        """A handler has returned."""
        self.remaining -= 1
        if self.id is not None and (result is not None or not self.remaining):
            id_, self.id = self.id, None
            self.send(self.name, id_, result)

    def answer(self, values: tuple[Any, ...]) -> None:
        """A handler answers before it returns; the first answer counts."""
        if self.id is not None:
            id_, self.id = self.id, None
            self.send(self.name, id_, values)


class Ack:
    """Acknowledges an event before its handler ends: call it, then go on working.

        @io.event
        async def render(socket: Socket, job: Job, ack: Ack) -> None:
            ack({"accepted": True})
            await work(job)

    A handler gets it by its type. It may be called from a thread. Where the client has asked for no
    acknowledgement it does nothing. A handler that has called it must return nothing.

    Attributes:
        was_called: Whether it was called.
    """

    __slots__ = ("_answers", "_on_loop", "was_called")

    def __init__(self, answers: Answers, on_loop: Callable[..., object]) -> None:
        self._answers = answers
        self._on_loop = on_loop
        self.was_called: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether the client waits for an acknowledgement, and has not got it yet."""
        return self._answers.id is not None

    def __call__(self, *values: Any) -> None:
        """Acknowledge with these values, as if the handler had returned them.

        Raises:
            RuntimeError: It was called before.
        """
        if self.was_called:
            raise RuntimeError("this event was acknowledged already: an Ack is called once")
        self.was_called = True
        self._on_loop(self._answers.answer, values)
