"""Messages of a whole cluster on their way, with the measured constants: who keeps up, how late.

Theory. Messages come by chance, so many in a second, each from any node, and so do signs of life,
from each node in turn. The engine, and each node, does one turn after the other: it takes all that
has come meanwhile, and pays for the turn once. So who is busy does more at a time and less for
each, which no sum of costs knows. An engine of several cores is one that is so much faster; where
only one transaction is let in these come one after the other first.

Followed are some of the nodes, which hear what any node does, and of the others what they send: so
a thousand nodes take no longer than ten. The same load has the same outcome each time.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.carriers.model import node_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.carriers.model import Carrier, Costs, Load, NodeCosts

__all__ = ["Outcome", "simulate"]

FOLLOWED: Final = 8
"""Nodes."""

MOST: Final = 256
"""Messages of one turn: what is read from a connection at once."""

LATE: Final = 0.1
"""Of the time that is simulated: who is further behind at its end does not keep up."""


class Outcome(NamedTuple):
    """How it went.

    Attributes:
        node: Part of the time in which the average node was busy, up to 1.
        engine: The same of the engine.
        median: Seconds from a message's way out to the client of a node; 0 where none arrived.
        slowest: The same of the slowest of a hundred.
        behind: Seconds of work that were left at the end.
        keeps_up: Whether that is little.
    """

    node: float
    engine: float
    median: float
    slowest: float
    behind: float
    keeps_up: bool


class _Item(NamedTuple):
    """Work of somebody.

    Attributes:
        at: When it is there.
        cost: Of itself.
        turn: Of a turn with such work.
        emitted: When its message went out; None where nobody waits for it.
    """

    at: float
    cost: float
    turn: float
    emitted: float | None = None


class _Done(NamedTuple):
    busy: float
    end: float
    ends: list[float]


def _work(items: Sequence[_Item], speed: float = 1.0, most: int = MOST) -> _Done:
    """Do all of it, in turns.

    Args:
        items: By time.
        speed: Of who does it.
        most: Items of a turn.

    Returns:
        Seconds of work, when it was over, and when each of the items was done.
    """
    free = busy = 0.0
    ends: list[float] = []
    at = 0
    while at < len(items):
        begin = max(free, items[at].at)
        turn = cost = 0.0
        taken = at
        while taken < len(items) and items[taken].at <= begin and taken - at < most:
            cost += items[taken].cost
            turn = max(turn, items[taken].turn)
            taken += 1
        spent = (cost + turn) / speed
        free = begin + spent
        busy += spent
        ends += [free] * (taken - at)
        at = taken
    return _Done(busy, free, ends)


class _Message(NamedTuple):
    at: float
    sender: int
    is_sign: bool


def _sent(carrier: Carrier, load: Load, seconds: float, chance: random.Random) -> list[_Message]:
    """All messages to others, by time."""
    found = []
    now = chance.expovariate(load.messages) if load.messages else seconds
    while now < seconds:
        found.append(_Message(now, chance.randrange(load.nodes), False))
        now += chance.expovariate(load.messages)
    pause = 1 / carrier.signs(load.heartbeat_interval, load.rooms)
    for node in range(load.nodes):
        now = chance.random() * pause
        while now < seconds:
            found.append(_Message(now, node, True))
            now += pause
    return sorted(found)


def _engine(
    carrier: Carrier, costs: Costs, load: Load, sent: Sequence[_Message], flush: float
) -> _Done:
    """When each message leaves the engine."""
    if carrier.cores == 0:
        return _Done(0.0, 0.0, [message.at for message in sent])
    message, delivery = costs.engine_message, costs.engine_delivery
    items, cores = [], carrier.cores
    queue_ends: Sequence[float] = [each.at for each in sent]
    queued = _Done(0.0, 0.0, [])
    if carrier.is_queued:
        whole = message.of(1) + flush
        queued = _work([_Item(each.at, whole, 0.0) for each in sent], most=1)
        queue_ends = queued.ends
    for each, at in zip(sent, queue_ends, strict=True):
        others = load.nodes - 1 if each.is_sign else load.others
        copies = 0.0 if carrier.is_queued else carrier.sent(load.nodes, others)
        delivered = carrier.delivered(load.nodes, others)
        cost = copies * message.message + delivered * delivery.message
        turn = (message.turn if copies else 0.0) + delivered * delivery.turn
        items.append(_Item(at, cost / cores, turn / cores))
    done = _work(items)
    busy = max(done.busy, queued.busy)
    return _Done(busy, max(done.end, queued.end), done.ends)


def simulate(
    carrier: Carrier,
    costs: Costs,
    node: NodeCosts,
    load: Load,
    *,
    seconds: float = 2.0,
    seed: int = 1,
    flush: float = 0.0,
) -> Outcome:
    """Let a cluster run for so many seconds of its own time.

    Args:
        load: What comes in one turn (`together`) is not used: it comes about.
        seed: Of chance.
        flush: Seconds until the disk has a transaction, where there are any.
    """
    chance = random.Random(seed)
    sent = _sent(carrier, load, seconds, chance)
    engine = _engine(carrier, costs, load, sent, flush)
    alone = replace(load, messages=0.0, nodes=1)
    there = node_share(carrier, replace(costs, sign=0.0), node, alone)
    speed = 1 - there.clients - there.idle - carrier.own_signs * costs.sign
    if speed <= 0:  # its clients alone are too many
        return Outcome(1.0, min(engine.busy / seconds, 1.0), 0.0, 0.0, seconds, keeps_up=False)
    busy, behind = 0.0, engine.end - seconds
    delays: list[float] = []
    followed = min(FOLLOWED, load.nodes)
    for number in range(followed):
        items = _heard(carrier, costs, node, load, number, sent, engine.ends, chance)
        done = _work(items, speed)
        busy += done.busy * speed / followed + (1 - speed) * seconds / followed
        behind = max(behind, done.end - seconds)
        delays += [
            end - item.emitted
            for item, end in zip(items, done.ends, strict=True)
            if item.emitted is not None
        ]
    delays.sort()
    return Outcome(
        node=min(busy / seconds, 1.0),
        engine=min(engine.busy / seconds, 1.0),
        median=_at(delays, 0.5),
        slowest=_at(delays, 0.99),
        behind=max(behind, 0.0),
        keeps_up=behind <= LATE * seconds,
    )


def _at(delays: Sequence[float], part: float) -> float:
    return delays[min(int(part * len(delays)), len(delays) - 1)] if delays else 0.0


def _heard(
    carrier: Carrier,
    costs: Costs,
    node: NodeCosts,
    load: Load,
    number: int,
    sent: Sequence[_Message],
    ends: Sequence[float],
    chance: random.Random,
) -> list[_Item]:
    """What one node does, by time: what it sends, and what it hears."""
    others = load.others
    part = others / max(load.nodes - 1, 1)
    more = max(load.reached - 1, 0) * node.delivery
    items = []
    for message, end in zip(sent, ends, strict=True):
        meant = load.nodes - 1 if message.is_sign else others
        if message.sender == number:
            copies = carrier.sent(load.nodes, meant)
            publish, copy = costs.publish, costs.copy
            cost = min(copies, 1) * publish.message + max(copies - 1, 0) * copy.message
            turn = min(copies, 1) * publish.turn + max(copies - 1, 0) * copy.turn
            items.append(_Item(message.at, cost, turn))
        if message.is_sign:
            if message.sender != number or carrier.hears_itself:
                items.append(_Item(end, costs.sign, 0.0))
        elif message.sender == number:
            continue
        elif chance.random() < part:
            wanted = costs.wanted
            items.append(_Item(end, wanted.message + more, wanted.turn, message.at))
        elif not carrier.is_routed:
            items.append(_Item(end, costs.unwanted.message, costs.unwanted.turn))
    items.sort(key=lambda item: item.at)
    return items
