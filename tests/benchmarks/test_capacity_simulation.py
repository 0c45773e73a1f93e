"""The simulated cluster agrees with the model where nothing waits, and says where much does."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from benchmarks.carriers.model import (
    CARRIERS,
    Cost,
    Costs,
    Load,
    NodeCosts,
    engine_share,
    most_messages,
    node_share,
)
from benchmarks.carriers.simulation import simulate

EVEN: Final = Costs(
    publish=Cost(20e-6),
    copy=Cost(2e-6),
    wanted=Cost(20e-6),
    unwanted=Cost(3e-6),
    engine_message=Cost(4e-6),
    engine_delivery=Cost(0.5e-6),
    sign=20e-6,
    idle=0.002,
)
"""Costs without turns: nobody gains by doing several things at once."""

IN_TURNS: Final = replace(
    EVEN,
    publish=Cost(10e-6, 60e-6),
    wanted=Cost(10e-6, 40e-6),
    engine_message=Cost(2e-6, 30e-6),
)
NODE: Final = NodeCosts(event=8e-6, delivery=5e-6, ping=20e-6)
LOAD: Final = Load(nodes=8, messages=2_000.0, wanted=3.0, reached=4.0, clients=1_000, events=0.1)


@pytest.mark.parametrize("name", CARRIERS)
def test_same_load_has_the_same_outcome(name: str) -> None:
    carrier = CARRIERS[name]
    first = simulate(carrier, IN_TURNS, NODE, LOAD)
    assert simulate(carrier, IN_TURNS, NODE, LOAD) == first
    assert simulate(carrier, IN_TURNS, NODE, LOAD, seed=2) != first


@pytest.mark.parametrize("name", CARRIERS)
def test_without_turns_nodes_and_engine_are_as_busy_as_the_model_says(name: str) -> None:
    carrier = CARRIERS[name]
    outcome = simulate(carrier, EVEN, NODE, LOAD, seconds=5.0)
    node = node_share(carrier, EVEN, NODE, LOAD).total
    assert outcome.node == pytest.approx(node, rel=0.1)
    if carrier.cores:
        busy = engine_share(carrier, EVEN, LOAD).total / carrier.cores
        assert outcome.engine >= 0.9 * busy
    assert outcome.keeps_up


@pytest.mark.parametrize("name", CARRIERS)
def test_turns_cost_at_most_as_much_as_if_each_message_had_its_own(name: str) -> None:
    carrier = CARRIERS[name]
    outcome = simulate(carrier, IN_TURNS, NODE, LOAD, seconds=5.0)
    alone, at_once = (
        node_share(carrier, IN_TURNS, NODE, replace(LOAD, together=together)).total
        for together in (1.0, 1e9)
    )
    assert 0.9 * at_once <= outcome.node <= 1.1 * alone


@pytest.mark.parametrize("name", CARRIERS)
def test_who_is_full_falls_behind_and_who_is_not_keeps_up(name: str) -> None:
    carrier = CARRIERS[name]
    load = Load(nodes=8, wanted=3.0)
    most = most_messages(carrier, EVEN, NODE, load).messages
    few, many = (replace(load, messages=times * most) for times in (0.7, 3.0))
    fine, late = (simulate(carrier, EVEN, NODE, each, seconds=0.2) for each in (few, many))
    assert fine.keeps_up
    assert not late.keeps_up
    assert late.behind > fine.behind
    assert late.slowest > fine.slowest >= fine.median > 0


def test_node_with_too_many_clients_keeps_up_with_nothing() -> None:
    load = replace(LOAD, clients=1e7)
    outcome = simulate(CARRIERS["redis"], EVEN, NODE, load)
    assert (outcome.node, outcome.keeps_up) == (1.0, False)


def test_disk_makes_transactions_wait() -> None:
    postgres = CARRIERS["postgres"]
    quick = simulate(postgres, EVEN, NODE, LOAD)
    slow = simulate(postgres, EVEN, NODE, LOAD, flush=0.001)
    assert quick.keeps_up
    assert not slow.keeps_up


def test_cluster_in_which_nothing_is_sent_is_only_there() -> None:
    outcome = simulate(CARRIERS["redis"], EVEN, NODE, Load(nodes=2))
    assert outcome.keeps_up
    assert outcome.median == 0
    assert 0 < outcome.node < 0.01
