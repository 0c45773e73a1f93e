"""The life of a client's session: every transition there is.

OPENING lasts until the server's handshake. PROBING means that a WebSocket is being tried beside
polling, which carries on. SWITCHING means that the WebSocket answered: nothing is written until
polling has come to rest, so that order is kept; then the session moves. A close in the middle of
that waits for it, in SWITCHING_TO_CLOSE. CLOSING waits for packets to go out. A missing key is an
input that cannot happen in that state.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TRANSITIONS", "Input", "State", "next_state"]


class State(Enum):
    """Where a client's session is in its life."""

    OPENING = auto()
    OPEN = auto()
    PROBING = auto()
    SWITCHING = auto()
    SWITCHING_TO_CLOSE = auto()
    CLOSING = auto()
    CLOSED = auto()


class Input(Enum):
    """What moves a session on."""

    HANDSHAKE = auto()
    """The server's OPEN packet."""
    PROBE = auto()
    """A second transport is open."""
    PROBED = auto()
    """It answered."""
    SWITCHED = auto()
    """The first transport is at rest: the second one takes over."""
    PROBE_FAILED = auto()
    """The second transport broke a rule, closed or was too slow."""
    CLOSE = auto()
    """This side asks for an orderly close."""
    LOST = auto()
    """The transport ended, a deadline passed, or the server broke a rule."""


TRANSITIONS: Final[Mapping[tuple[State, Input], State]] = {
    (State.OPENING, Input.HANDSHAKE): State.OPEN,
    (State.OPENING, Input.LOST): State.CLOSED,
    (State.OPEN, Input.PROBE): State.PROBING,
    (State.OPEN, Input.CLOSE): State.CLOSING,
    (State.OPEN, Input.LOST): State.CLOSED,
    (State.PROBING, Input.PROBED): State.SWITCHING,
    (State.PROBING, Input.PROBE_FAILED): State.OPEN,
    (State.PROBING, Input.CLOSE): State.CLOSING,
    (State.PROBING, Input.LOST): State.CLOSED,
    (State.SWITCHING, Input.SWITCHED): State.OPEN,
    (State.SWITCHING, Input.PROBE_FAILED): State.OPEN,
    (State.SWITCHING, Input.CLOSE): State.SWITCHING_TO_CLOSE,
    (State.SWITCHING, Input.LOST): State.CLOSED,
    (State.SWITCHING_TO_CLOSE, Input.SWITCHED): State.CLOSING,
    (State.SWITCHING_TO_CLOSE, Input.PROBE_FAILED): State.CLOSING,
    (State.SWITCHING_TO_CLOSE, Input.LOST): State.CLOSED,
    (State.CLOSING, Input.LOST): State.CLOSED,
}


def next_state(state: State, happened: Input) -> State:
    """Look up a transition.

    Raises:
        RuntimeError: There is none: a bug of ours, never the peer's doing.
    """
    try:
        return TRANSITIONS[state, happened]
    except KeyError:
        raise RuntimeError(f"{happened.name} while {state.name}") from None
