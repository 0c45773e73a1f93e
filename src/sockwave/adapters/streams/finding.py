"""Finds lost sockets that are kept by the carrier, and what their clients have missed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sockwave.adapters.streams.contract import StreamRefused
from sockwave.adapters.streams.keeping import connected_store
from sockwave.adapters.streams.replay import Replay
from sockwave.adapters.streams.sessions import decode_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.adapters.streams.contract import (
        ConnectedElsewhere,
        ConnectedStore,
        StreamCarrier,
    )
    from sockwave.adapters.streams.sessions import StoredSession
    from sockwave.socketio.core.recovery_contract import RecoveringHost, RecoveryMeans

__all__ = ["Others", "SessionFinder"]

LOOKS: Final = 3
LOOK: Final = 0.05
"""Seconds between two of them."""

SILENCES: Final = 8
SILENCE: Final = 0.25
"""Seconds between two looks whether a process listens: where its connection has only ended, it has
another one after a second."""

UNKNOWN: Final = 2**130
"""A place behind all that there are."""

MOST_PAGES: Final = 200
"""Times that the stream is read on for one client; whoever has missed more is a new one."""


@dataclass(frozen=True, slots=True)
class Others:
    """What can be asked of the other processes, and told to them, about one client.

    Attributes:
        asker: This process.
        call: Asks them to keep it, where it is not kept yet; whether one has.
        are_gone: Whether a process has ended for sure.
        taken: Tells that it is here, where its process may not have ended after all.
    """

    asker: str
    call: Callable[[], Awaitable[bool]]
    are_gone: Callable[[str], bool]
    taken: Callable[[], None]


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
        self, pid: str, offset: int | None, others: Others
    ) -> tuple[StoredSession, Replay] | None:
        """Take a session out, and read the stream to its end.

        Args:
            offset: Place of the last event that the client has seen; None for none.

        Returns:
            None if there is none, or some of what its client has missed may be gone.

        Raises:
            OSError: The carrier cannot be reached.
            PacketError: What is kept makes no sense.
            StreamRefused: It does not tell.
        """
        streams, means, name = self._streams.latest, self._means, self._host.name
        taken = await self._take(pid, others)
        if taken is None:
            return None
        text, left, owner = taken
        away = max(means.options.max_disconnection_duration - left, 0.0)
        lost_at = means.clock.clock() - away
        session = decode_session(text, lost_at)
        session.owner = owner
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

    async def _take(self, pid: str, others: Others) -> tuple[bytes, float, str] | None:
        """What is kept, for how much longer, and at which process it was connected."""
        streams, name = self._streams.latest, self._host.name
        if (lost := await streams.take(name, pid)) is not None:
            return (*lost, "")
        store = connected_store(self._streams, name)
        found = None if store is None else await self._find(store, pid, others)
        if found is not None and not found.is_heard:
            assert store is not None
            for _ in range(SILENCES):  # one that is there after all listens again
                await asyncio.sleep(SILENCE)
                if (lost := await streams.take(name, pid)) is not None:
                    return (*lost, "")
                found = await self._find(store, pid, others)
                if found is None or found.is_heard:
                    break
            else:
                assert found is not None
                taken = await self._take_connected(store, pid, found.owner, others, is_gone=False)
                if taken is not None:
                    return taken
        if await others.call():
            for _ in range(LOOKS):  # what is kept at another node than the answer may come later
                if (lost := await streams.take(name, pid)) is not None:
                    return (*lost, "")
                await asyncio.sleep(LOOK)
        if store is None or found is None or not others.are_gone(found.owner):
            return None
        return await self._take_connected(store, pid, found.owner, others, is_gone=True)

    async def _find(
        self, store: ConnectedStore, pid: str, others: Others
    ) -> ConnectedElsewhere | None:
        try:
            return await store.find(pid, others.asker)
        except StreamRefused:  # which is told where they are kept
            return None

    async def _take_connected(
        self, store: ConnectedStore, pid: str, owner: str, others: Others, *, is_gone: bool
    ) -> tuple[bytes, float, str] | None:
        taken = await store.take(pid, owner, is_gone=is_gone)
        if taken is None:
            return None
        others.taken()
        return (*taken, owner)

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
        if session.owner and offset is not None and offset >= member.start:
            # A text that the client has taken for an offset, as nobody has told in time?
            entries, _ = await streams.entries(name, offset, 1)
            if not entries or entries[0].position != offset or entries[0].namespace != name:
                return None
        first = await streams.first(name)
        if session.owner:
            # Nobody knows what was sent to it: it needs all behind its offset.
            member.sent = UNKNOWN
            begin = member.needed(-1 if offset is None else offset, first or 0)
            member.sent = member.start if begin is None else begin - 1
            return begin
        if offset is not None and offset > member.sent:
            return None  # it was taken out before, and is there again: a carrier that has forgotten
        if first is None:  # nothing was ever written; or it is gone
            return member.start if member.sent < member.start else None
        return member.needed(-1 if offset is None else offset, first)
