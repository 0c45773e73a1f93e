"""All metrics of a server, once: from here come the collector, the page, the dashboard, and those
of OpenTelemetry.

Names are by the rules of Prometheus: in base units, which end the name; a counter of what has no
unit is a number of things. `Metric.exposed` is what stands in a scrape: counters get `_total`.

The values of all labels are bounded, whatever clients send: see `labels.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["ACK_BOUNDS", "BY_NAME", "METRICS", "Metric"]

HANDLER_BOUNDS: Final = (
    *(0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
"""Seconds: most handlers take a few microseconds, and those to be found take many milliseconds."""

ACK_BOUNDS: Final = (0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: there is a network on the way, and a client."""

LAG_BOUNDS: Final = (0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Seconds: below one there is the timer of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One of them.

    Attributes:
        name: Without `_total`.
        kind: What it is.
        help: A sentence for who reads the scrape.
        seen: Names of the kinds of `sockwave.observe` that it is counted from; none where it is
            read from the server when somebody asks.
        labels: Their names.
        unit: `seconds`, `bytes`, or empty for a number of things.
        bounds: Of a histogram: upper bounds of its buckets, in the unit.
        adds: How one number is made of those of several workers.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    seen: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    unit: str = ""
    bounds: tuple[float, ...] = ()
    adds: Literal["sum", "max"] = "sum"

    @property
    def exposed(self) -> str:
        """As it is named in a scrape; a histogram has this with `_bucket`, `_sum` and `_count`."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_EVENT: Final = ("namespace", "event")

METRICS: Final[tuple[Metric, ...]] = (
    # --- sessions ---
    Metric(
        name="sockwave_sessions",
        kind="gauge",
        help="Open sessions of Engine.IO, by the transport that they are on.",
        labels=("transport",),
    ),
    Metric(
        name="sockwave_sessions_opened",
        kind="counter",
        help="Sessions opened, by the transport on which they began.",
        seen=("SessionOpened",),
        labels=("transport",),
    ),
    Metric(
        name="sockwave_sessions_closed",
        kind="counter",
        help="Sessions closed, by the transport on which they ended, and why.",
        seen=("SessionClosed",),
        labels=("transport", "reason"),
    ),
    Metric(
        name="sockwave_upgrades",
        kind="counter",
        help="Sessions that moved to another transport, by that one.",
        seen=("SessionUpgraded",),
        labels=("transport",),
    ),
    Metric(
        name="sockwave_upgrade_failures",
        kind="counter",
        help="Transports that were tried in vain; the session went on where it was.",
        seen=("UpgradeFailed",),
        labels=("transport",),
    ),
    Metric(
        name="sockwave_requests_refused",
        kind="counter",
        help="Requests answered with an error of Engine.IO, by its code.",
        seen=("RequestRefused",),
        labels=("code",),
    ),
    Metric(
        name="sockwave_connections",
        kind="gauge",
        help="Open TCP connections of the server's own listener.",
    ),
    # --- sockets ---
    Metric(
        name="sockwave_sockets",
        kind="gauge",
        help="Connected sockets, by namespace.",
        labels=("namespace",),
    ),
    Metric(
        name="sockwave_sockets_connected",
        kind="counter",
        help="Sockets let into a namespace; recovered is whether one went on after a loss.",
        seen=("SocketConnected",),
        labels=("namespace", "recovered"),
    ),
    Metric(
        name="sockwave_sockets_refused",
        kind="counter",
        help="Clients not let into a namespace.",
        seen=("SocketRefused",),
        labels=("namespace",),
    ),
    Metric(
        name="sockwave_sockets_disconnected",
        kind="counter",
        help="Sockets that left a namespace, and why.",
        seen=("SocketDisconnected",),
        labels=("namespace", "reason"),
    ),
    # --- events ---
    Metric(
        name="sockwave_events_received",
        kind="counter",
        help="Events of clients.",
        seen=("EventReceived",),
        labels=_EVENT,
    ),
    Metric(
        name="sockwave_events_received_bytes",
        kind="counter",
        help="Bytes of events of clients, before compression and framing.",
        seen=("EventReceived",),
        labels=_EVENT,
        unit="bytes",
    ),
    Metric(
        name="sockwave_events_refused",
        kind="counter",
        help="Events whose arguments were not what their handler takes.",
        seen=("EventRefused",),
        labels=_EVENT,
    ),
    Metric(
        name="sockwave_events_sent",
        kind="counter",
        help="Events sent to single clients.",
        seen=("EventSent",),
        labels=_EVENT,
    ),
    Metric(
        name="sockwave_events_sent_bytes",
        kind="counter",
        help="Bytes of events sent to single clients, before compression and framing.",
        seen=("EventSent",),
        labels=_EVENT,
        unit="bytes",
    ),
    Metric(
        name="sockwave_broadcasts",
        kind="counter",
        help="Broadcasts to sockets of this process, those from other processes included.",
        seen=("Broadcast",),
        labels=_EVENT,
    ),
    Metric(
        name="sockwave_broadcast_receivers",
        kind="counter",
        help="Sockets that broadcasts went to.",
        seen=("Broadcast",),
        labels=_EVENT,
    ),
    Metric(
        name="sockwave_broadcast_bytes",
        kind="counter",
        help="Bytes of broadcasts, times their receivers.",
        seen=("Broadcast",),
        labels=_EVENT,
        unit="bytes",
    ),
    Metric(
        name="sockwave_ack_seconds",
        kind="histogram",
        help="Time until clients acknowledged events that were sent to them alone.",
        seen=("AckReceived",),
        labels=_EVENT,
        unit="seconds",
        bounds=ACK_BOUNDS,
    ),
    Metric(
        name="sockwave_acks_missed",
        kind="counter",
        help="Events not acknowledged: the time was over (timeout), or the client left (left).",
        seen=("AckTimedOut",),
        labels=(*_EVENT, "why"),
    ),
    Metric(
        name="sockwave_handler_seconds",
        kind="histogram",
        help="Time of handlers from call to end, with all that they waited for; failed ones too.",
        seen=("HandlerEnded", "HandlerFailed"),
        labels=_EVENT,
        unit="seconds",
        bounds=HANDLER_BOUNDS,
    ),
    Metric(
        name="sockwave_handler_failures",
        kind="counter",
        help="Handlers that raised: failures, and exceptions that became answers.",
        seen=("HandlerFailed",),
        labels=_EVENT,
    ),
    # --- the process ---
    Metric(
        name="sockwave_loop_lag_seconds",
        kind="histogram",
        help="How late the event loop served a timer, measured twice a second.",
        seen=("LoopLag",),
        unit="seconds",
        bounds=LAG_BOUNDS,
    ),
    Metric(
        name="sockwave_backlog_bytes",
        kind="gauge",
        help="Bytes held back for clients that do not read what they get.",
        unit="bytes",
    ),
    Metric(
        name="sockwave_rate_limits",
        kind="counter",
        help="How often a rate limit acted, by its name in RateLimits.",
        seen=("RateLimited",),
        labels=("limit",),
    ),
    # --- clusters ---
    Metric(
        name="sockwave_cluster_nodes",
        kind="gauge",
        help="Processes that serve together, as far as they know each other.",
        adds="max",
    ),
    Metric(
        name="sockwave_cluster_messages_sent",
        kind="counter",
        help="Messages sent to other processes of the cluster.",
        seen=("ClusterMessageSent",),
        labels=("kind",),
    ),
    Metric(
        name="sockwave_cluster_messages_received",
        kind="counter",
        help="Messages that came from other processes of the cluster.",
        seen=("ClusterMessageReceived",),
        labels=("kind",),
    ),
    Metric(
        name="sockwave_cluster_nodes_joined",
        kind="counter",
        help="Processes of the cluster that came, as seen by this one.",
        seen=("NodeJoined",),
    ),
    Metric(
        name="sockwave_cluster_nodes_left",
        kind="counter",
        help="Processes of the cluster that went, as seen by this one.",
        seen=("NodeLeft",),
    ),
    Metric(
        name="sockwave_cluster_errors",
        kind="counter",
        help="What was lost on the way between processes, or does not work.",
        seen=("ClusterFailed",),
    ),
    # --- workers ---
    Metric(
        name="sockwave_workers",
        kind="gauge",
        help="How many workers there should be; 1 where there are none.",
        adds="max",
    ),
    Metric(
        name="sockwave_workers_answering",
        kind="gauge",
        help="Workers whose numbers are in this answer.",
    ),
)
"""All of them, in the order of the page."""

BY_NAME: Final = {metric.name: metric for metric in METRICS}
"""The same by their names."""
