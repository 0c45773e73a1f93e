"""A process that does not hear itself says so, once, and hears again without a word."""

from __future__ import annotations

import pytest

from sockwave.adapters import Capabilities
from tests.adapters.simulation import Network


@pytest.fixture
def network() -> Network:
    network = Network()
    network.broker.capabilities = Capabilities(echoes=True)
    return network


def test_who_hears_is_not_deaf(network: Network) -> None:
    (node,) = network.cluster_of("A")
    network.run(60)
    assert node.cluster.hearing is not None
    assert (node.cluster.hearing.is_deaf, node.failures) == (False, [])


def test_deafness_is_noticed_within_five_seconds_and_told_once(network: Network) -> None:
    deaf, other = network.cluster_of("A", "B")
    network.run(10)
    network.broker.partition([other.driver])  # what the first one sends reaches nobody, itself too
    network.run(5)
    assert deaf.cluster.hearing is not None
    assert deaf.cluster.hearing.is_deaf
    network.run(30)
    assert len([what for what in deaf.failures if "deaf" in what]) == 1
    network.broker.partition()
    network.run(2.1)
    assert not deaf.cluster.hearing.is_deaf


def test_carrier_that_brings_nothing_back_is_not_asked(network: Network) -> None:
    network.broker.capabilities = Capabilities()
    (node,) = network.cluster_of("A")
    network.run(60)
    assert (node.cluster.hearing, node.failures) == (None, [])


def test_deafness_is_no_news_right_after_other_trouble(network: Network) -> None:
    deaf, other = network.cluster_of("A", "B")
    network.run(10)
    network.broker.partition([other.driver])
    deaf.messages_lost("the carrier is away")
    network.run(30)
    assert deaf.cluster.hearing is not None
    assert deaf.cluster.hearing.is_deaf
    assert [what for what in deaf.failures if "deaf" in what or "away" in what] == [
        "the carrier is away"
    ]
