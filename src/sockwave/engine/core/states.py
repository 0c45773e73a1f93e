"""The life of a session: every transition there is.

A session is made OPEN by its handshake. UPGRADING means that a second transport is being tried: the
first one carries on until the second takes over or fails. CLOSING means that an orderly close waits
for packets to go out and for the transport to end; nothing is received or queued any more. It still
has a way over to a second transport: a client that has left its poll for that one would never hear
the end otherwise. A missing key is an input that cannot happen in that state: `next_state` raises.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TRANSITIONS", "Input", "State", "next_state"]


class State(Enum):
    """Where a session is in its life."""

    OPEN = auto()
    UPGRADING = auto()
    CLOSING = auto()
    CLOSED = auto()

    # That of Enum is a call of Python's, twice in each look-up.
    __hash__: ClassVar[Callable[[object], int]] = object.__hash__


class Input(Enum):
    """What moves a session on."""

    PROBE = auto()
    """A second transport was opened for the session."""
    UPGRADE = auto()
    """The second transport takes over."""
    PROBE_FAILED = auto()
    """The second transport broke a rule, closed or was too slow."""
    CLOSE = auto()
    """This side asks for an orderly close."""
    LOST = auto()
    """The transport ended, a deadline passed, or the peer broke a rule: over at once."""

    __hash__: ClassVar[Callable[[object], int]] = object.__hash__


TRANSITIONS: Final[Mapping[tuple[State, Input], State]] = {
    (State.OPEN, Input.PROBE): State.UPGRADING,
    (State.OPEN, Input.CLOSE): State.CLOSING,
    (State.OPEN, Input.LOST): State.CLOSED,
    (State.UPGRADING, Input.UPGRADE): State.OPEN,
    (State.UPGRADING, Input.PROBE_FAILED): State.OPEN,
    (State.UPGRADING, Input.CLOSE): State.CLOSING,
    (State.UPGRADING, Input.LOST): State.CLOSED,
    (State.CLOSING, Input.PROBE): State.CLOSING,
    (State.CLOSING, Input.UPGRADE): State.CLOSING,
    (State.CLOSING, Input.PROBE_FAILED): State.CLOSING,
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
