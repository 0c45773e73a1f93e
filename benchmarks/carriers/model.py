"""What a cluster costs, as plain functions.

Units. A share is processor time per second of time, so 1.0 is one core all the time. Costs are
seconds of processor time; rates are per second. Nodes are alike, each with as many clients and as
much to send as the next one; a share of a node is that of the average one.

Theory. Somebody emits a message for a room: its node publishes it, the engine takes it once and
delivers it to nodes, and these pass it on to their clients, or throw it away. What comes in one
turn of the loop is paid for together in part: a cost is one of each message and one of each turn.
Beside that all nodes tell all others every few seconds that they are there: what grows with the
square of their number ends a carrier, whatever else is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

__all__ = [
    "CARRIERS",
    "FULL",
    "Bound",
    "Carrier",
    "Copies",
    "Cost",
    "Costs",
    "EngineShare",
    "Load",
    "NodeCosts",
    "NodeShare",
    "engine_share",
    "last_node",
    "most_messages",
    "node_share",
    "queue_share",
    "shares",
]

FULL: Final = 0.8
"""Of a core, or of an engine: above it what comes waits for what is there, and bursts pile up."""


# --- carriers, as they are made -------------------------------------------------------------------


class Copies(Enum):
    """How often a node sends a message that several others want."""

    ONE = "once"
    EACH = "to each of them"
    SOME = "to each of them, or once where all want it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """How a carrier works, as far as it matters for what it costs.

    Attributes:
        name: For commands.
        title: For people.
        copies: How often something is sent.
        is_routed: Nodes are not sent what is for a room that they do not have.
        has_strangers: There may be servers that nobody knows of: it is sent even if nobody is known
            to want it, and nodes do not tell which rooms they have.
        hears_itself: A node gets its own messages back.
        cores: That the engine can use; 0 where there is none.
        echo_to_all: The message that a node sends to itself goes to all.
        has_echo: There is one.
        has_marks: What was sent is followed by a mark, so that a loss of the last one is noticed.
        is_queued: One transaction after the other is let in.
    """

    name: str
    title: str
    copies: Copies = Copies.ONE
    is_routed: bool = False
    has_strangers: bool = False
    hears_itself: bool = True
    cores: int = 1
    echo_to_all: bool = False
    has_echo: bool = True
    has_marks: bool = False
    is_queued: bool = False

    def sent(self, nodes: int, wanted: float) -> float:
        """How often a message is sent that so many others want; of less than one, how many are."""
        if self.has_strangers:
            return 1.0
        is_once = self.copies is Copies.ONE
        if is_once or (self.copies is Copies.SOME and wanted >= nodes - 1):
            return min(wanted, 1.0)
        return wanted

    def delivered(self, nodes: int, wanted: float) -> float:
        """To how many nodes the engine delivers it."""
        if self.cores == 0:
            return 0.0
        is_for_all = self.copies is Copies.SOME and wanted >= nodes - 1
        if is_for_all or not self.is_routed:
            return nodes * self.sent(nodes, wanted)
        return wanted

    def thrown_away(self, nodes: int, wanted: float) -> float:
        """How many other nodes hear of it for nothing."""
        if self.is_routed:
            return 0.0
        return max(nodes - 1 - wanted, 0.0) * self.sent(nodes, wanted)

    def signs(self, interval: float, rooms: float = 0.0) -> float:
        """Messages a second to all by which a node says that it is there, and which rooms it has.

        Args:
            interval: Seconds between two heartbeats.
            rooms: Turns in a second in which rooms come or go.
        """
        beats = 1 / interval + (0.0 if self.has_strangers else rooms)
        marks = min(beats, 1 / MARKS) if self.has_marks else 0.0
        return beats + marks + (1 / ECHOES if self.has_echo and self.echo_to_all else 0.0)

    @property
    def own_signs(self) -> float:
        """Messages a second that a node sends to itself alone."""
        return 1 / ECHOES if self.has_echo and not self.echo_to_all else 0.0


ECHOES: Final = 2.0
"""Seconds between two messages to oneself, see `sockwave.adapters.hearing`."""

MARKS: Final = 2.0
"""Seconds between two looks for subjects that want a mark, see the driver of NATS."""

CARRIERS: Final[dict[str, Carrier]] = {
    each.name: each
    for each in (
        Carrier(
            name="workers",
            title="workers",
            copies=Copies.EACH,
            is_routed=True,
            hears_itself=False,
            cores=0,
            has_echo=False,
        ),
        Carrier(name="redis", title="Redis", has_strangers=True),
        Carrier(name="sharded", title="Redis, sharded", is_routed=True, has_strangers=True),
        Carrier(name="streams", title="Redis streams", has_strangers=True),
        Carrier(name="postgres", title="PostgreSQL", cores=4, echo_to_all=True, is_queued=True),
        Carrier(
            name="nats",
            title="NATS",
            copies=Copies.SOME,
            is_routed=True,
            cores=4,
            has_marks=True,
        ),
        Carrier(
            name="jetstream",
            title="NATS, JetStream",
            has_strangers=True,
            cores=4,
            has_marks=True,
        ),
    )
}
"""By name. Redis uses one core for commands; the others as many as there are, here four."""


# --- constants, as they are measured --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time.

    Attributes:
        message: Of each message.
        turn: Of each turn of the loop, which messages that come together share.
    """

    message: float = 0.0
    turn: float = 0.0

    def of(self, together: float) -> float:
        """Of one of so many messages that come together."""
        return self.message + self.turn / together


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one carrier.

    Attributes:
        publish: A node sends a message, once, and hears of it itself where the carrier is so.
        copy: It sends it once more.
        wanted: A node hears a message, and passes it on to one client.
        unwanted: A node hears a message, and nobody there wants it.
        engine_message: The engine takes a message.
        engine_delivery: The engine delivers it to one node.
        sign: A node hears that another one is there.
        idle: Of a second of a node that does nothing.
        sent_bytes: That a node writes to send a message of 32 bytes.
        heard_bytes: That a node reads to hear it.
    """

    publish: Cost = Cost()
    copy: Cost = Cost()
    wanted: Cost = Cost()
    unwanted: Cost = Cost()
    engine_message: Cost = Cost()
    engine_delivery: Cost = Cost()
    sign: float = 0.0
    idle: float = 0.0
    sent_bytes: float = 0.0
    heard_bytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCosts:
    """Of one node, whatever the carrier.

    Attributes:
        event: A client sends an event and is answered.
        delivery: An event that is broadcast goes to one client more.
        ping: A client is asked whether it is there, and answers.
        connection: A client connects, joins and leaves.
        memory: Bytes of a client that does nothing.
    """

    event: float = 0.0
    delivery: float = 0.0
    ping: float = 0.0
    connection: float = 0.0
    memory: float = 0.0


# --- loads and what they cost ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What goes on in a cluster.

    Attributes:
        nodes: That serve together, at least one.
        messages: That all of them together broadcast in a second.
        wanted: Nodes beside the sender's that have somebody in the room; those of all where there
            are not so many.
        reached: Clients that get it at each of them.
        clients: Of each node.
        events: That one client sends in a second.
        together: Messages that come in one turn.
        rooms: Turns in a second in which a node has its first client in a room, or its last.
        heartbeat_interval: Of the cluster, in seconds.
        ping_interval: Of clients, in seconds.
    """

    nodes: int
    messages: float = 0.0
    wanted: float = float("inf")
    reached: float = 1.0
    clients: float = 0.0
    events: float = 0.0
    together: float = 1.0
    rooms: float = 0.0
    heartbeat_interval: float = 5.0
    ping_interval: float = 25.0

    @property
    def others(self) -> float:
        """Nodes beside the sender's that want a message."""
        return min(self.wanted, self.nodes - 1)


class NodeShare(NamedTuple):
    """Where the processor time of a node goes, in cores."""

    publishing: float
    hearing: float
    throwing_away: float
    delivering: float
    signs: float
    clients: float
    idle: float

    @property
    def total(self) -> float:
        """Of all."""
        return sum(self)


class EngineShare(NamedTuple):
    """Where that of the engine goes, in cores."""

    messages: float
    deliveries: float
    signs: float

    @property
    def total(self) -> float:
        """Of all."""
        return sum(self)


def node_share(carrier: Carrier, costs: Costs, node: NodeCosts, load: Load) -> NodeShare:
    """What the average node does, in cores."""
    nodes, others, together = load.nodes, load.others, load.together
    each = load.messages / nodes
    copies = carrier.sent(nodes, others)
    publishing = _publishing(costs, copies, together)
    beats = carrier.signs(load.heartbeat_interval, load.rooms)
    own = carrier.own_signs
    heard = (nodes if carrier.hears_itself else nodes - 1) * beats + own
    told = beats * _publishing(costs, carrier.sent(nodes, nodes - 1), 1) + own * costs.publish.of(1)
    return NodeShare(
        publishing=each * publishing,
        hearing=each * others * costs.wanted.of(together),
        throwing_away=each * carrier.thrown_away(nodes, others) * costs.unwanted.of(together),
        delivering=each * others * max(load.reached - 1, 0) * node.delivery,
        signs=heard * costs.sign + told,
        clients=load.clients * (load.events * node.event + node.ping / load.ping_interval),
        idle=costs.idle,
    )


def _publishing(costs: Costs, copies: float, together: float) -> float:
    """What it costs a node to send a message so often."""
    first, more = min(copies, 1.0), max(copies - 1, 0.0)
    return first * costs.publish.of(together) + more * costs.copy.of(together)


def engine_share(carrier: Carrier, costs: Costs, load: Load) -> EngineShare:
    """What the engine does, in cores."""
    nodes, others, together = load.nodes, load.others, load.together
    if carrier.cores == 0:
        return EngineShare(0.0, 0.0, 0.0)
    message, delivery = costs.engine_message, costs.engine_delivery
    to_all = nodes * carrier.signs(load.heartbeat_interval, load.rooms)
    to_one = nodes * carrier.own_signs
    signs = to_all * (message.of(1) + nodes * delivery.of(1))
    return EngineShare(
        messages=load.messages * carrier.sent(nodes, others) * message.of(together),
        deliveries=load.messages * carrier.delivered(nodes, others) * delivery.of(together),
        signs=signs + to_one * (message.of(1) + delivery.of(1)),
    )


def queue_share(carrier: Carrier, costs: Costs, load: Load, flush: float = 0.0) -> float:
    """How much of the time somebody is in the engine where only one is let in.

    Args:
        flush: Seconds until the disk has a transaction.
    """
    if not carrier.is_queued:
        return 0.0
    message, together = costs.engine_message, load.together
    signs = load.nodes * (carrier.signs(load.heartbeat_interval, load.rooms) + carrier.own_signs)
    each = message.of(together) + flush / together
    return load.messages * each + signs * (message.of(1) + flush)


# --- limits ---------------------------------------------------------------------------------------


class Bound(NamedTuple):
    """Where it ends.

    Attributes:
        messages: In a second, of all nodes together.
        what: Is full: "node", "engine" or "queue".
    """

    messages: float
    what: str


def shares(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load, flush: float = 0.0
) -> dict[str, float]:
    """What may be full, as a part of all that it can do."""
    found = {"node": node_share(carrier, costs, node, load).total}
    if carrier.cores:
        found["engine"] = engine_share(carrier, costs, load).total / carrier.cores
    if carrier.is_queued:
        found["queue"] = queue_share(carrier, costs, load, flush)
    return found


def most_messages(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load, flush: float = 0.0
) -> Bound:
    """How many messages a second fill something up to `FULL`; none where it is full without any.

    Args:
        load: All but its messages.
    """
    without = shares(carrier, costs, node, replace(load, messages=0.0), flush)
    one = shares(carrier, costs, node, replace(load, messages=1.0), flush)
    bounds = []
    for what, fixed in without.items():
        more = one[what] - fixed
        room = max(FULL - fixed, 0.0)
        bounds.append(Bound(room / more if more > 0 else _endless(room), what))
    return min(bounds)


def _endless(room: float) -> float:
    return float("inf") if room > 0 else 0.0


MOST_NODES: Final = 1_000_000
"""More are not looked at."""


def last_node(
    carrier: Carrier, costs: Costs, load: Load, part: float = FULL, flush: float = 0.0
) -> int:
    """How many nodes there may be until signs of life alone take this part of a node or the engine.

    Args:
        load: All but its nodes; its messages and clients do not count.
    """
    quiet = replace(load, messages=0.0, clients=0.0)

    def holds(nodes: int) -> bool:
        found = shares(carrier, costs, NodeCosts(), replace(quiet, nodes=nodes), flush)
        return max(found.values()) <= part

    low, high = 0, MOST_NODES
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
