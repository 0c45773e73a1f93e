"""Who serves together, and how well, without a clock of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sockwave import ClusterMember
from sockwave.socketio.core.cluster_contract import SupportsCluster, SupportsHearing
from sockwave.socketio.server.cluster import KEPT_ERRORS, LATE, TROUBLED, Cluster
from tests.socketio.core.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeAdapter:
    """Of a cluster whose heartbeats are as late as the test says."""

    def __init__(self, *lateness: float) -> None:
        self.id: str | None = "here"
        self.is_deaf = False
        self.members: Sequence[ClusterMember] = [
            ClusterMember(id=f"n{number}", since=1, last_seen=2, lateness=late)
            for number, late in enumerate(lateness)
        ]

        # All of the contracts is there, and none of it is used here.
        for name in {*dir(SupportsCluster), *dir(SupportsHearing)} - {*dir(self)}:
            setattr(self, name, pytest.fail)


def test_nodes_are_this_one_and_then_the_others() -> None:
    cluster = Cluster(FakeAdapter(0, 0))
    own, *others = cluster.nodes
    assert [own.id, *(node.id for node in others)] == ["here", "n0", "n1"]
    assert own.since <= own.last_seen
    assert repr(cluster) == "<Cluster of 3>"


def test_id_is_that_which_others_know_as_soon_as_they_do() -> None:
    adapter = FakeAdapter()
    adapter.id = None
    cluster = Cluster(adapter)
    before = [cluster.nodes[0].id for _ in range(2)]
    adapter.id = "later"
    assert before[0] == before[1] != ""
    assert cluster.nodes[0].id == "later"


def test_node_that_is_alone_has_an_id_too() -> None:
    (own,) = Cluster(object()).nodes
    (other,) = Cluster(object()).nodes
    assert own.id and own.id != other.id


@pytest.mark.parametrize(
    ("lateness", "is_healthy"), [((), True), ((0, LATE), True), ((0, LATE + 0.1), False)]
)
def test_late_heartbeats_are_not_healthy(lateness: tuple[float, ...], is_healthy: bool) -> None:
    assert Cluster(FakeAdapter(*lateness)).is_healthy is is_healthy


def test_deaf_process_is_not_healthy_until_it_hears_again() -> None:
    adapter = FakeAdapter()
    cluster = Cluster(adapter)
    adapter.is_deaf = True
    seen = [cluster.is_healthy]
    adapter.is_deaf = False
    assert [*seen, cluster.is_healthy] == [False, True]


def test_error_counts_for_a_while() -> None:
    clock = FakeClock()
    cluster = Cluster(object(), clock.clock)
    seen = [cluster.is_healthy]
    cluster.failed("lost", "/")
    for seconds in (0, TROUBLED - 1, 1):
        clock.advance(seconds)
        seen.append(cluster.is_healthy)
    assert seen == [True, False, False, True]
    assert cluster.errors == ("lost",)


def test_latest_errors_are_kept() -> None:
    cluster = Cluster(object())
    for number in range(KEPT_ERRORS + 2):
        cluster.failed(str(number), "/")
    assert cluster.errors == tuple(str(number) for number in range(2, KEPT_ERRORS + 2))
