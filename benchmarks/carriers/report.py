"""Tables and the picture of docs/capacity.md, from what was measured."""

from __future__ import annotations

import re
import statistics
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.carriers.fitting import checks, costs_of
from benchmarks.carriers.model import (
    CARRIERS,
    FULL,
    Costs,
    Load,
    NodeCosts,
    engine_share,
    last_node,
    most_messages,
    node_share,
)
from benchmarks.carriers.simulation import simulate
from scripts.draw_capacity import Line, Panel, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.carriers.model import Carrier, Cost
    from benchmarks.carriers.samples import Measured

__all__ = ["TABLES", "picture", "written"]

TOGETHER: Final = 16.0
"""Messages in one turn near the end: who is busy finds several whenever it looks."""

FEW: Final = 3.0
"""Other nodes that have somebody in a room."""

NODES: Final = (2, 10, 100, 1_000)
"""Of the tables."""

MOST_WORKERS: Final = 64
"""Workers are processes of one machine: there are no more of them than cores."""

FORETELLING: Final = 8
"""Nodes of the largest cluster whose figures foretell the others."""

MICRO: Final = 1e6


class _Known:
    """What was measured, with the constants that are in it."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self.node = NodeCosts(**measured.node)
        self.costs = costs_of(measured.carriers)
        self.carriers = {name: CARRIERS[name] for name in CARRIERS if name in measured.carriers}

    def each(self) -> Iterable[tuple[Carrier, Costs]]:
        """Carriers, and what they cost."""
        return ((carrier, self.costs[name]) for name, carrier in self.carriers.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join((*lines, *("| " + " | ".join(row) + " |" for row in rows)))


def _micro(seconds: float) -> str:
    """In microseconds."""
    value = seconds * MICRO
    if value < 0.05:
        return "0"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _both(cost: Cost) -> str:
    return f"{_micro(cost.of(1))} / {_micro(cost.of(TOGETHER))}"


DIGITS: Final = 2
"""That a figure of the model is good for."""


def _about(value: float) -> str:
    """A figure with two digits; no more of them are known."""
    if value == float("inf"):
        return "no end"
    if value < 1:
        return "0"
    return f"{float(f'{value:.{DIGITS}g}'):,.0f}"


def _percent(part: float) -> str:
    if part >= FULL:
        return f"**{part:.0%}**"
    return f"{part:.1%}" if part < 0.1 else f"{part:.0%}"


# --- one node -------------------------------------------------------------------------------------

KINDS: Final = {
    "do nothing": (0.0, 0.0),
    "send an event a minute each": (1 / 60, 0.0),
    "send an event every ten seconds, and get one every second": (0.1, 1.0),
    "send an event every second, and get ten": (1.0, 10.0),
}
"""What clients of one node do: events that each of them sends in a second, and gets."""

CROWDS: Final = (1_000, 10_000, 50_000)
"""Clients of one node."""


def _node_costs(known: _Known) -> str:
    node = known.node
    rows = (
        ("an event of a client, answered by one", node.event, "second"),
        ("a broadcast, for each client that gets it", node.delivery, "second"),
        ("a client connects, joins and leaves", node.connection, "second"),
        ("a client is pinged, and answers", node.ping, "second"),
    )
    return _table(
        ("what", "processor time", f"at most, with {FULL:.0%} of a core"),
        (
            *(
                (what, f"{_micro(cost)} µs", f"{_about(FULL / cost)} a {per}")
                for what, cost, per in rows
            ),
            ("a client that is there", f"{node.memory / 1000:.1f} kB", ""),
        ),
    )


def _node_clients(known: _Known) -> str:
    node = known.node

    def share(clients: int, sent: float, got: float) -> float:
        load = Load(nodes=1, clients=clients, events=sent)
        there = node_share(CARRIERS["workers"], Costs(), node, load)
        return there.clients + clients * got * node.delivery

    head = ("part of a core, with clients that", *(f"{clients:,} of them" for clients in CROWDS))
    memory = (f"{_about(clients * node.memory / 1e6)} MB" for clients in CROWDS)
    return _table(
        head,
        (
            *(
                (what, *(_percent(share(clients, sent, got)) for clients in CROWDS))
                for what, (sent, got) in KINDS.items()
            ),
            ("memory of their connections", *memory),
        ),
    )


# --- carriers -------------------------------------------------------------------------------------


def _costs(known: _Known) -> str:
    def row(carrier: Carrier, costs: Costs) -> tuple[str, ...]:
        has_engine = carrier.cores > 0
        return (
            carrier.title,
            _both(costs.publish),
            _both(costs.copy) if carrier.copies.name != "ONE" else "",
            _both(costs.wanted),
            "is not sent" if carrier.is_routed else _both(costs.unwanted),
            _both(costs.engine_message) if has_engine else "",
            _both(costs.engine_delivery) if has_engine else "",
            _micro(costs.sign),
            f"{costs.sent_bytes:.0f} / {costs.heard_bytes:.0f}",
        )

    return _table(
        (
            "µs, alone / of 16",
            "send",
            "send to one more",
            "hear, for one client",
            "hear for nothing",
            "engine: take",
            "engine: deliver to one node",
            "hear a heartbeat",
            "bytes sent / heard",
        ),
        (row(carrier, costs) for carrier, costs in known.each()),
    )


def _check(known: _Known) -> str:
    rows = []
    for name, carrier in known.carriers.items():
        found = checks(carrier, known.measured.carriers[name], known.node, FORETELLING)
        for what in ("node", "engine"):
            mine = [each for each in found if each.what == what]
            if mine:
                rows.append(
                    (
                        carrier.title,
                        what,
                        ", ".join(
                            f"{each.nodes}: {_micro(each.measured)} ({each.error:+.0%})"
                            for each in mine
                        ),
                    )
                )
    return _table(("carrier", "of", "nodes: measured µs a message (error of the model)"), rows)


def _within(carrier: Carrier, nodes: int) -> bool:
    return carrier.cores > 0 or nodes <= MOST_WORKERS


FLUSH: Final = 0.001
"""Seconds until a disk has a transaction: a good one over a network, or a bad one at hand."""


def _most(known: _Known, wanted: float) -> str:
    def cell(carrier: Carrier, costs: Costs, nodes: int, flush: float) -> str:
        if not _within(carrier, nodes):
            return ""
        load = Load(nodes=nodes, wanted=wanted, together=TOGETHER)
        bound = most_messages(carrier, costs, known.node, load, flush)
        return f"{_about(bound.messages)} ({bound.what})"

    rows = []
    for carrier, costs in known.each():
        for flush in (0.0, FLUSH) if carrier.is_queued else (0.0,):
            title = f"{carrier.title}, its disk takes {_delay(flush)}" if flush else carrier.title
            rows.append((title, *(cell(carrier, costs, nodes, flush) for nodes in NODES)))
    return _table(
        ("messages a second, of all nodes", *(f"{nodes:,} nodes" for nodes in NODES)), rows
    )


CONNECTIONS: Final = {
    "redis": "2 for each node; Redis takes 10,000",
    "sharded": "2 for each node; Redis takes 10,000",
    "streams": "4 for each node; Redis takes 10,000",
    "postgres": "2 for each node; PostgreSQL takes 100, unless `max_connections` says otherwise",
    "nats": "1 for each node; NATS takes 65,536",
    "jetstream": "2 for each node; NATS takes 65,536",
}
"""What engines let in as they come."""

TENTH: Final = 0.1


def _ends(known: _Known) -> str:
    rows = []
    for carrier, costs in known.each():
        if carrier.cores == 0:
            continue
        bare = Load(nodes=1)
        thousand = engine_share(carrier, costs, replace(bare, nodes=1_000)).total / carrier.cores
        rows.append(
            (
                carrier.title,
                f"{last_node(carrier, costs, bare, TENTH):,}",
                f"{last_node(carrier, costs, bare):,}",
                _percent(thousand),
                CONNECTIONS[carrier.name],
            )
        )
    return _table(
        (
            "nodes until heartbeats alone take",
            f"{TENTH:.0%}",
            f"{FULL:.0%}: the end",
            "of the engine, with 1,000",
            "connections",
        ),
        rows,
    )


# --- simulation -----------------------------------------------------------------------------------

CLIENTS: Final = 5_000.0
EVENTS: Final = 0.1
EACH: Final = 10.0
"""Messages that a node sends in a second."""


def _simulation(known: _Known) -> str:
    def cell(carrier: Carrier, costs: Costs, nodes: int) -> str:
        if not _within(carrier, nodes):
            return ""
        load = Load(nodes=nodes, messages=EACH * nodes, wanted=FEW, clients=CLIENTS, events=EVENTS)
        outcome = simulate(carrier, costs, known.node, load)
        busy = f"{_percent(outcome.node)}, {_percent(outcome.engine)}"
        if not outcome.keeps_up:
            return f"{busy}, **falls behind**"
        return f"{busy}, {_delay(outcome.slowest)}"

    return _table(
        ("node, engine, 99 of 100 within", *(f"{nodes:,} nodes" for nodes in NODES)),
        (
            (carrier.title, *(cell(carrier, costs, nodes) for nodes in NODES))
            for carrier, costs in known.each()
        ),
    )


def _delay(seconds: float) -> str:
    return f"{1000 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"


def _speeds(known: _Known) -> str:
    def row(name: str, carrier: Carrier) -> tuple[str, ...]:
        found = known.measured.carriers[name].speeds
        fanout, fanout_engine, nobody, nobody_engine = (
            statistics.median(getattr(speeds, field) for speeds in found)
            for field in ("fanout", "fanout_engine", "nobody", "nobody_engine")
        )
        has_engine = carrier.cores > 0
        return (
            carrier.title,
            f"{fanout:,.0f}",
            f"{fanout_engine:.2f}" if has_engine else "",
            f"{nobody:,.0f}",
            f"{nobody_engine:.2f}" if has_engine else "",
        )

    return _table(
        (
            "in a processor second of two nodes",
            "deliveries to 200 clients",
            "the engine beside it",
            "broadcasts to a room of nobody",
            "the engine beside it",
        ),
        (row(name, carrier) for name, carrier in known.carriers.items()),
    )


def _for_all(known: _Known) -> str:
    return _most(known, float("inf"))


def _for_few(known: _Known) -> str:
    return _most(known, FEW)


TABLES: Final[dict[str, Callable[[_Known], str]]] = {
    "node": _node_costs,
    "clients": _node_clients,
    "costs": _costs,
    "speeds": _speeds,
    "check": _check,
    "all": _for_all,
    "few": _for_few,
    "ends": _ends,
    "simulation": _simulation,
}
"""Of the page, by their name there."""


def written(page: str, measured: Measured) -> str:
    """The page with its tables as they are now, each between `<!-- name -->` and `<!-- end -->`.

    Raises:
        ValueError: A table has no place there.
    """
    known = _Known(measured)
    for name, table in TABLES.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = f"{table(known)}\n"
        page, count = place.subn(partial(_between, text), page)
        if count != 1:
            raise ValueError(f"the page has {count} places for the table {name!r}")
    return page


def _between(text: str, match: re.Match[str]) -> str:
    return match[1] + text + match[2]


# --- picture --------------------------------------------------------------------------------------

HEADING: Final = "Messages a second that a cluster carries, of all its nodes together"
POINTS: Final = 40
FIRST, LAST = 2, 1_000


def _steps() -> list[int]:
    ratio = (LAST / FIRST) ** (1 / POINTS)
    return sorted({round(FIRST * ratio**step) for step in range(POINTS + 1)})


def _line(known: _Known, carrier: Carrier, costs: Costs, wanted: float) -> Line:
    points: list[tuple[float, float]] = []
    for nodes in _steps():
        load = Load(nodes=nodes, wanted=wanted, together=TOGETHER)
        if not _within(carrier, nodes):
            return Line(carrier.title, points, ends=False)
        bound = most_messages(carrier, costs, known.node, load)
        if bound.messages < 1:
            return Line(carrier.title, points, ends=True)
        points.append((float(nodes), bound.messages))
    return Line(carrier.title, points, ends=False)


def picture(measured: Measured) -> str:
    """The chart."""
    known = _Known(measured)
    kinds = {
        "Each for everybody": float("inf"),
        f"Each for a room with somebody on {FEW:.0f} other nodes": FEW,
    }
    panels = [
        Panel(title, [_line(known, carrier, costs, wanted) for carrier, costs in known.each()])
        for title, wanted in kinds.items()
    ]
    return draw(HEADING, panels)
