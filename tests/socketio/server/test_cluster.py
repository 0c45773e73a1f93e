"""Who serves together, and how well, without a clock of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sockwave import ClusterMember
from sockwave.socketio.core.cluster_contract import SupportsCluster, SupportsHearing
from sockwave.socketio.server.cluster import KEPT_ERRORS, LATE, TOGETHER, TROUBLED, Cluster
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


def test_trouble_of_a_carrier_is_told_once_for_all_namespaces_that_share_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    cluster = Cluster(object(), clock.clock)
    news = [cluster.failed("Redis is lost", f"/n{number}") for number in range(200)]
    assert news == [True, *[False] * 199]
    assert cluster.errors == ("Redis is lost",)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "cluster, namespace /n0: Redis is lost"
    ]


def test_trouble_that_comes_again_is_told_again() -> None:
    clock = FakeClock()
    cluster = Cluster(object(), clock.clock)
    assert cluster.failed("lost", "/a") and not cluster.failed("lost", "/b")
    assert cluster.failed("lost", "/a") and not cluster.failed("lost", "/b")
    clock.advance(TOGETHER + 0.1)
    assert cluster.failed("lost", "/b") and not cluster.failed("lost", "/a")
    assert cluster.errors == ("lost",) * 3


def test_trouble_of_single_namespaces_is_told_for_each() -> None:
    cluster = Cluster(object(), FakeClock().clock)
    told = [f"3 messages of node {number} have not come" for number in range(KEPT_ERRORS + 8)]
    assert all(cluster.failed(what, "/a") for what in told)
    # What is remembered for this is bounded: the oldest is news again.
    assert cluster.failed(told[0], "/b") and not cluster.failed(told[-1], "/b")
