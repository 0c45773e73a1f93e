"""Constants are found again in figures that were made with them; odd figures do no harm."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.carriers.fitting import Row, checks, fit, least
from benchmarks.carriers.model import (
    CARRIERS,
    Carrier,
    Cost,
    Costs,
    Load,
    NodeCosts,
    engine_share,
    node_share,
)
from benchmarks.carriers.samples import Measured, Mixed, Rest, Sample, Samples, load, save

if TYPE_CHECKING:
    from pathlib import Path

COSTS: Final = Costs(
    publish=Cost(20e-6, 60e-6),
    copy=Cost(2e-6, 3e-6),
    wanted=Cost(18e-6, 40e-6),
    unwanted=Cost(3e-6, 10e-6),
    engine_message=Cost(4e-6, 30e-6),
    engine_delivery=Cost(0.5e-6, 2e-6),
    sign=50e-6,
    idle=0.002,
    sent_bytes=150.0,
    heard_bytes=180.0,
)
NODE: Final = NodeCosts(delivery=5e-6)
INTERVAL: Final = 0.5


def made(carrier: Carrier, costs: Costs, sizes: tuple[int, ...] = (2, 4, 8)) -> Samples:
    """What would be measured if all was as the model says."""
    found = Samples()
    for nodes in sizes:
        for wanted in {1, nodes // 2, nodes - 1}:
            for together in (1, 16):
                copies = carrier.sent(nodes, wanted)
                is_spared = carrier.is_routed or wanted == nodes - 1
                engine = engine_share(
                    carrier,
                    costs,
                    Load(nodes=nodes, messages=1.0, wanted=wanted, together=together),
                )
                found.samples.append(
                    Sample(
                        nodes=nodes,
                        wanted=wanted,
                        together=together,
                        sender=costs.publish.of(together) + (copies - 1) * costs.copy.of(together),
                        hearing=costs.wanted.of(together),
                        unwanted=None if is_spared else costs.unwanted.of(together),
                        engine=engine.messages + engine.deliveries,
                        sent_bytes=costs.sent_bytes * copies,
                        heard_bytes=costs.heard_bytes,
                    )
                )
        bare = Load(nodes=nodes, heartbeat_interval=INTERVAL)
        share = node_share(carrier, costs, NodeCosts(), bare)
        found.rests.append(Rest(nodes=nodes, interval=INTERVAL, node=share.total, engine=0.0))
        mixed = Load(nodes=nodes, messages=1.0, together=4)
        share = node_share(carrier, costs, NodeCosts(), mixed)
        engine = engine_share(carrier, costs, mixed)
        found.mixed.append(
            Mixed(
                nodes=nodes,
                senders=nodes,
                together=4,
                node=share.publishing + share.hearing + NODE.delivery / nodes,
                engine=engine.messages + engine.deliveries,
            )
        )
    return found


def expected(carrier: Carrier, costs: Costs) -> Costs:
    """The constants that a carrier has."""
    if carrier.copies.name == "ONE":
        costs = replace(costs, copy=Cost())
    if carrier.is_routed:
        costs = replace(costs, unwanted=Cost())
    if carrier.cores == 0:
        costs = replace(costs, engine_message=Cost(), engine_delivery=Cost())
    return costs


def figures(costs: Costs) -> list[float]:
    """All numbers of constants."""
    found: list[float] = []
    for value in asdict(costs).values():
        found += value.values() if isinstance(value, dict) else [value]
    return found


@pytest.mark.parametrize("name", CARRIERS)
def test_constants_are_found_again(name: str) -> None:
    carrier = CARRIERS[name]
    found = fit(carrier, made(carrier, COSTS))
    assert figures(found) == pytest.approx(figures(expected(carrier, COSTS)), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", CARRIERS)
def test_few_nodes_foretell_many_where_all_is_as_the_model_says(name: str) -> None:
    carrier = CARRIERS[name]
    found = checks(carrier, made(carrier, COSTS), NODE, most=4)
    assert {each.nodes for each in found} == {2, 4, 8}
    for each in found:
        assert each.error == pytest.approx(0, abs=1e-6)


def test_error_tells_by_how_much_the_model_says_too_much() -> None:
    redis = CARRIERS["redis"]
    found = made(redis, COSTS)
    found.mixed = [replace(each, node=each.node * 2) for each in found.mixed]
    for each in checks(redis, found, NODE, most=8):
        assert each.error == pytest.approx(-0.5 if each.what == "node" else 0, abs=1e-6)


@given(st.lists(st.tuples(*[st.floats(0, 1e6)] * 3)))
def test_no_figures_make_a_cost_below_nothing(rows: list[tuple[float, float, float]]) -> None:
    assert min(least(Row(*row) for row in rows)) >= 0


def test_figure_that_falls_with_more_is_no_cost_below_nothing() -> None:
    first, second = least([Row(1.0, 1.0, 5.0), Row(1.0, 10.0, 4.0)])
    assert second == 0
    assert 4.0 < first < 5.0


def test_no_figures_at_all_are_no_costs() -> None:
    assert figures(fit(CARRIERS["nats"], Samples())) == [0.0] * len(figures(Costs()))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    redis = CARRIERS["redis"]
    measured = Measured("here", asdict(NODE), {"redis": made(redis, COSTS)})
    save(measured, tmp_path / "figures.json")
    again = load(tmp_path / "figures.json")
    assert (again.machine, again.node) == ("here", asdict(NODE))
    assert figures(fit(redis, again.carriers["redis"])) == pytest.approx(
        figures(fit(redis, measured.carriers["redis"])), rel=1e-2, abs=1e-9
    )
