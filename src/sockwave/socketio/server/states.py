"""The life of a server's socket: every transition there is.

A socket is made CONNECTING by a CONNECT of its client, and middlewares are asked about it. It is
CONNECTED from before its `connection` handlers until before its `disconnect` handlers. Where it has
`disconnecting` handlers it is DISCONNECTING while they run: it is in its rooms, and can send, but
nothing ends it a second time. UNREACHABLE is a socket whose session has ended after the client had
said goodbye: events that came before that wait for their handlers still, and nobody hears an
answer. DISCONNECTED is the end; a client that comes back gets another socket, which may have the
same id and say `recovered`: that tells where it came from, not where it is.

A missing key is an input that cannot happen in that state: `next_state` raises. Several may end one
socket in the same turn (the client, the application, the loss of the connection): who comes second
looks at the state first, and does nothing.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ENDABLE", "IN", "TRANSITIONS", "UNHEARD", "Input", "State", "next_state"]


class State(Enum):
    """Where a socket is in its life."""

    CONNECTING = auto()
    CONNECTED = auto()
    UNREACHABLE = auto()
    DISCONNECTING = auto()
    DISCONNECTED = auto()

    # That of Enum is a call of Python's, twice in each look-up.
    __hash__: ClassVar[Callable[[object], int]] = object.__hash__


class Input(Enum):
    """What moves a socket on."""

    ADMIT = auto()
    """Middlewares let it in."""
    REFUSE = auto()
    """A middleware did not."""
    ABANDON = auto()
    """Its session ended before middlewares were done, or what it has missed is gone."""
    END_SESSION = auto()
    """Its session ended, while events that came before wait for their handlers."""
    ANNOUNCE = auto()
    """It leaves, and its `disconnecting` handlers hear of it first."""
    LEAVE = auto()
    """It leaves now, whoever wanted it: client, application, a `connection` handler that failed."""

    __hash__: ClassVar[Callable[[object], int]] = object.__hash__


TRANSITIONS: Final[Mapping[tuple[State, Input], State]] = {
    (State.CONNECTING, Input.ADMIT): State.CONNECTED,
    (State.CONNECTING, Input.REFUSE): State.DISCONNECTED,
    (State.CONNECTING, Input.ABANDON): State.DISCONNECTED,
    (State.CONNECTED, Input.END_SESSION): State.UNREACHABLE,
    (State.CONNECTED, Input.ANNOUNCE): State.DISCONNECTING,
    (State.CONNECTED, Input.LEAVE): State.DISCONNECTED,
    (State.UNREACHABLE, Input.ANNOUNCE): State.DISCONNECTING,
    (State.UNREACHABLE, Input.LEAVE): State.DISCONNECTED,
    (State.DISCONNECTING, Input.END_SESSION): State.DISCONNECTING,
    (State.DISCONNECTING, Input.LEAVE): State.DISCONNECTED,
}

ENDABLE: Final = (State.CONNECTED, State.UNREACHABLE)
"""In its namespace, and nobody has ended it yet."""

IN: Final = (*ENDABLE, State.DISCONNECTING)
"""In its namespace: what `socket.connected` tells."""

UNHEARD: Final = (State.UNREACHABLE, State.DISCONNECTED)
"""Nothing reaches the client any more."""


def next_state(state: State, happened: Input) -> State:
    """Look up a transition.

    Raises:
        RuntimeError: There is none: a bug of ours, never the client's doing.
    """
    try:
        return TRANSITIONS[state, happened]
    except KeyError:
        raise RuntimeError(f"{happened.name} while {state.name}") from None
