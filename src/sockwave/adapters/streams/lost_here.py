"""Sockets that were lost at this process: their way to where they are kept, and who may return."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.streams.sessions import encode_session
from sockwave.debug import known
from sockwave.errors import EncodeError

if TYPE_CHECKING:
    from sockwave.adapters.streams.keeping import KeptHere
    from sockwave.socketio.core.membership import Membership
    from sockwave.socketio.core.recovery_contract import RecoveryMeans
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.types import SocketId

__all__ = ["LostHere"]

LATEST: Final = 1_000
"""Secrets of those lost last: what is kept of them may still be on its way."""

_logger: Final = logging.getLogger("sockwave.adapters")


class LostHere:
    """Those of one namespace, in the order of their loss; where they come back, nobody tells.

    Args:
        means: Bounds, and the clock.
        kept: Those that are connected, and are lost now.
    """

    def __init__(self, means: RecoveryMeans, kept: KeptHere) -> None:
        self._means = means
        self._kept = kept
        # Of which connection, and until when.
        self._lost: dict[SocketId, tuple[str, float]] = {}
        self._latest: dict[str, None] = {}
        self._unsaved = 0
        self.wheel_slot = 0

    def __len__(self) -> int:
        return len(self._lost)

    def __contains__(self, id_: SocketId) -> bool:
        lost = self._lost.get(id_)
        return lost is not None and lost[1] > self._means.clock.clock()

    def keep(self, session: SavedSession, member: Membership, floor: int, suspect: str) -> None:
        """One is lost.

        Args:
            member: Where it was when, and when it was lost.
            floor: See `Floors`.
            suspect: See `StoredSession`.
        """
        assert member.lost is not None
        options, now = self._means.options, self._means.clock.clock()
        left = options.max_disconnection_duration - (now - member.lost[1])
        if left <= 0:
            return
        try:
            text = encode_session(session, member, floor, suspect)
        except EncodeError as error:
            self._not_saved(f"its data cannot be sent: {error}")
            return
        if not self._kept.save(session, text, left, self._saved):
            self._not_saved("too much waits to be sent")
            return
        self._lost.pop(session.id, None)
        self._lost[session.id] = session.connection, now + left
        self._latest[session.pid] = None
        if len(self._latest) > LATEST:
            del self._latest[next(iter(self._latest))]
        while len(self._lost) > options.max_sessions:
            del self._lost[next(iter(self._lost))]
        if not self.wheel_slot:
            self._means.clock.schedule(self, now + left)

    def has_just_kept(self, pid: str) -> bool:
        """Whether the one of a secret was among the last."""
        return pid in self._latest

    def _saved(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._not_saved(f"the answer was {reply}")

    def _not_saved(self, why: str) -> None:
        self._unsaved += 1
        if is_worth_a_line(self._unsaved):
            _logger.warning(
                "lost client %d cannot come back: %s", self._unsaved, why, extra=known(reason=why)
            )

    def pop(self, id_: SocketId) -> str | None:
        """One is back, or must not come back.

        Returns:
            The connection that it was lost with; None if it was not lost here.
        """
        lost = self._lost.pop(id_, None)
        return None if lost is None else lost[0]

    def of_connection(self, connection: str) -> list[SocketId]:
        """Those that were lost with a connection."""
        return [id_ for id_, lost in self._lost.items() if lost[0] == connection]

    def handle_timeout(self, now: float) -> None:
        """Forget those whose time is over."""
        for id_, (_, until) in list(self._lost.items()):
            if until > now:
                self._means.clock.schedule(self, until)
                return
            del self._lost[id_]
        self._means.vacated()

    def clear(self) -> None:
        """Forget them."""
        self._means.clock.cancel(self)
        self._lost.clear()
        self._latest.clear()
