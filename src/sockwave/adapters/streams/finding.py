"""Finds lost sockets that are kept by the carrier, and what their clients have missed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.adapters.streams.replay import Replay
from sockwave.adapters.streams.sessions import decode_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.adapters.streams.contract import StreamCarrier
    from sockwave.adapters.streams.sessions import StoredSession
    from sockwave.socketio.core.recovery_contract import RecoveringHost, RecoveryMeans

__all__ = ["SessionFinder"]

LOOKS: Final = 3
LOOK: Final = 0.05
"""Seconds between two of them."""

MOST_PAGES: Final = 200
"""Times that the stream is read on for one client; whoever has missed more is a new one."""


class SessionFinder:
    """Finds those of one namespace.

    Args:
        host: The namespace.
        streams: The carrier.
        means: Bounds, and the clock.
    """

    def __init__(self, host: RecoveringHost, streams: StreamCarrier, means: RecoveryMeans) -> None:
        self._host = host
        self._streams = streams
        self._means = means

    async def find(
        self, pid: str, offset: int | None, call: Callable[[], Awaitable[bool]]
    ) -> tuple[StoredSession, Replay] | None:
        """Take a session out, and read the stream to its end.

        Args:
            offset: Place of the last event that the client has seen; None for none.
            call: Asks others to keep it, where it is not kept yet; whether one has.

        Returns:
            None if there is none, or some of what its client has missed may be gone.

        Raises:
            OSError: The carrier cannot be reached.
            PacketError: What is kept makes no sense.
            StreamRefused: It does not tell.
        """
        streams, means, name = self._streams.latest, self._means, self._host.name
        taken = await streams.take(name, pid)
        if taken is None and await call():
            for _ in range(LOOKS):  # what is kept at another node than the answer may come later
                taken = await streams.take(name, pid)
                if taken is not None:
                    break
                await asyncio.sleep(LOOK)
        if taken is None:
            return None
        text, left = taken
        away = max(means.options.max_disconnection_duration - left, 0.0)
        lost_at = means.clock.clock() - away
        session = decode_session(text, lost_at)
        begin = await self._begin_of(session, offset)
        if begin is None:
            return None
        replay = Replay(session, name, self._host.parser, begin, lost_at)
        for _ in range(MOST_PAGES):
            entries, is_all = await streams.entries(name, replay.upto + 1)
            for entry in entries:
                replay.take(entry)
            if replay.is_over or replay.size > means.max_replay:
                return None
            if is_all:
                # What was there when it began may have been trimmed before it was read.
                first = await streams.first(name)
                return (session, replay) if first is None or first <= begin else None
        return None

    async def _begin_of(self, session: StoredSession, offset: int | None) -> int | None:
        """The place of the first entry that a client may have missed; None if it cannot be told."""
        streams, name, member = self._streams.latest, self._host.name, session.member
        if member is None:  # of a server in JavaScript: the client's last event must be there
            if offset is None:
                return None
            entries, _ = await streams.entries(name, offset, 1)
            return offset + 1 if entries and entries[0].position == offset else None
        if session.floor and (offset is None or offset < session.floor):
            return None
        if offset is not None and offset > member.sent:
            return None  # it was taken out before, and is there again: a carrier that has forgotten
        first = await streams.first(name)
        if first is None:  # nothing was ever written; or it is gone
            return member.start if member.sent < member.start else None
        return member.needed(-1 if offset is None else offset, first)
