"""What every adapter does for the sockets of its own process.

A new adapter joins the list of the `adapter` fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters import ClusterAdapter, MemoryBroker
from sockwave.errors import Disconnected, EncodeError
from sockwave.socketio.core.adapter import (
    Adapter,
    BroadcastFlags,
    BroadcastOptions,
    InMemoryAdapter,
)
from sockwave.types import SocketId
from tests.socketio.core.fakes import FakeNamespace

if TYPE_CHECKING:
    from sockwave.socketio.core.acks import AckResult

A, B, C = SocketId("A"), SocketId("B"), SocketId("C")
ALL = BroadcastOptions()


@pytest.fixture
def namespace() -> FakeNamespace:
    """Three sockets: A and B are in `r`, B and C in `s`."""
    return FakeNamespace("A", "B", "C")


def cluster_adapter(namespace: FakeNamespace) -> ClusterAdapter:
    """The adapter of a cluster with nobody else in it."""
    host: Any = namespace  # it has no others to ask anything of it
    return ClusterAdapter(host, MemoryBroker().driver())


@pytest.fixture(params=[InMemoryAdapter, cluster_adapter])
def adapter(request: pytest.FixtureRequest, namespace: FakeNamespace) -> Adapter:
    """An adapter for the namespace."""
    adapter: Adapter = request.param(namespace)
    adapter.add(A, ["r"])
    adapter.add(B, ["r", "s"])
    adapter.add(C, ["s"])
    return adapter


def selected(adapter: Adapter, *rooms: str, excluded: tuple[str, ...] = ()) -> list[str]:
    return [socket.id for socket in adapter.select(BroadcastOptions(rooms or None, excluded))]


# --- whom a broadcast reaches ---------------------------------------------------------------------


def test_everybody_is_reached_in_the_order_of_connection(adapter: Adapter) -> None:
    assert selected(adapter) == ["A", "B", "C"]


def test_union_of_rooms_reaches_each_socket_once_in_the_order_of_rooms(adapter: Adapter) -> None:
    assert selected(adapter, "s", "r") == ["B", "C", "A"]


def test_socket_id_is_a_room(adapter: Adapter) -> None:
    assert selected(adapter, "C", "A") == ["C", "A"]


def test_room_without_members_reaches_nobody(adapter: Adapter) -> None:
    assert selected(adapter, "nowhere") == []


def test_excluded_rooms_are_taken_out(adapter: Adapter) -> None:
    assert selected(adapter, excluded=("r",)) == ["C"]
    assert selected(adapter, "s", excluded=("A", "C")) == ["B"]
    assert selected(adapter, "r", excluded=("nowhere",)) == ["A", "B"]


def test_socket_that_is_not_connected_is_not_reached(
    adapter: Adapter, namespace: FakeNamespace
) -> None:
    adapter.add(SocketId("D"), ["r"])
    assert selected(adapter, "r", "D") == ["A", "B"]
    assert selected(adapter) == ["A", "B", "C"]


def test_room_of_an_id_reaches_its_socket_and_whoever_joined_it(adapter: Adapter) -> None:
    adapter.add(A, ["C"])
    assert selected(adapter, "C") == ["C", "A"]
    assert selected(adapter, excluded=("C",)) == ["B"]


def test_selection_is_a_snapshot(adapter: Adapter, namespace: FakeNamespace) -> None:
    chosen = adapter.select(ALL)
    del namespace.sockets[B]
    assert [socket.id for socket in chosen] == ["A", "B", "C"]


@given(st.data())
def test_selection_is_what_the_sets_say(data: st.DataObject) -> None:
    names = st.sampled_from(["A", "B", "C", "r", "s", "t"])
    namespace = FakeNamespace("A", "B", "C")
    adapter = InMemoryAdapter(namespace)
    model = {id_: {id_} for id_ in "ABC"}
    for id_, room in data.draw(st.lists(st.tuples(st.sampled_from("ABC"), names))):
        adapter.add(SocketId(id_), [room])
        model[id_].add(room)
    rooms, excluded = data.draw(st.lists(names)), data.draw(st.lists(names))
    expected = {
        id_
        for id_, joined in model.items()
        if (not rooms or joined & set(rooms)) and not joined & set(excluded)
    }
    found = selected(adapter, *rooms, excluded=tuple(excluded))
    assert (set(found), len(found)) == (expected, len(expected))


# --- rooms ----------------------------------------------------------------------------------------


def test_rooms_of_a_socket_hold_its_own(adapter: Adapter) -> None:
    assert adapter.rooms_of(B) == {"B", "r", "s"}


def test_socket_leaves_one_room_or_all(adapter: Adapter) -> None:
    adapter.remove(B, "r")
    assert adapter.rooms_of(B) == {"B", "s"}
    adapter.remove_all(B)
    assert adapter.rooms_of(B) == {"B"}
    assert selected(adapter, "s") == ["C"]


def test_closed_adapter_has_no_rooms(adapter: Adapter) -> None:
    adapter.close()
    assert selected(adapter, "r") == []
    assert adapter.rooms_of(A) == {"A"}


def test_rooms_of_the_adapter_in_memory_can_be_looked_at(namespace: FakeNamespace) -> None:
    adapter = InMemoryAdapter(namespace)
    adapter.add(A, ["A", "r"])
    assert adapter.rooms == {"r": frozenset({"A"})}


# --- broadcasts -----------------------------------------------------------------------------------


def test_broadcast_is_encoded_once_for_all(adapter: Adapter, namespace: FakeNamespace) -> None:
    adapter.broadcast(("x", 1), ALL)
    assert [socket.packets for socket in namespace.sockets.values()] == [[['42["x",1]']]] * 3
    assert namespace["A"].encoded[0] is namespace["B"].encoded[0]


def test_broadcast_carries_namespace_and_attachments() -> None:
    namespace = FakeNamespace("A", name="/admin")
    InMemoryAdapter(namespace).broadcast(("x", b"\x01"), ALL)
    head = '451-/admin,["x",{"_placeholder":true,"num":0}]'
    assert namespace["A"].packets == [[head, "b01"]]


def test_sockets_get_arguments_and_flags_as_given(
    adapter: Adapter, namespace: FakeNamespace
) -> None:
    flags = BroadcastFlags(volatile=True, compress=False)
    adapter.broadcast(("x", b"\x01"), BroadcastOptions(("A",), flags=flags))
    assert namespace["A"].args == [("x", b"\x01")]
    assert namespace["A"].flags == [flags]
    assert namespace["B"].packets == []


def test_value_that_cannot_be_sent_reaches_nobody(
    adapter: Adapter, namespace: FakeNamespace
) -> None:
    with pytest.raises(EncodeError):
        adapter.broadcast(("x", object()), ALL)
    assert namespace["A"].packets == []


def test_broadcast_with_ack_asks_each_socket_with_one_id(
    adapter: Adapter, namespace: FakeNamespace
) -> None:
    answers: list[tuple[SocketId, AckResult]] = []

    def done(socket: SocketId, result: AckResult) -> None:
        answers.append((socket, result))

    asked = adapter.broadcast_with_ack(("x",), BroadcastOptions(("r",)), 7, done)
    assert [socket.id for socket in asked] == ["A", "B"]
    assert namespace["A"].packets == namespace["B"].packets == [['427["x"]']]
    namespace["B"].expected[7](("b",))
    namespace["A"].leave()
    assert answers[0] == (SocketId("B"), ("b",))
    assert answers[1][0] == "A" and isinstance(answers[1][1], Disconnected)


def test_broadcast_with_ack_to_nobody_asks_nobody(adapter: Adapter) -> None:
    assert adapter.broadcast_with_ack(("x",), BroadcastOptions(("t",)), 0, print) == []


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "5", True])
def test_timeout_that_is_no_time_is_refused(timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout"):
        BroadcastFlags(timeout=timeout)


# --- events of rooms ------------------------------------------------------------------------------


def told(adapter: Adapter) -> list[tuple[str, ...]]:
    events: list[tuple[str, ...]] = []
    for name in ("create_room", "join_room", "leave_room", "delete_room"):
        adapter.on(name, lambda *args, name=name: events.append((name, *args)))
    return events


def test_rooms_tell_who_comes_and_goes(adapter: Adapter) -> None:
    events = told(adapter)
    adapter.add(A, ["new", "s", "r", "A"])
    assert events == [("create_room", "new"), ("join_room", "new", "A"), ("join_room", "s", "A")]
    events.clear()
    adapter.remove(A, "new")
    adapter.remove(A, "new")
    adapter.remove(A, "A")
    adapter.remove(A, "s")
    assert events == [("leave_room", "new", "A"), ("delete_room", "new"), ("leave_room", "s", "A")]


def test_rooms_tell_of_a_socket_that_leaves_all(adapter: Adapter) -> None:
    events = told(adapter)
    adapter.remove_all(C)
    adapter.remove_all(SocketId("unknown"))
    assert events == [("leave_room", "s", "C")]
    adapter.remove_all(B)
    assert sorted(events[1:]) == [
        ("delete_room", "s"),
        ("leave_room", "r", "B"),
        ("leave_room", "s", "B"),
    ]
    assert adapter.rooms_of(B) == {"B"}


def test_listener_of_rooms_may_leave_and_join(adapter: Adapter) -> None:
    adapter.on("leave_room", lambda room, id_: adapter.remove(id_, room))
    adapter.on("join_room", lambda room, id_: adapter.remove(id_, room))
    adapter.add(A, ["x", "y"])
    adapter.remove_all(B)
    assert adapter.rooms_of(A) == {"A", "r"}
    assert adapter.rooms_of(B) == {"B"}


def test_listener_of_rooms_that_fails_changes_nothing(
    adapter: Adapter, caplog: pytest.LogCaptureFixture
) -> None:
    adapter.on("join_room", lambda room, id_: 1 / 0)
    adapter.add(A, ["x"])
    assert adapter.rooms_of(A) == {"A", "r", "x"}
    assert "'join_room' failed" in caplog.text


def test_listeners_of_rooms_can_be_removed(adapter: Adapter) -> None:
    events = told(adapter)
    adapter.off()
    adapter.add(A, ["x"])
    assert events == []
    with pytest.raises(ValueError, match="no event 'join-room'"):
        adapter.on("join-room", print)
