"""One connection while it lasts, and what is kept of it afterwards: little, until somebody asks."""

from __future__ import annotations

from array import array
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from sockwave.debug import shortened
from sockwave.engine.server.fronts.asgi_websocket import AsgiWebSocket
from sockwave.engine.server.sessions.recorded import type_of
from sockwave.observe.records import ConnectionRecord, NamespaceRecord, PacketRecord
from sockwave.records.sentences import End, explain, hints_of
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.server.sessions.recorded import Notes, RecordedSession
    from sockwave.observe import SessionClosed
    from sockwave.socketio.server.options import ServerOptions
    from sockwave.types import SessionId

__all__ = ["LONGEST_TEXT", "MOST_NAMESPACES", "Entry", "agent_of"]

MOST_NAMESPACES: Final = 20
"""Of one connection; which ones is a client's choice, and so is their number."""

MOST_FAILURES: Final = 5
"""Failed upgrades of one connection."""

LONGEST_TEXT: Final = 120
"""Characters of what a client says: names of namespaces, its program."""

_NOTHING: Final[deque[int]] = deque(maxlen=0)

_REASONS: Final = {
    "packet": DisconnectReason.FORCED_CLOSE,
    "violation": DisconnectReason.FORCED_SERVER_CLOSE,
    "no namespace": DisconnectReason.FORCED_SERVER_CLOSE,
    "application": DisconnectReason.SERVER_NAMESPACE_DISCONNECT,
    "recovery": DisconnectReason.FORCED_CLOSE,
}
"""What `disconnect` handlers get, where the session has ended with an orderly close."""


class Entry:
    """What is known of one connection.

    Attributes:
        id: Of its session.
        session: It, as long as it is open.
        address: Host of the client.
        user: Whose it is, as far as the application has said so.
        failures: Upgrades that have failed.
        number: By which those that have ended are in order; clocks do not tell it.
    """

    __slots__ = (
        "_agent",
        "_begun",
        "_end",
        "_is_hosted",
        "_lag",
        "_namespaces",
        "_notes",
        "_opened",
        "_protocol",
        "_received",
        "_seconds",
        "_sent",
        "_transports",
        "address",
        "failures",
        "id",
        "number",
        "session",
        "user",
    )

    def __init__(self, session: RecordedSession, agent: bytes | None, wall: float, now: float):
        self.id: SessionId = session.id
        self.session: RecordedSession | None = session
        self.address: str = session.remote_address
        self.user: str | None = None
        self.failures: tuple[str, ...] = ()
        self.number: int = 0
        self._notes: Notes = session.notes
        self._agent = agent
        self._opened = wall
        self._begun = now
        self._protocol = session.protocol
        self._transports: tuple[str, ...] = (session.transport.name,)
        self._namespaces: tuple[NamespaceRecord, ...] = ()
        self._end: tuple[str, str] | None = None
        self._seconds = self._lag = 0.0
        self._is_hosted = False
        self._received: Sequence[int] = session.notes.received
        self._sent: Sequence[int] = session.notes.sent

    # --- while it lasts ---------------------------------------------------------------------------

    def upgraded(self, transport: str) -> None:
        """It has moved to another transport."""
        self._transports = (*self._transports, transport)

    def upgrade_failed(self, why: str) -> None:
        """An attempt to move has failed; what is told twice is kept once."""
        if why not in self.failures and len(self.failures) < MOST_FAILURES:
            self.failures = (*self.failures, why)

    def joined(self, record: NamespaceRecord) -> None:
        """The client is in a namespace, or was refused there; the latest stands last."""
        known = self._namespaces
        if known:
            known = tuple(each for each in known if each.name != record.name)
        if len(known) < MOST_NAMESPACES:
            self._namespaces = (*known, record)

    def left(self, name: str, reason: str) -> None:
        """It has left one."""
        self._namespaces = tuple(
            with_end(each, reason) if each.name == name and each.left is None else each
            for each in self._namespaces
        )

    def backlog_grew(self, held: int) -> None:
        """So much is held back for it."""
        if held > self._notes.backlog:
            self._notes.backlog = held

    def sockets(self) -> list[tuple[str, str]]:
        """Name of the namespace and id of each socket that it has, or had."""
        return [(each.name, each.socket) for each in self._namespaces if each.socket]

    def has_socket(self, id_: str) -> bool:
        """Whether one of its sockets has, or had, this id."""
        return any(each.socket == id_ for each in self._namespaces)

    # --- the end ----------------------------------------------------------------------------------

    def ended(self, seen: SessionClosed, now: float, lag: float) -> None:
        """It is over: keep no more than is needed."""
        if self.session is not None:
            self._is_hosted = isinstance(self.session.transport, AsgiWebSocket)
        self.session = None
        self._seconds = now - self._begun
        self._lag = lag
        notes = self._notes
        self._received, self._sent = array("Q", notes.received), array("Q", notes.sent)
        notes.received = notes.sent = _NOTHING  # a ring takes more memory than all the rest
        reason = seen.reason
        if reason == DisconnectReason.FORCED_CLOSE:
            if notes.cause is not None:
                reason = _REASONS[notes.cause[0]]
            elif notes.closing is not None:
                reason = notes.closing[0]
        self._end = str(reason), seen.description

    def record(
        self, now: float, options: EngineOptions, server_options: ServerOptions
    ) -> ConnectionRecord:
        """Put it into its form for others.

        Args:
            now: By the clock of the event loop.
        """
        is_open = self._end is None
        reason, description = self._end or ("", "")
        namespaces = tuple(
            each
            if is_open or each.left is not None or each.refused is not None
            else with_end(each, reason)
            for each in self._namespaces
        )
        seconds = now - self._begun if is_open else self._seconds
        common = ConnectionRecord(
            session=self.id,
            address=self.address,
            user_agent=agent_of(self._agent),
            user=self.user,
            protocol=self._protocol,
            opened=self._opened,
            ended=None if is_open else self._opened + seconds,
            seconds=seconds,
            transports=self._transports,
            failed_upgrades=self.failures,
            namespaces=namespaces,
            received=_packets(self._received),
            sent=_packets(self._sent),
            backlog=self._notes.backlog,
            lag=self._lag,
            reason=reason,
            description=description,
            sentence="The connection is open.",
            hints=self.failures,
        )
        if is_open:
            return common
        cause, detail = self._notes.cause or ("", "")
        end = End(
            reason=reason,
            description=description,
            cause=cause,
            detail=detail,
            is_hosted=self._is_hosted,
            seconds=self._seconds,
            protocol=self._protocol,
            transport=self._transports[-1],
            namespaces=self._namespaces,
            options=options,
            server_options=server_options,
        )
        explanation = explain(end)
        return msgspec.structs.replace(
            common,
            ended_by=explanation.by,
            sentence=explanation.sentence,
            option=explanation.option,
            hints=hints_of(end, explanation.by, self.failures, self._notes.backlog, self._lag),
        )


def with_end(record: NamespaceRecord, reason: str) -> NamespaceRecord:
    """The same of one that was left."""
    return msgspec.structs.replace(record, left=str(reason))


def _packets(notes: Sequence[int]) -> tuple[PacketRecord, ...]:
    return tuple(PacketRecord(type_of(note & 0xFF), note >> 8) for note in notes)


def agent_of(value: bytes | None) -> str:
    """What a client says it is, fit for a log."""
    return "" if value is None else shortened(value.decode("latin-1"), LONGEST_TEXT)
