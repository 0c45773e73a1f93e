"""Servers whose adapters do not fit together say so, once each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters import Capabilities
from sockwave.adapters.members import Member
from sockwave.adapters.signs import MAX_MODE, misfit
from tests.adapters.simulation import Network

STATIC, DYNAMIC = "Adapter(mode='static')", "Adapter(mode='dynamic')"


def failures(*modes: str | None) -> list[list[str]]:
    """What nodes of these modes tell within a minute."""
    network = Network(capabilities=Capabilities(has_strangers=True))
    nodes = [network.node(name) for name, _ in zip("ABC", modes, strict=False)]
    for node, mode in zip(nodes, modes, strict=True):
        node.own_mode = mode
    network.run(60)
    return [node.failures for node in nodes]


def test_who_does_not_fit_is_named_once_with_both_modes_and_the_step() -> None:
    one, other, third = failures(STATIC, DYNAMIC, STATIC)
    for told, node in ((one, "B"), (third, "B")):
        (what,) = told
        assert what == (
            f"node {node} does not fit: it has {DYNAMIC}, and this server has {STATIC}, so "
            "messages between them are lost; give all servers the same adapter with the same "
            "arguments"
        )
    assert sorted(what[:6] for what in other) == ["node A", "node C"]


@pytest.mark.parametrize("modes", [(STATIC, STATIC), (STATIC, ""), ("", DYNAMIC), ("", "")])
def test_who_fits_or_does_not_say_is_no_failure(modes: tuple[str, str]) -> None:
    assert failures(*modes) == [[], []]


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.binary(), st.lists(st.text())))
def test_what_is_no_mode_is_passed_over(value: Any) -> None:
    assert misfit(Member("B", 0, 0, 0), {"mode": value}, STATIC) is None


def test_long_mode_is_cut() -> None:
    told = misfit(Member("B", 0, 0, 0), {"mode": "x" * 10_000}, STATIC)
    assert told is not None
    assert "x" * MAX_MODE in told
    assert "x" * (MAX_MODE + 1) not in told
