"""Messages whose effect came with a socket from another process, before they come themselves.

A socket that goes on here has all that its process before had acted on. What somebody has sent to
both may still be on its way to this one: for this socket it must not be acted on again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sockwave.adapters.holding import is_late
from sockwave.adapters.messages import rooms_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.adapters.members import Members
    from sockwave.adapters.messages import Message
    from sockwave.types import SocketId

__all__ = ["LateMessages"]


class LateMessages:
    """Which sockets are ahead of this process.

    Args:
        id_: Of this member.
        heard: Number of the latest message of each member that was acted on here.
    """

    def __init__(self, id_: str, heard: dict[str, int]) -> None:
        self._id = id_
        self._heard = heard
        self._late: dict[SocketId, dict[str, int]] = {}

    def of(self, id_: SocketId) -> dict[str, int] | None:
        """How far a socket is, where it is ahead."""
        return self._late.get(id_)

    def update(self, late: Mapping[SocketId, dict[str, int]]) -> None:
        """These are inherited."""
        self._late.update(late)

    def came(self, id_: SocketId, heard: Mapping[str, int]) -> None:
        """A socket goes on here that has the effect of messages up to these numbers."""
        ahead = {
            sender: number
            for sender, number in heard.items()
            if sender != self._id and number > self._heard.get(sender, -1)
        }
        if ahead:
            self._late[id_] = ahead

    def without(self, message: Message) -> Message:
        """A message for all but those that have its effect already.

        Raises:
            PacketError: Malformed.
        """
        late = [id_ for id_, heard in self._late.items() if is_late(message, heard)]
        options = message.data.get("opts")
        if not late or not isinstance(options, dict):
            return message
        excluded = [*rooms_of(options.get("except") or []), *late]
        return replace(message, data={**message.data, "opts": {**options, "except": excluded}})

    def heard_for(self, id_: SocketId, more: Mapping[str, int]) -> dict[str, int]:
        """Number of the latest message of each member whose effect a socket has."""
        heard = dict(self._heard)
        for each in (more, self._late.get(id_, {})):
            for sender, number in each.items():
                heard[sender] = max(number, heard.get(sender, -1))
        return heard

    def expire(self, members: Members) -> None:
        """Forget those that are ahead no longer."""
        for id_, ahead in list(self._late.items()):
            there = [sender for sender in ahead if sender in members]
            if all(self._heard.get(sender, -1) >= ahead[sender] for sender in there):
                del self._late[id_]
