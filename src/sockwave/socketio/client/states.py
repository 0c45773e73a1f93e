"""The life of a client's socket: every transition there is.

INACTIVE means that it does not want to be connected, and hears nothing. All other states want to
be. WAITING lasts until a connection stands, and begins again when that is lost. JOINING means that
there is one, and that the server has not answered yet: `auth` is being asked for, or CONNECT is on
its way. CONNECTED means that the server has let it in. GIVEN_UP means that nothing will happen by
itself any more, since the attempts have ended; it goes on when somebody connects: this socket, or
another one of its manager.

The user, the server and the network may do anything at any time, so that every input is decided in
every state: one that changes nothing stands in the table too.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TRANSITIONS", "Input", "State"]


class State(Enum):
    """Where a client's socket is in its life."""

    INACTIVE = auto()
    WAITING = auto()
    JOINING = auto()
    CONNECTED = auto()
    GIVEN_UP = auto()


class Input(Enum):
    """What moves it on."""

    CONNECT = auto()
    """This side wants it to be connected."""
    OPENED = auto()
    """A connection stands."""
    ACCEPTED = auto()
    """The server's CONNECT."""
    REFUSED = auto()
    """The server's CONNECT_ERROR: nobody asks again."""
    REMOVED = auto()
    """The server's DISCONNECT: nobody comes back."""
    DISCONNECT = auto()
    """This side does not want it to be connected any more."""
    LOST = auto()
    """The connection is gone, or the event loop that it was in."""
    EXHAUSTED = auto()
    """There will be no other attempt."""


TRANSITIONS: Final[Mapping[tuple[State, Input], State]] = {
    (State.INACTIVE, Input.CONNECT): State.WAITING,
    (State.INACTIVE, Input.OPENED): State.INACTIVE,
    (State.INACTIVE, Input.ACCEPTED): State.INACTIVE,
    (State.INACTIVE, Input.REFUSED): State.INACTIVE,
    (State.INACTIVE, Input.REMOVED): State.INACTIVE,
    (State.INACTIVE, Input.DISCONNECT): State.INACTIVE,
    (State.INACTIVE, Input.LOST): State.INACTIVE,
    (State.INACTIVE, Input.EXHAUSTED): State.INACTIVE,
    #
    (State.WAITING, Input.CONNECT): State.WAITING,
    (State.WAITING, Input.OPENED): State.JOINING,
    (State.WAITING, Input.ACCEPTED): State.CONNECTED,  # unasked: the server is to know
    (State.WAITING, Input.REFUSED): State.INACTIVE,
    (State.WAITING, Input.REMOVED): State.INACTIVE,
    (State.WAITING, Input.DISCONNECT): State.INACTIVE,
    (State.WAITING, Input.LOST): State.WAITING,
    (State.WAITING, Input.EXHAUSTED): State.GIVEN_UP,
    #
    (State.JOINING, Input.CONNECT): State.JOINING,
    (State.JOINING, Input.OPENED): State.JOINING,
    (State.JOINING, Input.ACCEPTED): State.CONNECTED,
    (State.JOINING, Input.REFUSED): State.INACTIVE,
    (State.JOINING, Input.REMOVED): State.INACTIVE,
    (State.JOINING, Input.DISCONNECT): State.INACTIVE,
    (State.JOINING, Input.LOST): State.WAITING,
    (State.JOINING, Input.EXHAUSTED): State.GIVEN_UP,
    #
    (State.CONNECTED, Input.CONNECT): State.CONNECTED,
    (State.CONNECTED, Input.OPENED): State.CONNECTED,
    (State.CONNECTED, Input.ACCEPTED): State.CONNECTED,
    (State.CONNECTED, Input.REFUSED): State.INACTIVE,
    (State.CONNECTED, Input.REMOVED): State.INACTIVE,
    (State.CONNECTED, Input.DISCONNECT): State.INACTIVE,
    (State.CONNECTED, Input.LOST): State.WAITING,
    (State.CONNECTED, Input.EXHAUSTED): State.CONNECTED,
    #
    (State.GIVEN_UP, Input.CONNECT): State.WAITING,
    (State.GIVEN_UP, Input.OPENED): State.JOINING,
    (State.GIVEN_UP, Input.ACCEPTED): State.CONNECTED,  # unasked, or asked just now
    (State.GIVEN_UP, Input.REFUSED): State.INACTIVE,
    (State.GIVEN_UP, Input.REMOVED): State.INACTIVE,
    (State.GIVEN_UP, Input.DISCONNECT): State.INACTIVE,
    (State.GIVEN_UP, Input.LOST): State.GIVEN_UP,
    (State.GIVEN_UP, Input.EXHAUSTED): State.GIVEN_UP,
}
