"""Signs of life of members: which messages they are, and what those of ours say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message

__all__ = ["BEATS", "OWN_BEATS", "OWN_KEY", "VERSION", "is_sign"]

OWN_KEY: Final = "sockwave"
"""Of heartbeats: a map that says what a member of ours knows. JavaScript does not look at it."""

VERSION: Final = 1
"""Of our own messages."""

OWN_BEATS: Final = frozenset({1, 2})
"""Messages that are heartbeats."""

BEATS: Final = frozenset({1, 2, 7, 9})
"""Messages at which members in JavaScript wind up the clock of their heartbeats again."""


def is_sign(message: Message) -> bool:
    """Whether it is a heartbeat of a member of ours."""
    return message.type in OWN_BEATS and isinstance(message.data.get(OWN_KEY), dict)
