"""Which of several handlers of one event answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNSENDABLE", "Answers", "note_unsendable"]

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
