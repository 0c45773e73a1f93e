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
from sockwave.metrics.names import ACK_BOUNDS, BY_NAME
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
"""Names in the table; it is emptied when it is full, and what is asked for comes again."""

HANDLER_BOUNDS: Final = BY_NAME["sockwave_handler_seconds"].bounds
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

    __slots__ = ("buckets", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def read(self) -> Distribution:
        return Distribution(tuple(self.buckets), self.sum)


class _Cell:
    """All that is counted of one event in one namespace."""

    __slots__ = (
        "acks",
        "broadcast_bytes",
        "broadcasts",
        "failed",
        "handled",
        "left",
        "received",
        "received_bytes",
        "receivers",
        "refused",
        "sent",
        "sent_bytes",
        "timed_out",
    )

    def __init__(self) -> None:
        self.received = self.received_bytes = self.refused = 0
        self.sent = self.sent_bytes = 0
        self.broadcasts = self.receivers = self.broadcast_bytes = 0
        self.timed_out = self.left = self.failed = 0
        self.handled = _Times(HANDLER_BOUNDS)
        self.acks = _Times(ACK_BOUNDS)


_Cells: TypeAlias = "dict[tuple[str, str], _Cell]"

_OF_CELLS: Final = {
    "sockwave_events_received": "received",
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
        self._cells: _Cells = {}
        self._lag = _Times(LAG_BOUNDS)
        self._rare: dict[str, dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
        self._come: _Cells = {}
        self._gone: _Cells = {}
        self._observing: list[Callable[[Any], object]] = []
        self._observe_events()
        self._observe_sessions()
        self._observe_sockets()
        self._observe_rest()

    def stop(self) -> None:
        """Count no more."""
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

    def _coming(self, seen: Any) -> _Cell:
        """The cell of what a client has sent, or of a handler; only one of its own is kept."""
        space, event = seen.namespace, seen.event
        labels = self._labels.event(space, event, seen.socket)
        cell = self._cell(labels)
        if labels[1] == event:
            self._keep(self._come, (space, event), cell)
        return cell

    def _going(self, seen: Any) -> _Cell:
        """The cell of what is sent; also one that others share is kept, until somebody asks."""
        key = seen.namespace, seen.event
        cell = self._cell(self._labels.event(*key, None))
        self._keep(self._gone, key, cell)
        return cell

    @staticmethod
    def _keep(table: _Cells, key: tuple[str, str], cell: _Cell) -> None:
        if len(table) >= MOST_FOUND:
            table.clear()
        table[key] = cell

    def _observe_events(self) -> None:
        """The functions are closures: they are on the path of each message."""
        come, gone, coming, going = self._come, self._gone, self._coming, self._going

        def received(seen: EventReceived) -> None:
            cell = come.get((seen.namespace, seen.event)) or coming(seen)
            cell.received += 1
            cell.received_bytes += seen.size

        def sent(seen: EventSent) -> None:
            cell = gone.get((seen.namespace, seen.event)) or going(seen)
            cell.sent += 1
            cell.sent_bytes += seen.size

        def broadcast(seen: Broadcast) -> None:
            cell = gone.get((seen.namespace, seen.event)) or going(seen)
            cell.broadcasts += 1
            cell.receivers += seen.receivers
            cell.broadcast_bytes += seen.receivers * seen.size

        def ended(seen: HandlerEnded) -> None:
            times = (come.get((seen.namespace, seen.event)) or coming(seen)).handled
            seconds = seen.seconds
            times.buckets[bisect_left(HANDLER_BOUNDS, seconds)] += 1
            times.sum += seconds

        def failed(seen: HandlerFailed) -> None:
            cell = come.get((seen.namespace, seen.event)) or coming(seen)
            cell.failed += 1
            cell.handled.buckets[bisect_left(HANDLER_BOUNDS, seen.seconds)] += 1
            cell.handled.sum += seen.seconds

        def refused(seen: EventRefused) -> None:
            (come.get((seen.namespace, seen.event)) or coming(seen)).refused += 1

        def acknowledged(seen: AckReceived) -> None:
            times = (gone.get((seen.namespace, seen.event)) or going(seen)).acks
            times.buckets[bisect_left(ACK_BOUNDS, seen.seconds)] += 1
            times.sum += seen.seconds

        def missed(seen: AckTimedOut) -> None:
            cell = gone.get((seen.namespace, seen.event)) or going(seen)
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
            lag.buckets[bisect_left(LAG_BOUNDS, seen.seconds)] += 1
            lag.sum += seen.seconds

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
        self._gone.clear()  # an event may be declared by now
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
            for name, times in (
                ("sockwave_handler_seconds", cell.handled),
                ("sockwave_ack_seconds", cell.acks),
            ):
                if any(times.buckets):
                    found[name][labels] = times.read()

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
