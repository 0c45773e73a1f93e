"""What carries a client's session: the contract of `Transport`, with what only this side asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sockwave.engine.core.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.errors import SockwaveError

__all__ = ["ClientTransport"]


class ClientTransport(Transport, Protocol):
    """What carries a client's session.

    Attributes:
        failure: Why it ended, where that was an error; read after `transport_closed`.
    """

    failure: SockwaveError | None

    def partial(self) -> int:
        """Bytes that have come of a message which is not whole; 0 between messages."""

    def pause(self, at_rest: Callable[[], None]) -> None:
        """Begin nothing new; call back when nothing is under way. Only for polling."""

    def resume(self) -> None:
        """Go on after a pause."""
