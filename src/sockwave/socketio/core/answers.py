"""Which of several handlers of one event answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Answers"]


@dataclass(slots=True)
class Answers:
    """Collects what several handlers of one event return, until one answers or all are done.

    A handler that fails never returns: then there is no empty answer, as with a single handler.

    Attributes:
        send: Sends the answer with an id.
        id: Of the event; None when no answer is wanted, or when it was given.
        remaining: Handlers that have not returned.
    """

    send: Callable[[int, Any], None]
    id: int | None
    remaining: int

    def returned(self, result: Any) -> None:
        """A handler has returned."""
        self.remaining -= 1
        if self.id is not None and (result is not None or not self.remaining):
            id_, self.id = self.id, None
            self.send(id_, result)
