"""Signs of life of members: which messages they are, and what those of ours say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sockwave.adapters.members import Member
    from sockwave.adapters.messages import Message

__all__ = ["BEATS", "OWN_BEATS", "OWN_KEY", "VERSION", "is_sign", "misfit", "own_sign"]

OWN_KEY: Final = "sockwave"
"""Of heartbeats: a map that says what a member of ours knows. JavaScript does not look at it."""

VERSION: Final = 1
"""Of our own messages."""

OWN_BEATS: Final = frozenset({1, 2})
"""Messages that are heartbeats."""

MAX_MODE: Final = 200
"""Characters of a mode that are told."""

BEATS: Final = frozenset({1, 2, 7, 9})
"""Messages at which members in JavaScript wind up the clock of their heartbeats again."""


def is_sign(message: Message) -> bool:
    """Whether it is a heartbeat of a member of ours."""
    return message.type in OWN_BEATS and isinstance(message.data.get(OWN_KEY), dict)


def own_sign(parser: str | None, interest: int, mode: str) -> dict[str, Any]:
    """What a heartbeat says to members of ours.

    Args:
        parser: Its kind.
        interest: The version of the rooms that were told last.
        mode: Of the carrier.
    """
    own: dict[str, Any] = {"version": VERSION, "parser": parser, "interest": interest}
    if mode:
        own["mode"] = mode
    return own


def misfit(member: Member, own: dict[str, Any], mode: str) -> str | None:
    """What is wrong with a member that speaks by another mode, when it says so for the first time.

    Who has none, as older ones, is no misfit.
    """
    other = own.get("mode")
    if not isinstance(other, str) or not other or other == member.mode:
        return None
    member.mode = other
    if not mode or other == mode:
        return None
    return (
        f"node {member.id} does not fit: it has {other[:MAX_MODE]}, and this server has {mode}, so "
        "messages between them are lost; give all servers the same adapter with the same arguments"
    )
