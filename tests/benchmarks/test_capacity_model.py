"""What the model of capacity reckons: parts add up, more is never cheaper, limits are limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchmarks.carriers.model import (
    CARRIERS,
    FULL,
    Carrier,
    Cost,
    Costs,
    Load,
    NodeCosts,
    engine_share,
    last_node,
    most_messages,
    node_share,
    queue_share,
    shares,
)

CLOSE: Final = 1e-9
"""Relative: a sum that is made in another order."""

micro = st.floats(1e-7, 1e-3)
costs_ = st.builds(Cost, micro, micro)
all_costs = st.builds(
    Costs,
    publish=costs_,
    copy=costs_,
    wanted=costs_,
    unwanted=costs_,
    engine_message=costs_,
    engine_delivery=costs_,
    sign=micro,
    idle=st.floats(0, 0.1),
)
node_costs = st.builds(NodeCosts, event=micro, delivery=micro, ping=micro)
carriers = st.sampled_from(list(CARRIERS.values()))
loads = st.builds(
    Load,
    nodes=st.integers(1, 2_000),
    messages=st.floats(0, 1e5),
    wanted=st.floats(0, 2_000) | st.just(math.inf),
    reached=st.floats(1, 100),
    clients=st.floats(0, 1e5),
    events=st.floats(0, 10),
    together=st.floats(1, 100),
    rooms=st.floats(0, 100),
    heartbeat_interval=st.floats(1, 60),
)


def whole(carrier: Carrier, costs: Costs, node: NodeCosts, load: Load) -> tuple[float, float]:
    """What all nodes do together, and the engine."""
    nodes = load.nodes * node_share(carrier, costs, node, load).total
    return nodes, engine_share(carrier, costs, load).total


@given(carriers, all_costs, node_costs, loads)
def test_parts_are_not_below_nothing_and_add_up(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load
) -> None:
    for share in (node_share(carrier, costs, node, load), engine_share(carrier, costs, load)):
        assert min(share) >= 0
        assert share.total == pytest.approx(sum(share))
    assert queue_share(carrier, costs, load, 0.001) >= 0


@given(carriers, all_costs, node_costs, loads, st.floats(1, 10))
def test_more_of_anything_costs_no_less(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load, times: float
) -> None:
    before = whole(carrier, costs, node, load)
    for more in (
        replace(load, nodes=math.ceil(load.nodes * times)),
        replace(load, messages=load.messages * times),
        replace(load, reached=load.reached * times),
        replace(load, clients=load.clients * times),
        replace(load, events=load.events * times),
        replace(load, rooms=load.rooms * times),
        replace(load, heartbeat_interval=load.heartbeat_interval / times),
        replace(load, together=load.together / times),
    ):
        after = whole(carrier, costs, node, more)
        assert all(b >= a * (1 - CLOSE) for a, b in zip(before, after, strict=True)), more


@given(carriers, all_costs, node_costs, loads, st.floats(1, 10))
def test_more_nodes_that_want_it_cost_no_less_but_where_one_message_is_for_all(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load, times: float
) -> None:
    # A node that wants it hears it, and one that does not hears it, too, or for less.
    costs = replace(costs, unwanted=Cost())
    more = replace(load, wanted=load.wanted * times)
    assume(carrier.name != "nats" or more.wanted < load.nodes - 1)
    before, after = (whole(carrier, costs, node, each) for each in (load, more))
    assert all(b >= a * (1 - CLOSE) for a, b in zip(before, after, strict=True))


@given(carriers, all_costs, node_costs, loads)
def test_messages_and_what_is_there_without_them_add_up(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load
) -> None:
    none, twice = replace(load, messages=0.0), replace(load, messages=2 * load.messages)
    found = [shares(carrier, costs, node, each) for each in (none, load, twice)]
    for what, fixed in found[0].items():
        once = found[1][what] - fixed
        assert found[2][what] == pytest.approx(fixed + 2 * once, rel=1e-6, abs=1e-9)


@given(carriers, all_costs, node_costs, loads)
def test_most_messages_fill_what_they_name_and_nothing_more(
    carrier: Carrier, costs: Costs, node: NodeCosts, load: Load
) -> None:
    bound = most_messages(carrier, costs, node, load)
    assume(math.isfinite(bound.messages))
    full = shares(carrier, costs, node, replace(load, messages=bound.messages))
    if bound.messages:
        assert max(full.values()) == pytest.approx(FULL)
        assert full[bound.what] == pytest.approx(FULL)
    else:
        assert full[bound.what] >= FULL


@given(carriers, all_costs, st.floats(1, 60), st.floats(0.01, FULL))
def test_last_node_is_the_last_whose_signs_of_life_fit(
    carrier: Carrier, costs: Costs, interval: float, part: float
) -> None:
    load = Load(nodes=1, heartbeat_interval=interval)
    last = last_node(carrier, costs, load, part)

    def most(nodes: int) -> float:
        return max(shares(carrier, costs, NodeCosts(), replace(load, nodes=nodes)).values())

    assert last == 0 or most(last) <= part
    assert most(last + 1) > part or last == 1_000_000


@given(carriers, st.integers(2, 500), st.floats(0, 600))
def test_every_other_node_hears_it_or_is_spared(
    carrier: Carrier, nodes: int, wanted: float
) -> None:
    others = min(wanted, nodes - 1)
    thrown = carrier.thrown_away(nodes, others)
    if carrier.is_routed:
        assert thrown == 0
    elif others >= 1 or carrier.has_strangers:
        assert thrown + others == pytest.approx(nodes - 1)
    else:
        assert thrown <= nodes - 1


def test_cost_of_a_turn_is_shared() -> None:
    assert Cost(2.0, 16.0).of(1) == 18.0
    assert Cost(2.0, 16.0).of(16) == 3.0


@pytest.mark.parametrize(
    ("name", "nodes", "wanted", "sent", "delivered"),
    [
        ("workers", 8, 3, 3, 0),
        ("redis", 8, 3, 1, 8),
        ("redis", 8, 0, 1, 8),
        ("sharded", 8, 3, 1, 3),
        ("streams", 8, 3, 1, 8),
        ("postgres", 8, 3, 1, 8),
        ("postgres", 8, 0, 0, 0),
        ("nats", 8, 3, 3, 3),
        ("nats", 8, 7, 1, 8),
        ("nats", 8, 0, 0, 0),
        ("nats", 1, 0, 0, 0),
    ],
)
def test_each_carrier_sends_and_delivers_as_it_does(
    name: str, nodes: int, wanted: int, sent: int, delivered: int
) -> None:
    carrier = CARRIERS[name]
    assert carrier.sent(nodes, wanted) == sent
    assert carrier.delivered(nodes, wanted) == delivered


def test_heartbeats_grow_with_the_square_of_the_nodes() -> None:
    redis, costs = CARRIERS["redis"], Costs(engine_delivery=Cost(1e-6))
    few, many = (engine_share(redis, costs, Load(nodes=nodes)).signs for nodes in (100, 1_000))
    assert many == pytest.approx(100 * few, rel=0.05)  # the echo of each grows with their number


def test_disk_bounds_transactions_where_one_is_let_in_at_a_time() -> None:
    postgres, costs = CARRIERS["postgres"], Costs()
    load = Load(nodes=1, wanted=1.0, heartbeat_interval=1e9)
    alone = most_messages(postgres, costs, NodeCosts(), load, flush=0.001)
    assert alone.what == "queue"
    assert alone.messages == pytest.approx((FULL - 0.0005) / 0.001)
    together = most_messages(postgres, costs, NodeCosts(), replace(load, together=16.0), 0.001)
    assert together.messages == pytest.approx(16 * alone.messages)
