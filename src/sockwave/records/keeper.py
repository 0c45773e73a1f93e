"""Records of connections: an observer of what happens to them.

Theory. The kinds of `sockwave.observe` tell how a connection goes, from `SessionOpened` to
`SessionClosed`; the session itself notes its last packets, and why it is to end (`recorded.py`).
Both stand in an `Entry`. At the end that goes into a ring, and what is told to others, the sentence
above all, is made only when somebody asks for it.

What clients decide about is bounded: namespaces of an entry, lengths of names, refused handshakes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Final, cast

from sockwave.debug import known
from sockwave.engine.server.rules.reasons import reason_of
from sockwave.engine.server.rules.verification import ErrorCode, Refused
from sockwave.engine.server.sessions.recorded import RecordedSession, note_broadcast, recorded
from sockwave.observe import (
    BacklogGrew,
    ConnectionEnded,
    ConnectionRecord,
    LoopLag,
    NamespaceRecord,
    SessionClosed,
    SessionOpened,
    SessionUpgraded,
    SocketConnected,
    SocketDisconnected,
    SocketRefused,
    UpgradeFailed,
)
from sockwave.records.entries import LONGEST_TEXT, Entry, agent_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sockwave.engine.server.rules.verification import HandshakeFailure
    from sockwave.socketio.core.record_options import ConnectionRecords
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket

__all__ = ["KeptConnections", "keep_records"]

MOST_REFUSED: Final = 1_000
"""Handshakes that were refused and are remembered: a flood of them pushes out no connection."""

LAG_LOOKS: Final = 10
"""Measurements of the event loop that count as the last seconds: there are two each second."""

_MASK: Final = "..."
"""Behind the beginning of a session's id in a log, see `masked`."""

_FAILURES: Final = {
    "timeout": "A move to {transport} was tried and did not succeed within {seconds:g} s"
    " (upgrade_timeout): does a proxy hold WebSockets up? It stayed on polling.",
    "closed": "A move to {transport} was tried, and the new connection broke off: does a proxy not"
    " let WebSockets through? It stayed on polling.",
    "protocol": "A move to {transport} was tried, and the client sent something else than it had"
    " to. It stayed on polling.",
}
_DROPPED: Final = (
    "A move to websocket was tried, and its request came without the headers Upgrade and"
    " Connection: a proxy in between drops them. It stayed on polling."
)

_logger: Final = logging.getLogger("sockwave.records")


def keep_records(server: Server, options: ConnectionRecords) -> KeptConnections:
    """Keep records of all connections of a server from now on."""
    engine = server.engine
    kept = KeptConnections(server, options)
    engine.session_kinds = tuple(recorded(kind) for kind in engine.session_kinds)
    engine.driver.broadcast_write.taken = note_broadcast
    engine.on("connection_error", kept.refused)
    for kind, observer in kept.observers():
        server.observers.add((kind,), observer)
    server.observers.add((SessionClosed,), kept.tell_ended, is_last=True)
    return kept


class KeptConnections:
    """What `io.connections` is; see `Connections`, its contract.

    Args:
        server: Whose connections they are.
        options: How many, and whose they are.
    """

    def __init__(self, server: Server, options: ConnectionRecords) -> None:
        self._server = server
        self._driver = server.engine.driver
        self._sessions = server.engine.sessions
        self._options = options
        self._open: dict[str, Entry] = {}
        self._untold: dict[str, Entry] = {}
        self._ended: deque[Entry] = deque(maxlen=options.keep)
        self._refused: deque[tuple[int, ConnectionRecord]]
        self._refused = deque(maxlen=min(options.keep, MOST_REFUSED))
        self._numbers = count(1)
        self._lags: deque[float] = deque(maxlen=LAG_LOOKS)

    # --- for users --------------------------------------------------------------------------------

    def find(self, who: str, *, limit: int = 20) -> list[ConnectionRecord]:
        """Look for connections by the id of a socket or of a session, an address or a user."""
        is_open = (entry for entry in reversed(self._open.values()) if self._is_meant(entry, who))
        found = [self._record(entry) for entry in islice(is_open, limit)]
        ended = (entry for entry in reversed(self._ended) if self._is_meant(entry, who))
        refused = (each for each in reversed(self._refused) if each[1].address == who != "")
        return found + self._joined(ended, refused, limit - len(found))

    def recent(self, limit: int = 100) -> list[ConnectionRecord]:
        """Give those that ended last, and handshakes that were refused; the latest ones first."""
        return self._joined(reversed(self._ended), reversed(self._refused), limit)

    def _joined(
        self, ended: Iterator[Entry], refused: Iterator[tuple[int, ConnectionRecord]], limit: int
    ) -> list[ConnectionRecord]:
        """Put both into one order, the latest first."""
        both: list[tuple[int, Entry | ConnectionRecord]]
        both = [(entry.number, entry) for entry in islice(ended, limit)]
        both += islice(refused, limit)
        both.sort(key=lambda each: each[0], reverse=True)
        return [self._record(each) if isinstance(each, Entry) else each for _, each in both[:limit]]

    def describe(self, socket: str) -> dict[str, Any] | None:
        """Give the record of a socket as values of JSON, by its id; None where there is none."""
        for entry in self._latest():
            if entry.has_socket(socket):
                return self._record(entry).as_dict()
        return None

    def _latest(self) -> Iterator[Entry]:
        yield from reversed(self._open.values())
        yield from reversed(self._ended)

    def _is_meant(self, entry: Entry, who: str) -> bool:
        if who.endswith(_MASK) and len(who) > len(_MASK):
            return entry.id.startswith(who.removesuffix(_MASK))
        if who in (entry.id, entry.address) or entry.has_socket(who):
            return who != ""
        return self._user_of(entry) == who

    def _record(self, entry: Entry) -> ConnectionRecord:
        self._user_of(entry)
        now = self._driver.clock() if entry.session is not None else 0.0
        return entry.record(now, self._server.engine.options, self._server.options)

    # --- whose it is ------------------------------------------------------------------------------

    def _user_of(self, entry: Entry) -> str | None:
        """Whose a connection is: of one that is open the application is asked."""
        if entry.session is not None:
            for name, id_ in entry.sockets():
                namespace = self._server.namespaces.get(name)
                socket = None if namespace is None else namespace.sockets.get(id_)
                if socket is not None:
                    self._ask(entry, socket)
        return entry.user

    def _ask(self, entry: Entry, socket: Socket) -> None:
        user = self._options.user
        try:
            told = socket.data.get(user) if isinstance(user, str) else user(socket)
            if told is not None:
                entry.user = str(told)[:LONGEST_TEXT]
        except Exception:
            _logger.exception("connection_records: the user of a connection cannot be told")

    # --- what happens -----------------------------------------------------------------------------

    def observers(self) -> Iterable[tuple[type[Any], Any]]:
        """Who is to be told of what."""
        return (
            (SessionOpened, self._opened),
            (SessionUpgraded, self._upgraded),
            (UpgradeFailed, self._upgrade_failed),
            (SocketConnected, self._connected),
            (SocketRefused, self._turned_away),
            (SocketDisconnected, self._disconnected),
            (SessionClosed, self._closed),
            (BacklogGrew, self._backlog_grew),
            (LoopLag, self._lagged),
        )

    def _opened(self, seen: SessionOpened) -> None:
        session = self._sessions.get(seen.session)
        if isinstance(session, RecordedSession):
            agent = session.request.field(b"user-agent")
            now = self._driver.clock()
            self._open[seen.session] = Entry(session, agent, time.time(), now)

    def _upgraded(self, seen: SessionUpgraded) -> None:
        if (entry := self._open.get(seen.session)) is not None:
            entry.upgraded(seen.transport)

    def _upgrade_failed(self, seen: UpgradeFailed) -> None:
        if (entry := self._open.get(seen.session)) is not None:
            why = _FAILURES.get(seen.reason, _FAILURES["closed"])
            seconds = self._server.engine.options.upgrade_timeout
            entry.upgrade_failed(why.format(transport=seen.transport, seconds=seconds))

    def _connected(self, seen: SocketConnected) -> None:
        if (entry := self._open.get(seen.session)) is not None:
            name = seen.namespace[:LONGEST_TEXT]
            entry.joined(NamespaceRecord(name, seen.socket, seen.recovered))

    def _turned_away(self, seen: SocketRefused) -> None:
        if (entry := self._open.get(seen.session)) is not None:
            name = seen.namespace[:LONGEST_TEXT]
            entry.joined(NamespaceRecord(name, refused=seen.message[:LONGEST_TEXT]))

    def _disconnected(self, seen: SocketDisconnected) -> None:
        entry = self._open.get(seen.session)
        if entry is not None:
            self._user_of(entry)
            entry.left(seen.namespace[:LONGEST_TEXT], seen.reason)

    def _backlog_grew(self, seen: BacklogGrew) -> None:
        if (entry := self._open.get(seen.session)) is not None:
            entry.backlog_grew(seen.held)

    def _lagged(self, seen: LoopLag) -> None:
        self._lags.append(seen.seconds)

    def _closed(self, seen: SessionClosed) -> None:
        entry = self._open.get(seen.session)
        if entry is None:
            return
        self._user_of(entry)
        del self._open[seen.session]
        entry.ended(seen, self._driver.clock(), max(self._lags, default=0.0))
        entry.number = next(self._numbers)
        self._ended.append(entry)
        self._untold[seen.session] = entry

    def tell_ended(self, seen: SessionClosed) -> None:
        """Tell and log the record of a session that has ended, when all have heard of the end."""
        entry = self._untold.pop(seen.session, None)
        if entry is None:
            return
        functions = self._server.observers.connection_ended
        if functions or self._options.log:
            record = self._record(entry)
            if self._options.log:
                fields = known(address=record.address, reason=record.reason)
                fields["connection"] = record.as_dict()  # whose session id is masked
                _logger.info("%s: %s", _who(record), record.sentence, extra=fields)
            self._server.observers.tell(functions, ConnectionEnded(record))

    def refused(self, failure: HandshakeFailure) -> None:
        """A request was refused: a handshake, or an attempt of a session to move."""
        request, context = failure.request, dict(failure.context)
        entry = self._open.get(request.query.get("sid", ""))
        if entry is not None:
            if (
                context.get("name") in ("TRANSPORT_MISMATCH", "TRANSPORT_HANDSHAKE_ERROR")
                and request.query.get("transport") == "websocket"
            ):
                entry.upgrade_failed(_DROPPED)
            return
        if failure.code is ErrorCode.UNKNOWN_SID:
            return  # its session has ended, and has a record of its own; or it never was one
        why = reason_of(Refused(failure.code, context), request, self._server.engine.options)
        told = why or failure.message
        told += "" if told.endswith("?") else "."
        now = time.time()
        record = ConnectionRecord(
            session="",
            address=request.client[0] if request.client else "",
            user_agent=agent_of(request.field(b"user-agent")),
            protocol=4 if request.query.get("EIO") == "4" else 3,
            opened=now,
            ended=now,
            seconds=0.0,
            ended_by="limit" if failure.code is ErrorCode.RATE_LIMIT_EXCEEDED else "server",
            reason=failure.message,
            description=why,
            sentence=f"The client was refused, and never connected: {told}",
        )
        self._refused.append((next(self._numbers), record))


def _who(record: ConnectionRecord) -> str:
    """In a line of the log."""
    who = record.as_dict()["session"]
    return f"{who} ({record.address})" if record.address else cast("str", who)
