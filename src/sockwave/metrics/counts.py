"""Counts what happens in a server, in plain numbers: nothing here needs a library.

Theory: what happens with each event is on the path of a message. So there is one cell for a pair of
a namespace and an event, with all that is counted of it, found by one look into a table; whoever
asks gets numbers that were made when they were asked for.

The table knows names as clients send them, so it is bounded: names that have no cell of their own
share one, and are found again each time, or, of events that are sent, kept until the table is full.
Everything counts in the event loop; it may be read in any thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sockwave.adapters.messages import MessageType
from sockwave.engine.core.limits import RateLimits
from sockwave.metrics.labels import (
    CODES,
    KINDS_OF_TRANSPORTS,
    REASONS,
    Labels,
    known,
)
from sockwave.metrics.names import ACK_BOUNDS, BY_NAME, HANDLER_BOUNDS
from sockwave.observe import (
    AckReceived,
    AckTimedOut,
    Broadcast,
    ClusterFailed,
    ClusterMessageReceived,
    ClusterMessageSent,
    EventReceived,
    EventRefused,
    EventSent,
    HandlerEnded,
    HandlerFailed,
    LoopLag,
    NodeJoined,
    NodeLeft,
    RateLimited,
    RequestRefused,
    SessionClosed,
    SessionOpened,
    SessionUpgraded,
    SocketConnected,
    SocketDisconnected,
    SocketRefused,
    UpgradeFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sockwave.socketio.server.server import Server

__all__ = ["Counts", "Distribution", "Numbers"]

MOST_FOUND: Final = 2_000
"""Names in a row of a table; it is emptied when it is full, and what is asked for comes again."""

MOST_ROWS: Final = 200
"""The same of namespaces."""

LAG_BOUNDS: Final = BY_NAME["sockwave_loop_lag_seconds"].bounds
LIMITS: Final = frozenset(RateLimits.__dataclass_fields__)
MESSAGES: Final = frozenset(kind.name.lower() for kind in MessageType)


class Distribution(NamedTuple):
    """What a histogram says.

    Attributes:
        buckets: How many values were at most each bound, and more than the one before; the last is
            of those that were more than all.
        sum: Of the values.
    """

    buckets: tuple[int, ...]
    sum: float


Numbers: TypeAlias = "dict[str, dict[tuple[str, ...], float | Distribution]]"
"""By the name of the metric, by the values of its labels."""


class _Times:
    """Values of a histogram as they come."""

    __slots__ = ("_bounds", "buckets", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.buckets: list[int] = [0] * (len(bounds) + 1)
        self.sum: float = 0.0

    def add(self, value: float) -> None:
        self.buckets[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def read(self) -> Distribution:
        return Distribution(tuple(self.buckets), self.sum)


class _Cell:
    """All that is counted of one event in one namespace; see `EventCell` for what sockets add."""

    __slots__ = (
        "acks",
        "broadcast_bytes",
        "broadcasts",
        "buckets",
        "failed",
        "handled",
        "left",
        "received",
        "received_bytes",
        "receivers",
        "refused",
        "seconds",
        "sent",
        "sent_bytes",
        "timed_out",
    )

    def __init__(self) -> None:
        self.received: int = 0
        self.received_bytes: int = 0
        self.refused: int = 0
        self.sent: int = 0
        self.sent_bytes: int = 0
        self.broadcasts: int = 0
        self.receivers: int = 0
        self.broadcast_bytes: int = 0
        self.timed_out: int = 0
        self.left: int = 0
        self.failed: int = 0
        self.buckets: list[int] = [0] * (len(HANDLER_BOUNDS) + 1)
        self.seconds: float = 0.0
        self.handled: _Times = _Times(HANDLER_BOUNDS)
        self.acks: _Times = _Times(ACK_BOUNDS)

    @property
    def all_received(self) -> int:
        """With those that sockets have counted by their handlers."""
        return self.received + sum(self.buckets)

    @property
    def all_handled(self) -> Distribution:
        """Handlers that sockets have counted, and those that were told."""
        both = zip(self.buckets, self.handled.buckets, strict=True)
        return Distribution(tuple(map(sum, both)), self.seconds + self.handled.sum)


_Cells: TypeAlias = "dict[str, dict[str, _Cell]]"
"""By namespace and event, as clients name them."""

_OF_CELLS: Final = {
    "sockwave_events_received": "all_received",
    "sockwave_events_received_bytes": "received_bytes",
    "sockwave_events_refused": "refused",
    "sockwave_events_sent": "sent",
    "sockwave_events_sent_bytes": "sent_bytes",
    "sockwave_broadcasts": "broadcasts",
    "sockwave_broadcast_receivers": "receivers",
    "sockwave_broadcast_bytes": "broadcast_bytes",
    "sockwave_handler_failures": "failed",
}
"""Counters of events, by what they are in a cell."""


class Counts:
    """Counts what happens in one server, from now on.

    Args:
        server: To observe.
        events: Names of events that have a label of their own, beside those that are known.
    """

    def __init__(self, server: Server, events: Iterable[str] = ()) -> None:
        self._server = server
        self._labels = Labels(server, events)
        self._cells: dict[tuple[str, str], _Cell] = {}
        self._lag = _Times(LAG_BOUNDS)
        self._rare: dict[str, dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
        self.come: _Cells = {}
        self.gone: _Cells = {}
        self.bounds: tuple[float, ...] = HANDLER_BOUNDS
        self._observing: list[Callable[[Any], object]] = []
        self._observe_events()
        self._observe_sessions()
        self._observe_sockets()
        self._observe_rest()
        self.functions: frozenset[Callable[[Any], object]] = frozenset(self._observing)
        server.observers.count_by(self)

    def stop(self) -> None:
        """Count no more."""
        if self._server.observers.meter is self:
            self._server.observers.count_by(None)
        for observer in self._observing:
            self._server.stop_observing(observer)
        self._observing.clear()

    def _observe(self, kind: type[Any], observer: Callable[[Any], object]) -> None:
        self._server.observers.add((kind,), observer)
        self._observing.append(observer)

    # --- events -----------------------------------------------------------------------------------

    def _cell(self, labels: tuple[str, str]) -> _Cell:
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = _Cell()
        return cell

    def coming(self, namespace: str, event: str, socket: str) -> _Cell:
        """The cell of what a client has sent, or of a handler; only one of its own is kept."""
        labels = self._labels.event(namespace, event, socket)
        cell = self._cell(labels)
        if labels[1] == event:
            self._keep(self.come, namespace, event, cell)
        return cell

    def going(self, namespace: str, event: str) -> _Cell:
        """The same of what is sent; also a cell that others share is kept, until somebody asks."""
        cell = self._cell(self._labels.event(namespace, event, None))
        self._keep(self.gone, namespace, event, cell)
        return cell

    @staticmethod
    def _keep(table: _Cells, namespace: str, event: str, cell: _Cell) -> None:
        row = table.get(namespace)
        if row is None:
            if len(table) >= MOST_ROWS:
                table.clear()
            row = table[namespace] = {}
        elif len(row) >= MOST_FOUND:
            row.clear()
        row[event] = cell

    def _come_of(self, seen: Any) -> _Cell:
        row = self.come.get(seen.namespace)
        cell = None if row is None else row.get(seen.event)
        return cell or self.coming(seen.namespace, seen.event, seen.socket)

    def _gone_of(self, seen: Any) -> _Cell:
        row = self.gone.get(seen.namespace)
        cell = None if row is None else row.get(seen.event)
        return cell or self.going(seen.namespace, seen.event)

    def _observe_events(self) -> None:
        """What sockets do not count themselves."""
        come_of, gone_of = self._come_of, self._gone_of

        def received(seen: EventReceived) -> None:
            cell = come_of(seen)
            cell.received += 1
            cell.received_bytes += seen.size

        def sent(seen: EventSent) -> None:
            cell = gone_of(seen)
            cell.sent += 1
            cell.sent_bytes += seen.size

        def broadcast(seen: Broadcast) -> None:
            cell = gone_of(seen)
            cell.broadcasts += 1
            cell.receivers += seen.receivers
            cell.broadcast_bytes += seen.receivers * seen.size

        def ended(seen: HandlerEnded) -> None:
            cell = come_of(seen)
            cell.handled.add(seen.seconds)

        def failed(seen: HandlerFailed) -> None:
            cell = come_of(seen)
            cell.failed += 1
            cell.handled.add(seen.seconds)

        def refused(seen: EventRefused) -> None:
            come_of(seen).refused += 1

        def acknowledged(seen: AckReceived) -> None:
            gone_of(seen).acks.add(seen.seconds)

        def missed(seen: AckTimedOut) -> None:
            cell = gone_of(seen)
            if seen.has_left:
                cell.left += 1
            else:
                cell.timed_out += 1

        self._observe(EventReceived, received)
        self._observe(EventSent, sent)
        self._observe(Broadcast, broadcast)
        self._observe(HandlerEnded, ended)
        self._observe(HandlerFailed, failed)
        self._observe(EventRefused, refused)
        self._observe(AckReceived, acknowledged)
        self._observe(AckTimedOut, missed)

    # --- the rest ---------------------------------------------------------------------------------

    def _observe_sessions(self) -> None:
        rare = self._rare

        def opened(seen: SessionOpened) -> None:
            rare["sockwave_sessions_opened"][(_transport(seen),)] += 1

        def closed(seen: SessionClosed) -> None:
            rare["sockwave_sessions_closed"][_transport(seen), known(seen.reason, REASONS)] += 1

        def upgraded(seen: SessionUpgraded) -> None:
            rare["sockwave_upgrades"][(_transport(seen),)] += 1

        def not_upgraded(seen: UpgradeFailed) -> None:
            rare["sockwave_upgrade_failures"][(_transport(seen),)] += 1

        def refused(seen: RequestRefused) -> None:
            rare["sockwave_requests_refused"][(known(str(seen.code), CODES),)] += 1

        self._observe(SessionOpened, opened)
        self._observe(SessionClosed, closed)
        self._observe(SessionUpgraded, upgraded)
        self._observe(UpgradeFailed, not_upgraded)
        self._observe(RequestRefused, refused)

    def _observe_sockets(self) -> None:
        rare, label = self._rare, self._labels.namespace

        def connected(seen: SocketConnected) -> None:
            recovered = "true" if seen.recovered else "false"
            rare["sockwave_sockets_connected"][label(seen.namespace), recovered] += 1

        def refused(seen: SocketRefused) -> None:
            rare["sockwave_sockets_refused"][(label(seen.namespace),)] += 1

        def disconnected(seen: SocketDisconnected) -> None:
            labels = label(seen.namespace), known(seen.reason, REASONS)
            rare["sockwave_sockets_disconnected"][labels] += 1

        self._observe(SocketConnected, connected)
        self._observe(SocketRefused, refused)
        self._observe(SocketDisconnected, disconnected)

    def _observe_rest(self) -> None:
        rare, lag = self._rare, self._lag

        def lagged(seen: LoopLag) -> None:
            lag.add(seen.seconds)

        def limited(seen: RateLimited) -> None:
            rare["sockwave_rate_limits"][(known(seen.limit, LIMITS),)] += 1

        def message_sent(seen: ClusterMessageSent) -> None:
            rare["sockwave_cluster_messages_sent"][(known(seen.kind, MESSAGES),)] += 1

        def message_received(seen: ClusterMessageReceived) -> None:
            rare["sockwave_cluster_messages_received"][(known(seen.kind, MESSAGES),)] += 1

        def joined(seen: NodeJoined) -> None:
            rare["sockwave_cluster_nodes_joined"][()] += 1

        def left(seen: NodeLeft) -> None:
            rare["sockwave_cluster_nodes_left"][()] += 1

        def failed(seen: ClusterFailed) -> None:
            rare["sockwave_cluster_errors"][()] += 1

        self._observe(LoopLag, lagged)
        self._observe(RateLimited, limited)
        self._observe(ClusterMessageSent, message_sent)
        self._observe(ClusterMessageReceived, message_received)
        self._observe(NodeJoined, joined)
        self._observe(NodeLeft, left)
        self._observe(ClusterFailed, failed)

    # --- reading ----------------------------------------------------------------------------------

    def read(self) -> Numbers:
        """What was counted so far, and the gauges as they are now.

        Counters without labels are there from the start, all others when there is something to say.
        """
        self.gone.clear()  # an event may be declared by now
        found: Numbers = {name: {} for name in BY_NAME}
        for name, metric in BY_NAME.items():
            if metric.kind == "counter" and not metric.labels:
                found[name][()] = 0
        for name, counted in list(self._rare.items()):
            found[name].update(list(counted.items()))
        self._read_cells(found)
        found["sockwave_loop_lag_seconds"][()] = self._lag.read()
        self._read_gauges(found)
        return found

    def _read_cells(self, found: Numbers) -> None:
        for labels, cell in list(self._cells.items()):
            for name, attribute in _OF_CELLS.items():
                if count := getattr(cell, attribute):
                    found[name][labels] = count
            for why, count in (("timeout", cell.timed_out), ("left", cell.left)):
                if count:
                    found["sockwave_acks_missed"][*labels, why] = count
            handled = cell.all_handled
            if any(handled.buckets):
                found["sockwave_handler_seconds"][labels] = handled
            if any(cell.acks.buckets):
                found["sockwave_ack_seconds"][labels] = cell.acks.read()

    def _read_gauges(self, found: Numbers) -> None:
        server = self._server
        driver = server.engine.driver
        sessions: dict[tuple[str, ...], float | Distribution] = {
            (name,): 0 for name in ("polling", "websocket")
        }
        _count(sessions, (known(each.transport.name, KINDS_OF_TRANSPORTS) for each in _all(server)))
        found["sockwave_sessions"] = sessions
        sockets: dict[tuple[str, ...], float] = defaultdict(float)
        for name, namespace in list(server.namespaces.items()):
            sockets[(self._labels.namespace(name),)] += len(namespace.sockets)
        found["sockwave_sockets"].update(sockets)
        found["sockwave_connections"][()] = driver.open_connections
        found["sockwave_backlog_bytes"][()] = driver.backlog
        found["sockwave_cluster_nodes"][()] = len(server.cluster.nodes)
        found["sockwave_workers"][()] = server.worker.count
        found["sockwave_workers_answering"][()] = 1


def _all(server: Server) -> list[Any]:
    return list(server.engine.sessions.values())


def _count(into: dict[tuple[str, ...], Any], names: Iterable[str]) -> None:
    for name in names:
        into[(name,)] = into.get((name,), 0) + 1


def _transport(seen: Any) -> str:
    return known(seen.transport, KINDS_OF_TRANSPORTS)
