"""A carrier that is away makes nobody gone, and no answer complete."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters import Capabilities, ClusterOptions
from tests.adapters.simulation import Network, Node, to

KINDS = (
    Capabilities(is_selective=True, echoes=True),
    Capabilities(is_ordered=True, echoes=True, is_text=True),
)


def network_of(capabilities: Capabilities) -> Network:
    return Network(capabilities=capabilities)


def cut_off(network: Network, node: Node, *others: Node) -> None:
    """A node hears nobody, itself neither; the others hear each other."""
    network.broker.partition([each.driver for each in others])
    assert node not in others


@pytest.mark.parametrize("capabilities", KINDS)
def test_who_hears_nothing_takes_nobody_for_gone(capabilities: Capabilities) -> None:
    network = network_of(capabilities)
    node, *others = network.cluster_of("A", "B", "C")
    cut_off(network, node, *others)
    network.run(60)
    assert (node.sees, node.left) == (["B", "C"], [])
    assert all(other.left == ["A"] for other in others)  # they hear
    network.broker.partition()
    network.run(6)
    assert [each.sees for each in network.nodes] == [["B", "C"], ["A", "C"], ["A", "B"]]
    assert node.left == []


@given(
    away=st.floats(0.5, 60),
    beats=st.sampled_from([(5.0, 10.0), (0.2, 1.0), (1.0, 4.0), (25.0, 60.0)]),
    capabilities=st.sampled_from(KINDS),
    before=st.floats(0, 10),
)
def test_nobody_is_gone_however_long_the_carrier_was_away(
    away: float, beats: tuple[float, float], capabilities: Capabilities, before: float
) -> None:
    network = network_of(capabilities)
    options = ClusterOptions(heartbeat_interval=beats[0], heartbeat_timeout=beats[1])
    nodes = [network.node(name, options=options) for name in "AB"]
    network.run(beats[0] * 2 + before)
    network.broker.partition([])  # nobody hears anybody
    network.run(away)
    network.broker.partition()
    network.run(beats[0] * 2 + 3)
    assert [node.left for node in nodes] == [[], []]


def test_who_has_ended_meanwhile_is_gone_a_whole_silence_after_the_return() -> None:
    network = network_of(KINDS[0])
    node, other = network.cluster_of("A", "B")
    cut_off(network, node, other)
    network.run(30)
    other.die()
    network.run(30)
    network.broker.partition()
    network.run(8)
    assert node.sees == ["B"]
    network.run(6)
    assert (node.sees, node.left) == ([], ["B"])


@pytest.mark.parametrize("capabilities", KINDS)
def test_who_hears_himself_takes_the_silent_for_gone_as_ever(capabilities: Capabilities) -> None:
    network = network_of(capabilities)
    node, other = network.cluster_of("A", "B")
    other.die()
    network.run(12)
    assert (node.sees, node.left) == ([], ["B"])


@pytest.mark.parametrize("others", [(), ("B",)])
def test_what_is_sent_meanwhile_is_given_to_the_carrier_which_keeps_it(
    others: tuple[str, ...],
) -> None:
    network = network_of(KINDS[0])
    node, *rest = network.cluster_of("A", *others)
    network.run(10)
    node.emit("heard", to("room"))
    cut_off(network, node, *rest)
    network.run(30)
    sent = len(node.sent)
    node.emit("kept", to("room"))
    assert len(node.sent) == sent + 1
    network.broker.partition()
    network.run(12)
    sent = len(node.sent)
    node.emit("unwanted", to("room"))
    assert len(node.sent) == sent  # as before: nobody has that room


@pytest.mark.parametrize("others", [(), ("B",)])
@pytest.mark.parametrize(
    "capabilities", [*KINDS, Capabilities(has_strangers=True, echoes=True)], ids=range(3)
)
def test_no_answer_is_complete_while_nothing_is_heard(
    capabilities: Capabilities, others: tuple[str, ...]
) -> None:
    network = network_of(capabilities)
    node, *rest = network.cluster_of("A", *others)
    cut_off(network, node, *rest)
    network.run(30)
    asked = [node.fetch(), node.count_sockets(), node.ask_clients(), node.ask_servers("x")]
    network.run(3)
    for question in asked:
        assert question.ended == pytest.approx(question.deadline)
        assert (question.outcome.is_complete, question.outcome.silent) == (False, others)
    network.broker.partition()
    network.run(6)
    asked = [node.fetch(), node.count_sockets(), node.ask_clients(), node.ask_servers("x")]
    network.run(1)
    assert all(question.outcome.is_complete for question in asked)


def test_question_that_waits_for_nobody_is_over_when_he_hears_again() -> None:
    network = network_of(KINDS[0])
    (node,) = network.cluster_of("A")
    network.broker.partition([])
    network.run(30)
    asked = node.fetch(timeout=20)
    network.run(5)
    assert asked.outcomes == []
    network.broker.partition()
    network.run(3)
    assert asked.outcome.is_complete
